//! Taking connections: their hello, and the way to the core they want.
//!
//! One core accepts. A connection's first frame must be a hello, of 4 KiB at most and within
//! [`limits::HELLO_TIME`]; whoever sends anything else is cut off without an answer. Those who want
//! no core in particular are spread over the cores in turn. The answer comes from the core where
//! the connection will live.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use bytes::BytesMut;
use duramen_protocol::native::error::ErrorAnswer;
use duramen_protocol::native::frame::{self, FrameHeader, HELLO_FRAME_BYTES};
use duramen_protocol::native::messages::{Hello, HelloAnswer};
use duramen_protocol::native::{ErrorCode, ErrorDetail, HEADER_LEN, Opcode, VERSION};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::limits;
use crate::network::listener;
use crate::network::local::Local;
use crate::network::mailbox::{Arrival, Mail};

use super::connection::Connection;

/// The one way to authenticate: not at all.
const NO_AUTHENTICATION: u16 = 0;

/// Takes connections until the server stops.
pub async fn accept(local: Rc<Local>, listener: TcpListener) {
    let next = Rc::new(Cell::new(0));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = local.stopped() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::task::spawn_local(welcome(local.clone(), stream, next.clone()));
            }
            Err(error) => {
                eprintln!("duramen: cannot accept a connection: {error}");
                // Out of descriptors, most likely: the next attempt would fail at once.
                tokio::time::sleep(limits::ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Hears a connection's hello and sends it to its core.
async fn welcome(local: Rc<Local>, mut stream: TcpStream, next: Rc<Cell<u16>>) {
    let peer = stream.peer_addr().map_or_else(|_| "?".to_owned(), |peer| peer.to_string());
    let heard = tokio::time::timeout(limits::HELLO_TIME, hear(&mut stream)).await;
    let refused = match heard {
        Ok(Ok(Some((hello, correlation)))) => {
            let core = wanted_core(&local, &hello, &next);
            return hand_over(&local, core, stream, hello, correlation).await;
        }
        // It came and went without a word, as those do who look whether the port is open.
        Ok(Ok(None)) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "it did not say hello in time".to_owned(),
    };
    eprintln!("duramen: {peer}: {refused}; the connection is closed");
}

fn wanted_core(local: &Local, hello: &Hello, next: &Cell<u16>) -> u16 {
    let cores = local.cores();
    match hello.core() {
        Some(core) if core < cores => core,
        _ => next.replace((next.get() + 1) % cores),
    }
}

/// Reads the hello's frame and judges it; `None` when the connection ends before its first byte.
async fn hear(stream: &mut TcpStream) -> io::Result<Option<(Hello, u32)>> {
    listener::prepare(stream)?;
    let mut bytes = [0; HEADER_LEN];
    match stream.read(&mut bytes).await? {
        0 => return Ok(None),
        n => stream.read_exact(&mut bytes[n..]).await?,
    };
    let header = FrameHeader::decode(&bytes, HELLO_FRAME_BYTES).map_err(no_hello)?;
    let header = header.filter(|header| header.opcode == Opcode::Hello.request());
    let header = header.ok_or_else(|| no_hello("its first frame is no hello"))?;
    let mut body = vec![0; header.body_len as usize];
    stream.read_exact(&mut body).await?;
    let hello = Hello::decode_any_version(&body).map_err(no_hello)?;
    if let Some(error) = refusal(&hello) {
        let mut out = BytesMut::new();
        frame::put_error(&mut out, header.opcode, header.correlation, header.handle, &error);
        stream.write_all(&out).await?;
        return Err(no_hello(error.message));
    }
    Ok(Some((hello, header.correlation)))
}

fn no_hello(reason: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.to_string())
}

/// Why a hello is not welcome, if it is not.
fn refusal(hello: &Hello) -> Option<ErrorAnswer> {
    if hello.version().is_none() {
        let (min, max) = (hello.min_version, hello.max_version);
        let message = format!("the server speaks version {VERSION}, the client {min} to {max}");
        let detail = ErrorDetail::Versions { min: VERSION, max: VERSION };
        return Some(ErrorAnswer::new(ErrorCode::UNSUPPORTED_VERSION, message).with(detail));
    }
    if hello.auth_method != NO_AUTHENTICATION {
        let message = format!("authentication method {} is not supported", hello.auth_method);
        return Some(ErrorAnswer::new(ErrorCode::UNSUPPORTED_SASL_MECHANISM, message));
    }
    None
}

async fn hand_over(local: &Rc<Local>, core: u16, stream: TcpStream, hello: Hello, call: u32) {
    if core == local.core {
        return settle_in(local.clone(), stream, call).await;
    }
    match stream.into_std() {
        Ok(stream) => {
            let arrival = Box::new(Arrival { stream, hello, correlation: call });
            local.mailboxes.send(usize::from(core), Mail::Connection(arrival)).await;
        }
        Err(error) => eprintln!("duramen: cannot hand a connection over: {error}"),
    }
}

/// Takes a connection that another core has accepted.
pub async fn arrive(local: Rc<Local>, arrival: Arrival) {
    match TcpStream::from_std(arrival.stream) {
        Ok(stream) => settle_in(local, stream, arrival.correlation).await,
        Err(error) => eprintln!("duramen: cannot take a connection over: {error}"),
    }
}

/// Answers the hello, and runs the connection.
async fn settle_in(local: Rc<Local>, stream: TcpStream, correlation: u32) {
    if local.clients() >= limits::CONNECTIONS {
        eprintln!(
            "duramen: core {} has {} connections: one is refused",
            local.core,
            limits::CONNECTIONS
        );
        return;
    }
    let answer = hello_answer(&local);
    // An error: the peer is gone already.
    let Ok((connection, requests)) = Connection::new(local, stream) else { return };
    connection.socket.outbox(|outbox| {
        outbox.frame(|out| frame::put_answer(out, Opcode::Hello, correlation, 0, &answer));
    });
    connection.socket.flush();
    Rc::new(connection).run(requests).await;
}

fn hello_answer(local: &Local) -> HelloAnswer {
    HelloAnswer {
        version: VERSION,
        features: 0,
        server_id: local.facts.server_id,
        start_epoch: local.facts.start_epoch as i32,
        core: local.core,
        cores: local.cores(),
        max_frame_bytes: local.facts.max_frame_bytes,
        append_credit_bytes: limits::APPEND_CREDIT_BYTES,
        max_in_flight: limits::CALLS_IN_FLIGHT as u32,
        software: local.facts.software.clone(),
    }
}
