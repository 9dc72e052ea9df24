//! The table of knobs: name, default, help, and where a value goes.

use super::ServerConfig;
use super::values::{
    MS_MAX, address, address_or_none, advertised, cores, integer, io_choice, kafka_ports, path,
    truth, whole_mib,
};
use crate::limits;

/// One row of the table.
pub struct ServerKnob {
    /// Its name, in the file and, with dashes, as a flag.
    pub name: &'static str,
    /// The default, as text.
    pub default: &'static str,
    /// One line for people.
    pub help: &'static str,
    /// Checks a value and stores it.
    pub(super) set: fn(&mut ServerConfig, &str) -> Result<(), String>,
}

impl ServerKnob {
    /// Which values the knob takes, in the words in which it refuses others: none takes nothing.
    pub fn wanted(&self) -> String {
        (self.set)(&mut ServerConfig::default(), "").err().unwrap_or_default()
    }
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
    ServerKnob {
        name: "spin.us",
        default: "0",
        help: "for how long a core without anything to do polls, awake, before it sleeps",
        set: |c, v| integer(v, 0, 1_000_000).map(|n| c.spin_us = n),
    },
];
