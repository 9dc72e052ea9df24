//! From an address to a connection whose hello is answered.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{ClientConfig, ClientError};
use crate::native::frame::{self, FrameHeader, HEADER_LEN, HELLO_FRAME_BYTES};
use crate::native::messages::{Hello, HelloAnswer};
use crate::native::{ErrorAnswer, Opcode, VERSION};

/// After how much silence the kernel asks whether the other side is still there. A subscription may
/// be silent for long, and a server that lost its power says nothing.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);

/// The longest name of a client.
const CLIENT_NAME_BYTES: usize = 1024;

/// Connects and says hello.
pub(super) async fn connect(
    config: &ClientConfig,
    core: u16,
) -> Result<(TcpStream, HelloAnswer), ClientError> {
    if config.client_name.len() > CLIENT_NAME_BYTES {
        // A hello too long for its limit would be answered with silence.
        let what = format!("a client_name of more than {CLIENT_NAME_BYTES} bytes");
        return Err(ClientError::Invalid(what));
    }
    let unreachable = |error: io::Error| ClientError::Unreachable {
        server: config.server.clone(),
        reason: error.to_string(),
    };
    let mut socket = TcpStream::connect(&config.server).await.map_err(unreachable)?;
    set_options(&socket).map_err(unreachable)?;
    let hello = frame::request(0, 0, &Hello::new(&config.client_name, core));
    socket.write_all(&hello).await.map_err(unreachable)?;
    let answer = read_answer(&mut socket, config).await?;
    Ok((socket, answer))
}

fn set_options(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY);
    SockRef::from(socket).set_tcp_keepalive(&keepalive)
}

async fn read_answer(
    socket: &mut TcpStream,
    config: &ClientConfig,
) -> Result<HelloAnswer, ClientError> {
    let server = || config.server.clone();
    let unreachable =
        |error: io::Error| ClientError::Unreachable { server: server(), reason: error.to_string() };
    let protocol = |reason: String| ClientError::Protocol { server: server(), reason };

    let mut bytes = [0; HEADER_LEN];
    socket.read_exact(&mut bytes).await.map_err(unreachable)?;
    let header = FrameHeader::decode(&bytes, HELLO_FRAME_BYTES)
        .map_err(|error| protocol(error.to_string()))?
        .ok_or_else(|| protocol("a cut header".to_owned()))?;
    // At most 4 KiB, as the header was checked.
    let mut body = vec![0; header.body_len as usize];
    socket.read_exact(&mut body).await.map_err(unreachable)?;
    if header.kind() != Some(Opcode::Hello) || !header.is_answer() {
        return Err(protocol(format!("opcode {:#06x} in answer to a hello", header.opcode)));
    }
    if let Some(code) = header.error_code() {
        let error = ErrorAnswer::decode(code, &body).map_err(|e| protocol(e.to_string()))?;
        return Err(ClientError::Server(error));
    }
    let answer =
        HelloAnswer::decode_any_version(&body).map_err(|error| protocol(error.to_string()))?;
    match answer.version {
        VERSION => Ok(answer),
        other => Err(protocol(format!("it chose version {other}, which was not offered"))),
    }
}
