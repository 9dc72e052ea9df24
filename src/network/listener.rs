//! A listening socket, with its options.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use crate::limits;

/// Listens on `address`. A restarted server takes the port of its predecessor at once.
///
/// # Errors
/// When the address can't be had.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(limits::LISTEN_BACKLOG)?;
    Ok(socket.into())
}

/// Sets the options of a connection: small frames leave at once, and a peer that is gone without a
/// word is noticed.
///
/// # Errors
/// When the kernel refuses one.
pub fn prepare(stream: &tokio::net::TcpStream) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(limits::KEEPALIVE_IDLE)
        .with_interval(limits::KEEPALIVE_INTERVAL)
        .with_retries(limits::KEEPALIVE_PROBES);
    socket.set_tcp_keepalive(&keepalive)
}
