//! The commands that work on files: `dump`, `verify`, `recover`, `config`, `completions`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{Site, duramen, feed, flip, run};
use crate::support::server::{Server, files_below, serve};

/// The segment of the only partition of `events`.
fn segment(data: &Path) -> PathBuf {
    data.join("events-0").join("00000000000000000000.log")
}

/// Where `needle` stands in a file.
fn find(path: &Path, needle: &[u8]) -> Option<usize> {
    let bytes = std::fs::read(path).unwrap();
    bytes.windows(needle.len()).position(|part| part == needle)
}

#[test]
fn what_was_served_is_whole_and_can_be_dumped() {
    let site = Site::with_topic("events", 1);
    site.produce(&["events", "--key", "k"], b"alpha\nbeta\n");
    let data = site.data();
    let folder = data.to_str().unwrap().to_owned();
    run(&["verify", &folder]).ok();
    site.server.stop();
    run(&["verify", &folder]).ok();
    let log = segment(&data);
    let json = run(&["dump", "--json", log.to_str().unwrap()]).ok();
    let lines: Vec<serde_json::Value> = String::from_utf8(json)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &serde_json::Value| line["type"] == "record")
        .collect();
    let values: Vec<_> = lines.iter().map(|line| line["value"].as_str().unwrap()).collect();
    assert_eq!(values, ["alpha", "beta"]);
    let text = run(&["dump", "--records", "--offsets", "1-1", log.to_str().unwrap()]).ok();
    assert!(String::from_utf8(text).unwrap().contains("beta"));
}

#[test]
fn damage_is_named_and_the_rest_is_served() {
    let site = Site::with_topic("events", 1);
    for word in ["alpha\n", "beta\n", "gamma\n"] {
        site.produce(&["events"], word.as_bytes());
    }
    let (data, folder) = (site.data(), site.folder);
    assert!(site.server.stop().success());
    let log = segment(&data);
    flip(&log, find(&log, b"beta").unwrap());
    let done = run(&["verify", data.to_str().unwrap()]);
    let found = String::from_utf8(done.stdout.clone()).unwrap();
    assert!(found.contains(&format!("{}: position ", log.display())), "{found}");
    assert!(found.contains("offset 1: "), "{found}");
    done.failed(1);

    let site = Site { server: Server::start(&data), folder };
    let done = site.run(&["consume", "events", "--from", "beginning", "--until-end"]);
    assert_eq!(done.stdout, b"alpha\ngamma\n");
    assert_eq!(done.failed(1), "corrupt: events-0 offsets 1-1\n");
}

#[test]
fn what_cannot_be_looked_at_is_2() {
    assert!(run(&["verify", "/nowhere/at/all"]).failed(2).contains("/nowhere/at/all"));
    assert!(run(&["dump", "/nowhere/at/all"]).failed(2).contains("/nowhere/at/all"));
}

/// The journal file that holds `needle`.
fn journal_with(data: &Path, needle: &[u8]) -> PathBuf {
    let mut journals = files_below(&data.join(".duramen")).into_iter();
    journals.find(|path| find(path, needle).is_some()).expect("a journal with the record")
}

#[test]
fn accepted_losses_are_printed_and_the_rest_is_served() {
    let site = Site::with_topic("events", 1);
    for word in ["alpha\n", "beta\n", "gamma\n"] {
        site.produce(&["events"], word.as_bytes());
    }
    let (data, folder) = (site.data(), site.folder);
    site.server.kill();
    let journal = journal_with(&data, b"beta");
    flip(&journal, find(&journal, b"beta").unwrap());

    let refused = Server::spawn(&mut serve(&data)).err().expect("a server on a damaged journal");
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.stderr.contains(journal.to_str().unwrap()), "{}", refused.stderr);
    assert!(refused.stderr.contains("recover --accept-loss"), "{}", refused.stderr);

    let recover = ["recover", "--accept-loss", "--data", data.to_str().unwrap()];
    let recovered = run(&recover);
    assert!(!recovered.stderr.contains("lost"), "on both streams: {}", recovered.stderr);
    assert_eq!(recovered.ok(), b"lost: events-0 offsets 1-2\n");
    let again = run(&recover);
    assert!(again.stderr.contains("nothing was lost"), "{}", again.stderr);
    assert_eq!(again.ok(), b"");

    let site = Site { server: Server::start(&data), folder };
    assert_eq!(site.consume(&["events"]), b"alpha\n");
    assert!(run(&recover).failed(1).contains("in use"));
    site.produce(&["events"], b"delta");
    assert_eq!(site.consume(&["events"]), b"alpha\ndelta\n");
}

#[test]
fn there_must_be_something_to_recover() {
    let error = run(&["recover", "--accept-loss", "--data", "/nowhere/at/all"]).failed(1);
    assert!(error.contains("no duramen data directory at /nowhere/at/all"), "{error}");
    assert!(!Path::new("/nowhere").exists());
}

#[test]
fn the_template_of_a_configuration_serves() {
    let folder = crate::support::server::folder();
    let template = run(&["config", "--toml"]).ok();
    let file = folder.path().join("duramen.toml");
    std::fs::write(&file, template).unwrap();
    let mut command = serve(&folder.path().join("data"));
    let server = Server::spawn(command.arg("--config").arg(&file)).unwrap();
    assert!(server.stop().success());
}

#[test]
fn completions_are_scripts_that_their_shells_take() {
    let folder = crate::support::server::folder();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell]).ok();
        assert!(String::from_utf8_lossy(&script).contains("until-end"), "{shell}");
        let file = folder.path().join(shell);
        std::fs::write(&file, script).unwrap();
        // A shell that this machine does not have can't say.
        if ["bash", "zsh", "fish"].contains(&shell)
            && let Ok(output) = Command::new(shell).arg("-n").arg(&file).output()
        {
            assert!(output.status.success(), "{shell}: {output:?}");
        }
    }
}

#[test]
fn a_reader_that_goes_away_ends_a_dump_quietly() {
    let site = Site::with_topic("events", 1);
    site.produce(&["events"], "a line among many\n".repeat(100_000).as_bytes());
    let mut dump = duramen(["dump", "--records"]);
    dump.arg(site.data()).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = dump.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), String::from_utf8(output.stderr).unwrap()),
        (Some(0), String::new())
    );
    assert!(feed(&mut duramen(["config"]), b"").code == Some(0));
}
