//! `duramen produce`: a line a record.
//!
//! ```text
//! input thread ── pieces ──> lines ──> shape ──> producer ──> tally ──> progress, failures
//! ```
//! Everything between has a bound: the pieces ahead, the producer's buffer, the deliveries awaited.
//! Nothing waits for a single delivery: they are collected as they come. The first failure ends the
//! reading; what was sent before is waited for, and then the failure is told with its record's
//! number.

mod input;
mod lines;
mod progress;
mod shape;
mod tally;

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use duramen_protocol::batch::Codec;
use duramen_protocol::client::{self, Producer, ProducerConfig};

use super::Failure;
use super::failure::explain;
use super::remote::{Remote, block_on};
use super::stop::Stop;
use input::Input;
use lines::{LINE_BYTES_MAX, Lines};
use progress::Progress;
use shape::Shape;
use tally::Tally;

/// How long a server may be away.
const RETRY_FOR: Duration = Duration::from_secs(120);

/// Append the lines of a file or of standard input, a record each.
///
/// A record is a line without its LF: exactly one is taken off, a CR stays, and a last line needs
/// none. When the command ends with 0, every record is on stable storage, once and in order. A server
/// that goes away is waited for, and nothing is lost or doubled by that. SIGINT and SIGTERM end the
/// reading; what was read is delivered.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Produce {
    /// The topic. It must be there: `duramen topic create`.
    topic: String,

    #[command(flatten)]
    remote: Remote,

    /// All records go to this partition. Without it, those with the same key go to the same one, as
    /// Kafka's clients have it, and those without a key are spread.
    #[arg(long, value_name = "P")]
    partition: Option<u32>,

    /// Every record's key.
    #[arg(long, value_name = "KEY", conflicts_with = "key_separator")]
    key: Option<String>,

    /// The text that parts a line into key and value, where it first stands in it; \t is a tab.
    #[arg(long, value_name = "TEXT", value_parser = shape::separator)]
    key_separator: Option<Bytes>,

    /// What is waited for: all and 1 for stable storage, 0 for nothing, so that records can get lost.
    #[arg(long, value_enum, default_value = "all")]
    acks: Acks,

    /// Read this file instead of standard input.
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,

    /// How batches are compressed.
    #[arg(long, value_name = "CODEC", default_value = "none", value_parser = codec())]
    compression: Codec,

    /// How long a batch waits for more lines. Batches grow without it too, while others are on their
    /// way.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    linger_ms: u32,

    /// A batch is sent once it has so many bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 256 << 10, value_parser = clap::value_parser!(u32).range(1..=1 << 30))]
    batch_bytes: u32,
}

const EXAMPLES: &str = "\
Examples:
  echo hello | duramen produce events
  duramen produce events --file access.log --key access.log
  tail -F access.log | duramen produce events
  printf 'user-1\\tin\\nuser-2\\tin\\n' | duramen produce events --key-separator '\\t'
  duramen produce events --file big.log --compression zstd --linger-ms 10";

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Acks {
    All,
    #[value(name = "1")]
    One,
    #[value(name = "0")]
    Zero,
}

pub(super) fn codec() -> impl TypedValueParser<Value = Codec> {
    let named = |name: String| Codec::ALL.into_iter().find(|codec| codec.name() == name);
    // One of the names it is, or it would have been refused.
    PossibleValuesParser::new(Codec::ALL.map(Codec::name))
        .map(move |name| named(name).unwrap_or_default())
}

impl Produce {
    /// Produces.
    ///
    /// # Errors
    /// When a record could not be made or was not acknowledged.
    pub(super) fn run(self) -> Result<(), Failure> {
        block_on(self.produce(Stop::listen()?))
    }

