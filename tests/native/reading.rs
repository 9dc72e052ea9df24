//! Reading: long polls, offsets by time, deleted records.

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use duramen::limits;
use duramen_protocol::batch::{BatchBuilder, Codec};
use duramen_protocol::native::messages::{
    DeleteRecords, FindOffset, FindOffsetAnswer, OffsetQuery, Ping, Read,
};
use duramen_protocol::native::{ErrorCode, ErrorDetail};

use crate::one_partition::{one_core, one_partition, open};
use crate::support::server::{files_below, folder};
use crate::support::wire::{Wire, batch, texts};

#[test]
fn a_read_waits_for_what_is_not_there_yet() {
    let dir = folder();
    let (server, mut reader, handle) = one_partition(dir.path());
    let read = Read { offset: 0, min_bytes: 1, max_bytes: 1 << 20, max_wait_ms: 60_000 };
    let waiting = reader.send(handle, &read);
    // It is parked, and holds nobody up.
    assert!(reader.call(0, &Ping { echo: vec![] }).is_ok());
    let (mut writer, theirs) = open(&server);
    writer.append(theirs, &batch(&["at last"])).unwrap();
    let frame = reader.frame();
    assert_eq!(frame.header.correlation, waiting);
    assert_eq!(texts(&frame.records().unwrap().1), [(0, "at last".to_owned())]);
}

#[test]
fn a_read_waits_for_min_bytes_and_then_takes_what_there_is() {
    let dir = folder();
    let (_server, mut wire, handle) = one_partition(dir.path());
    let (small, large) = (batch(&["small"]), batch(&["x".repeat(5_000)]));
    wire.append(handle, &small).unwrap();
    let read = Read { offset: 0, min_bytes: 4_000, max_bytes: 1 << 20, max_wait_ms: 60_000 };
    let waiting = wire.send(handle, &read);
    assert!(wire.call(0, &Ping { echo: vec![] }).is_ok(), "too little to answer");
    let append = wire.send_append(handle, &large);
    let mut frames = [wire.frame(), wire.frame()];
    frames.sort_by_key(|frame| frame.header.correlation);
    assert_eq!(frames.each_ref().map(|f| f.header.correlation), [waiting, append]);
    let (_, bytes) = frames[0].records().unwrap();
    assert_eq!(bytes.len(), small.len() + large.len());

    let read = Read { offset: 2, min_bytes: 1, max_bytes: 1 << 20, max_wait_ms: 1 };
    wire.send(handle, &read);
    let (head, bytes) = wire.frame().records().unwrap();
    assert_eq!((head.durable_end, bytes.len()), (2, 0));
}

/// Partitions that end a little before, at and behind where what comes to the page cache at a time
/// ends: a block that may still be written is not brought.
#[test]
fn a_cold_partition_of_any_length_is_read_to_its_end() {
    let at_a_time = limits::READAHEAD_BYTES as usize;
    let lengths = [at_a_time - 100, at_a_time, at_a_time + 100, at_a_time + 4096 + 100];
    let value = |bytes: usize| batch(&["x".repeat(bytes)]);
    let overhead = value(60_000).len() - 60_000;
    let dir = folder();
    let server = one_core(dir.path());
    let mut wire = Wire::connect(server.address);
    wire.create("events", lengths.len() as u32);
    for (partition, &bytes) in lengths.iter().enumerate() {
        let handle = wire.open("events", partition as u32).handle;
        let mut left = bytes;
        while left > 0 {
            let batch = value(left.min(90_000 + overhead) - overhead);
            wire.append(handle, &batch).unwrap();
            left -= batch.len();
        }
    }
    assert!(server.stop().success());
    let is_log = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "log");
    for log in files_below(dir.path()).into_iter().filter(is_log) {
        let file = File::open(log).unwrap();
        rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    }
    let server = one_core(dir.path());
    let mut wire = Wire::connect(server.address);
    for (partition, &bytes) in lengths.iter().enumerate() {
        let opened = wire.open("events", partition as u32);
        let texts = wire.read_all(opened.handle, opened.durable_end);
        let read: usize = texts.iter().map(|text| text.len() + overhead).sum();
        assert_eq!(read, bytes);
    }
}

