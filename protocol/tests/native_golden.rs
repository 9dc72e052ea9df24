//! Every message's bytes, pinned in `tests/fixtures/native.txt`.
//!
//! One line of the fixture is one frame: a name, then its bytes in hexadecimal. A change of these
//! bytes is a change of the protocol: it moves `SPEC.md` and the version too. To write the file anew
//! after such a change: `DURAMEN_GOLDEN=write cargo test -p duramen-protocol --test native_golden`.
//!
//! Each body also goes through [`check_body`]: it decodes to what it was, re-encodes to the same
//! bytes, and every shorter prefix and every longer one is an error.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write};

use bytes::BytesMut;
use duramen_protocol::TopicId;
use duramen_protocol::native::field::Call;
use duramen_protocol::native::frame::{self, FrameHeader, HEADER_LEN};
use duramen_protocol::native::messages::*;
use duramen_protocol::native::{
    ErrorAnswer, ErrorCode, ErrorDetail, Message, Opcode, Request, RequestError,
};

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/native.txt");

fn topic_id() -> TopicId {
    TopicId(*b"0123456789abcdef")
}

/// The frames by name.
#[derive(Default)]
struct Golden(BTreeMap<String, BytesMut>);

impl Golden {
    fn request<C: Call + Debug + PartialEq>(&mut self, handle: u32, call: C) {
        check_body(&call);
        let bytes = frame::request(0x0a0b0c0d, handle, &call);
        let header = FrameHeader::decode(&bytes, 4096).expect("within the limit").expect("whole");
        assert_eq!(header.kind(), Some(C::OPCODE));
        Request::decode(&header, &bytes[HEADER_LEN..]).expect("a request");
        self.0.insert(format!("{:?}", C::OPCODE), bytes);
    }

    fn answer<A: Message + Debug + PartialEq>(&mut self, opcode: Opcode, answer: A) {
        check_body(&answer);
        let mut bytes = BytesMut::new();
        frame::put_answer(&mut bytes, opcode, 0x0a0b0c0d, 0, &answer);
        self.0.insert(format!("{opcode:?}.answer"), bytes);
    }

    fn error(&mut self, name: &str, error: ErrorAnswer) {
        let mut bytes = BytesMut::new();
        frame::put_error(&mut bytes, Opcode::Read.request(), 0x0a0b0c0d, 3, &error);
        let header = FrameHeader::decode(&bytes, 4096).expect("within the limit").expect("whole");
        let code = header.error_code().expect("an error answer");
        assert_eq!(ErrorAnswer::decode(code, &bytes[HEADER_LEN..]), Ok(error));
        self.0.insert(format!("error.{name}"), bytes);
    }

    fn raw(&mut self, name: &str, header: FrameHeader, body: &[u8]) {
        let bytes = [&header.encode()[..], body].concat();
        self.0.insert(name.to_owned(), BytesMut::from(&bytes[..]));
    }

    fn text(&self) -> String {
        self.0.iter().fold(String::new(), |mut text, (name, bytes)| {
            write!(text, "{name} ").expect("a String takes it");
            bytes.iter().for_each(|byte| write!(text, "{byte:02x}").expect("a String takes it"));
            text + "\n"
        })
    }
}

