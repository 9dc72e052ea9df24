//! Which of the two real disks to run on, and why.

use std::fmt;
use std::io;
use std::str::FromStr;

use io_uring::{Probe, opcode};
use rustix::process::{Resource, getrlimit};

use super::uring;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoChoice {
    /// io_uring where the kernel lets us.
    Auto,
    Uring,
    Blocking,
}

impl IoChoice {
    pub const NAMES: [&'static str; 3] = ["auto", "uring", "blocking"];
}

impl FromStr for IoChoice {
    type Err = String;

    fn from_str(name: &str) -> Result<IoChoice, String> {
        match name {
            "auto" => Ok(IoChoice::Auto),
            "uring" => Ok(IoChoice::Uring),
            "blocking" => Ok(IoChoice::Blocking),
            _ => Err(format!("{name:?} is none of {}", IoChoice::NAMES.join(", "))),
        }
    }
}

impl fmt::Display for IoChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(IoChoice::NAMES[*self as usize])
    }
}

/// A disk to run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Uring,
    Blocking,
}

/// What was chosen, and why.
#[derive(Clone, Debug)]
pub struct Chosen {
    pub engine: Engine,
    pub reason: String,
}

impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let engine = match self.engine {
            Engine::Uring => "io_uring",
            Engine::Blocking => "blocking threads",
        };
        write!(f, "{engine}: {}", self.reason)
    }
}

/// Why io_uring can't be used, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("io_uring is refused: {cause}; {remedy}, or use --io blocking")]
pub struct Refusal {
    pub cause: String,
    pub remedy: String,
}

/// Chooses a disk, trying io_uring where it is wanted.
///
/// # Errors
/// When io_uring was asked for and is refused. [`IoChoice::Auto`] falls back instead.
pub fn choose(choice: IoChoice) -> Result<Chosen, Refusal> {
    let chosen = |engine, reason: &str| Chosen { engine, reason: reason.to_owned() };
    match choice {
        IoChoice::Blocking => Ok(chosen(Engine::Blocking, "as asked for")),
        IoChoice::Uring => try_uring().map(|()| chosen(Engine::Uring, "as asked for")),
        IoChoice::Auto => Ok(match try_uring() {
            Ok(()) => chosen(Engine::Uring, "the kernel offers it"),
            Err(refusal) => chosen(Engine::Blocking, &refusal.to_string()),
        }),
    }
}

/// Makes a ring as a core would and sends an operation through it.
fn try_uring() -> Result<(), Refusal> {
    let refused = |e: io::Error| refusal(&e, disabled_setting(), memlock_bytes());
    let mut ring = uring::try_ring().map_err(refused)?;
    // SAFETY: this operation refers to no memory.
    let pushed = unsafe { ring.submission().push(&opcode::Nop::new().build()) };
    pushed.map_err(|e| refused(io::Error::other(e)))?;
    ring.submit_and_wait(1).map_err(refused)?;
    let mut known = Probe::new();
    ring.submitter().register_probe(&mut known).map_err(refused)?;
    let needed = [
        opcode::Read::CODE,
        opcode::Write::CODE,
        opcode::Writev::CODE,
        opcode::Fsync::CODE,
        opcode::Fallocate::CODE,
        opcode::AsyncCancel::CODE,
    ];
    match needed.iter().all(|&code| known.is_supported(code)) {
        true => Ok(()),
        false => Err(Refusal {
            cause: "the kernel lacks operations that are needed".to_owned(),
            remedy: "run on Linux 5.10 or later".to_owned(),
        }),
    }
}

