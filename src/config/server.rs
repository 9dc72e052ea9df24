//! The configuration of a server: one row a knob.
//!
//! [`KNOBS`] is the only list: the command line, the TOML file and the documentation all read it.
//! In the file a dotted name may also be written as a table:
//!
//! ```toml
//! data = "/var/lib/duramen"
//! cores = 4
//! journal.bytes = 536870912
//! ```

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use toml::de::{DeTable, DeValue};

use super::groups::GroupSettings;
use crate::io::IoChoice;
use crate::limits;

/// A server's configuration, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// The data directory.
    pub data: PathBuf,
    /// Where the native protocol listens.
    pub listen: SocketAddr,
    /// Where the Kafka protocol listens: the first core's address.
    pub kafka: Option<SocketAddr>,
    /// Which ports Kafka clients are shown.
    pub kafka_ports: KafkaPorts,
    /// What Kafka clients are told to connect to, if not where it listens.
    pub advertise: Option<Advertised>,
    /// Whether a topic is made when a Kafka client asks about it.
    pub auto_create_topics: bool,
    /// The longest request of a Kafka client.
    pub request_bytes_max: usize,
    /// How many cores; `None` for as many as the process may use.
    pub cores: Option<usize>,
    /// Which disk to run on.
    pub io: IoChoice,
    /// Acknowledge from memory.
    pub no_sync: bool,
    /// Partitions of a topic that is made without a number of its own.
    pub default_partitions: u32,
    /// Memory for staged batches, a core.
    pub arena_bytes: usize,
    /// Bytes of all journal files of all cores.
    pub journal_bytes: u64,
    /// Bytes of a journal file.
    pub journal_file_bytes: u64,
    /// How often retention looks at each partition.
    pub retention_check_ms: u64,
    /// A producer that was not heard of for so long is forgotten.
    pub producer_expiration_ms: i64,
    /// What holds for consumer groups.
    pub groups: GroupSettings,
}

/// Which ports Kafka clients are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KafkaPorts {
    /// One a core, each a broker of its own.
    PerCore,
    /// One for all.
    Single,
}

/// Where clients elsewhere reach the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertised {
    /// A name or an address.
    pub host: String,
    /// The first core's port; the port it listens on if not given.
    pub port: Option<u16>,
}

/// The longest time that Kafka's clients can say, in ms.
const MS_MAX: u64 = i32::MAX as u64;

/// One row of the table.
pub struct ServerKnob {
    /// Its name, in the file and, with dashes, as a flag.
    pub name: &'static str,
    /// The default, as text.
    pub default: &'static str,
    /// One line for people.
    pub help: &'static str,
    /// Checks a value and stores it.
    set: fn(&mut ServerConfig, &str) -> Result<(), String>,
}

