//! Headers and whole frames.

use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::messages::fetch::{FetchableTopicResponse, PartitionData};
use duramen_protocol::kafka::messages::{
    ApiVersionsRequest, FetchResponse, HeartbeatResponse, ProduceRequest,
};
use duramen_protocol::kafka::{
    ApiKey, Frames, Hole, Message, Piece, Records, RequestHeader, ResponseHeader,
};
use duramen_protocol::wire::Reader;
use serde_json::Value;

use super::any;
use super::golden::listing;
use crate::reference::{lines, roots, unhex};

/// A whole frame that Kafka's library wrote, with the defaults in its body.
struct GoldenFrame {
    api: ApiKey,
    is_request: bool,
    version: i16,
    correlation_id: i32,
    client_id: Option<String>,
    body_offset: usize,
    bytes: Vec<u8>,
}

fn frames() -> Vec<GoldenFrame> {
    let lines = roots().into_iter().flat_map(|root| lines(&root.join("golden/frames.jsonl")));
    let frames = lines.filter_map(|line| {
        let json: Value = serde_json::from_str(&line).unwrap();
        let number = |name: &str| json[name].as_i64().unwrap();
        let api = ApiKey::from_number(number("key") as i16)?;
        let version = number("version") as i16;
        api.versions().contains(&version).then(|| GoldenFrame {
            api,
            is_request: json["type"] == "request",
            version,
            correlation_id: number("correlation_id") as i32,
            client_id: json["client_id"].as_str().map(String::from),
            body_offset: number("body_offset") as usize,
            bytes: unhex(json["hex"].as_str().unwrap()),
        })
    });
    frames.collect()
}

#[test]
fn headers_are_those_that_kafka_writes() {
    for frame in frames() {
        let mut reader = Reader::new(&frame.bytes);
        assert_eq!(reader.i32().unwrap() as usize, frame.bytes.len() - 4);
        let mut header = Vec::new();
        if frame.is_request {
            let read = RequestHeader::decode(&mut reader).unwrap();
            assert_eq!(read.supported_api(), Some(frame.api));
            assert_eq!(read.api_version, frame.version);
            assert_eq!(read.correlation_id, frame.correlation_id);
            assert_eq!(read.client_id.map(String::from), frame.client_id);
            read.encode(&mut header).unwrap();
        } else {
            let read = ResponseHeader::decode(&mut reader, frame.api, frame.version).unwrap();
            assert_eq!(read.correlation_id, frame.correlation_id);
            read.encode(frame.api, frame.version, &mut header);
        }
        assert_eq!(reader.at(), frame.body_offset, "{} v{}", frame.api.name(), frame.version);
        assert_eq!(header, frame.bytes[4..frame.body_offset]);
    }
}

#[test]
fn frames_of_defaults_are_those_that_kafka_writes() {
    for frame in frames() {
        let body = &frame.bytes[frame.body_offset..];
        let mut reader = Reader::new(body);
        let read = any::decode(frame.api, frame.is_request, &mut reader, frame.version);
        assert_eq!(reader.finish(), Ok(()));
        let Ok((message, _)) = read else { panic!("{} can't be read", frame.api.name()) };
        assert_eq!(message.encode(frame.version).as_deref(), Ok(body), "{}", frame.api.name());
    }
}

#[test]
fn each_version_has_the_header_that_kafka_gives_it() {
    let Some(lines) = listing("golden/header-versions.tsv") else { return };
    for line in lines.iter().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&str> = line.split('\t').collect();
        let number = |i: usize| columns[i].parse::<i16>().unwrap();
        let Some(api) = ApiKey::from_number(number(0)) else { continue };
        let version = number(2);
        assert_eq!(api.has_tagged_request_header(version), number(3) == 2, "{line}");
        assert_eq!(api.has_tagged_response_header(version), number(4) == 1, "{line}");
    }
}

#[test]
fn the_header_of_an_unknown_request_is_read() {
    let bytes = unhex("7fff0000000000070001780c");
    let mut reader = Reader::new(&bytes);
    let header = RequestHeader::decode(&mut reader).unwrap();
    assert_eq!((header.api_key, header.correlation_id), (i16::MAX, 7));
    assert_eq!((header.client_id, header.supported_api()), (Some("x"), None));
    assert_eq!(reader.remaining(), 1);
    // Also of a version to come, whose header has tagged fields as all later ones have.
    let bytes = unhex("001200630000000700017800ff");
    let mut reader = Reader::new(&bytes);
    let header = RequestHeader::decode(&mut reader).unwrap();
    assert_eq!((header.supported_api(), reader.remaining()), (None, 1));
}

#[test]
fn unknown_tags_of_a_header_are_skipped() {
    let bytes = unhex("0001000c00000007ffff02000163070212349f");
    let mut reader = Reader::new(&bytes);
    let header = RequestHeader::decode(&mut reader).unwrap();
    assert_eq!((header.supported_api(), header.client_id), (Some(ApiKey::Fetch), None));
    assert_eq!(reader.remaining(), 1);
}