#[test]
fn an_offset_out_of_range_is_told_the_range() {
    let dir = folder();
    let (_server, mut wire, handle) = one_partition(dir.path());
    wire.append(handle, &batch(&["a", "b"])).unwrap();
    let error = wire.read(handle, 3).unwrap_err();
    assert_eq!(error.code, ErrorCode::OFFSET_OUT_OF_RANGE);
    assert_eq!(error.detail, ErrorDetail::Range { log_start: 0, durable_end: 2 });
    assert_eq!(wire.read(handle, -5).unwrap_err().code, ErrorCode::INVALID_REQUEST);
    assert_eq!(wire.read(77, 0).unwrap_err().code, ErrorCode::UNKNOWN_HANDLE);
}

#[test]
fn offsets_are_found_by_time_and_records_deleted_below_one() {
    let dir = folder();
    let (_server, mut wire, handle) = one_partition(dir.path());
    for timestamp_ms in [100, 300, 200] {
        let mut builder = BatchBuilder::new(Codec::None);
        builder.append(timestamp_ms, None, Some(b"x"), &[]).unwrap();
        wire.append(handle, &builder.finish().unwrap()).unwrap();
    }
    let mut find = |query| {
        let FindOffsetAnswer { offset, timestamp_ms } =
            wire.call(handle, &FindOffset { query }).unwrap();
        (offset, timestamp_ms)
    };
    assert_eq!(find(OffsetQuery::Earliest), (0, -1));
    assert_eq!(find(OffsetQuery::Latest), (3, -1));
    assert_eq!(find(OffsetQuery::Timestamp(150)), (1, 300));
    assert_eq!(find(OffsetQuery::Timestamp(301)), (-1, -1));
    assert_eq!(find(OffsetQuery::MaxTimestamp), (1, 300));

    let above = wire.call(handle, &DeleteRecords { before: 4 }).unwrap_err();
    assert_eq!(above.code, ErrorCode::OFFSET_OUT_OF_RANGE);
    assert_eq!(wire.call(handle, &DeleteRecords { before: 2 }).unwrap().log_start, 2);
    assert_eq!(wire.call(handle, &DeleteRecords { before: 1 }).unwrap().log_start, 2);
    assert_eq!(wire.read(handle, 1).unwrap_err().code, ErrorCode::OFFSET_OUT_OF_RANGE);
    assert_eq!(wire.call(handle, &DeleteRecords { before: -1 }).unwrap().log_start, 3);
    let (head, bytes) = wire.read(handle, 3).unwrap();
    assert_eq!((head.log_start, head.durable_end, bytes.len()), (3, 3, 0));
}

#[test]
fn a_catch_up_over_files_brings_every_byte() {
    let dir = folder();
    let (server, mut wire, handle) = one_partition(dir.path());
    let mut written = Vec::new();
    for n in 0..40 {
        let values: Vec<String> =
            (0..100).map(|i| format!("{n}/{i} {}", "y".repeat(2_000))).collect();
        wire.append(handle, &batch(&values)).unwrap();
        written.extend(values);
    }
    assert!(server.stop().success());
    let server = one_core(dir.path());
    let (mut wire, handle) = open(&server);
    // Twice: the second time from files that have been checked.
    for _ in 0..2 {
        let read = wire.read_all(handle, written.len() as i64);
        assert!(read == written, "not what was written");
    }
}

#[test]
fn parked_reads_end_with_the_server() {
    let dir = folder();
    let (server, mut wire, handle) = one_partition(dir.path());
    let read = Read { offset: 0, min_bytes: 1, max_bytes: 100, max_wait_ms: 60_000 };
    let waiting = wire.send(handle, &read);
    assert!(wire.call(0, &Ping { echo: vec![] }).is_ok());
    let stopping = std::thread::spawn(move || server.stop());
    let frame = wire.frame();
    assert_eq!(frame.header.correlation, waiting);
    assert!(frame.records().unwrap().1.is_empty());
    wire.stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    assert!(wire.receive().is_none(), "closed");
    assert!(stopping.join().unwrap().success());
}
