//! SIGTERM and SIGINT for the commands that talk to a server.
//!
//! The first one asks the command to finish: what was read is delivered, what was printed is
//! committed. The second ends the process at once. They are heard on a thread of their own, so that
//! the second one works also while the command waits for a pipe that nobody reads.

use std::io;
use std::process;
use std::thread;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::Failure;

/// Tells whether a signal has come.
#[derive(Clone, Debug)]
pub(super) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Hears signals from now on. To be called outside of a runtime.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn listen() -> Result<Stop, Failure> {
        let refused = |error| Failure::Failed(format!("cannot listen for signals: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(refused)?;
        let (sender, receiver) = watch::channel(false);
        // Signals that come from here on are kept for the thread.
        let mut both = {
            let _within = runtime.enter();
            Both::listen().map_err(refused)?
        };
        let listen = move || {
            runtime.block_on(async {
                both.next().await;
                sender.send_replace(true);
                both.next().await;
                eprintln!("duramen: ended at once; what was not acknowledged may be lost");
                process::exit(1);
            });
        };
        thread::Builder::new().name("signals".into()).spawn(listen).map_err(refused)?;
        Ok(Stop(receiver))
    }

    /// Waits for the first signal.
    pub(super) async fn asked(&mut self) {
        if self.0.wait_for(|asked| *asked).await.is_err() {
            // Without its thread no signal is heard: nothing will ask.
            std::future::pending::<()>().await;
        }
    }
}

/// The two signals.
struct Both {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Both {
    fn listen() -> io::Result<Both> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Both { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
