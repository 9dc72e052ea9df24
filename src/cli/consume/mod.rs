//! `duramen consume`: print records.
//!
//! ```text
//! consumer ── batches ──> format ──> output (a buffer) ──> standard output
//!                           └ positions ──> group ── commits ──> server
//! ```
//! The buffer is written once it is full, or once nothing else is there to print: a record that
//! comes alone is printed at once, and many are printed in large pieces. Positions stand for records
//! in the buffer and before. With `--commit after` the buffer is written and then they are committed,
//! so a crash between the two prints records again; with `--commit before` they are committed each
//! time before the buffer is written, so a crash between the two leaves records unprinted.

mod format;
mod from;
mod group;
mod output;

use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};
use duramen_protocol::client::{ConsumedBatch, Consumer, Gap, GapReason, Item};

use super::Failure;
use super::remote::{Remote, block_on};
use super::stop::Stop;
use format::Format;
use from::From;
use group::Group;
use output::Output;

/// How long a server may be away.
const RETRY_FOR: Duration = Duration::from_secs(120);

/// Print records, and wait for more.
///
/// As text a record is its value's bytes and one LF. Partitions are read side by side, each in order.
/// Records on a damaged stretch of the log are passed over with `corrupt: TOPIC-P offsets A-B` on
/// standard error, and the exit code is 1 then. SIGINT and SIGTERM end it with 0.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Consume {
    /// The topic.
    topic: String,

    #[command(flatten)]
    remote: Remote,

    /// Read this partition alone.
    #[arg(long, value_name = "P")]
    partition: Option<u32>,

    /// Where to start: beginning, end, an offset, @ and ms since 1970, or - and a duration: -10m
    /// starts with what came in the last ten minutes.
    #[arg(
        long,
        value_name = "beginning|end|OFFSET|@UNIX_MS|-DURATION",
        default_value = "end",
        allow_hyphen_values = true
    )]
    from: From,

    /// End after so many records.
    #[arg(long, value_name = "N")]
    max: Option<u64>,

    /// End at the end that each partition has now, instead of waiting for more.
    #[arg(long)]
    until_end: bool,

    /// Go on where the consumer of this name has stopped, and commit how far this one comes. Where
    /// nothing was committed yet, --from says where to start.
    #[arg(long, value_name = "NAME")]
    group: Option<String>,

    /// When positions are committed: after printing, so that a crash repeats records (at least
    /// once), or before, so that a crash leaves some out (at most once).
    #[arg(long, value_enum, default_value = "after", requires = "group")]
    commit: Commit,

    /// text, json, or a format in which %v is the value, %k the key, %t the topic, %p the partition,
    /// %o the offset, %T the timestamp in ms since 1970, %h the headers, %% a %, and \n \r \t \0 \\
    /// what they usually are.
    #[arg(long, value_name = "text|json|FORMAT", default_value = "text")]
    format: Format,
}

const EXAMPLES: &str = "\
Examples:
  duramen consume events                                    what comes from now on
  duramen consume events --from beginning --until-end > all.txt
  duramen consume events --partition 2 --from 1000 --max 10 --format json
  duramen consume events --from -10m --format '%p %o %k %v\\n'
  duramen consume events --group billing --from beginning   goes on there the next time";

/// When positions are committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Commit {
    Before,
    After,
}

impl Consume {
    /// Consumes.
    ///
    /// # Errors
    /// When the server can't be asked or refuses, or some records can't be had.
    pub(super) fn run(self) -> Result<(), Failure> {
        block_on(self.consume(Stop::listen()?))
    }

    async fn consume(self, mut stop: Stop) -> Result<(), Failure> {
        let (consumer, group) = tokio::select! {
            opened = self.open() => opened?,
            () = stop.asked() => return Ok(()),
        };
        if self.until_end && self.from == From::End && group.is_none() {
            eprintln!("duramen: it starts at the end; --from beginning prints what is there");
        }
        let mut work = Work {
            group,
            commit: self.commit,
            format: self.format,
            left: self.max.unwrap_or(u64::MAX),
            output: Output::stdout(),
            is_damaged: false,
        };
        let ended = work.read(consumer, &mut stop).await;
        // Where the server is gone, what was printed but not committed yet is printed again.
        let handed_over = work.hand_over(ended.is_ok()).await;
        ended.and(handed_over)?;
        match work.is_damaged {
            true => Err(Failure::Told(1)),
            false => Ok(()),
        }
    }

