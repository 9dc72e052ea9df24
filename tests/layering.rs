//! The floors of the source, held by a test: an import goes down, never up or sideways, and what
//! lies below `network` is a plain state machine without clock, chance, threads, locks or files.
//!
//! The source is read as text. What stands under `#[cfg(test)]` keeps to the floors too, but may use
//! the clock, threads and `unwrap`. `each_rule_catches_what_breaks_it` shows that no rule is idle.

#[path = "support/source.rs"]
mod source;

use std::fs;
use std::path::Path;

use source::{Source, sources};

/// Each floor, from the ground up, and what it may import besides itself.
const FLOORS: &[(&str, &[&str])] = &[
    ("limits", &[]),
    ("io", &["limits"]),
    ("config", &["io", "limits"]),
    ("storage", &["config", "io", "limits"]),
    ("broker", &["config", "io", "limits"]),
    ("shard", &["storage", "broker", "config", "io", "limits"]),
    ("network", &["shard", "storage", "broker", "config", "io", "limits"]),
    ("observe", &["network", "shard", "storage", "broker", "config", "io", "limits"]),
    ("server", &["observe", "network", "shard", "storage", "broker", "config", "io", "limits"]),
    ("cli", &["server", "observe", "config", "io", "limits"]),
    ("main", &["cli"]),
    ("lib", &[]),
];

/// The floors that are given time, chance and the disk, and reach for none of them.
const SANS_IO: &[&str] = &["limits", "config", "storage", "broker", "shard"];

/// What those floors may not name; an `Atomic…` of any kind neither.
const NOT_SANS_IO: &[&str] = &[
    "async",
    "await",
    "tokio",
    "tokio_uring",
    "io_uring",
    "socket2",
    "rustix",
    "libc",
    "Instant",
    "SystemTime",
    "fastrand",
    "getrandom",
    "Mutex",
    "RwLock",
    "Condvar",
    "thread_local",
];

/// Modules of `std` that those floors may not name, and who may all the same: the configuration
/// reads the addresses to listen on.
const STD_NOT_SANS_IO: &[(&str, &[&str])] =
    &[("thread", &[]), ("net", &["config"]), ("fs", &[]), ("process", &[]), ("env", &[])];

/// Where `unsafe` may stand.
const UNSAFE: &[&str] = &["src/io/", "tools/src/map.rs", "tests/support/seccomp.rs"];

/// Imports that go up or sideways, and files that stand on no floor.
fn check_floors(source: &Source) -> Vec<String> {
    let Some((_, below)) = FLOORS.iter().find(|(floor, _)| *floor == source.floor()) else {
        return vec![source.complain(0, "stands on no floor: give it one in FLOORS")];
    };
    let may_import = |to: &str| to == source.floor() || below.contains(&to);
    let mut broken = Vec::new();
    for (at, path) in source.named_paths() {
        match [path[0].as_str(), path.get(1).map_or("", String::as_str)] {
            ["crate" | "duramen", to] if is_floor(to) && !may_import(to) => {
                broken.push(source.complain(at, &format!("imports {to}, not below it")));
            }
            ["duramen_protocol", "client"] | ["duramen_tools", _] if source.floor() != "cli" => {
                broken.push(source.complain(at, "the client and the tools are for the cli alone"));
            }
            _ => {}
        }
    }
    broken
}

fn is_floor(name: &str) -> bool {
    FLOORS.iter().any(|(floor, _)| *floor == name)
}

/// Clock, chance, threads, locks, sockets and files where they are arguments.
fn check_sans_io(source: &Source) -> Vec<String> {
    if !SANS_IO.contains(&source.floor()) {
        return Vec::new();
    }
    let words =
        source.words().filter(|(_, word)| NOT_SANS_IO.contains(word) || word.starts_with("Atomic"));
    let mut broken: Vec<_> =
        words.map(|(at, word)| source.complain(at, &format!("{word} below network"))).collect();
    for (at, path) in source.named_paths() {
        let [first, second, ..] = &path[..] else { continue };
        let row = STD_NOT_SANS_IO.iter().find(|(module, _)| module == second);
        let allowed = row.is_none_or(|(_, floors)| floors.contains(&source.floor()));
        if ["std", "core"].contains(&first.as_str()) && !allowed && !source.is_test(at) {
            broken.push(source.complain(at, &format!("{first}::{second} below network")));
        }
    }
    broken
}

/// `unsafe` outside its places.
fn check_unsafe(source: &Source) -> Vec<String> {
    if UNSAFE.iter().any(|place| source.path.starts_with(place)) {
        return Vec::new();
    }
    let found = source.words().filter(|(_, word)| *word == "unsafe");
    found.map(|(at, _)| source.complain(at, "unsafe here")).collect()
}

/// `unsafe` outside its places, what was left to do, and panics without a reason.
fn check_habits(source: &Source) -> Vec<String> {
    let mut broken = check_unsafe(source);
    let tokens = source.tokens();
    for (i, &(at, token)) in tokens.iter().enumerate() {
        let next = tokens.get(i + 1).map_or("", |t| t.1);
        let is_method = i > 0 && tokens[i - 1].1 == "." && next == "(" && !source.is_test(at);
        let what = match token {
            "todo" | "unimplemented" if next == "!" => "something is left to do",
            "unwrap" if is_method && !has_comment(source, at) => "unwrap without its reason",
            "expect" if is_method && !(gives_reason(source, at) || has_comment(source, at)) => {
                "expect without a reason why it holds"
            }
            _ => continue,
        };
        broken.push(source.complain(at, what));
    }
    broken
}