/// Round trip, and every other length of the body is an error.
fn check_body<M: Message + Debug + PartialEq>(message: &M) {
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    assert!(bytes.len() >= M::MIN_LEN, "{message:?}");
    assert_eq!(M::decode(&bytes).as_ref(), Ok(message));
    for n in 0..bytes.len() {
        assert!(M::decode(&bytes[..n]).is_err(), "{message:?} cut to {n} bytes");
    }
    bytes.push(0);
    assert!(M::decode(&bytes).is_err(), "{message:?} with a byte too many");
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn connection(golden: &mut Golden) {
    golden.request(0, Hello { features: 1, auth: b"who".to_vec(), ..Hello::new("golden", 3) });
    golden.answer(
        Opcode::Hello,
        HelloAnswer {
            version: 1,
            features: 0,
            server_id: *b"fedcba9876543210",
            start_epoch: 12,
            core: 3,
            cores: 4,
            max_frame_bytes: 8 << 20,
            append_credit_bytes: 4 << 20,
            max_in_flight: 1024,
            software: text("duramen"),
        },
    );
    golden.request(0, Ping { echo: b"hello?".to_vec() });
    golden.answer(Opcode::Ping, Ping { echo: b"hello?".to_vec() });
    golden.request(0, Stats);
    let metric = |core, value| Metric { name: text("appends"), core, value };
    golden.answer(
        Opcode::Stats,
        StatsAnswer {
            version: text("0.1.0"),
            io_engine: text("uring"),
            no_sync: true,
            facts: vec![Fact { name: text("cores"), value: text("4") }],
            metrics: vec![metric(0, MetricValue::Count(7)), metric(0xffff, MetricValue::Real(0.5))],
        },
    );
}

fn topics(golden: &mut Golden) {
    let configs = vec![Config { name: text("retention.ms"), value: text("-1") }];
    golden.request(
        0,
        CreateTopic { name: text("events"), partitions: 4, if_not_exists: true, configs },
    );
    golden.answer(
        Opcode::CreateTopic,
        CreateTopicAnswer { topic_id: topic_id(), partitions: 4, created: true },
    );
    golden.request(0, DeleteTopic { name: text("events") });
    golden.answer(Opcode::DeleteTopic, Empty);
    golden.request(0, ListTopics);
    let listed =
        ListedTopic { name: text("events"), topic_id: topic_id(), partitions: 4, internal: false };
    golden.answer(Opcode::ListTopics, ListTopicsAnswer { topics: vec![listed] });
    golden.request(0, DescribeTopic { name: text("events") });
    let partition = DescribedPartition {
        core: 1,
        log_start: 10,
        durable_end: 20,
        size_bytes: 4096,
        segments: 2,
    };
    let config =
        DescribedConfig { name: text("retention.ms"), value: text("-1"), is_default: false };
    golden.answer(
        Opcode::DescribeTopic,
        DescribeTopicAnswer {
            topic_id: topic_id(),
            partitions: vec![partition],
            configs: vec![config],
        },
    );
    let set = vec![
        ConfigChange { name: text("retention.ms"), value: Some(text("1000")) },
        ConfigChange { name: text("segment.bytes"), value: None },
    ];
    golden.request(0, AlterTopic { name: text("events"), set, partitions: 8 });
    golden.answer(Opcode::AlterTopic, Empty);
}

fn appending(golden: &mut Golden) {
    let open = Open { topic: text("events"), partition: 2, producer_id: 4000, producer_epoch: 1 };
    golden.request(0, open);
    golden.answer(
        Opcode::Open,
        OpenAnswer {
            handle: 5,
            core: 1,
            topic_id: topic_id(),
            partitions: 4,
            log_start: 10,
            durable_end: 20,
            max_message_bytes: 1 << 20,
            durable: vec![DurableBatch { last_sequence: 9, last_offset: 19 }],
        },
    );
    golden.request(5, CloseHandle);
    golden.answer(Opcode::CloseHandle, Empty);
    golden.request(0, AllocateProducerId);
    golden.answer(
        Opcode::AllocateProducerId,
        AllocateProducerIdAnswer { producer_id: 4000, producer_epoch: 0 },
    );
    golden.raw("Append", FrameHeader::append(1, 5, frame::NO_ANSWER, 5), b"batch");
    golden.answer(Opcode::Append, AppendAnswer { base_offset: 20, log_append_time_ms: -1 });
}

fn reading(golden: &mut Golden) {
    golden.request(5, Read { offset: 15, min_bytes: 1, max_bytes: 65536, max_wait_ms: 500 });
    golden.answer(Opcode::Read, ReadHead { log_start: 10, durable_end: 20 });
    golden.request(5, Subscribe { offset: 15, credit_bytes: 1 << 20 });
    golden.answer(
        Opcode::Subscribe,
        SubscribeAnswer { subscription: 6, log_start: 10, durable_end: 20 },
    );
    golden.request(6, Credit { bytes: 65536 });
    golden.request(6, Unsubscribe);
    golden.answer(Opcode::Unsubscribe, Empty);
    let mut push = Vec::new();
    PushHead { offset: 14, durable_end: 20 }.encode(&mut push);
    assert_eq!(push.len(), PushHead::LEN);
    push.extend_from_slice(b"batches");
    golden.raw("Push", FrameHeader::push(6, push.len() as u32), &push);
    let mut end = BytesMut::new();
    frame::put_push_end(&mut end, 6, &ErrorAnswer::new(ErrorCode::STALE_HANDLE, "deleted"));
    golden.0.insert(text("PushEnd"), end);
}

fn offsets(golden: &mut Golden) {
    let others = [OffsetQuery::Earliest, OffsetQuery::Latest, OffsetQuery::MaxTimestamp];
    others.into_iter().for_each(|query| check_body(&FindOffset { query }));
    golden.request(5, FindOffset { query: OffsetQuery::Timestamp(1_700_000_000_000) });
    golden.answer(
        Opcode::FindOffset,
        FindOffsetAnswer { offset: 15, timestamp_ms: 1_700_000_000_001 },
    );
    golden.request(5, DeleteRecords { before: -1 });
    golden.answer(Opcode::DeleteRecords, DeleteRecordsAnswer { log_start: 20 });
    let committed = CommittedOffset {
        topic: text("events"),
        partition: 2,
        offset: 15,
        metadata: text("batch 3"),
    };
    let offsets = vec![committed];
    golden.request(0, CommitOffsets { group: text("audit"), offsets: offsets.clone() });
    golden.answer(Opcode::CommitOffsets, Empty);
    check_body(&FetchOffsets { group: text("audit"), partitions: None });
    let wanted = vec![TopicPartition { topic: text("events"), partition: 2 }];
    golden.request(0, FetchOffsets { group: text("audit"), partitions: Some(wanted) });
    golden.answer(Opcode::FetchOffsets, FetchOffsetsAnswer { offsets });
}

fn groups(golden: &mut Golden) {
    let listed = ListedGroup {
        group: text("audit"),
        state: text("Stable"),
        protocol_type: text("consumer"),
    };
    golden.request(0, ListGroups);
    golden.answer(Opcode::ListGroups, ListGroupsAnswer { groups: vec![listed] });
    golden.request(0, DescribeGroup { group: text("audit") });
    let member = DescribedMember {
        member_id: text("app-1"),
        instance_id: Some(text("one")),
        client_id: text("app"),
        client_host: text("/127.0.0.1"),
        assignment: vec![0, 1],
    };
    let offset = GroupOffset {
        topic: text("events"),
        partition: 2,
        offset: 15,
        log_start: 10,
        durable_end: 20,
        metadata: text("batch 3"),
    };
    let described = DescribeGroupAnswer {
        state: text("Stable"),
        protocol_type: text("consumer"),
        protocol: text("range"),
        members: vec![member],
        offsets: vec![offset],
    };
    golden.answer(Opcode::DescribeGroup, described);
    golden.request(0, DeleteGroup { group: text("audit") });
    golden.answer(Opcode::DeleteGroup, Empty);
}

fn errors(golden: &mut Golden) {
    let range = ErrorDetail::Range { log_start: 10, durable_end: 20 };
    let corrupt = ErrorDetail::Corrupt { first: 12, next_good: 14 };
    let details = [
        ("none", ErrorCode::UNKNOWN_SERVER_ERROR, ErrorDetail::None),
        ("range", ErrorCode::OFFSET_OUT_OF_RANGE, range),
        ("corrupt", ErrorCode::CORRUPT_LOG, corrupt),
        ("owner", ErrorCode::NOT_LEADER_OR_FOLLOWER, ErrorDetail::Owner { core: 3 }),
        ("limit", ErrorCode::MESSAGE_TOO_LARGE, ErrorDetail::Limit { bytes: 1 << 20 }),
        ("versions", ErrorCode::UNSUPPORTED_VERSION, ErrorDetail::Versions { min: 1, max: 2 }),
    ];
    for (name, code, detail) in details {
        check_body(&ErrorAnswer::new(ErrorCode::NONE, "why").with(detail));
        golden.error(name, ErrorAnswer::new(code, "why").with(detail));
    }
}

#[test]
fn every_message_has_its_golden_bytes() {
    let mut golden = Golden::default();
    for part in [connection, topics, appending, reading, offsets, groups, errors] {
        part(&mut golden);
    }
    for opcode in Opcode::ALL {
        assert!(golden.0.contains_key(&format!("{opcode:?}")), "{opcode:?} has no golden bytes");
    }
    let actual = golden.text();
    if std::env::var_os("DURAMEN_GOLDEN").is_some() {
        std::fs::write(FIXTURE, &actual).expect("the fixture can be written");
    }
    let expected = std::fs::read_to_string(FIXTURE).expect("the fixture is there");
    for (actual, expected) in actual.lines().zip(expected.lines()) {
        assert_eq!(actual, expected);
    }
    assert_eq!(actual.lines().count(), expected.lines().count());
}

#[test]
fn bodies_of_noise_are_errors_and_never_panics() {
    let mut random = fastrand::Rng::with_seed(1);
    for round in 0..20_000 {
        let opcode = Opcode::ALL[round % Opcode::ALL.len()];
        let body: Vec<u8> = (0..random.usize(0..64)).map(|_| random.u8(0..4)).collect();
        let header = FrameHeader {
            body_len: body.len() as u32,
            opcode: opcode.request(),
            flags: 0,
            correlation: 0,
            handle: 0,
        };
        let _ = Request::decode(&header, &body);
        let _ = ErrorAnswer::decode(ErrorCode::UNKNOWN_SERVER_ERROR, &body);
        let _ = HelloAnswer::decode_any_version(&body);
        let _ = StatsAnswer::decode(&body);
        let _ = FetchOffsetsAnswer::decode(&body);
    }
}

#[test]
fn answers_pushes_and_unknown_opcodes_are_no_requests() {
    let header = |opcode| FrameHeader { body_len: 0, opcode, flags: 0, correlation: 0, handle: 0 };
    let push = Opcode::Push.request();
    for opcode in [0, 0x3fff, push, Opcode::Stats.answer(), Opcode::Stats.error()] {
        let error = Request::decode(&header(opcode), &[]);
        assert_eq!(error, Err(RequestError::Unknown(opcode)));
    }
    let cut = Request::decode(&header(Opcode::Read.request()), &[0; 3]);
    let error = cut.expect_err("a read takes 20 bytes").answer();
    assert_eq!(error.code, ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn hellos_of_later_versions_can_be_read() {
    let mut bytes = Vec::new();
    let hello = Hello { max_version: 9, ..Hello::new("later", 0xffff) };
    hello.encode(&mut bytes);
    bytes.extend_from_slice(b"what version 9 adds");
    let read = Hello::decode_any_version(&bytes).expect("the fields known stand first");
    assert_eq!((read.version(), read.core()), (Some(1), None));
    let alien = Hello { min_version: 2, ..read };
    assert_eq!(alien.version(), None);
    bytes[0] = b'X';
    assert!(Hello::decode_any_version(&bytes).is_err());
}