/// Every knob of a server, by name.
pub const KNOBS: &[ServerKnob] = &[
    ServerKnob {
        name: "advertise",
        default: "none",
        help: "HOST[:PORT] that Kafka clients are told to connect to; core i's is PORT+i",
        set: |c, v| advertised(v).map(|advertised| c.advertise = advertised),
    },
    ServerKnob {
        name: "arena.bytes",
        default: "33554432",
        help: "memory for batches that are not in their segments yet, a core",
        set: |c, v| integer(v, 4 << 20, 64 << 30).map(|n| c.arena_bytes = n as usize),
    },
    ServerKnob {
        name: "auto.create.topics.enable",
        default: "true",
        help: "whether a topic is made when a Kafka client asks about it or writes to it",
        set: |c, v| truth(v).map(|truth| c.auto_create_topics = truth),
    },
    ServerKnob {
        name: "broker.ports",
        default: "per-core",
        help: "per-core, or single: one port for all, as port mappings need it",
        set: |c, v| kafka_ports(v).map(|ports| c.kafka_ports = ports),
    },
    ServerKnob {
        name: "cores",
        default: "all",
        help: "threads that own partitions; all: as many as the process may use",
        set: |c, v| cores(v).map(|cores| c.cores = cores),
    },
    ServerKnob {
        name: "data",
        default: "./duramen-data",
        help: "the data directory, made when it is not there",
        set: |c, v| path(v).map(|path| c.data = path),
    },
    ServerKnob {
        name: "group.initial.rebalance.delay.ms",
        default: "3000",
        help: "how long a consumer group that was empty waits for more members",
        set: |c, v| integer(v, 0, 600_000).map(|n| c.groups.initial_rebalance_delay_ms = n),
    },
    ServerKnob {
        name: "group.max.session.timeout.ms",
        default: "1800000",
        help: "the longest session timeout that a group's member may ask for",
        set: |c, v| integer(v, 1, MS_MAX).map(|n| c.groups.session_timeout_ms_max = n),
    },
    ServerKnob {
        name: "group.max.size",
        default: "10000",
        help: "members that a consumer group may have",
        set: |c, v| {
            let most = limits::GROUP_MEMBERS_MAX as u64;
            integer(v, 1, most).map(|n| c.groups.members_max = n as usize)
        },
    },
    ServerKnob {
        name: "group.min.session.timeout.ms",
        default: "6000",
        help: "the shortest session timeout that a group's member may ask for",
        set: |c, v| integer(v, 1, MS_MAX).map(|n| c.groups.session_timeout_ms_min = n),
    },
    ServerKnob {
        name: "io",
        default: "auto",
        help: "uring, blocking threads, or auto: io_uring where the kernel offers it",
        set: |c, v| io_choice(v).map(|io| c.io = io),
    },
    ServerKnob {
        name: "journal.bytes",
        default: "268435456",
        help: "bytes of all journals together: what a restart may have to replay",
        set: |c, v| integer(v, 16 << 20, 1 << 40).map(|n| c.journal_bytes = n),
    },
    ServerKnob {
        name: "journal.file.bytes",
        default: "8388608",
        help: "bytes of one journal file, whole MiB; each core has four at least",
        set: |c, v| whole_mib(v, 4 << 20, 1 << 30).map(|n| c.journal_file_bytes = n),
    },
    ServerKnob {
        name: "kafka",
        default: "127.0.0.1:9092",
        help: "where Kafka clients connect, or none; core i listens on PORT+i, or each on a free one",
        set: |c, v| address_or_none(v).map(|address| c.kafka = address),
    },
    ServerKnob {
        name: "listen",
        default: "127.0.0.1:7070",
        help: "where native clients connect; port 0 takes a free one",
        set: |c, v| address(v).map(|address| c.listen = address),
    },
    ServerKnob {
        name: "no.sync",
        default: "false",
        help: "true acknowledges from memory: fast, and lost at a power cut; for tests",
        set: |c, v| truth(v).map(|truth| c.no_sync = truth),
    },
    ServerKnob {
        name: "num.partitions",
        default: "1",
        help: "partitions of a topic that is made without a number of its own",
        set: |c, v| {
            let most = u64::from(limits::TOPIC_PARTITIONS_MAX);
            integer(v, 1, most).map(|n| c.default_partitions = n as u32)
        },
    },
    ServerKnob {
        name: "offsets.retention.minutes",
        default: "10080",
        help: "committed offsets are kept for so long while nobody reads on from them",
        set: |c, v| {
            let ms = |minutes: u64| minutes as i64 * 60_000;
            integer(v, 1, i32::MAX as u64).map(|n| c.groups.offsets_retention_ms = ms(n))
        },
    },
    ServerKnob {
        name: "producer.id.expiration.ms",
        default: "86400000",
        help: "idempotent producers that were not heard of for so long are forgotten",
        set: |c, v| integer(v, 1, i64::MAX as u64).map(|n| c.producer_expiration_ms = n as i64),
    },
    ServerKnob {
        name: "retention.check.interval.ms",
        default: "300000",
        help: "how often each partition is looked at for segments to delete",
        set: |c, v| integer(v, 1, u32::MAX.into()).map(|n| c.retention_check_ms = n),
    },
    ServerKnob {
        name: "socket.request.max.bytes",
        default: "104857600",
        help: "the longest request of a Kafka client; a longer one ends its connection",
        set: |c, v| integer(v, 1 << 20, i32::MAX as u64).map(|n| c.request_bytes_max = n as usize),
    },
];

