//! What a durable append costs, beside what the machine takes for its parts.
//!
//! `cargo bench --bench durable` starts the server on one core, drives it from another over
//! loopback, and measures in the same run, in the same folder:
//!
//! - a bare write of 4 KiB past the page cache into zeroes, and a bare round trip of 1 KB, whose
//!   sum a lone durable append can't beat by much;
//! - 10,000 durable appends of one 1 KB record, one at a time;
//! - bare writes of 1 MiB past the page cache, one at a time, into a reserved file: MB/s;
//! - 1 KB records in batches of 1,000, some in flight: MB/s. All bytes go to the journal and to
//!   their segment, so a disk that is held to a rate gives half of it at most.
//!
//! `DURAMEN_BENCH_DIR` names the folder (a real disk), `DURAMEN_BENCH_IO` the engine.

#[path = "../tests/support/mod.rs"]
mod support;

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use duramen::io::{Block, pin_current_thread};
use support::server::{Server, serve};
use support::wire::{Wire, batch};

const APPENDS: usize = 10_000;
const RECORD: usize = 1_000;
const BATCH_RECORDS: usize = 1_000;
const STREAM_BYTES: usize = 1 << 30;
const IN_FLIGHT: usize = 12;

fn main() {
    let folder = std::env::var_os("DURAMEN_BENCH_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let data = tempfile::tempdir_in(folder).expect("a folder for the benchmark");
    // The load; the server has the first core.
    let pinned = pin_current_thread(1).is_ok();
    println!("load {} its own core", if pinned { "on" } else { "not on" });
    let write = bare_writes(data.path());
    let trip = bare_round_trips();
    let disk_mb_s = bare_stream(data.path());
    let mut command = serve(&data.path().join("data"));
    command.args(["--cores", "1"]);
    if let Some(io) = std::env::var_os("DURAMEN_BENCH_IO") {
        command.arg("--io").arg(io);
    }
    let server = Server::spawn(&mut command).expect("a server");
    let append = lone_appends(&server);
    print_row("bare 4 KiB direct write", &write);
    print_row("bare 1 KB round trip", &trip);
    print_row("durable 1 KB append", &append);
    let sum = |q| at(&write, q) + at(&trip, q);
    println!(
        "append / (write + trip): p50 {:.2}, p99 {:.2}",
        ratio(at(&append, 0.5), sum(0.5)),
        ratio(at(&append, 0.99), sum(0.99))
    );
    println!("bare 1 MiB direct writes: {disk_mb_s:.0} MB/s");
    for round in 1..=3 {
        let mb_s = stream(&server, &format!("stream-{round}"));
        let share = mb_s / disk_mb_s;
        println!(
            "durable stream, batches of {BATCH_RECORDS}: {mb_s:.0} MB/s, {share:.2} of the disk"
        );
    }
    assert!(server.stop().success());
}

fn ratio(a: Duration, b: Duration) -> f64 {
    a.as_secs_f64() / b.as_secs_f64()
}

/// A quantile of sorted times.
fn at(times: &[Duration], q: f64) -> Duration {
    times[((times.len() - 1) as f64 * q) as usize]
}

fn print_row(what: &str, times: &[Duration]) {
    println!("{what:26} p50 {:>7.1?}  p99 {:>7.1?}", at(times, 0.5), at(times, 0.99));
}

fn measure(times: usize, mut once: impl FnMut(usize)) -> Vec<Duration> {
    let time = |i| {
        let start = Instant::now();
        once(i);
        start.elapsed()
    };
    let mut all: Vec<Duration> = (0..times).map(time).collect();
    all.sort();
    all
}

fn direct(path: &Path) -> File {
    let flags = libc::O_DIRECT | libc::O_DSYNC;
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).custom_flags(flags);
    options.open(path).expect("direct I/O")
}

fn bare_writes(folder: &Path) -> Vec<Duration> {
    let path = folder.join("bare");
    let file = direct(&path);
    let mut zeroes = Block::new(1 << 20);
    zeroes.append_zeroes(1 << 20);
    for i in 0..8 {
        file.write_all_at(&zeroes, i << 20).expect("zeroes");
    }
    let times = measure(2000, |i| {
        file.write_all_at(&zeroes[..4096], (i as u64 % 2048) * 4096).expect("a write");
    });
    std::fs::remove_file(path).expect("our own file");
    times
}

fn bare_stream(folder: &Path) -> f64 {
    const WRITES: u64 = 512;
    let path = folder.join("bare");
    let file = direct(&path);
    let keep = rustix::fs::FallocateFlags::empty();
    rustix::fs::fallocate(&file, keep, 0, WRITES << 20).expect("space");
    let mut block = Block::new(1 << 20);
    block.append(&[7; 1 << 20]);
    let start = Instant::now();
    for i in 0..WRITES {
        file.write_all_at(&block, i << 20).expect("a write");
    }
    let mb_s = (WRITES << 20) as f64 / start.elapsed().as_secs_f64() / 1e6;
    std::fs::remove_file(path).expect("our own file");
    mb_s
}

fn bare_round_trips() -> Vec<Duration> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let echo = std::thread::spawn(move || {
        // Where the server will be.
        let _ = pin_current_thread(0);
        let (mut stream, _) = listener.accept().expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        let mut bytes = [0; RECORD];
        while stream.read_exact(&mut bytes).is_ok() {
            stream.write_all(&bytes[..32]).expect("an answer");
        }
    });
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_nodelay(true).expect("no delay");
    let (question, mut answer) = ([7; RECORD], [0; 32]);
    let times = measure(5000, |_| {
        stream.write_all(&question).expect("a question");
        stream.read_exact(&mut answer).expect("an answer");
    });
    drop(stream);
    echo.join().expect("the echo");
    times
}

fn lone_appends(server: &Server) -> Vec<Duration> {
    let mut wire = Wire::connect(server.address);
    wire.create("lone", 1);
    let handle = wire.open("lone", 0).handle;
    let one = batch(&[[b'x'; RECORD]]);
    for _ in 0..500 {
        wire.append(handle, &one).expect("an append");
    }
    measure(APPENDS, |_| {
        wire.append(handle, &one).expect("an append");
    })
}

fn stream(server: &Server, topic: &str) -> f64 {
    let mut wire = Wire::connect(server.address);
    wire.create(topic, 1);
    let handle = wire.open(topic, 0).handle;
    let many = batch(&vec![[b'x'; RECORD]; BATCH_RECORDS]);
    let batches = STREAM_BYTES / many.len();
    let start = Instant::now();
    let mut in_flight = 0;
    for _ in 0..batches {
        if in_flight == IN_FLIGHT {
            wire.frame();
            in_flight -= 1;
        }
        wire.send_append(handle, &many);
        in_flight += 1;
    }
    (0..in_flight).for_each(|_| drop(wire.frame()));
    (batches * BATCH_RECORDS * RECORD) as f64 / start.elapsed().as_secs_f64() / 1e6
}
