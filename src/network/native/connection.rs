//! One connection: reads frames one after the other, as long as its bounds allow.
//!
//! Before a request is taken its connection must have room: for one more unanswered request, for
//! the bytes of an append, for answers in the outbox. Otherwise its reader waits, and with it, by
//! way of the socket's own window, the client. A batch also waits while the core has too many of
//! them; then nobody brings any.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use duramen_protocol::native::frame::{self, CONTROL_FRAME_BYTES};
use duramen_protocol::native::{
    ErrorAnswer, ErrorCode, ErrorDetail, FrameError, FrameHeader, Message, Opcode,
};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;

use crate::limits;
use crate::network::inbound::Inbound;
use crate::network::local::Local;
use crate::network::socket::Socket;
use crate::shard::request::{Ask, ClientId, Request, Ticket};

use super::Ending;
use super::session::{CallKind, Session};

/// A connection that has said hello.
pub struct Connection {
    pub id: ClientId,
    pub local: Rc<Local>,
    pub socket: Socket,
    pub session: RefCell<Session>,
    peer: SocketAddr,
}

impl Connection {
    /// A connection, and where its requests come from: [`Connection::run`] takes that.
    ///
    /// # Errors
    /// When the peer is gone already.
    pub fn new(local: Rc<Local>, stream: TcpStream) -> io::Result<(Connection, OwnedReadHalf)> {
        let peer = stream.peer_addr()?;
        let (requests, answers) = stream.into_split();
        let (id, socket) = (local.name_client(), Socket::new(answers));
        Ok((Connection { id, local, socket, session: RefCell::default(), peer }, requests))
    }

    /// The connection's life, from its hello's answer to its end.
    pub async fn run(self: Rc<Self>, requests: OwnedReadHalf) {
        self.local.join(self.id, self.clone());
        let ending = tokio::select! {
            ending = self.read_on(requests) => ending,
            error = self.write_on() => Ending::Gone(error),
            () = self.local.stopped() => Ending::Stopping,
        };
        match &ending {
            Ending::Gone(_) => {}
            Ending::Refused(_) => {
                eprintln!("duramen: {}: {ending}; the connection is closed", self.peer);
                self.linger().await;
            }
            // What was accepted is still answered. The end of the runtime is the end of this.
            Ending::Stopping => drop(self.write_on().await),
        }
        self.local.leave(self.id);
    }

    async fn write_on(&self) -> io::Error {
        self.socket.write_on(|receipt| self.local.sent(self.id, receipt)).await
    }

    /// Gives the last answer some time to leave.
    async fn linger(&self) {
        let drained = async {
            while !self.socket.is_drained() {
                self.socket.drained.notified().await;
            }
        };
        let leaving = async {
            tokio::select! {
                () = drained => {}
                _ = self.write_on() => {}
            }
        };
        // Whatever came of it, the connection ends now.
        let _ = tokio::time::timeout(limits::LINGER, leaving).await;
    }

    /// Reads and dispatches frames until the connection ends.
    async fn read_on(self: &Rc<Self>, mut requests: OwnedReadHalf) -> Ending {
        let mut inbound = Inbound::new(self.local.spare.clone());
        loop {
            if let Err(ending) = self.take_frames(&mut inbound).await {
                return ending;
            }
            match inbound.read(&mut requests).await {
                Ok(true) => {}
                Ok(false) => return Ending::Gone(io::ErrorKind::UnexpectedEof.into()),
                Err(error) => return Ending::Gone(error),
            }
        }
    }