/// The longest name of a host.
const HOST_BYTES_MAX: usize = 255;

/// A value that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerConfigError {
    /// No such knob.
    #[error("unknown configuration {0:?}: `duramen config` lists the names")]
    UnknownName(String),
    /// Not a value of the knob.
    #[error("{name}={value}: {reason}")]
    BadValue {
        /// The knob.
        name: &'static str,
        /// The value as given.
        value: String,
        /// What is wanted.
        reason: String,
    },
}

/// What is wrong with a configuration file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct ConfigFileError {
    /// From 1 on.
    pub line: usize,
    /// In words.
    pub reason: String,
}

/// A setting of a file, and where in its text it stands.
type Setting<'t> = (usize, String, &'t DeValue<'t>);

impl Default for ServerConfig {
    /// All knobs at their defaults; a test holds this against [`KNOBS`].
    fn default() -> ServerConfig {
        ServerConfig {
            data: PathBuf::from("./duramen-data"),
            listen: SocketAddr::from(([127, 0, 0, 1], 7070)),
            kafka: Some(SocketAddr::from(([127, 0, 0, 1], 9092))),
            kafka_ports: KafkaPorts::PerCore,
            advertise: None,
            auto_create_topics: true,
            request_bytes_max: 100 << 20,
            cores: None,
            io: IoChoice::Auto,
            no_sync: false,
            default_partitions: 1,
            arena_bytes: limits::ARENA_BYTES,
            journal_bytes: limits::JOURNAL_BYTES_TOTAL,
            journal_file_bytes: limits::JOURNAL_FILE_BYTES,
            retention_check_ms: 300_000,
            producer_expiration_ms: 86_400_000,
            groups: GroupSettings::default(),
        }
    }
}

impl ServerConfig {
    /// Sets one knob.
    ///
    /// # Errors
    /// When the name isn't known or the value can't be used.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), ServerConfigError> {
        let knob = KNOBS.iter().find(|knob| knob.name == name);
        let knob = knob.ok_or_else(|| ServerConfigError::UnknownName(name.to_owned()))?;
        (knob.set)(self, value.trim()).map_err(|reason| ServerConfigError::BadValue {
            name: knob.name,
            value: value.to_owned(),
            reason,
        })
    }

    /// Sets what a TOML file says.
    ///
    /// # Errors
    /// When it is no TOML, or at the first knob that can't be set.
    pub fn set_all(&mut self, text: &str) -> Result<(), ConfigFileError> {
        let at = |position: usize, reason: String| {
            let before = text.as_bytes().iter().take(position);
            ConfigFileError { line: 1 + before.filter(|&&byte| byte == b'\n').count(), reason }
        };
        let table = DeTable::parse(text).map_err(|error| {
            let position = error.span().map_or(0, |span| span.start);
            at(position, format!("this is no TOML: {}", error.message()))
        })?;
        let mut settings = Vec::new();
        list_settings("", table.get_ref(), &mut settings);
        settings.sort_by_key(|(position, ..)| *position);
        for (position, name, value) in settings {
            self.set_toml(&name, value).map_err(|reason| at(position, reason))?;
        }
        Ok(())
    }

    fn set_toml(&mut self, name: &str, value: &DeValue<'_>) -> Result<(), String> {
        let text = match value {
            DeValue::String(text) => text.as_ref(),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
            DeValue::Boolean(true) => "true",
            DeValue::Boolean(false) => "false",
            _ => return Err(format!("{name}: a value is text, a whole number, true or false")),
        };
        self.set(name, text).map_err(|error| error.to_string())
    }
}

impl ServerKnob {
    /// Which values the knob takes, in the words in which it refuses others: none takes nothing.
    pub fn wanted(&self) -> String {
        (self.set)(&mut ServerConfig::default(), "").err().unwrap_or_default()
    }
}

/// The settings of a table and of those in it, by their full names.
fn list_settings<'t>(prefix: &str, table: &'t DeTable<'t>, out: &mut Vec<Setting<'t>>) {
    for (key, value) in table {
        let name = format!("{prefix}{}", key.get_ref());
        match value.get_ref() {
            DeValue::Table(table) => list_settings(&format!("{name}."), table, out),
            value => out.push((key.span().start, name, value)),
        }
    }
}

