//! Damaged messages: no bytes make a decoder panic or take more memory than their length allows.
//!
//! `DURAMEN_SEEDS=22000 cargo test --release -p duramen-protocol mutations` runs as many seeds as
//! asked; each damages every sample of every message and version once: 22,000 make ten million
//! damaged messages.

use duramen_protocol::kafka::decoder::MEMORY_PER_BYTE_MAX;
use duramen_protocol::kafka::{Message, RequestHeader};
use duramen_protocol::wire::{Reader, Writer};
use fastrand::Rng;

use super::any;
use super::golden::{Golden, bodies};

/// Seeds in a run that does not ask for more.
const SEEDS: u64 = 10;

pub fn seeds() -> u64 {
    std::env::var("DURAMEN_SEEDS").map_or(SEEDS, |seeds| seeds.parse().expect("a number of seeds"))
}

/// What lengths and counts become, to be believed or not.
const LIES: [&[u8]; 6] = [
    &[0x7f, 0xff, 0xff, 0xff],
    &[0xff, 0xff, 0xff, 0xff, 0x07],
    &[0x00, 0x0f, 0x42, 0x40],
    &[0xff, 0xff],
    &[0x80],
    &[0x00],
];

pub fn damage(random: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..random.usize(1..4) {
        let at = random.usize(..=bytes.len());
        match random.u8(..5) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, random.u8(..)),
            2 => {
                let lie = LIES[random.usize(..LIES.len())];
                let end = bytes.len().min(at + lie.len());
                bytes.splice(at..end, lie.iter().copied());
            }
            _ => {
                let Some(byte) = bytes.get_mut(at) else { continue };
                *byte = random.u8(..);
            }
        }
    }
}

/// Damages a body and reads it; what can be read can be written and read again.
fn run(seed: u64, golden: &Golden) {
    let mut random = Rng::with_seed(seed);
    let mut bytes = golden.bytes.clone();
    damage(&mut random, &mut bytes);
    let _ = RequestHeader::decode(&mut Reader::new(&bytes));

    let (api, is_request, version) = (golden.api, golden.is_request, golden.version);
    let mut reader = Reader::new(&bytes);
    let (message, array_bytes) = match any::decode(api, is_request, &mut reader, version) {
        Ok(read) => read,
        Err(error) => return assert!(error.at <= bytes.len(), "{error}"),
    };
    assert!(array_bytes <= reader.at() * MEMORY_PER_BYTE_MAX, "{array_bytes} of {}", reader.at());
    let written = message.encode(version).expect("what was read can be written");
    let again = any::decode(api, is_request, &mut Reader::new(&written), version);
    assert_eq!(again.map(|(again, _)| again.text()).ok(), Some(message.text()));
}

#[test]
fn mutations_neither_panic_nor_take_memory() {
    let bodies: Vec<Golden> = bodies().into_iter().filter(|body| body.case != "wide").collect();
    for seed in 0..seeds() {
        for (i, golden) in bodies.iter().enumerate() {
            let seed = seed * bodies.len() as u64 + i as u64;
            let outcome = std::panic::catch_unwind(|| run(seed, golden));
            assert!(outcome.is_ok(), "seed {seed}: {}", golden.name());
        }
    }
    println!("{} damaged messages", seeds() * bodies.len() as u64);
}

#[test]
fn counts_are_believed_as_far_as_the_bytes_go() {
    use duramen_protocol::kafka::messages::{DeleteGroupsRequest, FetchRequest};
    // Names of two bytes at least, and bytes for one and a half.
    let bytes = [0, 0, 0, 2, 0, 0, 0];
    let error = DeleteGroupsRequest::decode(&mut Reader::new(&bytes), 0).unwrap_err();
    assert_eq!(error.field.name, "groups_names");
    assert_eq!((error.at, error.what), (4, "an array of more elements than there are bytes for"));
    // The largest count that is allowed, and one more, with bytes enough for both.
    for (count, refused) in [(1_000_000u32, false), (1_000_001, true)] {
        let mut bytes = count.to_be_bytes().to_vec();
        bytes.resize(4 + 2 * 1_000_001, 0);
        let read = DeleteGroupsRequest::decode(&mut Reader::new(&bytes), 0);
        assert_eq!(read.is_err(), refused, "{count}");
    }
    // The worst there is: topics of three bytes each, an empty name, no partitions, no tags.
    let mut bytes = vec![0; 4 + 4 + 4 + 4 + 1 + 4 + 4];
    bytes.put_unsigned_varint(1_000_000 + 1);
    bytes.extend([1, 1, 0].repeat(1_000_000));
    bytes.extend([1, 1, 0]);
    let mut reader = Reader::new(&bytes);
    let (request, array_bytes) = FetchRequest::decode_counting(&mut reader, 12).unwrap();
    assert_eq!(reader.finish(), Ok(()));
    assert_eq!(request.topics.len(), 1_000_000);
    assert!(array_bytes <= bytes.len() * MEMORY_PER_BYTE_MAX);
}

#[test]
fn tags_are_bounded_and_have_the_size_they_say() {
    use duramen_protocol::kafka::messages::ListGroupsResponse;
    let decode = |tags: &[u8]| {
        let mut bytes = vec![0; 4 + 2];
        bytes.push(1);
        bytes.extend_from_slice(tags);
        ListGroupsResponse::decode(&mut Reader::new(&bytes), 3).map(|_| ())
    };
    let unknown = |count: usize| {
        let mut tags = vec![count as u8 | 0x80, (count >> 7) as u8];
        tags.extend([9, 0].repeat(count));
        tags
    };
    assert_eq!(decode(&unknown(10_000)), Ok(()));
    assert_eq!(decode(&unknown(10_001)).unwrap_err().what, "more than 10000 tagged fields");
    assert_eq!(decode(&[1, 9, 5, 0]).unwrap_err().what, "a length beyond the end");

    use duramen_protocol::kafka::messages::FetchRequest;
    let with_cluster_id = |size: u8| {
        let mut bytes = vec![0; 4 + 4 + 4 + 4 + 1 + 4 + 4];
        bytes.extend([1, 1, 1]);
        bytes.extend([1, 0, size, 3, b'i', b'd']);
        FetchRequest::decode(&mut Reader::new(&bytes), 12)
            .map(|request| request.cluster_id == Some("id"))
    };
    assert_eq!(with_cluster_id(3), Ok(true));
    let error = with_cluster_id(2).unwrap_err();
    assert_eq!(error.what, "a tagged field of another size than told");
}

#[test]
fn errors_name_message_version_field_and_place() {
    use duramen_protocol::kafka::messages::MetadataRequest;
    let bytes = [0, 0, 0, 1, 0, 2, 0xc3, 0x28];
    let error = MetadataRequest::decode(&mut Reader::new(&bytes), 4).unwrap_err();
    let expected =
        "MetadataRequest v4, MetadataRequestTopic.name at byte 4: a string that is not UTF-8";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn null_is_told_where_a_value_must_be() {
    use duramen_protocol::kafka::messages::MetadataRequest;
    let bytes = [0xff; 4];
    let error = MetadataRequest::decode(&mut Reader::new(&bytes), 0).unwrap_err();
    assert_eq!(error.what, "null where a value must be");
    let all = MetadataRequest::decode(&mut Reader::new(&bytes), 1).unwrap();
    assert_eq!(all.topics, None);
    let error = all.encode(0, &mut Vec::new(), &mut Vec::new()).unwrap_err();
    assert_eq!(error.what, "null, which the version can't say");
}
