//! What README.md says, held against the tree: its tables of knobs, its links, the tests it names.

use std::fs;
use std::path::{Path, PathBuf};

use duramen::config::{server, topic};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

/// Everything of Rust below the root, as one text.
fn source() -> String {
    let mut folders: Vec<PathBuf> =
        ["src", "tests", "protocol", "tools"].iter().map(|folder| root().join(folder)).collect();
    let mut text = String::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text += &fs::read_to_string(path).unwrap();
            }
        }
    }
    text
}

#[test]
fn every_knob_stands_in_its_table() {
    let server = server::KNOBS.iter().map(|knob| (knob.name, knob.default, knob.help));
    let topic = topic::KNOBS.iter().map(|knob| (knob.name, knob.default, knob.help));
    let wanted: Vec<String> = server
        .chain(topic)
        .map(|(name, default, help)| format!("| `{name}` | `{default}` | {help} |"))
        .collect();
    let readme = readme();
    let found: Vec<&str> = readme.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(found, wanted);
}

#[test]
fn every_link_leads_somewhere() {
    let readme = readme();
    let links = readme.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let paths = links.map(|(link, _)| link).filter(|link| !link.starts_with('#'));
    let missing: Vec<&str> = paths.filter(|path| !root().join(path).exists()).collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn every_test_and_canary_that_is_named_is_there() {
    let (readme, source) = (readme(), source());
    let guarantees = readme.split("\n## ").find(|part| part.starts_with("What it guarantees"));
    let rows = guarantees.unwrap().lines().filter(|line| line.starts_with("| "));
    let named: Vec<&str> = rows.flat_map(|row| row.split('`').skip(1).step_by(2)).collect();
    let is_test = |name: &str| name.matches('_').count() > 2;
    let is_canary = |name: &str| name.starts_with(char::is_uppercase);
    let missing: Vec<&&str> = named
        .iter()
        .filter(|name| match () {
            () if is_test(name) => !source.contains(&format!("fn {name}()")),
            () if is_canary(name) => !source.contains(&format!("Canary::{name}")),
            () => false,
        })
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(named.iter().any(|name| is_test(name)) && named.iter().any(|name| is_canary(name)));
}
