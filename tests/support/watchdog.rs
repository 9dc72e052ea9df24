//! A bound on how long a program may run: what hangs fails its test instead of holding it up.

use std::process::Child;
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Far longer than any command here takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// Kills a program that takes far longer than any should.
pub struct Watchdog(mpsc::Sender<()>);

impl Watchdog {
    pub fn watch(child: &Child) -> Watchdog {
        let pid = Pid::from_child(child);
        let (alive, heard) = mpsc::channel();
        std::thread::spawn(move || {
            if heard.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = kill_process(pid, Signal::KILL);
            }
        });
        Watchdog(alive)
    }

    /// The program has ended: another process may have its number from now on.
    pub fn done(&self) {
        let _ = self.0.send(());
    }
}
