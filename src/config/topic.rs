//! The configuration of a topic: one row a knob.
//!
//! [`KNOBS`] is the only list: parsing, describing and the documentation all read it. A value is
//! text, as it comes from a client and as it stands in the catalog; [`TopicConfig`] is what the
//! engine uses.

use duramen_protocol::batch::TimestampType;

/// A topic's configuration, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicConfig {
    /// A segment is rolled before it grows past this.
    pub segment_bytes: u64,
    /// A segment is rolled when a batch is this much newer than its first.
    pub segment_ms: i64,
    /// Sealed segments whose records are all older are deleted; `None` keeps them.
    pub retention_ms: Option<i64>,
    /// The oldest segments are deleted while the partition holds more; `None` keeps them.
    pub retention_bytes: Option<u64>,
    /// The largest batch that is accepted, header and all.
    pub max_message_bytes: u32,
    /// An index entry is made each time this many bytes went by.
    pub index_interval_bytes: u32,
    pub timestamp_type: TimestampType,
    /// How much older than now a record's timestamp may be.
    pub timestamp_before_max_ms: i64,
    /// How much newer than now a record's timestamp may be.
    pub timestamp_after_max_ms: i64,
    /// `cleanup.policy` names compaction: keyless records are refused, nothing is deleted by age.
    pub compact: bool,
    /// `cleanup.policy` names deletion: the retention knobs count.
    pub delete: bool,
}

/// A value that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("unknown topic configuration {0:?}: `duramen config` lists the names")]
    UnknownName(String),
    #[error("{name}={value}: {reason}")]
    BadValue { name: &'static str, value: String, reason: String },
}

/// One row of the table.
pub struct TopicKnob {
    /// Kafka's name.
    pub name: &'static str,
    /// The default, as text.
    pub default: &'static str,
    /// One line for people.
    pub help: &'static str,
    /// Checks a value and stores it.
    set: fn(&mut TopicConfig, &str) -> Result<(), String>,
}

/// Every knob of a topic, by name.
pub const KNOBS: &[TopicKnob] = &[
    TopicKnob {
        name: "cleanup.policy",
        default: "delete",
        help: "delete, compact, or both; compact is accepted and keeps everything for now",
        set: set_cleanup_policy,
    },
    TopicKnob {
        name: "compression.type",
        default: "producer",
        help: "producer only: batches are kept as they come",
        set: |_, v| match v {
            "producer" => Ok(()),
            _ => Err("only `producer` is supported: compress in the producer".into()),
        },
    },
    TopicKnob {
        name: "index.interval.bytes",
        default: "4096",
        help: "bytes of log between two index entries",
        set: |c, v| integer(v, 0, i32::MAX.into()).map(|n| c.index_interval_bytes = n as u32),
    },
    TopicKnob {
        name: "max.message.bytes",
        default: "1048588",
        help: "the largest batch that is accepted",
        set: |c, v| integer(v, 61, i32::MAX.into()).map(|n| c.max_message_bytes = n as u32),
    },
    TopicKnob {
        name: "message.timestamp.after.max.ms",
        default: "3600000",
        help: "how far ahead of the server's clock a record may be",
        set: |c, v| integer(v, 0, i64::MAX).map(|n| c.timestamp_after_max_ms = n),
    },
    TopicKnob {
        name: "message.timestamp.before.max.ms",
        default: "9223372036854775807",
        help: "how far behind the server's clock a record may be",
        set: |c, v| integer(v, 0, i64::MAX).map(|n| c.timestamp_before_max_ms = n),
    },
    TopicKnob {
        name: "message.timestamp.type",
        default: "CreateTime",
        help: "CreateTime keeps the producer's timestamps, LogAppendTime sets the server's",
        set: set_timestamp_type,
    },
    TopicKnob {
        name: "retention.bytes",
        default: "-1",
        help: "the oldest segments go while a partition holds more; -1 keeps all",
        set: |c, v| integer(v, -1, i64::MAX).map(|n| c.retention_bytes = u64::try_from(n).ok()),
    },
    TopicKnob {
        name: "retention.ms",
        default: "604800000",
        help: "segments whose records are all older are deleted; -1 keeps all",
        set: |c, v| integer(v, -1, i64::MAX).map(|n| c.retention_ms = (n >= 0).then_some(n)),
    },
    TopicKnob {
        name: "segment.bytes",
        default: "1073741824",
        help: "a new segment is begun before one grows past this",
        set: |c, v| {
            integer(v, MIN_SEGMENT_BYTES, i32::MAX.into()).map(|n| c.segment_bytes = n as u64)
        },
    },
    TopicKnob {
        name: "segment.ms",
        default: "604800000",
        help: "a new segment is begun when a batch is this much newer than a segment's first",
        set: |c, v| integer(v, 1, i64::MAX).map(|n| c.segment_ms = n),
    },
];

