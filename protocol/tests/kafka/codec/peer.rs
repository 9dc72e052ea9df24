//! Against another implementation of the protocol, the `kafka-protocol` crate, wherever it has the
//! version: what either writes, the other reads as the same.

use bytes::Bytes;
use duramen_protocol::kafka::ApiKey;
use duramen_protocol::wire::Reader;
use fastrand::Rng;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable, Message};

use super::any::{self, with_all_messages};
use super::golden::{Golden, bodies};
use super::mutations::{damage, seeds};

/// The message that the peer reads, written again by it; none if it lacks the version.
fn round_trip_as<M: Message + Decodable + Encodable>(
    bytes: &[u8],
    version: i16,
) -> Option<Vec<u8>> {
    if version < M::VERSIONS.min || version > M::VERSIONS.max {
        return None;
    }
    let mut rest = Bytes::copy_from_slice(bytes);
    let message = M::decode(&mut rest, version).expect("the peer can read it");
    assert!(rest.is_empty(), "the peer reads all of it");
    let mut written = Vec::new();
    message.encode(&mut written, version).expect("the peer can write it");
    Some(written)
}

macro_rules! define_round_trip {
    ($($api:ident $request:ident $response:ident,)*) => {
        fn round_trip(golden: &Golden, bytes: &[u8]) -> Option<Vec<u8>> {
            match (golden.api, golden.is_request) {$(
                (ApiKey::$api, true) => round_trip_as::<$request>(bytes, golden.version),
                (ApiKey::$api, false) => round_trip_as::<$response>(bytes, golden.version),
            )*}
        }
    };
}

with_all_messages!(define_round_trip);

/// What we write of what we read; none if it can't be read.
fn ours(golden: &Golden, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader::new(bytes);
    let (message, _) =
        any::decode(golden.api, golden.is_request, &mut reader, golden.version).ok()?;
    Some(message.encode(golden.version).expect("what was read can be written"))
}

#[test]
fn what_kafka_writes_the_peer_reads_as_we_do() {
    let mut checked = 0;
    for golden in bodies() {
        let Some(theirs) = round_trip(&golden, &golden.bytes) else { continue };
        assert_eq!(ours(&golden, &theirs), ours(&golden, &golden.bytes), "{}", golden.name());
        checked += 1;
    }
    assert!(checked > 400, "{checked}");
}

#[test]
fn what_we_write_the_peer_writes_too() {
    for seed in 0..seeds() {
        let mut random = Rng::with_seed(seed);
        for golden in bodies() {
            let mut bytes = golden.bytes.clone();
            damage(&mut random, &mut bytes);
            let Some(ours) = ours(&golden, &bytes) else { continue };
            let Some(theirs) = round_trip(&golden, &ours) else { continue };
            assert_eq!(ours, theirs, "seed {seed}: {}", golden.name());
        }
    }
}
