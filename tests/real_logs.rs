//! Real logs in, and out again byte for byte: whole, over a kill in the middle, and around a
//! damaged byte. By the command line alone.
//!
//! The logs are the sixteen of `../shared/data/logs` where that folder is there, with lines that end
//! in CRLF and a last one without; else files like them are made up.

mod support;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use duramen_protocol::batch::BatchHeader;
use duramen_protocol::native::ErrorCode;
use serde_json::Value;

use support::records::{count, is_whole, verify};
use support::server::{Ended, Server, folder, run, serve_again};
use support::wire::Wire;

const PARTITIONS: u32 = 4;
/// Far longer than it takes to store the files.
const PATIENCE: Duration = Duration::from_secs(60);

/// The content of each file, by name.
type Files = BTreeMap<String, Vec<u8>>;

/// The real logs, or made-up ones.
fn files() -> Files {
    let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/logs");
    let Ok(entries) = std::fs::read_dir(&real) else {
        println!("no {}: made-up logs do instead", real.display());
        return (0..16).map(made_up).collect();
    };
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read(path).unwrap())
    };
    entries.map(|entry| read(entry.unwrap().path())).collect()
}

fn made_up(number: usize) -> (String, Vec<u8>) {
    let mut random = fastrand::Rng::with_seed(number as u64);
    let mut line = |n: usize| {
        let words: String = (0..random.usize(..400)).map(|_| random.alphanumeric()).collect();
        format!("2026-01-01 00:00:00 host service[{n}]: {words}")
    };
    let lines: Vec<String> = (0..2000).map(&mut line).collect();
    (format!("Made-up-{number}.log"), lines.join("\r\n").into_bytes())
}

/// The records of a file: its lines without their LF.
fn lines(content: &[u8]) -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> =
        content.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
    // Behind a last LF nothing begins.
    if lines.last().is_some_and(Vec::is_empty) {
        lines.pop();
    }
    lines
}

/// A `duramen` command that asks the server.
fn ask(server: SocketAddr, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_duramen"));
    command.args(args).args(["--server", &server.to_string()]);
    command
}

fn done(ended: Ended) -> String {
    assert!(ended.status.success(), "{}{}", ended.stdout, ended.stderr);
    ended.stdout
}

/// Starts a server with the topic.
fn start(data: &Path, io: &str) -> Server {
    let server = Server::spawn(support::server::serve(data).args(["--io", io])).unwrap();
    let partitions = PARTITIONS.to_string();
    // The random record is large.
    let larger = ["--config", "max.message.bytes=2000000"];
    let create = ["topic", "create", "logs", "--partitions", &partitions];
    done(run(&mut ask(server.address, &[&create[..], &larger].concat())));
    server
}

fn produce(server: SocketAddr, name: &str, path: &Path) {
    let args = ["produce", "logs", "--key", name, "--file", path.to_str().unwrap()];
    done(run(&mut ask(server, &args)));
}

/// A record as `consume --format json` prints it.
struct Printed {
    partition: u64,
    offset: i64,
    key: String,
    value: Vec<u8>,
}

fn printed(line: &str) -> Printed {
    let json: Value = serde_json::from_str(line).unwrap();
    let value = match &json["value"] {
        Value::String(text) => text.clone().into_bytes(),
        other => BASE64_STANDARD.decode(other["base64"].as_str().unwrap()).unwrap(),
    };
    let key = json["key"].as_str().unwrap().to_owned();
    let offset = json["offset"].as_i64().unwrap();
    Printed { partition: json["partition"].as_u64().unwrap(), offset, key, value }
}

/// Everything in the topic, and how the command ended.
fn consume(server: SocketAddr) -> (Vec<Printed>, Ended) {
    let args = ["consume", "logs", "--from", "beginning", "--until-end", "--format", "json"];
    let ended = run(&mut ask(server, &args));
    (ended.stdout.lines().map(printed).collect(), ended)
}

/// Fails unless the topic holds each file's lines, in order, once, in one partition, and nothing
/// else.
fn holds(server: SocketAddr, files: &Files) {
    let (records, ended) = consume(server);
    done(ended);
    let mut found: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    let mut partitions = BTreeMap::new();
    for record in records {
        let partition = *partitions.entry(record.key.clone()).or_insert(record.partition);
        assert_eq!(partition, record.partition, "{} is in two partitions", record.key);
        found.entry(record.key).or_default().push(record.value);
    }
    assert!(found.keys().eq(files.keys()), "{:?}", found.keys());
    for (name, content) in files {
        let expected = lines(content);
        assert_eq!(found[name].len(), expected.len(), "records of {name}");
        let pairs = found[name].iter().zip(&expected).enumerate();
        for (n, (found, expected)) in pairs {
            assert!(found == expected, "{name}, line {n}: {}", String::from_utf8_lossy(found));
        }
    }
}

