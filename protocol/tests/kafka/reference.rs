//! Where Kafka's bytes lie, and how to read the listings beside them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The selection in the repository, and the whole collection if it lies beside the repository.
pub fn roots() -> Vec<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let selection = workspace.join("tests/fixtures/kafka");
    let whole = workspace.join("../shared/data/kafka");
    assert!(selection.is_dir(), "{} is missing", selection.display());
    [Some(selection), whole.is_dir().then_some(whole)].into_iter().flatten().collect()
}

/// The lines of a text file.
pub fn lines(path: &Path) -> Vec<String> {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(String::from).collect()
}

/// The bytes that hexadecimal digits stand for.
pub fn unhex(digits: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("a hexadecimal digit") as u8;
    digits.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// The bytes of a JSON value that is hexadecimal digits, or null.
pub fn unhex_value(value: &Value) -> Option<Vec<u8>> {
    value.as_str().map(unhex)
}

/// The entries of a folder, by name.
pub fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}
