//! What the tests share: where Kafka's files are, and runs of the tools in memory.

#![allow(dead_code)] // Each test file uses its own part.

pub mod partition;

use std::path::{Path, PathBuf};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use duramen_tools::{Outcome, dump, verify};
use serde_json::Value;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The selection of Kafka's files that is part of the project.
pub fn fixtures() -> PathBuf {
    workspace().join("tests/fixtures/kafka/segments")
}

/// All of them, where they lie beside the workspace.
pub fn reference() -> Option<PathBuf> {
    Some(workspace().join("../shared/data/kafka/segments")).filter(|path| path.is_dir())
}

/// All files below a folder, sorted.
pub fn files_below(path: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(files_below(&path)),
            false => files.push(path),
        }
    }
    files.sort();
    files
}

/// What a run left: its outcome, standard output and standard error.
pub struct Ran {
    pub outcome: Outcome,
    pub out: String,
    pub err: String,
}

pub fn dump(path: &Path, options: &dump::Options) -> Ran {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let outcome = dump::run(&[path.to_owned()], options, &mut out, &mut err).unwrap();
    Ran { outcome, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
}

/// The objects of a dump in JSON.
pub fn dump_json(path: &Path, options: &dump::Options) -> Vec<Value> {
    let ran = dump(path, options);
    ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The bytes that a value of a dump in JSON stands for.
pub fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.as_bytes().to_owned(),
        value => BASE64_STANDARD.decode(value["base64"].as_str().unwrap()).unwrap(),
    }
}

pub fn verify(path: &Path) -> Ran {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let options = verify::Options::default();
    let outcome = verify::run(&[path.to_owned()], &options, &mut out, &mut err).unwrap();
    Ran { outcome, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
}

impl Ran {
    /// The lines that tell of damage.
    pub fn damages(&self) -> Vec<&str> {
        self.out.lines().filter(|line| !line.starts_with("note: ")).collect()
    }

    /// The lines that are notes.
    pub fn notes(&self) -> Vec<&str> {
        self.out.lines().filter(|line| line.starts_with("note: ")).collect()
    }
}