    /// Dispatches the whole frames that are there.
    async fn take_frames(self: &Rc<Self>, inbound: &mut Inbound) -> Result<(), Ending> {
        loop {
            let header = match inbound.header(self.local.facts.max_frame_bytes) {
                Ok(Some(header)) => header,
                Ok(None) => return Ok(()),
                Err(error) => return Err(self.refuse_frame(inbound.any_header(), &error)),
            };
            self.check_size(&header)?;
            let Some(body) = inbound.take(&header) else { return Ok(()) };
            self.admit(&header).await;
            self.dispatch(&header, body)?;
            // Lets the tick have what there is while it is warm.
            if self.local.inbox_bytes() >= limits::INBOX_BYTES {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Waits until the bounds allow the request.
    async fn admit(&self, header: &FrameHeader) {
        let has_room = || {
            self.session.borrow().has_room_for(header)
                && self.socket.outbox(|outbox| outbox.buffered()) < limits::OUTBOX_BYTES
        };
        while !has_room() {
            self.socket.drained.notified().await;
        }
        if header.kind() == Some(Opcode::Append) {
            self.local.uncongested().await;
        }
    }

    fn check_size(&self, header: &FrameHeader) -> Result<(), Ending> {
        let frame_bytes = header.frame_len() as u64;
        if header.kind() == Some(Opcode::Append) || frame_bytes <= u64::from(CONTROL_FRAME_BYTES) {
            return Ok(());
        }
        let limit_bytes = CONTROL_FRAME_BYTES;
        Err(self.refuse_frame(Some(*header), &FrameError::TooLarge { frame_bytes, limit_bytes }))
    }

    /// Answers a frame whose length is wrong.
    fn refuse_frame(&self, header: Option<FrameHeader>, error: &FrameError) -> Ending {
        let (code, detail) = match *error {
            FrameError::TooLarge { limit_bytes, .. } => {
                let bytes = u64::from(limit_bytes);
                (ErrorCode::FRAME_TOO_LARGE, ErrorDetail::Limit { bytes })
            }
            FrameError::TooShort { .. } => (ErrorCode::PROTOCOL_ERROR, ErrorDetail::None),
        };
        let none = FrameHeader { body_len: 0, opcode: 0, flags: 0, correlation: 0, handle: 0 };
        let answer = ErrorAnswer::new(code, error.to_string()).with(detail);
        self.refuse(&header.unwrap_or(none), &answer)
    }

    /// Answers a request that breaks the protocol; the connection ends with it.
    pub(super) fn refuse(&self, header: &FrameHeader, error: &ErrorAnswer) -> Ending {
        self.fail(header, error);
        Ending::Refused(error.message.clone())
    }

    /// Asks this core's shard. The answer comes by way of the tick.
    pub(super) fn ask(&self, header: &FrameHeader, opcode: Opcode, kind: CallKind, ask: Ask) {
        let call = self.session.borrow_mut().begin(header, opcode, kind);
        self.tell(call, ask);
    }

    /// Puts a question to this core's shard.
    pub(super) fn tell(&self, call: u32, ask: Ask) {
        self.local.enqueue(Request { ticket: Ticket { client: self.id, call }, ask });
    }

    /// Answers when `work` is done, which may take a while and other cores.
    pub(super) fn task<A: Message>(
        self: &Rc<Self>,
        header: &FrameHeader,
        opcode: Opcode,
        work: impl Future<Output = Result<A, ErrorAnswer>> + 'static,
    ) {
        let call = self.session.borrow_mut().begin(header, opcode, CallKind::Task);
        let (connection, header) = (self.clone(), *header);
        tokio::task::spawn_local(async move {
            let result = work.await;
            connection.session.borrow_mut().end(call);
            connection.settle(&header, opcode, &result);
        });
    }

    /// Answers with a result.
    pub(super) fn settle<A: Message>(
        &self,
        header: &FrameHeader,
        opcode: Opcode,
        result: &Result<A, ErrorAnswer>,
    ) {
        match result {
            Ok(answer) => {
                let &FrameHeader { correlation, handle, .. } = header;
                self.put(|out| frame::put_answer(out, opcode, correlation, handle, answer));
            }
            Err(error) => self.fail(header, error),
        }
    }

    /// Answers with an error.
    pub(super) fn fail(&self, header: &FrameHeader, error: &ErrorAnswer) {
        let &FrameHeader { opcode, correlation, handle, .. } = header;
        self.put(|out| frame::put_error(out, opcode, correlation, handle, error));
    }

    /// Appends a frame to the outbox; the next tick sends it.
    fn put(&self, put: impl FnOnce(&mut bytes::BytesMut)) {
        self.socket.outbox(|outbox| outbox.frame(put));
        self.local.touch(self.id);
    }
}
