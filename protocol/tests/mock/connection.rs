//! A connection of the mock: one request after the other, and a task a subscription.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use duramen_protocol::TopicId;
use duramen_protocol::native::frame::{self, FrameHeader, HEADER_LEN};
use duramen_protocol::native::messages::*;
use duramen_protocol::native::{ErrorAnswer, ErrorCode, ErrorDetail, Message, Opcode, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

use super::{Fate, World};

const MAX_FRAME_BYTES: u32 = 2 << 20;

struct Connection {
    world: Arc<Mutex<World>>,
    changed: watch::Sender<u64>,
    out: mpsc::Sender<Bytes>,
    core: u16,
    handles: HashMap<u32, (String, TopicId, u32)>,
    /// Credit and task of each subscription.
    subscriptions: HashMap<u32, (watch::Sender<u64>, AbortHandle)>,
    next: u32,
    tasks: JoinSet<()>,
}

/// The connection shall end.
struct Closed;

type Answer = Result<BytesMut, ErrorAnswer>;

/// Base offset, and whether the batch was there before; none where nothing is to be answered.
type Appended = Option<Result<(i64, bool), ErrorCode>>;

pub async fn serve(socket: TcpStream, world: Arc<Mutex<World>>, changed: watch::Sender<u64>) {
    socket.set_nodelay(true).expect("a live socket");
    let (mut read, write) = socket.into_split();
    let (out, frames) = mpsc::channel(16);
    let mut connection = Connection {
        world,
        changed,
        out,
        core: 0,
        handles: HashMap::new(),
        subscriptions: HashMap::new(),
        next: 1,
        tasks: JoinSet::new(),
    };
    connection.tasks.spawn(write_all(write, frames));
    while let Some((header, body)) = read_frame(&mut read).await {
        if connection.handle(header, body).await.is_err() {
            return;
        }
    }
}

async fn write_all(mut write: OwnedWriteHalf, mut frames: mpsc::Receiver<Bytes>) {
    while let Some(frame) = frames.recv().await {
        if write.write_all(&frame).await.is_err() {
            return;
        }
    }
}

async fn read_frame(read: &mut OwnedReadHalf) -> Option<(FrameHeader, Vec<u8>)> {
    let mut bytes = [0; HEADER_LEN];
    read.read_exact(&mut bytes).await.ok()?;
    let header = FrameHeader::decode(&bytes, MAX_FRAME_BYTES).expect("a frame").expect("whole");
    let mut body = vec![0; header.body_len as usize];
    read.read_exact(&mut body).await.ok()?;
    Some((header, body))
}

fn error(code: ErrorCode) -> ErrorAnswer {
    ErrorAnswer::new(code, "ordered by the test")
}

fn encoded(message: &impl Message) -> Answer {
    let mut bytes = BytesMut::new();
    message.encode(&mut bytes);
    Ok(bytes)
}

impl Connection {
    async fn handle(&mut self, header: FrameHeader, body: Vec<u8>) -> Result<(), Closed> {
        let request = Request::decode(&header, &body).expect("the client sends requests");
        let mut flags = 0;
        let answer = match request {
            Request::Append(batch) => match self.append(header.handle, batch)? {
                None => return Ok(()),
                Some(Ok((base_offset, duplicate))) => {
                    flags = if duplicate { frame::DUPLICATE } else { 0 };
                    encoded(&AppendAnswer { base_offset, log_append_time_ms: -1 })
                }
                Some(Err(code)) => Err(error(code)),
            },
            Request::Credit(Credit { bytes }) => {
                if let Some((credit, _)) = self.subscriptions.get(&header.handle) {
                    credit.send_modify(|credit| *credit += u64::from(bytes));
                }
                return Ok(());
            }
            Request::Unsubscribe => {
                if let Some((_, task)) = self.subscriptions.remove(&header.handle) {
                    task.abort();
                }
                encoded(&Empty)
            }
            Request::Subscribe(subscribe) => return self.subscribe(&header, subscribe).await,
            other => self.answer(header.handle, other),
        };
        if header.kind() == Some(Opcode::Append) && header.flags & frame::NO_ANSWER != 0 {
            return Ok(());
        }
        self.send(&header, flags, answer).await
    }

    async fn send(&self, to: &FrameHeader, flags: u16, answer: Answer) -> Result<(), Closed> {
        let mut frame = BytesMut::new();
        match answer {
            Ok(body) => {
                let call = to.kind().expect("a request");
                let header =
                    FrameHeader::answer(call, to.correlation, to.handle, body.len() as u32);
                frame.extend_from_slice(&FrameHeader { flags, ..header }.encode());
                frame.extend_from_slice(&body);
            }
            Err(error) => {
                frame::put_error(&mut frame, to.opcode, to.correlation, to.handle, &error);
            }
        }
        self.out.send(frame.freeze()).await.map_err(|_| Closed)
    }

    fn append(&mut self, handle: u32, batch: &[u8]) -> Result<Appended, Closed> {
        let Some((topic, id, partition)) = self.handles.get(&handle) else {
            return Ok(Some(Err(ErrorCode::UNKNOWN_HANDLE)));
        };
        let mut world = self.world.lock().expect("no test panics with it");
        let world = &mut *world;
        if world.topics.get(topic).map(|topic| topic.id) != Some(*id) {
            return Ok(Some(Err(ErrorCode::STALE_HANDLE)));
        }
        let fate = (world.judge)(topic, *partition, world.appends);
        world.appends += 1;
        for (topic, partition, late) in std::mem::take(&mut world.late) {
            if let Some(topic) = world.topics.get_mut(&topic) {
                let _ = topic.logs[partition as usize].append(&late);
            }
        }
        let log = &mut world.topics.get_mut(topic).expect("just seen").logs[*partition as usize];
        let answer = match fate {
            Fate::Serve => Ok(Some(log.append(batch))),
            Fate::LoseRequest => Err(Closed),
            Fate::LoseAnswer => {
                let _ = log.append(batch);
                Err(Closed)
            }
            Fate::ApplyLate => {
                world.late.push((topic.clone(), *partition, batch.to_vec()));
                Err(Closed)
            }
            Fate::Refuse(code) => Ok(Some(Err(code))),
            Fate::ApplyAndSay(code) => {
                let _ = log.append(batch);
                Ok(Some(Err(code)))
            }
            Fate::Ignore => Ok(None),
        };
        self.changed.send_modify(|n| *n += 1);
        answer
    }

    fn answer(&mut self, handle: u32, request: Request<'_>) -> Answer {
        let world = Arc::clone(&self.world);
        let mut world = world.lock().expect("no test panics with it");
        match request {
            Request::Hello(hello) => self.hello(&mut world, &hello),
            Request::Ping(ping) => encoded(&ping),
            Request::Open(open) => self.open(&world, open),
            Request::CloseHandle => {
                self.handles.remove(&handle);
                encoded(&Empty)
            }
            Request::AllocateProducerId => {
                world.next_producer_id += 1;
                let producer_id = world.next_producer_id;
                encoded(&AllocateProducerIdAnswer { producer_id, producer_epoch: 0 })
            }
            Request::ListTopics => {
                let listed = |(name, topic): (&String, &super::Topic)| ListedTopic {
                    name: name.clone(),
                    topic_id: topic.id,
                    partitions: topic.logs.len() as u32,
                    internal: false,
                };
                encoded(&ListTopicsAnswer { topics: world.topics.iter().map(listed).collect() })
            }
            Request::Read(read) => {
                let (topic, _, partition) = &self.handles[&handle];
                let log = &world.topics[topic].logs[*partition as usize];
                let mut bytes = BytesMut::new();
                ReadHead { log_start: log.start, durable_end: log.end }.encode(&mut bytes);
                log.from(read.offset).iter().for_each(|(_, batch)| bytes.extend_from_slice(batch));
                Ok(bytes)
            }
            Request::FindOffset(FindOffset { query }) => {
                let (topic, _, partition) = &self.handles[&handle];
                let log = &world.topics[topic].logs[*partition as usize];
                let offset = match query {
                    OffsetQuery::Earliest => log.start,
                    OffsetQuery::Latest => log.end,
                    OffsetQuery::Timestamp(offset) if offset < log.end => offset,
                    _ => -1,
                };
                encoded(&FindOffsetAnswer { offset, timestamp_ms: -1 })
            }
            Request::CommitOffsets(commit) => {
                for each in commit.offsets {
                    let key = (commit.group.clone(), each.topic, each.partition);
                    world.offsets.insert(key, (each.offset, each.metadata));
                }
                encoded(&Empty)
            }
            Request::FetchOffsets(fetch) => {
                let of_group =
                    world.offsets.iter().filter(|((group, ..), _)| *group == fetch.group);
                let offsets = of_group
                    .map(|((_, topic, partition), (offset, metadata))| CommittedOffset {
                        topic: topic.clone(),
                        partition: *partition,
                        offset: *offset,
                        metadata: metadata.clone(),
                    })
                    .collect();
                encoded(&FetchOffsetsAnswer { offsets })
            }
            _ => Err(error(ErrorCode::NOT_SUPPORTED)),
        }
    }

    fn hello(&mut self, world: &mut World, hello: &Hello) -> Answer {
        world.hellos += 1;
        self.core = hello.core().filter(|core| *core < world.cores).unwrap_or(0);
        encoded(&HelloAnswer {
            version: 1,
            features: 0,
            server_id: world.server_id,
            start_epoch: 1,
            core: self.core,
            cores: world.cores,
            max_frame_bytes: MAX_FRAME_BYTES,
            append_credit_bytes: world.append_credit_bytes,
            max_in_flight: 64,
            software: "mock".to_owned(),
        })
    }

    fn open(&mut self, world: &World, open: Open) -> Answer {
        if let Some(error) = &world.open_error {
            return Err(error.clone());
        }
        let unknown = || error(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        let topic = world.topics.get(&open.topic).ok_or_else(unknown)?;
        let log = topic.logs.get(open.partition as usize).ok_or_else(unknown)?;
        let core = (open.partition % u32::from(world.cores)) as u16;
        if core != self.core {
            let owner = ErrorDetail::Owner { core };
            return Err(error(ErrorCode::NOT_LEADER_OR_FOLLOWER).with(owner));
        }
        let handle = self.next;
        self.next += 1;
        self.handles.insert(handle, (open.topic, topic.id, open.partition));
        encoded(&OpenAnswer {
            handle,
            core,
            topic_id: topic.id,
            partitions: topic.logs.len() as u32,
            log_start: log.start,
            durable_end: log.end,
            max_message_bytes: world.max_message_bytes,
            durable: log.durable(open.producer_id, open.producer_epoch),
        })
    }

    async fn subscribe(
        &mut self,
        header: &FrameHeader,
        subscribe: Subscribe,
    ) -> Result<(), Closed> {
        let (topic, id, partition) = self.handles[&header.handle].clone();
        let (log_start, durable_end, stale) = {
            let world = self.world.lock().expect("no test panics with it");
            match world.topics.get(&topic).filter(|topic| topic.id == id) {
                Some(topic) => {
                    let log = &topic.logs[partition as usize];
                    (log.start, log.end, false)
                }
                None => (0, 0, true),
            }
        };
        if stale {
            return self.send(header, 0, Err(error(ErrorCode::STALE_HANDLE))).await;
        }
        if !(log_start..=durable_end).contains(&subscribe.offset) {
            let range = ErrorDetail::Range { log_start, durable_end };
            let error = error(ErrorCode::OFFSET_OUT_OF_RANGE).with(range);
            return self.send(header, 0, Err(error)).await;
        }
        let subscription = self.next;
        self.next += 1;
        let answer = SubscribeAnswer { subscription, log_start, durable_end };
        self.send(header, 0, encoded(&answer)).await?;
        let (credit, credits) = watch::channel(u64::from(subscribe.credit_bytes));
        let task = self.tasks.spawn(push(Pushing {
            world: Arc::clone(&self.world),
            changed: self.changed.subscribe(),
            out: self.out.clone(),
            credit: credit.clone(),
            credits,
            subscription,
            topic,
            partition,
            next: subscribe.offset,
        }));
        self.subscriptions.insert(subscription, (credit, task));
        Ok(())
    }
}

struct Pushing {
    world: Arc<Mutex<World>>,
    changed: watch::Receiver<u64>,
    out: mpsc::Sender<Bytes>,
    credit: watch::Sender<u64>,
    credits: watch::Receiver<u64>,
    subscription: u32,
    topic: String,
    partition: u32,
    next: i64,
}

async fn push(mut pushing: Pushing) {
    loop {
        let ready = {
            let world = pushing.world.lock().expect("no test panics with it");
            let log = &world.topics[&pushing.topic].logs[pushing.partition as usize];
            match log.corrupt {
                Some((first, next_good)) if pushing.next >= first && pushing.next < next_good => {
                    let range = ErrorDetail::Corrupt { first, next_good };
                    Err(error(ErrorCode::CORRUPT_LOG).with(range))
                }
                corrupt => {
                    let stop = corrupt.map_or(i64::MAX, |(first, _)| {
                        if pushing.next < first { first } else { i64::MAX }
                    });
                    let batches = log.from(pushing.next).iter();
                    let bytes: Vec<u8> = batches
                        .take_while(|(base, _)| *base < stop)
                        .flat_map(|(_, bytes)| bytes.iter().copied())
                        .collect();
                    Ok((bytes, log.end.min(stop), log.end))
                }
            }
        };
        match ready {
            Err(error) => {
                let mut frame = BytesMut::new();
                frame::put_push_end(&mut frame, pushing.subscription, &error);
                let _ = pushing.out.send(frame.freeze()).await;
                return;
            }
            Ok((bytes, _, _)) if bytes.is_empty() => {
                if pushing.changed.changed().await.is_err() {
                    return;
                }
            }
            Ok((bytes, next, durable_end)) => {
                pushing.next = next;
                if !pushing.send(&bytes, durable_end).await {
                    return;
                }
            }
        }
    }
}

impl Pushing {
    /// Sends the bytes in pieces, as credit allows; false when the connection shall end.
    async fn send(&mut self, mut bytes: &[u8], durable_end: i64) -> bool {
        while !bytes.is_empty() {
            if self.credits.wait_for(|credit| *credit > 0).await.is_err() {
                return false;
            }
            let credit = *self.credits.borrow();
            let mut frame = BytesMut::new();
            let (piece, close) = {
                let mut world = self.world.lock().expect("no test panics with it");
                let piece = bytes.len().min(world.push_bytes).min(credit as usize);
                let close = world.drop_after_pushes == Some(0);
                world.drop_after_pushes = match world.drop_after_pushes {
                    Some(0) | None => None,
                    Some(n) => Some(n - 1),
                };
                world.pushed_bytes += piece;
                let header = FrameHeader::push(self.subscription, (PushHead::LEN + piece) as u32);
                frame.extend_from_slice(&header.encode());
                PushHead { offset: -1, durable_end }.encode(&mut frame);
                frame.extend_from_slice(&bytes[..piece]);
                if std::mem::take(&mut world.flip_in_next_push) {
                    let last = frame.len() - 1;
                    frame[last] ^= 1;
                }
                (piece, close)
            };
            if close {
                // Dropping the sender of a frame that is cut closes the connection for the client:
                // a header of a length that can't be.
                let _ = self.out.send(Bytes::from_static(&[0; HEADER_LEN])).await;
                return false;
            }
            self.credit.send_modify(|credit| *credit -= piece as u64);
            bytes = &bytes[piece..];
            if self.out.send(frame.freeze()).await.is_err() {
                return false;
            }
        }
        true
    }
}
