//! A client that sends and takes single frames, and waits for each.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use duramen_protocol::batch::{BatchBuilder, BatchView, Codec, batches};
use duramen_protocol::native::messages;
use duramen_protocol::native::messages::{
    AppendAnswer, CreateTopic, CreateTopicAnswer, Hello, HelloAnswer, Open, OpenAnswer, PushHead,
    ReadHead, Subscribe, SubscribeAnswer,
};
use duramen_protocol::native::{
    ANY_CORE, Call, ErrorAnswer, ErrorCode, ErrorDetail, FrameHeader, HEADER_LEN, Message, Opcode,
    frame,
};

/// Far longer than anything takes: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection.
pub struct Wire {
    pub stream: TcpStream,
    next: u32,
}

/// A frame that came.
#[derive(Debug)]
pub struct Frame {
    pub header: FrameHeader,
    pub body: Vec<u8>,
}

impl Wire {
    /// Connects without a word.
    pub fn dial(address: SocketAddr) -> Wire {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Wire { stream, next: 1 }
    }

    /// Connects and says hello to any core.
    pub fn connect(address: SocketAddr) -> Wire {
        Wire::connect_to(address, ANY_CORE).0
    }

    /// Connects and says hello to a core.
    pub fn connect_to(address: SocketAddr, core: u16) -> (Wire, HelloAnswer) {
        let mut wire = Wire::dial(address);
        let answer = wire.call(0, &Hello::new("a test", core)).unwrap();
        (wire, answer)
    }

    /// A connection to the core that owns a partition, with the partition opened. `None` while the
    /// server can't be reached or is on its way up or down.
    pub fn find(address: SocketAddr, topic: &str, partition: u32) -> Option<(Wire, u32)> {
        let mut core = ANY_CORE;
        loop {
            let mut wire = Wire::dial_maybe(address)?;
            wire.try_call::<Hello>(0, &Hello::new("a test", core))?.ok()?;
            match wire.try_call(0, &Open::plain(topic, partition))? {
                Ok(opened) => return Some((wire, opened.handle)),
                Err(error) => match error.detail {
                    ErrorDetail::Owner { core: owner } => core = owner,
                    _ if error.code == ErrorCode::SHUTTING_DOWN => return None,
                    _ => panic!("{topic}-{partition}: {error}"),
                },
            }
        }
    }

    fn dial_maybe(address: SocketAddr) -> Option<Wire> {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_nodelay(true).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        Some(Wire { stream, next: 1 })
    }

    /// Asks and takes the answer; `None` when the connection broke.
    fn try_call<C: Call>(
        &mut self,
        handle: u32,
        call: &C,
    ) -> Option<Result<C::Answer, ErrorAnswer>> {
        let correlation = self.correlation();
        self.stream.write_all(&frame::request(correlation, handle, call)).ok()?;
        Some(self.receive()?.answer(C::OPCODE))
    }

