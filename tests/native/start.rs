//! Why a server does not start: each reason is said, and has its exit code.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::one_partition::one_partition;
use crate::support::server::{Ended, Server, folder, run, serve};
use crate::support::wire::{Wire, batch};

fn refused(command: &mut Command) -> Ended {
    match Server::spawn(command) {
        Ok(_) => panic!("it started: {command:?}"),
        Err(ended) => ended,
    }
}

fn fails(command: &mut Command, code: i32, words: &[&str]) {
    let ended = refused(command);
    assert_eq!(ended.status.code(), Some(code), "{ended:?}");
    assert!(ended.stdout.is_empty(), "{ended:?}");
    for word in words {
        assert!(ended.stderr.contains(word), "no {word:?} in {}", ended.stderr);
    }
}

#[test]
fn a_data_directory_has_one_server_at_a_time() {
    let dir = folder();
    let server = Server::start(dir.path());
    let pid = server.pid().to_string();
    fails(&mut serve(dir.path()), 1, &["is in use", "process", &pid]);
    server.kill();
    Server::start(dir.path());
}

#[test]
fn somebody_elses_folder_is_left_alone() {
    let dir = folder();
    std::fs::write(dir.path().join("thesis.txt"), "mine").unwrap();
    fails(&mut serve(dir.path()), 1, &["thesis.txt", "--data"]);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_taken_port_is_named() {
    let dir = folder();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    fails(serve(dir.path()).args(["--listen", &address]), 1, &[&address, "--listen"]);
}

#[test]
fn bad_settings_are_wrong_usage() {
    let dir = folder();
    let file = dir.path().join("settings.toml");
    std::fs::write(&file, "journal.bytes = 12\n").unwrap();
    let data = dir.path().join("data");
    fails(serve(&data).args(["--cores", "0"]), 2, &["--cores=0", "1 to"]);
    fails(serve(&data).args(["--listen", "here"]), 2, &["--listen=here", "HOST:PORT"]);
    fails(serve(&data).args(["--io", "magic"]), 2, &["auto, uring, blocking"]);
    fails(serve(&data).arg("--magic"), 2, &["--magic"]);
    let with_file = |file: &Path| {
        let mut command = serve(&data);
        command.arg("--config").arg(file);
        command
    };
    fails(&mut with_file(&file), 2, &["settings.toml", "journal.bytes=12"]);
    fails(&mut with_file(Path::new("/none.toml")), 2, &["/none.toml"]);
    assert!(!data.exists(), "nothing is made before the settings are right");
}

#[test]
fn what_can_not_be_written_is_named() {
    let dir = folder();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    fails(&mut serve(&file.join("data")), 1, &["data directory", "Not a directory"]);
    if rustix::process::geteuid().is_root() {
        return; // Who may do everything is denied nothing.
    }
    let closed = dir.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o500)).unwrap();
    fails(&mut serve(&closed.join("data")), 1, &["Permission denied"]);
}

#[test]
fn a_catalog_of_a_newer_format_or_none_stops_the_start() {
    let dir = folder();
    let server = Server::start(dir.path());
    Wire::connect(server.address).create("events", 1);
    assert!(server.stop().success());
    let catalog = dir.path().join(".duramen/catalog");
    let mut bytes = std::fs::read(&catalog).unwrap();
    bytes[16] = 9;
    let crc = crc32c::crc32c(&bytes[16..]).to_le_bytes();
    bytes[8..12].copy_from_slice(&crc);
    std::fs::write(&catalog, &bytes).unwrap();
    fails(&mut serve(dir.path()), 1, &["catalog", "format 9", "newer"]);
    std::fs::remove_file(&catalog).unwrap();
    fails(&mut serve(dir.path()), 1, &["catalog", "missing"]);
}

#[test]
fn a_damaged_journal_is_named_with_its_place() {
    let dir = folder();
    let (server, mut wire, handle) = one_partition(dir.path());
    for n in 0..4 {
        wire.append(handle, &batch(&[format!("record {n}")])).unwrap();
    }
    server.kill();
    let journal = std::fs::read_dir(dir.path().join(".duramen")).unwrap().find_map(|entry| {
        let path = entry.unwrap().path().join("core-0/journal-1");
        path.exists().then_some(path)
    });
    let journal = journal.expect("a journal of the session");
    let mut bytes = std::fs::read(&journal).unwrap();
    let at = bytes.windows(8).position(|w| w == b"record 1").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&journal, bytes).unwrap();
    fails(&mut serve(dir.path()), 1, &["journal-1", "duramen recover --accept-loss"]);
}

#[test]
fn how_it_runs_is_said_at_start() {
    let dir = folder();
    let flags = ["--no-sync", "--io", "blocking", "--kafka", "127.0.0.1:0"];
    let server = Server::spawn(serve(dir.path()).args(flags)).unwrap();
    let said = server.stderr();
    for word in ["--no-sync", "blocking threads: as asked for"] {
        assert!(said.contains(word), "no {word:?} in {said}");
    }
    assert_eq!(server.kafka.len(), 2, "a line for each core");
    let stats = duramen_protocol::native::messages::Stats {};
    let stats = Wire::connect(server.address).call(0, &stats).unwrap();
    assert!(stats.no_sync && stats.io_engine == "blocking");
    let help = run(Command::new(env!("CARGO_BIN_EXE_duramen")).args(["serve", "--help"]));
    assert!(help.status.success() && help.stdout.contains("Examples:"));
}