/// A fetch response with the records that `records` gives each partition.
fn fetched<'a>(records: impl IntoIterator<Item = Records<'a>>) -> FetchResponse<'a> {
    let partition = |(i, records)| PartitionData {
        partition_index: i as i32,
        high_watermark: 1,
        records,
        ..Default::default()
    };
    let partitions = records.into_iter().enumerate().map(partition).collect();
    FetchResponse {
        responses: vec![FetchableTopicResponse { topic: "t", partitions, ..Default::default() }],
        ..Default::default()
    }
}

#[test]
fn filled_holes_make_the_frame_that_copied_records_make() {
    let records = [&b"first"[..], b"", b"the second"];
    for version in ApiKey::Fetch.versions() {
        let topics_by_name = version < 13;
        let (mut copied, mut holed) = (Frames::default(), Frames::default());
        let mut whole = fetched(records.map(Records::Bytes));
        let mut apart = fetched(records.map(|bytes| Records::Elsewhere(bytes.len())));
        if !topics_by_name {
            whole.responses[0].topic = "";
            apart.responses[0].topic = "";
        }
        // Behind another frame, so that positions are not those of the frame.
        for frames in [&mut copied, &mut holed] {
            frames.push_response(1, 0, &HeartbeatResponse::default()).unwrap();
        }
        copied.push_response(2, version, &whole).unwrap();
        holed.push_response(2, version, &apart).unwrap();

        let mut supply = records.iter().filter(|bytes| !bytes.is_empty());
        let mut sent = Vec::new();
        for piece in holed.pieces() {
            match piece {
                Piece::Bytes(bytes) => sent.extend_from_slice(bytes),
                Piece::Hole(len) => {
                    let bytes = supply.next().unwrap();
                    assert_eq!(bytes.len(), len);
                    sent.extend_from_slice(bytes);
                }
            }
        }
        assert_eq!(supply.next(), None);
        assert_eq!(sent, copied.bytes(), "v{version}");
        assert_eq!(copied.pieces().collect::<Vec<_>>(), [Piece::Bytes(copied.bytes())]);
    }
}

#[test]
fn a_message_that_can_not_be_said_leaves_no_trace() {
    let mut frames = Frames::default();
    frames.push_response(1, 12, &fetched([Records::Elsewhere(9)])).unwrap();
    let before = frames.clone();
    let session = FetchResponse { session_id: 1, ..fetched([Records::Elsewhere(9)]) };
    let error = frames.push_response(2, 6, &session).unwrap_err();
    assert_eq!(error.field.name, "session_id");
    assert_eq!(frames, before);
    let huge = fetched([Records::Elsewhere(1 << 30), Records::Elsewhere(1 << 30)]);
    assert!(frames.push_response(2, 12, &huge).is_err(), "no frame has 2 GiB");
    assert_eq!(frames, before);
    assert_eq!(before.holes(), [Hole { at: before.bytes().len() - 3, len: 9 }]);
}

/// The bytes that the module's documentation shows.
#[test]
fn a_request_and_its_header() {
    let request = ApiVersionsRequest {
        client_software_name: "kct",
        client_software_version: "1",
        ..Default::default()
    };
    let mut frames = Frames::default();
    frames.push_request(1, Some("me"), 3, &request).unwrap();
    assert_eq!(frames.bytes(), unhex("00000014001200030000000100026d6500046b6374023100"));
    let mut reader = Reader::new(frames.bytes());
    assert_eq!(reader.i32(), Ok(20));
    let header = RequestHeader::decode(&mut reader).unwrap();
    assert_eq!((header.supported_api(), header.client_id), (Some(ApiKey::ApiVersions), Some("me")));
    assert_eq!(ApiVersionsRequest::decode(&mut reader, header.api_version), Ok(request));
    assert_eq!(reader.finish(), Ok(()));
}

#[test]
fn a_produce_too_old_to_be_served_can_be_answered() {
    use duramen_protocol::kafka::messages::ProduceResponse;
    use duramen_protocol::kafka::messages::produce::{
        PartitionProduceResponse, TopicProduceResponse,
    };
    // acks 1, timeout 100, topic "t", partition 7, a message set of 3 bytes
    let bytes = unhex("000100000064000000010001740000000100000007000000030a0b0c");
    for version in 0..=2 {
        let mut reader = Reader::new(&bytes);
        let request = ProduceRequest::decode(&mut reader, version).unwrap();
        assert_eq!(reader.finish(), Ok(()));
        assert_eq!(request.topic_data[0].partition_data[0].index, 7);
        let refused = PartitionProduceResponse {
            index: 7,
            error_code: ErrorCode::UNSUPPORTED_VERSION,
            base_offset: -1,
            ..Default::default()
        };
        let topic = TopicProduceResponse {
            name: "t",
            partition_responses: vec![refused],
            ..Default::default()
        };
        let response = ProduceResponse { responses: vec![topic], ..Default::default() };
        let mut out = Vec::new();
        response.encode(version, &mut out, &mut Vec::new()).unwrap();
        let expected = match version {
            0 => "00000001000174000000010000000700 23ffffffffffffffff",
            1 => "00000001000174000000010000000700 23ffffffffffffffff00000000",
            _ => "00000001000174000000010000000700 23ffffffffffffffffffffffffffffffff00000000",
        };
        assert_eq!(out, unhex(&expected.replace(' ', "")), "v{version}");
    }
}