    async fn produce(self, mut stop: Stop) -> Result<(), Failure> {
        let input = Input::open(self.file.as_deref())?;
        let producer = tokio::select! {
            producer = self.open() => producer?,
            () = stop.asked() => return Ok(()),
        };
        let shape = Shape {
            partition: self.partition,
            key: self.key.map(Bytes::from),
            separator: self.key_separator,
        };
        let progress = Progress::new(&input);
        let mut work =
            Work { producer, shape, progress, lines: Lines::default(), tally: Tally::default() };
        let ended = work.read(input, &mut stop).await;
        work.finish(ended).await
    }

    async fn open(&self) -> Result<Producer, Failure> {
        let client = self.remote.connect(RETRY_FOR).await?;
        let config = ProducerConfig {
            linger: Duration::from_millis(self.linger_ms.into()),
            batch_bytes: self.batch_bytes as usize,
            compression: self.compression,
            acks: match self.acks {
                Acks::All | Acks::One => client::Acks::Durable,
                Acks::Zero => client::Acks::None,
            },
            delivery_timeout: self.remote.retry_for(RETRY_FOR),
            ..ProducerConfig::default()
        };
        Ok(client.producer(&self.topic, config).await?)
    }
}

/// Why reading ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Input,
    Signal,
    /// A delivery failed; the tally has it.
    Failure,
}

/// A command under way.
struct Work {
    producer: Producer,
    shape: Shape,
    progress: Progress,
    lines: Lines,
    tally: Tally,
}

impl Work {
    /// Sends what there is to read, until it ends, a signal comes, or something fails. What was read
    /// is sent in any case.
    async fn read(&mut self, mut input: Input, stop: &mut Stop) -> Result<End, String> {
        loop {
            tokio::select! {
                biased;
                () = stop.asked() => return Ok(End::Signal),
                chunk = input.chunk() => match chunk? {
                    Some(chunk) => self.lines.feed(chunk),
                    None => break,
                },
                () = self.tally.next(), if self.tally.is_waiting() => {}
            }
            while let Some(line) = self.next_line()? {
                self.send(line).await?;
            }
            self.tally.collect();
            self.progress.show(&self.tally);
            if self.tally.failure.is_some() {
                return Ok(End::Failure);
            }
        }
        if let Some(line) = self.lines.last() {
            self.send(line).await?;
        }
        Ok(End::Input)
    }

    fn next_line(&mut self) -> Result<Option<Bytes>, String> {
        self.lines.next().map_err(|_| {
            format!("{}: it is longer than {LINE_BYTES_MAX} bytes", self.next_record())
        })
    }

    async fn send(&mut self, line: Bytes) -> Result<(), String> {
        self.tally.room().await;
        let bytes = line.len() + 1;
        let failed = |reason| format!("{}: {reason}", self.next_record());
        let record = self.shape.record(line).map_err(failed)?;
        let sent = self.producer.send(record).await;
        let delivery = sent.map_err(|error| failed(explain(&error)))?;
        self.tally.add(delivery, bytes);
        Ok(())
    }

    /// The record that comes next, as messages call it.
    fn next_record(&self) -> String {
        format!("record {}", self.tally.sent() + 1)
    }

    /// Waits for what was sent, and says what became of it.
    async fn finish(mut self, ended: Result<End, String>) -> Result<(), Failure> {
        // The tally knows each record's fate; the first failure is among them.
        let _ = self.producer.flush().await;
        while self.tally.is_waiting() {
            self.tally.next().await;
        }
        self.progress.finish(&self.tally);
        let unfinished = self.lines.unfinished_bytes();
        if ended == Ok(End::Signal) && unfinished > 0 {
            eprintln!("duramen: an unfinished line of {unfinished} bytes was not sent");
        }
        let Tally { delivered, failed, failure, .. } = &self.tally;
        let reason = match (failure, ended) {
            (Some((number, error)), _) => format!("record {number}: {}", explain(error)),
            (None, Err(reason)) => reason,
            (None, Ok(_)) => return Ok(()),
        };
        let sums = format!("acknowledged: {delivered}");
        Err(Failure::Failed(match failed {
            0 | 1 => format!("{reason}; {sums}"),
            _ => format!("{reason}; failed after it: {}, {sums}", failed - 1),
        }))
    }
}
