//! A client that sends single requests of Kafka's protocol and looks at the answers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::messages::create_topics::{CreatableTopic, CreatableTopicConfig};
use duramen_protocol::kafka::messages::produce::{PartitionProduceData, TopicProduceData};
use duramen_protocol::kafka::messages::{
    CreateTopicsRequest, CreateTopicsResponse, ProduceRequest, ProduceResponse,
};
use duramen_protocol::kafka::{Frames, Message, Records, Request, ResponseHeader};
use duramen_protocol::wire::Reader;

/// A connection.
pub struct KafkaWire {
    stream: TcpStream,
    correlation: i32,
}

impl KafkaWire {
    pub fn connect(address: SocketAddr) -> KafkaWire {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        KafkaWire { stream, correlation: 0 }
    }

    /// Sends a request, and returns its number.
    pub fn send<'a, R: Request<'a>>(&mut self, version: i16, request: &R) -> i32 {
        self.correlation += 1;
        let mut frames = Frames::default();
        frames.push_request(self.correlation, Some("wire"), version, request).unwrap();
        self.send_bytes(frames.bytes());
        self.correlation
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next frame, without its length; nothing when the server closes the connection.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        let mut length = [0; 4];
        // A connection that is closed while bytes are on their way to it is reset.
        self.stream.read_exact(&mut length).ok()?;
        let mut frame = vec![0; i32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut frame).unwrap();
        Some(frame)
    }

    /// Takes the answer to the request of that number, which must be the next.
    pub fn answer<'a, M: Message<'a>>(frame: &'a [u8], number: i32, version: i16) -> M {
        let mut reader = Reader::new(frame);
        let header = ResponseHeader::decode(&mut reader, M::API, version).unwrap();
        assert_eq!(header.correlation_id, number, "answers come in order");
        let answer = M::decode(&mut reader, version).unwrap();
        assert!(reader.is_empty(), "{} bytes behind the answer", reader.remaining());
        answer
    }

    /// Asks, and lets `look` see the answer.
    pub fn call<'a, R: Request<'a>, T>(
        &mut self,
        version: i16,
        request: &R,
        look: impl for<'r> FnOnce(R::Response<'r>) -> T,
    ) -> T {
        let number = self.send(version, request);
        let frame = self.receive().expect("an answer");
        look(KafkaWire::answer(&frame, number, version))
    }

    /// Makes a topic.
    pub fn create(&mut self, name: &str, partitions: i32, configs: &[(&str, &str)]) {
        let config = |&(name, value)| CreatableTopicConfig { name, value: Some(value) };
        let topic = CreatableTopic {
            name,
            num_partitions: partitions,
            replication_factor: -1,
            configs: configs.iter().map(config).collect(),
            ..Default::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], ..Default::default() };
        self.call(7, &request, |answer: CreateTopicsResponse<'_>| {
            assert!(answer.topics[0].error_code.is_ok(), "{answer:?}");
        });
    }

    /// Appends a batch to a partition: error code and base offset.
    pub fn produce(&mut self, topic: &str, partition: i32, batch: &[u8]) -> (ErrorCode, i64) {
        let request = produce_request(topic, partition, batch);
        self.call(9, &request, |answer: ProduceResponse<'_>| {
            let partition = &answer.responses[0].partition_responses[0];
            (partition.error_code, partition.base_offset)
        })
    }
}

/// A produce of one batch to one partition.
pub fn produce_request<'a>(topic: &'a str, partition: i32, batch: &'a [u8]) -> ProduceRequest<'a> {
    let records = Records::Bytes(batch);
    let partition_data = vec![PartitionProduceData { index: partition, records }];
    let topic_data = vec![TopicProduceData { name: topic, partition_data, ..Default::default() }];
    ProduceRequest { acks: -1, timeout_ms: 1000, topic_data, ..Default::default() }
}
