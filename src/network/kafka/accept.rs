//! Taking Kafka's connections.
//!
//! Nothing is said on either side before the first request. A connection stays on the core whose
//! port it has reached; with one port for all, the cores get connections in turn.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};

use crate::limits;
use crate::network::listener;
use crate::network::local::Local;
use crate::network::mailbox::Mail;

use super::connection::Connection;
use super::settings::Settings;

/// Takes connections until the server stops.
pub async fn accept(local: Rc<Local>, settings: Arc<Settings>, listener: TcpListener) {
    let next = Cell::new(0);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = local.stopped() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let core = if settings.is_single() { in_turn(&local, &next) } else { local.core };
                give(&local, &settings, core, stream).await;
            }
            Err(error) => {
                eprintln!("duramen: cannot accept a connection: {error}");
                // Out of descriptors, most likely: the next attempt would fail at once.
                tokio::time::sleep(limits::ACCEPT_PAUSE).await;
            }
        }
    }
}

fn in_turn(local: &Local, next: &Cell<u16>) -> u16 {
    next.replace((next.get() + 1) % local.cores())
}

/// Gives a connection to a core.
async fn give(local: &Rc<Local>, settings: &Arc<Settings>, core: u16, stream: TcpStream) {
    if core == local.core {
        return settle_in(local.clone(), settings.clone(), stream);
    }
    match stream.into_std() {
        Ok(stream) => {
            local.mailboxes.send(usize::from(core), Mail::KafkaConnection(stream)).await;
        }
        Err(error) => eprintln!("duramen: cannot hand a connection over: {error}"),
    }
}

/// Takes a connection that another core has accepted.
pub fn arrive(local: Rc<Local>, settings: Arc<Settings>, stream: std::net::TcpStream) {
    match TcpStream::from_std(stream) {
        Ok(stream) => settle_in(local, settings, stream),
        Err(error) => eprintln!("duramen: cannot take a connection over: {error}"),
    }
}

/// Runs the connection as a task of its own.
fn settle_in(local: Rc<Local>, settings: Arc<Settings>, stream: TcpStream) {
    if local.clients() >= limits::CONNECTIONS {
        let core = local.core;
        eprintln!("duramen: core {core} has {} connections: one is refused", limits::CONNECTIONS);
        return;
    }
    // An error: the peer is gone already.
    let Ok(()) = listener::prepare(&stream) else { return };
    let Ok((connection, requests)) = Connection::new(local, settings, stream) else { return };
    tokio::task::spawn_local(Rc::new(connection).run(requests));
}