    async fn open(&self) -> Result<(Consumer, Option<Group>), Failure> {
        let client = self.remote.connect(RETRY_FOR).await?;
        let mut builder = client.consumer(&self.topic).start(self.from.start(SystemTime::now()));
        if self.until_end {
            builder = builder.until_end();
        }
        builder = builder.partitions(self.partition.map(|partition| vec![partition]));
        let mut group = None;
        if let Some(name) = &self.group {
            let fetched = Group::fetch(&client, name, &self.topic).await?;
            builder = builder.positions(fetched.positions().clone());
            group = Some(fetched);
        }
        let consumer = builder.open().await?;
        if let Some(group) = &mut group {
            // Where it starts counts as well: the next time it goes on there, not at a later end.
            consumer.positions().into_iter().for_each(|(number, next)| group.advance(number, next));
        }
        Ok((consumer, group))
    }
}

/// A command under way.
struct Work {
    group: Option<Group>,
    commit: Commit,
    format: Format,
    /// Records that may still be printed.
    left: u64,
    output: Output,
    is_damaged: bool,
}

impl Work {
    /// Prints until everything is printed that was asked for, or a signal comes.
    async fn read(&mut self, mut consumer: Consumer, stop: &mut Stop) -> Result<(), Failure> {
        while self.left > 0 {
            let item = tokio::select! {
                biased;
                () = stop.asked() => return Ok(()),
                item = consumer.next_batch() => item?,
                // Whoever has more to print gets a turn before that.
                () = tokio::task::yield_now(), if !self.output.is_empty() => {
                    self.hand_over(false).await?;
                    continue;
                }
                () = due(self.group.as_ref()) => {
                    self.hand_over(true).await?;
                    continue;
                }
            };
            match item {
                None => return Ok(()),
                Some(Item::Batch(batch)) => self.print(&batch),
                Some(Item::Gap(gap)) => self.pass_over(&gap),
            }
            if self.output.is_full() {
                self.hand_over(false).await?;
            }
        }
        Ok(())
    }

    /// Puts a batch's records into the buffer.
    fn print(&mut self, batch: &ConsumedBatch) {
        let (topic, partition, header) = (batch.topic(), batch.partition(), batch.header());
        let begun = self.output.buffer.len();
        let (mut left, mut next) = (self.left, header.last_offset() + 1);
        // The markers of transactions are not records of anybody's.
        let printed = match header.attributes.is_control() {
            true => Ok(()),
            false => batch.for_each(|record| {
                if left > 0 {
                    self.format.push(&mut self.output.buffer, topic, partition, record);
                    left -= 1;
                    if left == 0 {
                        next = record.offset + 1;
                    }
                }
            }),
        };
        match printed {
            Ok(()) => self.left = left,
            Err(reason) => {
                self.output.buffer.truncate(begun);
                let first = batch.first_offset().unwrap_or(header.base_offset);
                next = header.last_offset() + 1;
                eprintln!("duramen: a batch can't be read: {reason}");
                let (topic, reason) = (topic.clone(), GapReason::Corrupt);
                return self.pass_over(&Gap { topic, partition, first, next, reason });
            }
        }
        self.advance(partition, next);
    }

    /// Says which records can't be had.
    fn pass_over(&mut self, gap: &Gap) {
        eprintln!("{gap}");
        self.is_damaged |= gap.reason == GapReason::Corrupt;
        self.advance(gap.partition, gap.next);
    }

    fn advance(&mut self, partition: u32, next: i64) {
        if let Some(group) = &mut self.group {
            group.advance(partition, next);
        }
    }

    /// Writes the buffer, and commits: in the order that was asked for, and if it is time or `now`.
    async fn hand_over(&mut self, now: bool) -> Result<(), Failure> {
        let Some(group) = &mut self.group else { return self.output.write() };
        match self.commit {
            Commit::Before => {
                group.commit().await?;
                self.output.write()
            }
            Commit::After => {
                self.output.write()?;
                if now || group.is_due() {
                    group.commit().await?;
                }
                Ok(())
            }
        }
    }
}

/// Waits until a group wants to commit; for ever without one.
async fn due(group: Option<&Group>) {
    match group {
        Some(group) => group.due().await,
        None => std::future::pending().await,
    }
}
