//! What a process takes, as `/proc` tells it.

use std::fs;
use std::time::Duration;

use rustix::process::Pid;

/// Ticks of a processor's time a second, as `/proc` counts them on every Linux of today.
const TICKS_S: f64 = 100.0;

/// What a process has taken since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    /// Seconds on a processor, its own and the kernel's, all threads together.
    pub(crate) cpu_s: f64,
    /// System calls that read or write, files and sockets alike. Waiting is not among them.
    pub(crate) io_calls: u64,
    /// Bytes of memory that it has now.
    pub(crate) resident_bytes: u64,
    /// Of them, those that are its own and no file's.
    pub(crate) anonymous_bytes: u64,
    /// The most that it ever had.
    pub(crate) peak_bytes: u64,
}

impl Usage {
    /// Of a process; `None` when it is gone, or not to be looked at.
    pub(crate) fn of(pid: Pid) -> Option<Usage> {
        let read = |name| fs::read_to_string(format!("/proc/{}/{name}", pid.as_raw_pid())).ok();
        let status = read("status")?;
        // Who runs on another's behalf may not read it; then calls are not counted.
        let io = read("io").unwrap_or_default();
        Some(Usage {
            // The threads' own clocks are finer; only the whole process's knows threads that ended.
            cpu_s: cpu_s(&read("stat")?)?.max(threads_cpu_s(pid)),
            io_calls: field(&io, "syscr:").unwrap_or(0) + field(&io, "syscw:").unwrap_or(0),
            resident_bytes: field(&status, "VmRSS:")? * 1024,
            anonymous_bytes: field(&status, "RssAnon:")? * 1024,
            peak_bytes: field(&status, "VmHWM:")? * 1024,
        })
    }

    /// What was taken since `before`; memory stays as it is now.
    pub(crate) fn since(&self, before: &Usage) -> Usage {
        Usage {
            cpu_s: (self.cpu_s - before.cpu_s).max(0.0),
            io_calls: self.io_calls.saturating_sub(before.io_calls),
            ..*self
        }
    }
}

/// The number behind a name at the start of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// `PID (NAME) STATE ...`: the fields 14 and 15 are the ticks; the name may hold anything.
fn cpu_s(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_S)
}

/// What the threads that are there have taken, by the scheduler's count in nanoseconds. 0 where the
/// kernel keeps none.
fn threads_cpu_s(pid: Pid) -> f64 {
    let Ok(threads) = fs::read_dir(format!("/proc/{}/task", pid.as_raw_pid())) else { return 0.0 };
    let ns = |thread: fs::DirEntry| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    // A thread that ends meanwhile is in the process's own count.
    let total: u64 = threads.flatten().filter_map(ns).sum();
    total as f64 / 1e9
}

/// Time on a processor that this process has taken until now.
pub(crate) fn own_cpu() -> Duration {
    clock(rustix::time::ClockId::ProcessCPUTime)
}

/// Time on a processor that this thread has taken until now.
pub(crate) fn thread_cpu() -> Duration {
    clock(rustix::time::ClockId::ThreadCPUTime)
}

fn clock(id: rustix::time::ClockId) -> Duration {
    let time = rustix::time::clock_gettime(id);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_with_a_name_that_tries_to_confuse() {
        let stat = "17 (a) b (c)) R 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20";
        assert_eq!(cpu_s(stat), Some(3.0));
        assert_eq!(cpu_s("17 (a) R 1 2"), None);
    }

    #[test]
    fn this_process_has_memory_and_reads() {
        let pid = rustix::process::getpid();
        let before = Usage::of(pid).unwrap();
        let after = Usage::of(pid).unwrap().since(&before);
        assert!(after.resident_bytes > 0 && after.peak_bytes >= after.resident_bytes);
        assert!(after.io_calls > 0 || before.io_calls == 0, "{after:?}");
        assert!(own_cpu() >= thread_cpu());
        let own = own_cpu().as_secs_f64();
        let told = Usage::of(pid).unwrap().cpu_s;
        assert!(told >= own - 2.0 / TICKS_S, "{told} s where the process's clock says {own}");
    }
}
