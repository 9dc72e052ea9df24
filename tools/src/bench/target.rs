//! A server as one protocol reaches it: its topics, who owns their partitions, where they end.

use std::net::{SocketAddr, TcpStream};

use duramen_protocol::native::ANY_CORE;

use super::error::{BenchError, Result};
use super::kafka::connection::Connection;
use super::kafka::topics;
use super::wire::Wire;

/// What a load speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Duramen's own.
    Native,
    /// Kafka's, to any broker.
    Kafka {
        /// Bytes of records that a Fetch asks for at most.
        fetch_bytes: u32,
    },
}

/// Where a server is reached, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) protocol: Protocol,
}

/// Who owns a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Home {
    pub(crate) address: SocketAddr,
    /// Natively the core to ask for; else any.
    pub(crate) core: u16,
}

impl Target {
    /// Makes a topic.
    ///
    /// # Errors
    /// When there is one of that name, or the server refuses.
    pub(crate) fn create(
        &self,
        topic: &str,
        partitions: u32,
        configs: &[(&str, &str)],
    ) -> Result<()> {
        match self.protocol {
            Protocol::Native => Wire::connect(self.address)?.create(topic, partitions, configs),
            Protocol::Kafka { .. } => topics::create(self.address, topic, partitions, configs),
        }
    }

    /// Removes a topic.
    ///
    /// # Errors
    /// When there is none, or the server refuses.
    pub(crate) fn delete(&self, topic: &str) -> Result<()> {
        match self.protocol {
            Protocol::Native => Wire::connect(self.address)?.delete(topic),
            Protocol::Kafka { .. } => topics::delete(self.address, topic),
        }
    }

    /// Who owns each partition of a topic.
    ///
    /// # Errors
    /// When there is no such topic.
    pub(crate) fn homes(&self, topic: &str) -> Result<Vec<Home>> {
        match self.protocol {
            Protocol::Native => {
                let described = Wire::connect(self.address)?.describe(topic)?;
                let home = |core| Home { address: self.address, core };
                Ok(described.partitions.iter().map(|partition| home(partition.core)).collect())
            }
            Protocol::Kafka { .. } => {
                let leaders = topics::describe(self.address, topic)?.leaders;
                let home = |address| Home { address, core: ANY_CORE };
                Ok(leaders.into_iter().map(home).collect())
            }
        }
    }

    /// Who owns one partition of a topic.
    ///
    /// # Errors
    /// When there is no such partition.
    pub(crate) fn home(&self, topic: &str, partition: u32) -> Result<Home> {
        let home = self.homes(topic)?.get(partition as usize).copied();
        home.ok_or_else(|| BenchError::Connection(format!("{topic} has no partition {partition}")))
    }

    /// Records that can be read from all partitions of a topic that has lost none to retention.
    ///
    /// # Errors
    /// When there is no such topic.
    pub(crate) fn records(&self, topic: &str) -> Result<u64> {
        match self.protocol {
            Protocol::Native => {
                let described = Wire::connect(self.address)?.describe(topic)?;
                Ok(described.partitions.iter().map(|partition| partition.durable_end as u64).sum())
            }
            Protocol::Kafka { .. } => {
                let ends = topics::ends(self.address, topic)?;
                Ok(ends.iter().map(|&end| end as u64).sum())
            }
        }
    }

    /// A connection on which both sides have said who they are, and nothing more.
    ///
    /// # Errors
    /// When nobody is there.
    pub(crate) fn greet(&self) -> Result<TcpStream> {
        match self.protocol {
            Protocol::Native => Ok(Wire::connect(self.address)?.into_parts().0),
            Protocol::Kafka { .. } => Ok(Connection::connect(self.address)?.into_stream()),
        }
    }
}
