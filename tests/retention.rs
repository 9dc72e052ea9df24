//! Records that are removed under load, by size, by age, on request and with their topic: the log's
//! start moves, old files go, and no offset is ever used again.

mod support;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use duramen_protocol::batch::{BatchBuilder, Codec};
use duramen_protocol::client::{Client, GapReason, Item, Start};
use duramen_protocol::codes::ErrorCode;
use duramen_protocol::native::messages::{
    Config, CreateTopic, DeleteRecords, DeleteTopic, Open, OpenAnswer,
};

use support::load::Load;
use support::records::{block_on, consume_all, is_whole};
use support::server::{Server, folder, serve};
use support::wire::{Wire, batch};

const MIB: usize = 1 << 20;
/// Far longer than anything takes that is waited for here.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server of one core that looks for what may go all the time.
fn eager(data: &Path) -> Command {
    let settings = data.with_extension("toml");
    std::fs::write(&settings, "retention.check.interval.ms = 20\n").unwrap();
    let mut command = serve(data);
    command.args(["--cores", "1", "--config"]).arg(settings);
    command
}

/// Makes a topic of one partition and small segments. Its records, which are old, may stay unless
/// `configs` says something else.
fn create(wire: &mut Wire, name: &str, configs: &[(&str, &str)]) {
    let mut all = vec![("segment.bytes", "1048576"), ("retention.ms", "-1")];
    all.retain(|(name, _)| configs.iter().all(|(other, _)| other != name));
    all.extend(configs);
    let config = |&(name, value): &(&str, &str)| Config { name: name.into(), value: value.into() };
    let configs = all.iter().map(config).collect();
    wire.call(0, &CreateTopic { name: name.into(), configs, ..CreateTopic::default() }).unwrap();
}

/// Opens the topic anew until it is as wanted.
fn wait_until(wire: &mut Wire, wanted: impl Fn(&OpenAnswer) -> bool) -> OpenAnswer {
    let began = Instant::now();
    loop {
        let opened = wire.open("events", 0);
        if wanted(&opened) {
            return opened;
        }
        assert!(began.elapsed() < PATIENCE, "still {opened:?}");
    }
}

/// The record number `n`, of about 100 kB.
fn record(n: i64) -> Vec<u8> {
    batch(&[format!("{n} {}", "r".repeat(100_000))])
}

/// Bytes of the partition's segments.
fn segment_bytes(data: &Path) -> usize {
    let files = std::fs::read_dir(data.join("events-0")).unwrap();
    let logs = files.map(Result::unwrap).filter(|f| f.path().extension() == Some("log".as_ref()));
    // What goes may go while it is looked at.
    logs.map(|file| file.metadata().map_or(0, |m| m.len() as usize)).sum()
}

/// Fails unless a consumer gets every record from the log's start on.
fn serves_what_is_left(server: &Server, log_start: i64, end: i64) {
    let records = &consume_all(server.address, "events")[&0];
    // What went meanwhile is all that may be missing at the start.
    assert!(records[0].0 >= log_start, "{} of {log_start}", records[0].0);
    assert_eq!(records.last().unwrap().0, end - 1);
    for (before, (offset, value)) in records.iter().zip(&records[1..]) {
        assert_eq!(*offset, before.0 + 1);
        assert!(value.starts_with(&format!("{offset} ")), "{offset}: {value:.20}");
    }
}

#[test]
fn the_oldest_segments_go_by_size() {
    let dir = folder();
    let data = dir.path().join("data");
    let server = Server::spawn(&mut eager(&data)).unwrap();
    let mut wire = Wire::connect(server.address);
    create(&mut wire, "events", &[("retention.bytes", "3000000")]);
    let handle = wire.open("events", 0).handle;
    for n in 0..120 {
        assert_eq!(wire.append(handle, &record(n)).unwrap().base_offset, n);
    }
    // Whole segments stay until they are not needed to hold what is to be kept: ten records each,
    // and three of them are no less than that. Nothing more goes behind this.
    let opened = wait_until(&mut wire, |opened| opened.log_start >= 120 - 30);
    assert!(opened.log_start <= 120 - 29, "too much went: {opened:?}");
    serves_what_is_left(&server, opened.log_start, 120);
    let error = wire.read(handle, 0).unwrap_err();
    assert_eq!(error.code, ErrorCode::OFFSET_OUT_OF_RANGE);
    let began = Instant::now();
    while segment_bytes(&data) > 6 * MIB {
        assert!(began.elapsed() < PATIENCE, "{} bytes of files", segment_bytes(&data));
    }

    // Whatever ends the server, no offset is used again.
    let address = server.address;
    server.kill();
    is_whole(&data);
    let mut command = eager(&data);
    command.args(["--listen", &address.to_string()]);
    let server = Server::spawn(&mut command).unwrap();
    let mut wire = Wire::connect(address);
    let again = wire.open("events", 0);
    assert!(again.log_start >= opened.log_start && again.durable_end == 120, "{again:?}");
    assert_eq!(wire.append(again.handle, &record(120)).unwrap().base_offset, 120);
    serves_what_is_left(&server, opened.log_start, 121);
    assert!(server.stop().success());
    is_whole(&data);
}

