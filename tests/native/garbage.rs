//! Clients that break the protocol are cut off; the server goes on.

use std::io::Write;

use duramen_protocol::native::messages::{Hello, Ping, Stats};
use duramen_protocol::native::{ANY_CORE, ErrorCode, ErrorDetail, FrameHeader, Opcode, frame};

use crate::support::server::{Server, folder};
use crate::support::wire::Wire;

fn is_alive(server: &Server) {
    let echo = b"still there?".to_vec();
    let mut wire = Wire::connect(server.address);
    assert_eq!(wire.call(0, &Ping { echo: echo.clone() }).unwrap().echo, echo);
}

#[test]
fn whoever_does_not_say_hello_is_cut_off_without_an_answer() {
    let dir = folder();
    let server = Server::start(dir.path());
    let mut wrong_magic = frame::request(1, 0, &Hello::new("x", ANY_CORE));
    wrong_magic[16] = b'X';
    let no_hello = frame::request(1, 0, &Ping { echo: vec![] });
    let mut huge = vec![0xff; 64];
    huge[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    for bytes in [&wrong_magic[..], &no_hello, &huge, b"GET / HTTP/1.1\r\n\r\n", &[0; 16]] {
        let mut wire = Wire::dial(server.address);
        wire.send_bytes(bytes);
        assert!(wire.receive().is_none(), "an answer to {bytes:?}");
    }
    // Some say nothing at all, or stop in the middle.
    drop(Wire::dial(server.address));
    let mut half = Wire::dial(server.address);
    half.send_bytes(&frame::request(1, 0, &Hello::new("x", ANY_CORE))[..20]);
    drop(half);
    is_alive(&server);
    // Each but the one that came and went without a word.
    server.says("the connection is closed", 5 + 1);
}

#[test]
fn versions_and_authentication_are_negotiated() {
    let dir = folder();
    let server = Server::start(dir.path());
    let hello = Hello { min_version: 7, max_version: 9, ..Hello::new("x", ANY_CORE) };
    let mut wire = Wire::dial(server.address);
    let error = wire.call(0, &hello).unwrap_err();
    assert_eq!(error.code, ErrorCode::UNSUPPORTED_VERSION);
    assert_eq!(error.detail, ErrorDetail::Versions { min: 1, max: 1 });
    assert!(wire.receive().is_none(), "closed");

    let hello = Hello { max_version: 9, wanted_core: 77, ..Hello::new("x", ANY_CORE) };
    let answer = Wire::dial(server.address).call(0, &hello).unwrap();
    assert!(answer.version == 1 && answer.core < 2, "a core that does not exist is any");

    let hello = Hello { auth_method: 1, auth: vec![1], ..Hello::new("x", ANY_CORE) };
    let mut wire = Wire::dial(server.address);
    assert_eq!(wire.call(0, &hello).unwrap_err().code, ErrorCode::UNSUPPORTED_SASL_MECHANISM);
    assert!(wire.receive().is_none(), "closed");
}

#[test]
fn what_contradicts_the_specification_is_answered_and_then_closed() {
    let dir = folder();
    let server = Server::start(dir.path());
    let hello = frame::request(1, 0, &Hello::new("again", ANY_CORE)).to_vec();
    let malformed = FrameHeader { body_len: 3, ..request(Opcode::Open) }.encode().to_vec();
    let malformed = [&malformed[..], b"abc"].concat();
    let too_large = FrameHeader { body_len: 1 << 30, ..request(Opcode::Append) }.encode().to_vec();
    let control = FrameHeader { body_len: 1 << 20, ..request(Opcode::Open) }.encode().to_vec();
    let too_short = [11, 0, 0, 0].to_vec();
    for (bytes, code) in [
        (hello, ErrorCode::PROTOCOL_ERROR),
        (malformed, ErrorCode::PROTOCOL_ERROR),
        (too_large, ErrorCode::FRAME_TOO_LARGE),
        (control, ErrorCode::FRAME_TOO_LARGE),
        (too_short, ErrorCode::PROTOCOL_ERROR),
    ] {
        let mut wire = Wire::connect(server.address);
        wire.send_bytes(&bytes);
        assert_eq!(wire.frame().code(), code, "{bytes:?}");
        assert!(wire.receive().is_none(), "closed after {code}");
    }
    is_alive(&server);
}

fn request(opcode: Opcode) -> FrameHeader {
    FrameHeader { body_len: 0, opcode: opcode.request(), flags: 0, correlation: 9, handle: 1 }
}

#[test]
fn an_unknown_opcode_is_refused_and_the_connection_stays() {
    let dir = folder();
    let server = Server::start(dir.path());
    let mut wire = Wire::connect(server.address);
    for opcode in [0x0999, 0x0034, 0x8002, 0xc002] {
        wire.send_bytes(&FrameHeader { opcode, ..request(Opcode::Ping) }.encode());
        assert_eq!(wire.frame().code(), ErrorCode::NOT_SUPPORTED, "{opcode:#x}");
    }
    assert!(wire.call(0, &Stats {}).is_ok());
}

#[test]
fn no_bytes_whatever_end_the_server() {
    let dir = folder();
    let server = Server::start(dir.path());
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..200 {
        let mut wire = Wire::connect(server.address);
        for _ in 0..random.usize(1..6) {
            let mut body = vec![0; random.usize(0..300)];
            random.fill(&mut body);
            let opcode = Opcode::ALL[random.usize(1..Opcode::ALL.len())].request();
            let header = FrameHeader {
                body_len: body.len() as u32,
                opcode,
                flags: random.u16(..2),
                correlation: round,
                handle: random.u32(..3),
            };
            // The server may have closed the connection by now.
            let _ = wire.stream.write_all(&[&header.encode()[..], &body].concat());
        }
        if random.bool() {
            let mut noise = [0; 100];
            random.fill(&mut noise);
            let _ = wire.stream.write_all(&noise);
        }
    }
    is_alive(&server);
    assert!(server.stop().success());
}
