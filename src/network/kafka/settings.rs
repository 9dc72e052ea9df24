//! What every Kafka listener of a server knows.

use std::net::{IpAddr, SocketAddr};

use crate::broker::catalog::TopicLimits;
use crate::config::server::Advertised;

/// What a server's Kafka listeners have in common.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where each listens, by node id: one a core, or one for all.
    pub listeners: Vec<SocketAddr>,
    /// What clients are told instead.
    pub advertised: Option<Advertised>,
    /// Whether a topic is made when it is asked about.
    pub auto_create_topics: bool,
    /// Partitions of a topic that is made without a number of its own.
    pub default_partitions: u32,
    /// What bounds topics.
    pub topic_limits: TopicLimits,
    /// The longest request.
    pub request_bytes_max: usize,
    /// The data directory.
    pub log_dir: String,
    /// The server's configurations whose values are not Kafka's defaults, by Kafka's names.
    pub broker_configs: Vec<(&'static str, String)>,
}

/// A broker as clients are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// The core, or 0 with one port for all.
    pub node_id: i32,
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Settings {
    /// The node that is told to own what a core owns.
    pub fn node_of_core(&self, core: u32) -> i32 {
        if self.is_single() { 0 } else { core as i32 }
    }

    /// Whether one port stands for all cores.
    pub fn is_single(&self) -> bool {
        self.listeners.len() == 1
    }

    /// The brokers, for a client that has reached the server at the address `reached`. Where a
    /// server listens on all addresses, that is the one that works for this client.
    pub fn brokers(&self, reached: IpAddr) -> Vec<Broker> {
        let broker = |(node_id, listener): (i32, &SocketAddr)| {
            let own_ip = if listener.ip().is_unspecified() { reached } else { listener.ip() };
            let (host, first_port) = match &self.advertised {
                Some(advertised) => (advertised.host.clone(), advertised.port),
                None => (own_ip.to_canonical().to_string(), None),
            };
            // The configuration was checked: the ports end at 65535.
            let port = first_port.map_or(listener.port(), |first| first + node_id as u16);
            Broker { node_id, host, port }
        };
        (0..).zip(&self.listeners).map(broker).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(listeners: &[&str], advertised: Option<(&str, Option<u16>)>) -> Settings {
        Settings {
            listeners: listeners.iter().map(|address| address.parse().unwrap()).collect(),
            advertised: advertised.map(|(host, port)| Advertised { host: host.to_owned(), port }),
            auto_create_topics: true,
            default_partitions: 1,
            topic_limits: TopicLimits::default(),
            request_bytes_max: 1 << 20,
            log_dir: "/data".to_owned(),
            broker_configs: Vec::new(),
        }
    }

    fn told(settings: &Settings) -> Vec<String> {
        let brokers = settings.brokers("10.0.0.7".parse().unwrap());
        brokers.iter().map(|b| format!("{} {}:{}", b.node_id, b.host, b.port)).collect()
    }

    #[test]
    fn clients_are_told_addresses_that_they_can_reach() {
        let two = ["127.0.0.1:9092", "127.0.0.1:9093"];
        assert_eq!(told(&settings(&two, None)), ["0 127.0.0.1:9092", "1 127.0.0.1:9093"]);
        assert_eq!(told(&settings(&["0.0.0.0:9092"], None)), ["0 10.0.0.7:9092"]);
        assert_eq!(told(&settings(&["[::]:9092"], None)), ["0 10.0.0.7:9092"]);
        let named = settings(&two, Some(("log.example", None)));
        assert_eq!(told(&named), ["0 log.example:9092", "1 log.example:9093"]);
        let mapped = settings(&two, Some(("log.example", Some(19_000))));
        assert_eq!(told(&mapped), ["0 log.example:19000", "1 log.example:19001"]);
    }

    #[test]
    fn one_port_stands_for_all_cores() {
        assert_eq!(settings(&["127.0.0.1:1"], None).node_of_core(3), 0);
        assert_eq!(settings(&["127.0.0.1:1", "127.0.0.1:2"], None).node_of_core(1), 1);
    }
}