/// Bytes that no text has, without LF.
fn noise() -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(16);
    std::iter::repeat_with(|| random.u8(..)).filter(|&byte| byte != b'\n').take(1_200_000).collect()
}

#[test]
fn files_come_back_byte_for_byte() {
    let dir = folder();
    let data = dir.path().join("data");
    let server = start(&data, "auto");
    let mut files = files();
    files.insert("noise".into(), noise());
    for (name, content) in &files {
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        produce(server.address, name, &path);
    }
    holds(server.address, &files);
    assert!(server.stop().success());
    is_whole(&data);
}

/// A producer that is fed by us.
fn feed(server: SocketAddr, name: &str, first: &[u8]) -> Child {
    let mut command = ask(server, &["produce", "logs", "--key", name]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(first).unwrap();
    child
}

fn finish(mut child: Child, rest: &[u8]) {
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(rest).unwrap();
    drop(stdin);
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success(), "{said}");
}

/// Produces all files at once, and kills the server when about half is stored.
fn killed_half_way(io: &str) {
    let dir = folder();
    let server = start(dir.path(), io);
    let address = server.address;
    let files = files();
    let half = |content: &[u8]| content.len() / 2;
    let mut children = Vec::new();
    for (name, content) in &files {
        children.push(feed(address, name, &content[..half(content)]));
    }
    let all: usize = files.values().map(|content| lines(content).len()).sum();
    let began = Instant::now();
    while count(address, "logs") < all as i64 / 3 {
        assert!(began.elapsed() < PATIENCE, "a third of {all} lines was never stored");
    }
    server.kill();
    is_whole(dir.path());
    let again = Server::spawn(serve_again(dir.path(), address).args(["--io", io])).unwrap();
    for (child, content) in children.into_iter().zip(files.values()) {
        finish(child, &content[half(content)..]);
    }
    holds(address, &files);
    assert!(again.stop().success());
    is_whole(dir.path());
}

#[test]
fn a_kill_half_way_loses_and_doubles_no_line_on_the_ring() {
    killed_half_way("auto");
}

#[test]
fn a_kill_half_way_loses_and_doubles_no_line_on_blocking_threads() {
    killed_half_way("blocking");
}

/// The batch in the middle of a segment: its position and its header.
fn middle_batch(bytes: &[u8]) -> (usize, BatchHeader) {
    let mut position = 0;
    loop {
        let header = BatchHeader::parse(&bytes[position..]).unwrap();
        let size = BatchHeader::peek_size(&bytes[position..]).unwrap();
        if position + size > bytes.len() / 2 {
            return (position, header);
        }
        position += size;
    }
}

#[test]
fn a_flipped_byte_is_named_and_the_rest_is_served() {
    let dir = folder();
    let data = dir.path().join("data");
    let server = start(&data, "auto");
    let address = server.address;
    let (name, content) = files().into_iter().next().unwrap();
    let path = dir.path().join(&name);
    std::fs::write(&path, &content).unwrap();
    let args = ["produce", "logs", "--partition", "2", "--key", &name, "--batch-bytes", "10000"];
    done(run(&mut ask(address, &[&args[..], &["--file", path.to_str().unwrap()]].concat())));
    assert!(server.stop().success());

    let segment = data.join("logs-2/00000000000000000000.log");
    let mut bytes = std::fs::read(&segment).unwrap();
    let (position, header) = middle_batch(&bytes);
    bytes[position + 200] ^= 4;
    std::fs::write(&segment, bytes).unwrap();
    let ended = verify(&data);
    assert_eq!(ended.status.code(), Some(1), "{}{}", ended.stdout, ended.stderr);
    let (first, last) = (header.base_offset, header.last_offset());
    let place = format!("{}: position {position}, offset {first}: ", segment.display());
    assert!(ended.stdout.contains(&place), "{place}\n{}", ended.stdout);

    let server = Server::spawn(&mut serve_again(&data, address)).unwrap();
    // Asked by hand: the client finds such a batch out by itself.
    let (mut wire, handle) = Wire::find(address, "logs", 2).unwrap();
    let refused = wire.read(handle, first).map(|(head, _)| head).unwrap_err();
    assert_eq!(refused.code, ErrorCode::CORRUPT_LOG);
    let (records, ended) = consume(address);
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    let corrupt = format!("corrupt: logs-2 offsets {first}-{last}\n");
    assert!(ended.stderr.contains(&corrupt), "{corrupt}{}", ended.stderr);
    let expected = lines(&content);
    let there: Vec<i64> =
        (0..expected.len() as i64).filter(|o| !(first..=last).contains(o)).collect();
    assert!(there.iter().eq(records.iter().map(|record| &record.offset)));
    assert!(records.iter().all(|record| record.value == expected[record.offset as usize]));
    drop(server);
}