fn integer(value: &str, min: u64, max: u64) -> Result<u64, String> {
    match value.parse::<u64>() {
        Ok(n) if (min..=max).contains(&n) => Ok(n),
        _ => Err(format!("a whole number from {min} to {max} is wanted")),
    }
}

fn whole_mib(value: &str, min: u64, max: u64) -> Result<u64, String> {
    match integer(value, min, max)? {
        n if n.is_multiple_of(1 << 20) => Ok(n),
        _ => Err("a whole number of MiB is wanted".into()),
    }
}

fn cores(value: &str) -> Result<Option<usize>, String> {
    match value {
        "all" => Ok(None),
        "" => Err(format!("all, or a whole number from 1 to {} is wanted", limits::CORES)),
        _ => integer(value, 1, limits::CORES as u64).map(|n| Some(n as usize)),
    }
}

fn io_choice(value: &str) -> Result<IoChoice, String> {
    match value {
        "" => Err(format!("one of {} is wanted", IoChoice::NAMES.join(", "))),
        _ => value.parse(),
    }
}

fn path(value: &str) -> Result<PathBuf, String> {
    match value {
        "" => Err("a path is wanted".into()),
        _ => Ok(PathBuf::from(value)),
    }
}

fn truth(value: &str) -> Result<bool, String> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("true or false is wanted".into()),
    }
}

fn kafka_ports(value: &str) -> Result<KafkaPorts, String> {
    match value {
        "per-core" => Ok(KafkaPorts::PerCore),
        "single" => Ok(KafkaPorts::Single),
        _ => Err("per-core or single is wanted".into()),
    }
}

/// `none`, `HOST` or `HOST:PORT`, an IPv6 address in brackets where a port follows.
fn advertised(value: &str) -> Result<Option<Advertised>, String> {
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

fn address_or_none(value: &str) -> Result<Option<SocketAddr>, String> {
    match value {
        "none" => Ok(None),
        "" => Err("HOST:PORT or none is wanted".into()),
        _ => address(value).map(Some),
    }
}

fn address(value: &str) -> Result<SocketAddr, String> {
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
    fn the_defaults_are_those_of_the_table() {
        let mut config = ServerConfig::default();
        for knob in KNOBS {
            config.set(knob.name, knob.default).unwrap();
        }
        assert_eq!(config, ServerConfig::default());
        assert!(KNOBS.is_sorted_by_key(|knob| knob.name));
        assert!(KNOBS.iter().all(|knob| !knob.wanted().is_empty()));
    }

    #[test]
    fn a_file_sets_knobs_flat_or_in_tables() {
        let mut config = ServerConfig::default();
        let file =
            "cores = 3\nno.sync = true\nlisten = \"[::1]:0\"\n[journal]\nbytes = 536870912\n";
        config.set_all(file).unwrap();
        assert_eq!((config.cores, config.no_sync), (Some(3), true));
        assert_eq!(
            (config.listen.to_string(), config.journal_bytes),
            ("[::1]:0".into(), 512 << 20)
        );
    }

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

    #[test]
    fn what_is_wrong_is_named() {
        let error = |file: &str| ServerConfig::default().set_all(file).unwrap_err().to_string();
        assert_eq!(
            error("\ncores = 0"),
            "line 2: cores=0: a whole number from 1 to 1024 is wanted"
        );
        assert!(error("[journal]\nbites = 1").contains("\"journal.bites\""));
        assert!(error("listen = \"nowhere\"").contains(" listen=nowhere: HOST:PORT is wanted"));
        assert!(error("io = \"auto\"\ncores = ").starts_with("line 2: this is no TOML: "));
        assert!(error("cores = [1]").starts_with("line 1: cores: a value is text"));
        // The first in the file, whatever the order of their names.
        assert!(error("\n[journal]\nbytes = 1\n[arena]\nbytes = 1").starts_with("line 3: journal"));
        assert!(error("io = \"magic\"").contains("auto, uring, blocking"));
    }
}
