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

mod knobs;
mod values;

use std::net::SocketAddr;
use std::path::PathBuf;

use toml::de::{DeTable, DeValue};

use super::groups::GroupSettings;
use crate::io::IoChoice;
use crate::limits;

pub use knobs::{KNOBS, ServerKnob};

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
    /// For how long a core without anything to do stays awake.
    pub spin_us: u64,
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
            spin_us: 0,
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