/// Whether a comment stands on the line of `at` or on the one above.
fn has_comment(source: &Source, at: usize) -> bool {
    let end = source.text[at..].find('\n').map_or(source.text.len(), |len| at + len);
    let lines = source.text[..end].rsplitn(3, '\n').take(2);
    lines.into_iter().any(|line| line.contains("//"))
}

/// Whether the argument of the `expect` at `at` is a text of some words.
fn gives_reason(source: &Source, at: usize) -> bool {
    let argument = source.text[at..].split_once('(').map_or("", |(_, rest)| rest.trim_start());
    let text = argument.strip_prefix('"').and_then(|rest| rest.split_once('"'));
    text.is_some_and(|(text, _)| text.split_whitespace().count() >= 3)
}

fn assert_none(broken: Vec<String>) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn imports_go_down() {
    assert_none(sources("src").iter().flat_map(check_floors).collect());
}

#[test]
fn below_network_nothing_reaches_for_clock_chance_or_disk() {
    assert_none(sources("src").iter().flat_map(check_sans_io).collect());
}

#[test]
fn unsafe_stays_in_its_places_and_panics_have_reasons() {
    let folders = ["src", "protocol/src", "tools/src"];
    assert_none(folders.iter().flat_map(|f| sources(f)).flat_map(|s| check_habits(&s)).collect());
    let folders = ["tests", "benches", "protocol/tests", "tools/tests"];
    assert_none(folders.iter().flat_map(|f| sources(f)).flat_map(|s| check_unsafe(&s)).collect());
}

#[test]
fn crates_depend_downwards() {
    let of_ours = |manifest: &str| -> Vec<String> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(manifest);
        let text = fs::read_to_string(path).expect("the manifest is readable");
        let table: toml::Table = text.parse().expect("the manifest is TOML");
        let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
        let tables = kinds.iter().filter_map(|kind| table.get(*kind)?.as_table());
        let names = tables.flat_map(|dependencies| dependencies.keys().cloned());
        names.filter(|name| name.starts_with("duramen")).collect()
    };
    assert_eq!(of_ours("protocol/Cargo.toml"), [""; 0]);
    assert_eq!(of_ours("tools/Cargo.toml"), ["duramen-protocol"]);
    assert_eq!(of_ours("Cargo.toml"), ["duramen-protocol", "duramen-tools"]);
}

/// A rule that can't be broken guards nothing: each line breaks one.
#[test]
fn each_rule_catches_what_breaks_it() {
    let count = |check: fn(&Source) -> Vec<String>, path: &str, text: &str| {
        check(&Source::new(path, text)).len()
    };
    for (path, text) in [
        ("src/storage/a.rs", "use crate::broker::Catalog;"),
        ("src/storage/a.rs", "use crate::{io, shard};"),
        ("src/storage/a.rs", "use crate::{io::{self, Op}, limits, network::{local}};"),
        ("src/storage/a/b.rs", "fn f() { super::super::super::broker::f() }"),
        ("src/storage/mod.rs", "mod m { use super::super::broker; }"),
        ("src/storage/a.rs", "#[cfg(test)] mod tests { use crate::shard::Core; }"),
        ("src/broker/mod.rs", "use crate::storage;"),
        ("src/shard/mod.rs", "type C = crate::network::Client;"),
        ("src/network/mod.rs", "use duramen_protocol::client::Client;"),
        ("src/main.rs", "use duramen::server;"),
        ("src/attic.rs", ""),
    ] {
        assert_eq!(count(check_floors, path, text), 1, "{path}: {text}");
    }
    for text in [
        "async fn f() {}",
        "use std::{fmt, fs};",
        "use std::time::Instant;",
        "static N: AtomicU64 = AtomicU64(0); /* once more */",
        "fn f() { std::thread::yield_now() }",
        "#[cfg(test)] mod tests { } fn f(m: Mutex<u8>) {}",
    ] {
        assert_ne!(count(check_sans_io, "src/storage/a.rs", text), 0, "{text}");
    }
    for text in [
        "fn f() { unsafe { g() } }",
        "fn f() { todo!() }",
        "fn f() { g().unwrap() }",
        "// A reason, but\n\n\nfn f() { g().unwrap() }",
        "fn f() { g().expect(\"no reason\") }",
    ] {
        assert_eq!(count(check_habits, "src/storage/a.rs", text), 1, "{text}");
    }
}

/// What only looks like breaking a rule is let through.
#[test]
fn comments_strings_and_tests_are_no_code() {
    let text = r##"
        //! use crate::network; async unsafe
        /* use crate::broker /* nested */ ; */
        use super::log::Log;
        use crate::io::{Disk as D, Op};
        const A: &str = "crate::network \" unsafe";
        const B: &str = r#"use crate::server; " unsafe"#;
        const C: (char, char, u8) = ('"', '\'', b'"');
        fn life<'a>(a: &'a str) -> &'a str { a.strip_prefix("x").expect("the caller looked first") }
        struct S { a: u8, #[cfg(test)] lock: std::sync::Mutex<u8>, b: u8 }
        fn g() { h().unwrap() // h never fails
        }
        #[cfg(test)]
        #[path = "x.rs"]
        mod tests { use super::super::super::limits; fn f() { std::thread::sleep(x.unwrap()) } }
    "##;
    let source = Source::new("src/storage/log.rs", text);
    for check in [check_floors, check_sans_io, check_habits] {
        assert_eq!(check(&source), [""; 0]);
    }
    let limits: Vec<String> = ["crate", "limits"].map(str::to_owned).into();
    assert!(source.named_paths().iter().any(|(_, path)| *path == limits));
}
