//! Bare round trips: a peer that answers each request with 32 bytes, and does nothing else.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use duramen_protocol::native::messages::AppendAnswer;
use duramen_protocol::native::{FrameHeader, Opcode, frame};
use rustix::event::epoll::{self, Event as Ready, EventData, EventFlags};

use super::{Sides, joined};
use crate::bench::cpus::Cpus;
use crate::bench::error::{Result, Tried};
use crate::bench::load::incoming::{Event, Incoming};
use crate::bench::times::{Times, repeat};
use crate::bench::wire::broken;

/// Bytes of a request, as a record of 1 KB.
const REQUEST_BYTES: usize = 1000;
/// Bytes of an answer, as an append's.
const ANSWER_BYTES: usize = 32;
/// Requests are read through a buffer of this size.
const BUFFER_BYTES: usize = 64 << 10;

/// Round trips of 1 KB there and 32 bytes back, one at a time.
///
/// # Errors
/// When the system refuses.
pub(crate) fn round_trips(sides: Sides<'_>, lasting: Duration) -> Result<Times> {
    let listener = TcpListener::bind("127.0.0.1:0").tried(|| "no port".into())?;
    let address = listener.local_addr().tried(|| "no address".into())?;
    std::thread::scope(|scope| {
        let answering = scope.spawn(|| answer_one(&listener, sides.server));
        let asking = scope.spawn(|| {
            sides.load.pin(0)?;
            ask(address, lasting)
        });
        let times = joined(asking);
        joined(answering)?;
        times
    })
}

fn ask(address: SocketAddr, lasting: Duration) -> Result<Times> {
    let mut stream = TcpStream::connect(address).tried(|| "no connection".into())?;
    stream.set_nodelay(true).tried(|| "cannot send at once".into())?;
    let (request, mut answer) = ([7; REQUEST_BYTES], [0; ANSWER_BYTES]);
    let mut once = || {
        stream.write_all(&request).map_err(broken)?;
        stream.read_exact(&mut answer).map_err(broken)
    };
    repeat(lasting / 10, &mut once)?;
    repeat(lasting, once)
}

fn answer_one(listener: &TcpListener, cpus: &Cpus) -> Result<()> {
    cpus.pin(0)?;
    let (mut stream, _) = listener.accept().tried(|| "no connection".into())?;
    stream.set_nodelay(true).tried(|| "cannot send at once".into())?;
    let (mut request, answer) = ([0; REQUEST_BYTES], [7; ANSWER_BYTES]);
    while stream.read_exact(&mut request).is_ok() {
        stream.write_all(&answer).map_err(broken)?;
    }
    Ok(())
}

/// Takes `connections` connections, and answers each append on them at once, until all are closed.
///
/// # Errors
/// When the system refuses, or somebody sends what is no frame.
pub(crate) fn serve(listener: &TcpListener, connections: usize, cpus: &Cpus) -> Result<()> {
    cpus.pin(0)?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).tried(|| "no epoll".into())?;
    let mut peers = Vec::new();
    for i in 0..connections {
        let (stream, _) = listener.accept().tried(|| "no connection".into())?;
        stream.set_nodelay(true).tried(|| "cannot send at once".into())?;
        stream.set_nonblocking(true).tried(|| "cannot read without waiting".into())?;
        let data = EventData::new_u64(i as u64);
        epoll::add(&epoll, &stream, data, EventFlags::IN).tried(|| "cannot watch".into())?;
        peers.push(Some(Peer { stream, incoming: Incoming::default() }));
    }
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut ready: Vec<Ready> = Vec::with_capacity(connections);
    let mut open = connections;
    while open > 0 {
        ready.clear();
        match epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut ready), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).tried(|| "cannot wait".into()),
        }
        for event in &ready {
            let slot = &mut peers[event.data.u64() as usize];
            if let Some(peer) = slot
                && !peer.answer(&mut buffer)?
            {
                *slot = None;
                open -= 1;
            }
        }
    }
    Ok(())
}

struct Peer {
    stream: TcpStream,
    incoming: Incoming,
}

impl Peer {
    /// Answers what is there; `false` once the other side has closed.
    fn answer(&mut self, buffer: &mut [u8]) -> Result<bool> {
        let Ok(read @ 1..) = self.stream.read(buffer) else { return Ok(false) };
        let mut answers = bytes::BytesMut::new();
        self.incoming.feed(&buffer[..read], &mut |event| {
            if let Event::Frame(FrameHeader { correlation, handle, .. }, _) = event {
                let answer = AppendAnswer { base_offset: 0, log_append_time_ms: -1 };
                frame::put_answer(&mut answers, Opcode::Append, correlation, handle, &answer);
            }
            Ok(())
        })?;
        // So little that a socket always takes it: nothing more comes before it is read.
        self.stream.write_all(&answers).map_err(broken)?;
        Ok(true)
    }
}
