//! The seam between the load and the protocol that it speaks: frames out, answers in.
//!
//! ```text
//! native   header 16 | batch                               answers in any order
//! Kafka    length, header, request up to its records | batch | tags
//! ```
//! Whoever sends knows neither: it is written for any [`Dialect`], and compiled for each.

use std::net::TcpStream;

use bytes::Bytes;

use crate::bench::error::Result;
use crate::bench::target::Home;

/// Who has to have a batch before it is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// All replicas that are in sync; natively the disk.
    All,
    /// The leader; natively the disk as well.
    Leader,
    /// Nobody: there is no answer.
    None,
}

/// What a connection appends to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening<'a> {
    /// Whom to connect to: it owns all of the partitions.
    pub(crate) home: Home,
    pub(crate) topic: &'a str,
    pub(crate) partitions: &'a [u32],
    pub(crate) acks: Acks,
}

/// A frame that appends a batch, which lies where it was made.
#[derive(Debug)]
pub(crate) struct Frame<H> {
    pub(crate) head: H,
    pub(crate) batch: Bytes,
    pub(crate) tail: &'static [u8],
}

impl<H: AsRef<[u8]>> Frame<H> {
    /// What is sent, in order.
    pub(crate) fn parts(&self) -> [&[u8]; 3] {
        [self.head.as_ref(), &self.batch, self.tail]
    }

    /// Bytes in all.
    pub(crate) fn len(&self) -> usize {
        self.head.as_ref().len() + self.batch.len() + self.tail.len()
    }
}

/// An append that the server has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    /// What its frame was given.
    pub(crate) slot: u32,
    /// Where its first record went.
    pub(crate) base_offset: i64,
}

/// How one connection appends.
pub(crate) trait Dialect: Sized {
    /// What stands before a batch.
    type Head: AsRef<[u8]>;

    /// Connects to those partitions' home, and opens them.
    ///
    /// # Errors
    /// When nobody is there, or refuses.
    fn open(opening: &Opening<'_>) -> Result<(TcpStream, Self)>;

    /// How many partitions were opened; at least one.
    fn partitions(&self) -> usize;

    /// The frame that appends to the `index`th of them. Its answer will bring `slot` back; with
    /// none it has no answer.
    ///
    /// # Errors
    /// When the protocol has no such frame.
    fn frame(
        &mut self,
        slot: Option<u32>,
        index: usize,
        batch: &Bytes,
    ) -> Result<Frame<Self::Head>>;

    /// Takes the next bytes that have come, however they are cut, and gives each answer to `sink`.
    ///
    /// # Errors
    /// When an append was refused, the bytes are no answers, or with `sink`'s first error.
    fn feed(
        &mut self,
        bytes: &[u8],
        sink: &mut impl FnMut(Acknowledged) -> Result<()>,
    ) -> Result<()>;
}