    /// Appends a batch and gives its offset; `None` when there is no answer, or a server that is
    /// stopping refuses it.
    pub fn try_append(&mut self, handle: u32, batch: &[u8]) -> Option<i64> {
        let correlation = self.correlation();
        let header = FrameHeader::append(correlation, handle, 0, batch.len() as u32);
        self.stream.write_all(&[&header.encode()[..], batch].concat()).ok()?;
        match self.receive()?.answer::<AppendAnswer>(Opcode::Append) {
            Ok(answer) => Some(answer.base_offset),
            Err(error) if error.code == ErrorCode::SHUTTING_DOWN => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Sends a request and returns its correlation.
    pub fn send<C: Call>(&mut self, handle: u32, call: &C) -> u32 {
        let correlation = self.correlation();
        self.send_bytes(&frame::request(correlation, handle, call));
        correlation
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    fn correlation(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    /// The next frame; `None` when the server has closed the connection.
    pub fn receive(&mut self) -> Option<Frame> {
        let mut header = [0; HEADER_LEN];
        if let Err(error) = self.stream.read_exact(&mut header) {
            assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "no frame came");
            return None;
        }
        let header = FrameHeader::decode(&header, u32::MAX).unwrap().unwrap();
        let mut body = vec![0; header.body_len as usize];
        self.stream.read_exact(&mut body).ok()?;
        Some(Frame { header, body })
    }

    /// The next frame, which must be there.
    pub fn frame(&mut self) -> Frame {
        self.receive().expect("the server closed the connection")
    }

    /// Sends a request and takes its answer, which must come next.
    pub fn call<C: Call>(&mut self, handle: u32, call: &C) -> Result<C::Answer, ErrorAnswer> {
        let correlation = self.send(handle, call);
        let frame = self.frame();
        assert_eq!((frame.header.correlation, frame.header.handle), (correlation, handle));
        frame.answer(C::OPCODE)
    }

    pub fn create(&mut self, name: &str, partitions: u32) -> CreateTopicAnswer {
        let create = CreateTopic { name: name.into(), partitions, ..CreateTopic::default() };
        self.call(0, &create).unwrap()
    }

    pub fn open(&mut self, topic: &str, partition: u32) -> OpenAnswer {
        self.call(0, &Open::plain(topic, partition)).unwrap()
    }

    /// Sends a batch and returns its correlation.
    pub fn send_append(&mut self, handle: u32, batch: &[u8]) -> u32 {
        let correlation = self.correlation();
        let header = FrameHeader::append(correlation, handle, 0, batch.len() as u32);
        let mut bytes = header.encode().to_vec();
        bytes.extend_from_slice(batch);
        self.send_bytes(&bytes);
        correlation
    }

    pub fn append(&mut self, handle: u32, batch: &[u8]) -> Result<AppendAnswer, ErrorAnswer> {
        let correlation = self.send_append(handle, batch);
        let frame = self.frame();
        assert_eq!(frame.header.correlation, correlation);
        frame.answer(Opcode::Append)
    }

    /// Reads at once what there is, up to about a megabyte.
    pub fn read(&mut self, handle: u32, offset: i64) -> Result<(ReadHead, Vec<u8>), ErrorAnswer> {
        let read = messages::Read { offset, min_bytes: 0, max_bytes: 1 << 20, max_wait_ms: 0 };
        self.send(handle, &read);
        self.frame().records()
    }

    /// The texts of all records below `end`, read from the start, however many reads that takes.
    pub fn read_all(&mut self, handle: u32, end: i64) -> Vec<String> {
        let mut all = Vec::new();
        while (all.len() as i64) < end {
            let next = all.len() as i64;
            let (_, bytes) = self.read(handle, next).unwrap();
            // The first batch may begin before what was asked for.
            let new = texts(&bytes).into_iter().skip_while(|(offset, _)| *offset < next);
            for (offset, text) in new {
                assert_eq!(offset, all.len() as i64);
                all.push(text);
            }
            assert!(all.len() as i64 > next, "no record at offset {next}");
        }
        all
    }

    /// Subscribes and does not wait for the answer: a connection's first subscription is 1.
    pub fn subscribe_unheard(&mut self, handle: u32, offset: i64) -> u32 {
        self.send(handle, &Subscribe { offset, credit_bytes: 1 << 20 });
        1
    }

    pub fn subscribe(&mut self, handle: u32, offset: i64, credit_bytes: u32) -> SubscribeAnswer {
        self.call(handle, &Subscribe { offset, credit_bytes }).unwrap()
    }
}

impl Frame {
    /// The answer to a request of that opcode.
    pub fn answer<A: Message>(&self, opcode: Opcode) -> Result<A, ErrorAnswer> {
        if let Some(code) = self.header.error_code() {
            return Err(ErrorAnswer::decode(code, &self.body).unwrap());
        }
        assert_eq!(self.header.opcode, opcode.answer(), "{self:?}");
        Ok(A::decode(&self.body).unwrap())
    }

    /// The answer to a read.
    pub fn records(&self) -> Result<(ReadHead, Vec<u8>), ErrorAnswer> {
        if let Some(code) = self.header.error_code() {
            return Err(ErrorAnswer::decode(code, &self.body).unwrap());
        }
        assert_eq!(self.header.opcode, Opcode::Read.answer());
        let (head, bytes) = self.body.split_at(ReadHead::LEN);
        Ok((ReadHead::decode(head).unwrap(), bytes.to_vec()))
    }

    /// A push.
    pub fn push(&self) -> (PushHead, &[u8]) {
        assert_eq!(self.header.opcode, Opcode::Push.request(), "{self:?}");
        let (head, bytes) = self.body.split_at(PushHead::LEN);
        (PushHead::decode(head).unwrap(), bytes)
    }

    /// The code of an error answer, or of a subscription's end.
    pub fn code(&self) -> ErrorCode {
        self.header.error_code().unwrap_or_else(|| panic!("no error: {self:?}"))
    }
}

/// A batch of records with these values.
pub fn batch<V: AsRef<[u8]>>(values: &[V]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Codec::None);
    for value in values {
        builder.append(1_000, None, Some(value.as_ref()), &[]).unwrap();
    }
    builder.finish().unwrap()
}

/// The values of whole batches, with their offsets; a cut batch at the end is passed over.
pub fn values(bytes: &[u8]) -> Vec<(i64, Vec<u8>)> {
    let whole = batches(bytes).map_while(|(_, batch)| batch.ok());
    whole.flat_map(|batch: BatchView<'_>| records(&batch)).collect()
}

fn records(batch: &BatchView<'_>) -> Vec<(i64, Vec<u8>)> {
    let records = batch.records().unwrap();
    let value = |record: duramen_protocol::batch::Record<'_>| {
        (record.offset, record.value.unwrap_or_default().to_vec())
    };
    records.iter().map(|record| value(record.unwrap())).collect()
}

/// The values of whole batches as text, with their offsets.
pub fn texts(bytes: &[u8]) -> Vec<(i64, String)> {
    let text = |value: Vec<u8>| String::from_utf8(value).unwrap();
    values(bytes).into_iter().map(|(offset, value)| (offset, text(value))).collect()
}
