//! Bare streams over loopback: bytes from memory by `write`, or from a file by `sendfile`.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::joined;
use crate::bench::cpus::Cpus;
use crate::bench::error::{Result, Tried};
use crate::bench::process::thread_cpu;
use crate::bench::wire::broken;

/// Bytes that one call sends or takes at most.
pub(crate) const CALL_BYTES: usize = 1 << 20;

/// Where the bytes come from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// From memory, for so long.
    Memory(Duration),
    /// From files, one after the other, once.
    Files(Vec<PathBuf>),
    /// From a file, again and again for so long.
    Repeat(PathBuf, Duration),
}

/// What came of a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Streamed {
    pub(crate) bytes_s: f64,
    /// Seconds on a processor a GB, both sides together.
    pub(crate) cpu_s_gb: f64,
}

/// Streams from one side to the other, each of which has its processor. The receiver copies the
/// bytes into its memory and gives them to `sink`, which says whether it has enough.
///
/// # Errors
/// When the system refuses, or with `sink`'s first error.
pub(crate) fn stream(
    source: &Source,
    from: &Cpus,
    to: &Cpus,
    mut sink: impl FnMut(&[u8]) -> Result<bool> + Send,
) -> Result<Streamed> {
    let listener = TcpListener::bind("127.0.0.1:0").tried(|| "no port".into())?;
    let address = listener.local_addr().tried(|| "no address".into())?;
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            from.pin(0)?;
            let mut stream = TcpStream::connect(address).tried(|| "no connection".into())?;
            stream.set_nodelay(true).tried(|| "cannot send at once".into())?;
            send(source, &mut stream)?;
            Ok(thread_cpu())
        });
        let receiving = scope.spawn(|| {
            to.pin(0)?;
            let (mut stream, _) = listener.accept().tried(|| "no connection".into())?;
            let start = Instant::now();
            let bytes = receive(&mut stream, &mut sink)?;
            Ok((bytes, start.elapsed(), thread_cpu()))
        });
        let received = joined(receiving);
        let sender_cpu = joined(sending)?;
        let (bytes, elapsed, receiver_cpu) = received?;
        let cpu_s = (sender_cpu + receiver_cpu).as_secs_f64();
        let bytes_s = bytes as f64 / elapsed.as_secs_f64();
        Ok(Streamed { bytes_s, cpu_s_gb: cpu_s / (bytes as f64 / 1e9) })
    })
}

/// Streams to a receiver that takes everything.
///
/// # Errors
/// As for [`stream`].
pub(crate) fn drain(source: &Source, from: &Cpus, to: &Cpus) -> Result<Streamed> {
    stream(source, from, to, |_| Ok(false))
}

fn send(source: &Source, stream: &mut TcpStream) -> Result<()> {
    match source {
        Source::Memory(lasting) => {
            let block = vec![7; CALL_BYTES];
            let end = Instant::now() + *lasting;
            while Instant::now() < end {
                stream.write_all(&block).map_err(broken)?;
            }
        }
        Source::Files(paths) => {
            for path in paths {
                send_file(path, stream)?;
            }
        }
        Source::Repeat(path, lasting) => {
            let end = Instant::now() + *lasting;
            while Instant::now() < end {
                send_file(path, stream)?;
            }
        }
    }
    Ok(())
}

fn send_file(path: &PathBuf, stream: &mut TcpStream) -> Result<()> {
    let file = File::open(path).tried(|| format!("cannot open {}", path.display()))?;
    let mut offset = 0;
    loop {
        match rustix::fs::sendfile(&*stream, &file, Some(&mut offset), CALL_BYTES) {
            Ok(0) => return Ok(()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            // The receiver has seen enough.
            Err(rustix::io::Errno::PIPE | rustix::io::Errno::CONNRESET) => return Ok(()),
            Err(error) => return Err(error).tried(|| "cannot send a file".into()),
        }
    }
}

fn receive(stream: &mut TcpStream, sink: &mut impl FnMut(&[u8]) -> Result<bool>) -> Result<u64> {
    let mut buffer = vec![0; CALL_BYTES];
    let mut bytes = 0;
    loop {
        let read = stream.read(&mut buffer).map_err(broken)?;
        bytes += read as u64;
        if read == 0 || sink(&buffer[..read])? {
            return Ok(bytes);
        }
    }
}