#[test]
fn everything_old_goes_and_offsets_go_on() {
    let dir = folder();
    let data = dir.path().join("data");
    let server = Server::spawn(&mut eager(&data)).unwrap();
    let mut wire = Wire::connect(server.address);
    create(&mut wire, "events", &[("retention.ms", "1000")]);
    let handle = wire.open("events", 0).handle;
    // Records of long ago, and then one of a time to come that keeps its segment.
    for n in 0..40 {
        assert_eq!(wire.append(handle, &record(n)).unwrap().base_offset, n);
    }
    let now_ms = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let mut young = BatchBuilder::new(Codec::None);
    let kept = format!("40 {}", "y".repeat(MIB - 10_000));
    young.append(now_ms.as_millis() as i64 + 3_000_000, None, Some(kept.as_bytes()), &[]).unwrap();
    wire.append(handle, &young.finish().unwrap()).unwrap();
    wait_until(&mut wire, |opened| opened.log_start == 40);
    serves_what_is_left(&server, 40, 41);
    server.kill();
    let server = Server::spawn(&mut eager(&data)).unwrap();
    let mut wire = Wire::connect(server.address);
    let opened = wire.open("events", 0);
    assert_eq!((opened.log_start, opened.durable_end), (40, 41));
    assert_eq!(wire.append(opened.handle, &record(41)).unwrap().base_offset, 41);
    assert!(server.stop().success());
    is_whole(&data);
}

#[test]
fn deleted_records_stay_deleted_over_kills() {
    let dir = folder();
    let data = dir.path().join("data");
    let mut server = Server::spawn(&mut eager(&data)).unwrap();
    create(&mut Wire::connect(server.address), "events", &[]);
    let mut end = 0;
    for _ in 0..4 {
        let mut wire = Wire::connect(server.address);
        let opened = wire.open("events", 0);
        assert_eq!(opened.durable_end, end);
        for n in end..end + 25 {
            assert_eq!(wire.append(opened.handle, &record(n)).unwrap().base_offset, n);
        }
        end += 25;
        // In the middle of a segment, and of a batch's neighbours.
        let deleted = wire.call(opened.handle, &DeleteRecords { before: end - 7 }).unwrap();
        assert_eq!(deleted.log_start, end - 7);
        serves_what_is_left(&server, end - 7, end);
        server.kill();
        is_whole(&data);
        server = Server::spawn(&mut eager(&data)).unwrap();
        serves_what_is_left(&server, end - 7, end);
    }
    let mut wire = Wire::connect(server.address);
    let opened = wire.open("events", 0);
    assert_eq!(wire.call(opened.handle, &DeleteRecords { before: -1 }).unwrap().log_start, end);
    server.kill();
    let server = Server::spawn(&mut eager(&data)).unwrap();
    let opened = Wire::connect(server.address).open("events", 0);
    assert_eq!((opened.log_start, opened.durable_end), (end, end), "empty, and not from 0 again");
    assert!(server.stop().success());
    is_whole(&data);
}

#[test]
fn a_consumer_is_told_what_went_while_it_was_away() {
    let dir = folder();
    let data = dir.path().join("data");
    let server = Server::spawn(&mut eager(&data)).unwrap();
    let mut wire = Wire::connect(server.address);
    create(&mut wire, "events", &[]);
    let handle = wire.open("events", 0).handle;
    (0..30).for_each(|n| assert_eq!(wire.append(handle, &record(n)).unwrap().base_offset, n));
    wire.call(handle, &DeleteRecords { before: 20 }).unwrap();
    block_on(async {
        let client = Client::connect(server.address.to_string()).await.unwrap();
        let consumer = client.consumer("events").positions([(0, 5)]).start(Start::Beginning);
        let mut consumer = consumer.until_end().open().await.unwrap();
        let Some(Item::Gap(gap)) = consumer.next_batch().await.unwrap() else { panic!("no gap") };
        assert_eq!((gap.first, gap.next, gap.reason), (5, 20, GapReason::Removed));
        let record = consumer.next().await.unwrap().unwrap();
        assert_eq!(record.offset, 20);
    });
}

/// Deletes and makes a topic again and again while others append to it; whoever holds an old handle
/// is told, and the new topic begins with offset 0.
#[test]
fn a_topic_made_anew_under_load_has_nothing_of_the_old_one() {
    let dir = folder();
    let data = dir.path().join("data");
    let mut server = Server::spawn(&mut eager(&data)).unwrap();
    let address = server.address;
    create(&mut Wire::connect(address), "other", &[]);
    let load = Load::new(address, "other").idempotent("bystander", 1);
    for round in 0..6 {
        let mut wire = Wire::connect(address);
        create(&mut wire, "events", &[]);
        let opened = wire.open("events", 0);
        assert_eq!((opened.log_start, opened.durable_end), (0, 0), "round {round}");
        let mut appending = Wire::connect(address);
        let old = appending.open("events", 0).handle;
        for n in 0..15 {
            assert_eq!(wire.append(opened.handle, &record(n)).unwrap().base_offset, n);
        }
        // Some are on their way when the topic goes.
        for n in 0..10 {
            appending.send_append(old, &record(n));
        }
        wire.call(0, &DeleteTopic { name: "events".into() }).unwrap();
        for _ in 0..10 {
            let frame = appending.frame();
            if let Some(code) = frame.header.error_code() {
                assert_eq!(code, ErrorCode::STALE_HANDLE);
            }
        }
        let gone = wire.call(0, &Open::plain("events", 0)).unwrap_err();
        assert_eq!(gone.code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        load.wait_for(50);
        if round % 2 == 0 {
            server.kill();
            is_whole(&data);
            let mut command = eager(&data);
            command.args(["--listen", &address.to_string()]);
            server = Server::spawn(&mut command).unwrap();
        }
    }
    let (reports, _) = load.finish();
    support::records::promises_are_kept(&consume_all(address, "other"), &reports);
    assert!(server.stop().success());
    assert!(!data.join("events-0").exists(), "the old topic's folder is gone");
    is_whole(&data);
}
