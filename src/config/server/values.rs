//! Values as text: each parser says what it wants when it can't have it.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use super::{Advertised, KafkaPorts};
use crate::io::IoChoice;
use crate::limits;

/// The longest time that Kafka's clients can say, in ms.
pub(super) const MS_MAX: u64 = i32::MAX as u64;
/// The longest name of a host.
const HOST_BYTES_MAX: usize = 255;

pub(super) fn integer(value: &str, min: u64, max: u64) -> Result<u64, String> {
    match value.parse::<u64>() {
        Ok(n) if (min..=max).contains(&n) => Ok(n),
        _ => Err(format!("a whole number from {min} to {max} is wanted")),
    }
}

pub(super) fn whole_mib(value: &str, min: u64, max: u64) -> Result<u64, String> {
    match integer(value, min, max)? {
        n if n.is_multiple_of(1 << 20) => Ok(n),
        _ => Err("a whole number of MiB is wanted".into()),
    }
}

pub(super) fn cores(value: &str) -> Result<Option<usize>, String> {
    match value {
        "all" => Ok(None),
        "" => Err(format!("all, or a whole number from 1 to {} is wanted", limits::CORES)),
        _ => integer(value, 1, limits::CORES as u64).map(|n| Some(n as usize)),
    }
}

pub(super) fn io_choice(value: &str) -> Result<IoChoice, String> {
    match value {
        "" => Err(format!("one of {} is wanted", IoChoice::NAMES.join(", "))),
        _ => value.parse(),
    }
}

pub(super) fn path(value: &str) -> Result<PathBuf, String> {
    match value {
        "" => Err("a path is wanted".into()),
        _ => Ok(PathBuf::from(value)),
    }
}

pub(super) fn truth(value: &str) -> Result<bool, String> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("true or false is wanted".into()),
    }
}

pub(super) fn kafka_ports(value: &str) -> Result<KafkaPorts, String> {
    match value {
        "per-core" => Ok(KafkaPorts::PerCore),
        "single" => Ok(KafkaPorts::Single),
        _ => Err("per-core or single is wanted".into()),
    }
}

/// `none`, `HOST` or `HOST:PORT`, an IPv6 address in brackets where a port follows.
pub(super) fn advertised(value: &str) -> Result<Option<Advertised>, String> {
    let wanted = || "HOST, HOST:PORT or none is wanted".to_owned();
    if value == "none" {
        return Ok(None);
    }
    let is_ip = value.parse::<std::net::IpAddr>().is_ok();
    let (host, port) = match value.rsplit_once(':') {
        Some((host, port)) if !is_ip => (host, Some(port.parse().map_err(|_| wanted())?)),
        _ => (value, None),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_host = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || c == '/');
    if !is_host || host.len() > HOST_BYTES_MAX || port == Some(0) {
        return Err(wanted());
    }
    Ok(Some(Advertised { host: host.to_owned(), port }))
}

pub(super) fn address_or_none(value: &str) -> Result<Option<SocketAddr>, String> {
    match value {
        "none" => Ok(None),
        "" => Err("HOST:PORT or none is wanted".into()),
        _ => address(value).map(Some),
    }
}

pub(super) fn address(value: &str) -> Result<SocketAddr, String> {
    if value.is_empty() {
        return Err("HOST:PORT is wanted".into());
    }
    let found = value.to_socket_addrs().map_err(|error| format!("HOST:PORT is wanted: {error}"))?;
    found.into_iter().next().ok_or_else(|| "the host has no address".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advertised_addresses_are_names_or_numbers_with_or_without_a_port() {
        let told = |host: &str, port| Ok(Some(Advertised { host: host.to_owned(), port }));
        assert_eq!(advertised("none"), Ok(None));
        assert_eq!(advertised("log.example"), told("log.example", None));
        assert_eq!(advertised("log.example:19092"), told("log.example", Some(19_092)));
        assert_eq!(advertised("10.0.0.7:1"), told("10.0.0.7", Some(1)));
        assert_eq!(advertised("fd00::7"), told("fd00::7", None));
        assert_eq!(advertised("[fd00::7]:9092"), told("fd00::7", Some(9092)));
        for bad in ["", ":9092", "a:b", "a:70000", "a:0", "a b", "kafka://a:1"] {
            assert!(advertised(bad).is_err(), "{bad}");
        }
    }
}
