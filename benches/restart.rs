//! How long a killed server takes to be ready again, by what is in its log.
//!
//! `cargo bench --bench restart` fills 1,000 partitions, kills the server while its journals are
//! as full as they get, and takes the time from the start of the next one to its `ready`: with
//! 100 MB of log, and with 5 GB. What a restart costs is what the journals hold, so both should
//! take as long. `DURAMEN_BENCH_DIR` names the folder (a real disk with 8 GB free).

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use duramen_protocol::native::messages::{Metric, MetricValue, Stats};
use support::server::Server;
use support::wire::{Wire, batch};

const PARTITIONS: u32 = 1_000;
/// Journal files in use, of both cores, at which a server is killed: half of what there may be,
/// where each core's next group begins a checkpoint that frees them.
const FULL_FILES: u64 = 16;

fn main() {
    let folder = std::env::var_os("DURAMEN_BENCH_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let small = ready_after(&folder, 100 << 20);
    let large = ready_after(&folder, 5 << 30);
    println!("5 GB / 100 MB: {:.2}", large.as_secs_f64() / small.as_secs_f64());
}

fn ready_after(folder: &Path, log_bytes: usize) -> Duration {
    let data = tempfile::tempdir_in(folder).expect("a folder for the benchmark");
    let server = Server::start(data.path());
    fill(&server, log_bytes);
    server.kill();
    let start = Instant::now();
    let server = Server::start(data.path());
    let ready = start.elapsed();
    println!("{} MB of log: ready after {ready:.0?}", log_bytes >> 20);
    println!("{}", server.stderr().trim());
    assert!(server.stop().success());
    ready
}

/// Appends over all partitions until the log has its size, and goes on until the journals are as
/// full as they get.
fn fill(server: &Server, log_bytes: usize) {
    let mut wires = [Wire::connect_to(server.address, 0).0, Wire::connect_to(server.address, 1).0];
    wires[0].create("many", PARTITIONS);
    let mut handles = Vec::new();
    for partition in 0..PARTITIONS {
        let core = partition_core(&mut wires, partition);
        let handle = wires[core].open("many", partition).handle;
        handles.push((core, handle));
    }
    let many = batch(&vec![[b'x'; 1000]; 20]);
    let mut sent = 0;
    let mut in_flight = [0; 2];
    let mut next = 0;
    loop {
        for _ in 0..50 {
            let (core, handle) = handles[next % handles.len()];
            next += 1;
            if in_flight[core] == 16 {
                wires[core].frame();
                in_flight[core] -= 1;
            }
            wires[core].send_append(handle, &many);
            in_flight[core] += 1;
            sent += many.len();
        }
        if sent < log_bytes {
            continue;
        }
        for (wire, waiting) in wires.iter_mut().zip(&mut in_flight) {
            (0..std::mem::take(waiting)).for_each(|_| drop(wire.frame()));
        }
        if journal_files(&mut wires[0]) >= FULL_FILES {
            return;
        }
    }
}

fn partition_core(wires: &mut [Wire; 2], partition: u32) -> usize {
    let open = duramen_protocol::native::messages::Open::plain("many", partition);
    match wires[0].call(0, &open) {
        Ok(_) => 0,
        Err(_) => 1,
    }
}

fn journal_files(wire: &mut Wire) -> u64 {
    let stats = wire.call(0, &Stats {}).expect("figures");
    let used = stats.metrics.iter().filter(|m| m.name == "duramen_journal_files");
    let value = |m: &Metric| match m.value {
        MetricValue::Count(n) => n,
        MetricValue::Real(x) => x as u64,
    };
    used.map(value).sum()
}