/// The least that `segment.bytes` may be, as in Kafka 4.
pub const MIN_SEGMENT_BYTES: i64 = 1 << 20;

impl Default for TopicConfig {
    /// All knobs at their defaults; a test holds this against [`KNOBS`].
    fn default() -> TopicConfig {
        TopicConfig {
            segment_bytes: 1 << 30,
            segment_ms: 604_800_000,
            retention_ms: Some(604_800_000),
            retention_bytes: None,
            max_message_bytes: 1_048_588,
            index_interval_bytes: 4096,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3_600_000,
            compact: false,
            delete: true,
        }
    }
}

impl TopicConfig {
    /// The defaults with `pairs` (name, value) set on top.
    ///
    /// # Errors
    /// At the first name that isn't known or value that can't be used.
    pub fn from_pairs<N: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Result<TopicConfig, ConfigError> {
        let mut config = TopicConfig::default();
        for (name, value) in pairs {
            config.set(name.as_ref(), value.as_ref())?;
        }
        Ok(config)
    }

    /// Sets one knob.
    ///
    /// # Errors
    /// When the name isn't known or the value can't be used.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
        let knob = knob(name).ok_or_else(|| ConfigError::UnknownName(name.to_owned()))?;
        (knob.set)(self, value.trim()).map_err(|reason| ConfigError::BadValue {
            name: knob.name,
            value: value.to_owned(),
            reason,
        })
    }
}

impl TopicKnob {
    /// Which values the knob takes, in the words in which it refuses others: none takes nothing.
    pub fn wanted(&self) -> String {
        (self.set)(&mut TopicConfig::default(), "").err().unwrap_or_default()
    }
}

/// The row of a knob.
pub fn knob(name: &str) -> Option<&'static TopicKnob> {
    KNOBS.iter().find(|k| k.name == name)
}

fn integer(value: &str, min: i64, max: i64) -> Result<i64, String> {
    match value.parse::<i64>() {
        Ok(n) if (min..=max).contains(&n) => Ok(n),
        _ => Err(format!("a whole number from {min} to {max} is wanted")),
    }
}

fn set_timestamp_type(config: &mut TopicConfig, value: &str) -> Result<(), String> {
    config.timestamp_type = match value {
        "CreateTime" => TimestampType::CreateTime,
        "LogAppendTime" => TimestampType::LogAppendTime,
        _ => return Err("CreateTime or LogAppendTime".into()),
    };
    Ok(())
}

fn set_cleanup_policy(config: &mut TopicConfig, value: &str) -> Result<(), String> {
    let (mut compact, mut delete) = (false, false);
    for policy in value.split(',').map(str::trim) {
        match policy {
            "compact" => compact = true,
            "delete" => delete = true,
            _ => return Err("delete, compact, or both with a comma between".into()),
        }
    }
    (config.compact, config.delete) = (compact, delete);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_table() {
        let pairs = KNOBS.iter().map(|k| (k.name, k.default));
        assert_eq!(TopicConfig::from_pairs(pairs), Ok(TopicConfig::default()));
        assert!(KNOBS.is_sorted_by_key(|k| k.name));
        assert!(KNOBS.iter().all(|k| !k.wanted().is_empty()));
    }

    #[test]
    fn errors_name_the_knob_and_what_is_wanted() {
        let mut config = TopicConfig::default();
        let message = config.set("segment.bytes", "12").unwrap_err().to_string();
        assert_eq!(
            message,
            "segment.bytes=12: a whole number from 1048576 to 2147483647 is wanted"
        );
        assert!(config.set("segment.byte", "1").unwrap_err().to_string().contains("unknown"));
        assert!(config.set("compression.type", "zstd").is_err());
        assert_eq!(config, TopicConfig::default());
    }

    #[test]
    fn policies_and_retention() {
        let config = TopicConfig::from_pairs([
            ("cleanup.policy", "compact, delete"),
            ("retention.ms", "-1"),
            ("retention.bytes", "5"),
        ])
        .unwrap();
        assert!(config.compact && config.delete);
        assert_eq!((config.retention_ms, config.retention_bytes), (None, Some(5)));
    }
}
