//! What was measured on.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::bench::cpus::Cpus;

/// The machine, and how it was used.
pub(crate) fn machine(folder: &Path, server_cpus: &Cpus, load_cpus: &Cpus) -> Value {
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map(|rest| rest.trim_start_matches([':', '\t', ' ']));
    let processors = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let memory = read("/proc/meminfo");
    let kilobytes = memory.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kilobytes = kilobytes.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    json!({
        "processor": model,
        "processors": processors,
        "memory_bytes": kilobytes.map(|kilobytes| kilobytes * 1024),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "file_system": file_system(folder),
        "server_cores": server_cpus.to_string(),
        "load_cores": load_cpus.to_string(),
        "version": env!("CARGO_PKG_VERSION"),
    })
}

/// What cannot be read is not known.
fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The type and the device of the file system that holds a folder: the longest mount point that its
/// path begins with.
fn file_system(folder: &Path) -> Option<String> {
    let folder = fs::canonicalize(folder).ok()?;
    let mounts = read("/proc/self/mounts");
    let mut best: Option<(usize, String)> = None;
    for line in mounts.lines() {
        let mut words = line.split(' ');
        let (Some(device), Some(point), Some(kind)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        let len = point.len();
        if folder.starts_with(point) && best.as_ref().is_none_or(|(longest, _)| len >= *longest) {
            best = Some((len, format!("{kind} on {device}")));
        }
    }
    best.map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_known() {
        let (server, load) = (Cpus::server_default(), Cpus::load_default());
        let machine = machine(Path::new("."), &server, &load);
        assert!(machine["processors"].as_u64().is_some_and(|count| count > 0), "{machine}");
        assert!(machine["memory_bytes"].is_u64() && machine["kernel"].is_string(), "{machine}");
        assert!(machine["file_system"].as_str().is_some_and(|name| name.contains(" on ")));
    }
}
