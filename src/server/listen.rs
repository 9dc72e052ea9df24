//! The ports of a server.
//!
//! They are taken before anything else happens, so that a port in use is said at once; connections
//! wait in the kernel's queue until the cores are there.

use std::io;
use std::net::{SocketAddr, TcpListener};

use crate::broker::catalog::{CONSUMER_OFFSETS_PARTITIONS, TopicLimits};
use crate::config::server::{KafkaPorts, ServerConfig};
use crate::network::kafka::settings::Settings;
use crate::network::listener::listen;
use crate::storage::names::Layout;

use super::error::ServerError;

/// Listens on an address, which `flag` has set. Returns where that is, should the port be a free
/// one.
pub fn bind(
    address: SocketAddr,
    flag: &'static str,
) -> Result<(TcpListener, SocketAddr), ServerError> {
    let refused = |error: io::Error| {
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => {
                format!("; stop whoever listens there, or name another port with {flag}")
            }
            io::ErrorKind::PermissionDenied => {
                format!("; ports below 1024 need privileges: name another with {flag}")
            }
            io::ErrorKind::AddrNotAvailable => "; it is no address of this machine".to_owned(),
            _ => String::new(),
        };
        ServerError::Listen { address, reason: format!("{error}{advice}") }
    };
    let listener = listen(address).map_err(refused)?;
    let bound = listener.local_addr().map_err(ServerError::system("look at a listener"))?;
    Ok((listener, bound))
}

/// Where Kafka clients connect: a port a core, or one for all, or none.
pub struct KafkaListeners {
    pub listeners: Vec<TcpListener>,
    /// Of each.
    pub addresses: Vec<SocketAddr>,
}

impl KafkaListeners {
    /// Listens as the configuration says.
    pub fn bind(config: &ServerConfig, cores: usize) -> Result<KafkaListeners, ServerError> {
        let mut bound = KafkaListeners { listeners: Vec::new(), addresses: Vec::new() };
        let Some(first) = config.kafka else { return Ok(bound) };
        let count = match config.kafka_ports {
            KafkaPorts::PerCore => cores,
            KafkaPorts::Single => 1,
        };
        let advertised = config.advertise.as_ref().and_then(|advertised| advertised.port);
        for first_port in [first.port()].into_iter().chain(advertised) {
            if usize::from(first_port) + count > usize::from(u16::MAX) + 1 {
                let reason = format!(
                    "there are no {count} ports from {first_port} on, one a core; name a lower \
                     one, or take --kafka-ports single"
                );
                return Err(ServerError::Listen { address: first, reason });
            }
        }
        for core in 0..count {
            let port = if first.port() == 0 { 0 } else { first.port() + core as u16 };
            let (listener, address) =
                bind(SocketAddr::new(first.ip(), port), "--kafka, or take --kafka-ports single")?;
            bound.listeners.push(listener);
            bound.addresses.push(address);
        }
        Ok(bound)
    }

    /// What the listeners have in common; nothing when there are none.
    pub fn settings(
        &self,
        config: &ServerConfig,
        layout: &Layout,
        topic_limits: TopicLimits,
    ) -> Option<Settings> {
        let folder = layout.data();
        let log_dir = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        (!self.addresses.is_empty()).then(|| Settings {
            listeners: self.addresses.clone(),
            advertised: config.advertise.clone(),
            auto_create_topics: config.auto_create_topics,
            default_partitions: config.default_partitions,
            topic_limits,
            request_bytes_max: config.request_bytes_max,
            log_dir: log_dir.display().to_string(),
            broker_configs: broker_configs(config),
        })
    }
}

/// What Kafka's tools are shown of a broker where it isn't as Kafka's would be by default.
fn broker_configs(config: &ServerConfig) -> Vec<(&'static str, String)> {
    let offsets_partitions = CONSUMER_OFFSETS_PARTITIONS.to_string();
    let groups = &config.groups;
    let retention_minutes = groups.offsets_retention_ms / 60_000;
    vec![
        ("auto.create.topics.enable", config.auto_create_topics.to_string()),
        ("group.initial.rebalance.delay.ms", groups.initial_rebalance_delay_ms.to_string()),
        ("group.max.session.timeout.ms", groups.session_timeout_ms_max.to_string()),
        ("group.max.size", groups.members_max.to_string()),
        ("group.min.session.timeout.ms", groups.session_timeout_ms_min.to_string()),
        // Each append is on stable storage before it is answered.
        ("log.flush.interval.messages", "1".to_owned()),
        // Nothing is compacted.
        ("log.cleaner.enable", "false".to_owned()),
        ("log.retention.check.interval.ms", config.retention_check_ms.to_string()),
        ("num.partitions", config.default_partitions.to_string()),
        ("offsets.retention.minutes", retention_minutes.to_string()),
        ("offsets.topic.num.partitions", offsets_partitions),
        ("offsets.topic.replication.factor", "1".to_owned()),
        ("process.roles", "broker,controller".to_owned()),
        ("producer.id.expiration.ms", config.producer_expiration_ms.to_string()),
        ("socket.request.max.bytes", config.request_bytes_max.to_string()),
    ]
}
