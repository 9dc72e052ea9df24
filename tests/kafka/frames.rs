//! Bytes that are no requests, and requests that are not served.

use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::messages::{
    ApiVersionsRequest, ApiVersionsResponse, MetadataRequest, MetadataResponse,
};

use crate::connect;
use crate::support::kafka_wire::KafkaWire;

/// A frame of a header (before the flexible versions) and a body.
fn frame(api_key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend_from_slice(&(10 + body.len() as i32).to_be_bytes());
    frame.extend_from_slice(&api_key.to_be_bytes());
    frame.extend_from_slice(&version.to_be_bytes());
    frame.extend_from_slice(&7i32.to_be_bytes());
    frame.extend_from_slice(&(-1i16).to_be_bytes());
    frame.extend_from_slice(body);
    frame
}

#[test]
fn an_unknown_version_of_api_versions_is_answered_with_the_known_ones() {
    let (mut wire, _server) = connect();
    for version in [6, 99] {
        // No tags behind the header, and a body that nobody can know.
        wire.send_bytes(&frame(18, version, &[0, 0xff, 0xff]));
        let answer = wire.receive().unwrap();
        assert_eq!(answer, [0, 0, 0, 7, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 5]);
    }
    let request = ApiVersionsRequest {
        client_software_name: "test",
        client_software_version: "1",
        ..Default::default()
    };
    wire.call(4, &request, |answer: ApiVersionsResponse<'_>| {
        assert!(answer.error_code.is_ok());
        let versions = |key| {
            let row = answer.api_keys.iter().find(|row| row.api_key == key);
            row.map(|row| (row.min_version, row.max_version))
        };
        assert_eq!(
            (versions(0), versions(1), versions(3)),
            (Some((0, 13)), Some((4, 18)), Some((0, 13)))
        );
        assert_eq!(versions(24), None, "transactions are not served");
    });
    let nameless = ApiVersionsRequest::default();
    wire.call(4, &nameless, |answer: ApiVersionsResponse<'_>| {
        assert_eq!(answer.error_code, ErrorCode::INVALID_REQUEST);
    });
    let elsewhere = ApiVersionsRequest { cluster_id: Some("another"), ..request };
    wire.call(5, &elsewhere, |answer: ApiVersionsResponse<'_>| {
        assert_eq!(answer.error_code, ErrorCode::REBOOTSTRAP_REQUIRED);
    });
}

#[test]
fn what_is_no_request_ends_its_connection_with_one_line_and_nobody_elses() {
    let (mut good, (_dir, server)) = connect();
    for (bytes, said) in [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), "a TLS handshake"),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "socket.request.max.bytes"),
        (vec![0xff; 20], "a request of -1 bytes"),
        (frame(999, 0, &[]), "API 999 (unknown)"),
        (frame(1, 3, &[]), "API 1 (Fetch), version 3"),
        (frame(3, 1, &[0x7f, 0xff, 0xff, 0xff]), "MetadataRequest v1"),
        (vec![0, 0, 0, 2, 0, 1], "RequestHeader v0"),
    ] {
        let mut wire = KafkaWire::connect(server.kafka[0]);
        wire.send_bytes(&bytes);
        assert_eq!(wire.receive(), None, "{said}");
        server.says(said, 1);
    }
    good.call(
        1,
        &MetadataRequest { topics: None, ..Default::default() },
        |_: MetadataResponse<'_>| (),
    );
}
