//! Processors, and who runs on which.
//!
//! Server and load each have their own, so that what one takes is not taken from the other. A child
//! process inherits the processors of the thread that starts it, which is how the server gets its
//! own; threads of the load pin themselves.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::error::{BenchError, Result, Tried};

/// Some processors, in order, never none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpus(Vec<usize>);

impl Cpus {
    /// The processor of the server where nothing was said: the first that this process may use.
    pub fn server_default() -> Cpus {
        Cpus(vec![nth_allowed(0)])
    }

    /// The processor of the load: the second, where there are two.
    pub fn load_default() -> Cpus {
        Cpus(vec![nth_allowed(1)])
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Lets this thread run on one of them alone, counted around.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn pin(&self, index: usize) -> Result<()> {
        let cpu = self.0[index % self.0.len()];
        set_affinity(&[cpu])
    }

    /// Lets this thread, and what it starts, run on all of them.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn allow(&self) -> Result<()> {
        set_affinity(&self.0)
    }
}

fn set_affinity(cpus: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    cpus.iter().for_each(|&cpu| set.set(cpu));
    sched_setaffinity(None, &set).tried(|| format!("cannot run on processors {cpus:?}"))
}

/// The processors that the process may use; asked once, before any thread is pinned.
fn allowed() -> &'static [usize] {
    static ALLOWED: OnceLock<Vec<usize>> = OnceLock::new();
    ALLOWED.get_or_init(|| match sched_getaffinity(None) {
        Ok(set) => (0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect(),
        Err(_) => vec![0],
    })
}

fn nth_allowed(n: usize) -> usize {
    let allowed = allowed();
    allowed.get(n).or(allowed.last()).copied().unwrap_or(0)
}

/// `0`, `0,2` or `0-3`.
impl FromStr for Cpus {
    type Err = BenchError;

    fn from_str(text: &str) -> Result<Cpus> {
        let mut cpus = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            match (first.parse::<usize>(), last.parse::<usize>()) {
                (Ok(first), Ok(last)) if first <= last && last < CpuSet::MAX_CPU => {
                    cpus.extend(first..=last);
                }
                _ => {
                    let wanted = format!("{text:?} names no processors: try 0, 0,2 or 0-3");
                    return Err(BenchError::Usage(wanted));
                }
            }
        }
        Ok(Cpus(cpus))
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.0.iter().map(usize::to_string).collect();
        out.write_str(&names.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_ranges() {
        let cpus = |text: &str| text.parse::<Cpus>().map(|cpus| cpus.0).ok();
        assert_eq!(cpus("1"), Some(vec![1]));
        assert_eq!(cpus("0,4-6"), Some(vec![0, 4, 5, 6]));
        for bad in ["", "a", "3-1", "1,", "-1", "0-99999999"] {
            assert_eq!(cpus(bad), None, "{bad}");
        }
        assert_eq!("0-2".parse::<Cpus>().unwrap().to_string(), "0,1,2");
    }

    #[test]
    fn a_thread_runs_where_it_is_pinned() {
        let pinned = std::thread::spawn(|| {
            Cpus::server_default().pin(7).unwrap();
            sched_getaffinity(None).unwrap().count()
        });
        assert_eq!(pinned.join().unwrap(), 1);
    }
}