fn refusal(error: &io::Error, disabled: Option<u8>, memlock_bytes: Option<u64>) -> Refusal {
    let (cause, remedy) = match (error.raw_os_error(), disabled) {
        (Some(libc::EPERM), Some(setting @ 1..)) => {
            let group = match setting {
                1 => ", or run as a member of the group of kernel.io_uring_group",
                _ => "",
            };
            (
                format!("the sysctl kernel.io_uring_disabled is {setting}"),
                format!("set it with `sysctl kernel.io_uring_disabled=0`{group}"),
            )
        }
        (Some(libc::EPERM | libc::EACCES), _) => (
            format!("{error}, by seccomp (as in Docker's default profile) or a security module"),
            "allow the io_uring system calls in the container's seccomp profile".to_owned(),
        ),
        (Some(libc::ENOSYS), _) => (
            format!("{error}: the kernel is built without it, or seccomp hides it"),
            "run on Linux 5.10 or later and allow the io_uring system calls".to_owned(),
        ),
        (Some(libc::ENOMEM), _) => {
            let limit = memlock_bytes.map_or("unlimited".to_owned(), |n| format!("{n} bytes"));
            (
                format!("{error}: the limit on locked memory (RLIMIT_MEMLOCK) is {limit}"),
                "raise it (ulimit -l, or LimitMEMLOCK= of a systemd unit)".to_owned(),
            )
        }
        _ => (error.to_string(), "see io_uring_setup(2)".to_owned()),
    };
    Refusal { cause, remedy }
}

/// `kernel.io_uring_disabled`, from Linux 6.6 on: 1 for the unprivileged, 2 for all.
fn disabled_setting() -> Option<u8> {
    let text = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok()?;
    text.trim().parse().ok()
}

fn memlock_bytes() -> Option<u64> {
    getrlimit(Resource::Memlock).current
}

#[cfg(test)]
#[path = "../../tests/support/seccomp.rs"]
mod seccomp;

#[cfg(test)]
mod tests {
    use super::seccomp::refuse_io_uring_to_this_thread;
    use super::*;

    fn message(errno: i32, disabled: Option<u8>) -> String {
        refusal(&io::Error::from_raw_os_error(errno), disabled, Some(65_536)).to_string()
    }

    #[test]
    fn each_refusal_names_its_cause_and_its_remedy() {
        let cases = [
            (libc::EPERM, Some(2), "io_uring_disabled is 2", "sysctl kernel.io_uring_disabled=0"),
            (libc::EPERM, Some(1), "io_uring_disabled is 1", "kernel.io_uring_group"),
            (libc::EPERM, Some(0), "seccomp", "seccomp profile"),
            (libc::EPERM, None, "seccomp", "seccomp profile"),
            (libc::ENOSYS, None, "built without it", "5.10 or later"),
            (libc::ENOMEM, Some(0), "RLIMIT_MEMLOCK) is 65536 bytes", "ulimit -l"),
            (libc::EMFILE, Some(0), "Too many open files", "io_uring_setup(2)"),
        ];
        for (errno, disabled, cause, remedy) in cases {
            let message = message(errno, disabled);
            assert!(message.starts_with("io_uring is refused: "), "{message}");
            assert!(message.contains(cause) && message.contains(remedy), "{message}");
            assert!(message.ends_with(", or use --io blocking"), "{message}");
        }
    }

    #[test]
    fn where_seccomp_refuses_auto_falls_back_and_uring_does_not() {
        let refused = std::thread::spawn(|| {
            refuse_io_uring_to_this_thread();
            let auto = choose(IoChoice::Auto).unwrap();
            let blocking = choose(IoChoice::Blocking).unwrap();
            (auto, blocking, choose(IoChoice::Uring).unwrap_err())
        });
        let (auto, blocking, refusal) = refused.join().unwrap();
        assert_eq!((auto.engine, blocking.engine), (Engine::Blocking, Engine::Blocking));
        assert!(refusal.to_string().contains("seccomp"), "{refusal}");
        assert_eq!(auto.to_string(), format!("blocking threads: {refusal}"));
    }

    #[test]
    fn names_of_choices_are_read_back() {
        for name in IoChoice::NAMES {
            assert_eq!(name.parse::<IoChoice>().unwrap().to_string(), name);
        }
        assert!("rng".parse::<IoChoice>().unwrap_err().contains("auto, uring, blocking"));
    }
}
