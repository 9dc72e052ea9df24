//! Fetch: a consumer's loop. One request with all partitions is under way at a time, as of Kafka's
//! own clients; the next one goes out once the answer to the last is counted.

use std::io::{Read, Write};
use std::net::TcpStream;

use duramen_protocol::TopicId;
use duramen_protocol::kafka::messages::fetch::{
    FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData,
};
use duramen_protocol::kafka::{ApiKey, Frames, Message, ResponseHeader};
use duramen_protocol::wire::Reader;

use super::connection::{CLIENT_ID, Connection, expect_ok, frame_len};
use super::topics::describe_on;
use crate::bench::error::{BenchError, Result, Tried};
use crate::bench::load::reader::{Logs, STEP};
use crate::bench::target::Home;
use crate::bench::wire::broken;

/// How long the broker may wait for records before it answers with none.
const MAX_WAIT_MS: i32 = 500;
/// Bytes of the length that an answer begins with.
const LENGTH_LEN: usize = 4;
/// What is read of an answer whose length is not known yet.
const FIRST_READ_BYTES: usize = 64 << 10;
/// How much longer than asked for an answer may be: by one batch, and what stands around records.
const EXTRA_BYTES_MAX: usize = 128 << 20;

/// A connection that fetches.
#[derive(Debug)]
pub(crate) struct Fetches {
    stream: TcpStream,
    version: i16,
    topic: String,
    /// For versions that go by it.
    topic_id: TopicId,
    partitions: Vec<i32>,
    /// Bytes of records that are asked for at most.
    fetch_bytes: u32,
    correlation: i32,
    is_under_way: bool,
    frames: Frames,
    /// The answer that is on its way.
    answer: Vec<u8>,
    /// Bytes of it that have come.
    come: usize,
}

impl Fetches {
    /// Connects to the node that leads those partitions.
    ///
    /// # Errors
    /// When nobody is there, or he does not know the topic.
    pub(crate) fn open(
        home: Home,
        topic: &str,
        from: &[(u32, i64)],
        fetch_bytes: u32,
    ) -> Result<Fetches> {
        let mut connection = Connection::connect(home.address)?;
        let version = connection.versions().common(ApiKey::Fetch)?;
        let topic_id = describe_on(&mut connection, topic)?.id;
        let stream = connection.into_stream();
        stream.set_read_timeout(Some(STEP)).tried(|| "cannot bound a wait".into())?;
        Ok(Fetches {
            stream,
            version,
            topic: topic.to_owned(),
            topic_id,
            partitions: from.iter().map(|&(partition, _)| partition as i32).collect(),
            fetch_bytes,
            correlation: 0,
            is_under_way: false,
            frames: Frames::default(),
            answer: vec![0; FIRST_READ_BYTES],
            come: 0,
        })
    }

    /// Asks for what comes next, if that was not done yet.
    ///
    /// # Errors
    /// When the broker is gone.
    pub(crate) fn ask(&mut self, logs: &Logs) -> Result<()> {
        if self.is_under_way {
            return Ok(());
        }
        let max_bytes = self.fetch_bytes as i32;
        let partition = |(&partition, offset)| FetchPartition {
            partition,
            fetch_offset: offset,
            partition_max_bytes: max_bytes,
            ..Default::default()
        };
        let offsets = logs.walks.iter().map(|walk| walk.next_offset());
        let topic = FetchTopic {
            topic: &self.topic,
            topic_id: self.topic_id,
            partitions: self.partitions.iter().zip(offsets).map(partition).collect(),
        };
        let request = FetchRequest {
            max_wait_ms: MAX_WAIT_MS,
            min_bytes: 1,
            max_bytes,
            topics: vec![topic],
            ..Default::default()
        };
        self.correlation = self.correlation.wrapping_add(1);
        self.frames.clear();
        self.frames.push_request(self.correlation, Some(CLIENT_ID), self.version, &request)?;
        self.stream.write_all(self.frames.bytes()).map_err(broken)?;
        (self.is_under_way, self.come) = (true, 0);
        Ok(())
    }

    /// Asks if nothing is under way, and takes what is there or waits for a moment; says whether
    /// anything came.
    ///
    /// # Errors
    /// When the broker is gone or answers with an error, or a record is missing.
    pub(crate) fn step(&mut self, logs: &mut Logs) -> Result<bool> {
        self.ask(logs)?;
        let wanted = self.answer_len()?.unwrap_or(FIRST_READ_BYTES);
        if self.answer.len() < wanted {
            self.answer.resize(wanted, 0);
        }
        match self.stream.read(&mut self.answer[self.come..wanted]) {
            Ok(0) => return Err(BenchError::Connection("the server closed the connection".into())),
            Ok(read) => self.come += read,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(broken(error)),
        }
        let Some(len) = self.answer_len()? else { return Ok(true) };
        if self.come > len {
            return Err(BenchError::Connection("an answer that nobody asked for".into()));
        }
        if self.come == len {
            self.is_under_way = false;
            self.take(&self.answer[LENGTH_LEN..len], logs)?;
        }
        Ok(true)
    }

    /// Bytes of the answer with its length, once that has come.
    fn answer_len(&self) -> Result<Option<usize>> {
        let Some(length) = self.answer[..self.come].first_chunk::<LENGTH_LEN>() else {
            return Ok(None);
        };
        let max = self.fetch_bytes as usize + EXTRA_BYTES_MAX;
        Ok(Some(LENGTH_LEN + frame_len(*length, max)?))
    }

    fn take(&self, answer: &[u8], logs: &mut Logs) -> Result<()> {
        let mut from = Reader::new(answer);
        let header = ResponseHeader::decode(&mut from, ApiKey::Fetch, self.version)?;
        if header.correlation_id != self.correlation {
            return Err(BenchError::Connection(format!("an answer nobody asked for: {header:?}")));
        }
        let answer = FetchResponse::decode(&mut from, self.version)?;
        expect_ok(answer.error_code, || format!("Fetch of {}", self.topic))?;
        for partition in answer.responses.iter().flat_map(|topic| &topic.partitions) {
            self.take_partition(partition, logs)?;
        }
        Ok(())
    }

    fn take_partition(&self, partition: &PartitionData<'_>, logs: &mut Logs) -> Result<()> {
        let index = partition.partition_index;
        expect_ok(partition.error_code, || format!("Fetch of {}-{index}", self.topic))?;
        let place = self.partitions.iter().position(|&asked| asked == index);
        let Some(walk) = place.and_then(|place| logs.walks.get_mut(place)) else {
            let what = format!("Fetch was answered for {}-{index}, unasked", self.topic);
            return Err(BenchError::Connection(what));
        };
        let records = partition.records.bytes().unwrap_or_default();
        let taken = walk.feed_whole(records)?;
        if taken == 0 && !records.is_empty() {
            let what = format!(
                "Fetch gave {} bytes of {}-{index}, less than the next batch",
                records.len(),
                self.topic
            );
            return Err(BenchError::Missing(what));
        }
        logs.bytes += taken as u64;
        Ok(())
    }
}
