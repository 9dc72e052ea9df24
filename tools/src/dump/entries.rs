//! The files beside a segment, and Kafka's own beside partitions: entry by entry.

use std::io;

use duramen_protocol::files::offset_index::{self, OffsetEntry};
use duramen_protocol::files::producer_snapshot::{self, ProducerEntry};
use duramen_protocol::files::sparse_index::IndexEntry as _;
use duramen_protocol::files::time_index::{self, TimeEntry};
use duramen_protocol::files::{leader_epochs, partition_metadata, txn_index};

use super::{Dump, FileItem};
use crate::entries::{Entries, Slot};
use crate::offsets;
use crate::scan::{Bad, BadKind};
use crate::source::Source;
use crate::value::Value;

/// More than this no file has that is read as a whole.
pub(super) const WHOLE_BYTES_MAX: usize = 256 << 20;

impl Dump<'_> {
    pub(super) fn offset_index(&mut self, file: &FileItem<'_>, source: Source) -> io::Result<()> {
        let base_offset = file.base_offset.unwrap_or(0);
        let entries = Entries::<{ offset_index::ENTRY_LEN }>::new(source, false);
        self.entries(file, entries, |dump, bytes| {
            let OffsetEntry { offset, position } = OffsetEntry::decode(bytes, base_offset);
            match dump.wants(offset, offset) {
                true => {
                    dump.row("index", &[("offset", offset.into()), ("position", position.into())])
                }
                false => Ok(()),
            }
        })
    }

    pub(super) fn time_index(&mut self, file: &FileItem<'_>, source: Source) -> io::Result<()> {
        let base_offset = file.base_offset.unwrap_or(0);
        let entries = Entries::<{ time_index::ENTRY_LEN }>::new(source, true);
        self.entries(file, entries, |dump, bytes| {
            let TimeEntry { timestamp, offset } = TimeEntry::decode(bytes, base_offset);
            if !dump.wants(offset, offset) {
                return Ok(());
            }
            dump.row(
                "timeindex",
                &[("timestamp_ms", Value::Time(timestamp)), ("offset", offset.into())],
            )
        })
    }

    pub(super) fn txn_index(&mut self, file: &FileItem<'_>, source: Source) -> io::Result<()> {
        let entries = Entries::<{ txn_index::ENTRY_LEN }>::new(source, false);
        self.entries(file, entries, |dump, bytes| match txn_index::decode(bytes).as_deref() {
            Ok([txn]) if !dump.wants(txn.first_offset, txn.last_offset) => Ok(()),
            Ok([txn]) => dump.row(
                "aborted_txn",
                &[
                    ("producer_id", txn.producer_id.into()),
                    ("first_offset", txn.first_offset.into()),
                    ("last_offset", txn.last_offset.into()),
                    ("last_stable_offset", txn.last_stable_offset.into()),
                ],
            ),
            Ok(_) => Ok(()),
            Err(error) => dump.bad_file(file, &error),
        })
    }

    /// Walks over the entries of an index.
    fn entries<const N: usize>(
        &mut self,
        file: &FileItem<'_>,
        mut entries: Entries<N>,
        mut show: impl FnMut(&mut Self, &[u8; N]) -> io::Result<()>,
    ) -> io::Result<()> {
        loop {
            let (position, slot) = match entries.next() {
                Ok(Some(found)) => found,
                Ok(None) => return Ok(()),
                Err(error) => return self.unreadable(file, entries.position(), &error),
            };
            let (length, kind, reason) = match slot {
                Slot::Entry(bytes) => {
                    show(self, &bytes)?;
                    continue;
                }
                Slot::Zeroes(length) => (length, BadKind::Zeroed, "zeroes to the end of the file"),
                Slot::Rest(length) => (length, BadKind::Damaged, "too few bytes for an entry"),
            };
            self.bad(
                file,
                &Bad { position, length, offset: None, kind, reason: reason.to_owned() },
            )?;
        }
    }

    pub(super) fn snapshot(&mut self, file: &FileItem<'_>, mut source: Source) -> io::Result<()> {
        let bytes = match source.read_whole(WHOLE_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) => return self.unreadable(file, 0, &error),
        };
        match producer_snapshot::decode(bytes) {
            Ok(producers) => producers.iter().try_for_each(|producer| self.producer(producer)),
            Err(error) => self.bad_file(file, &error),
        }
    }

    fn producer(&mut self, producer: &ProducerEntry) -> io::Result<()> {
        let open = producer.current_txn_first_offset;
        // Kafka leaves these out where there is no batch in the producer's epoch.
        let batch = (producer.last_offset >= 0).then_some(producer);
        let first_sequence =
            |p: &ProducerEntry| p.last_sequence.wrapping_sub(p.offset_delta) & i32::MAX;
        self.row(
            "producer",
            &[
                ("producer_id", producer.producer_id.into()),
                ("producer_epoch", producer.producer_epoch.into()),
                ("coordinator_epoch", producer.coordinator_epoch.into()),
                ("current_txn_first_offset", (open >= 0).then_some(open).into()),
                ("last_timestamp_ms", Value::Time(producer.timestamp)),
                ("first_sequence", batch.map(first_sequence).into()),
                ("last_sequence", batch.map(|p| p.last_sequence).into()),
                ("last_offset", batch.map(|p| p.last_offset).into()),
                ("offset_delta", batch.map(|p| p.offset_delta).into()),
            ],
        )
    }

    pub(super) fn leader_epochs(&mut self, file: &FileItem<'_>, source: Source) -> io::Result<()> {
        self.text(file, source, |dump, text| {
            for epoch in leader_epochs::decode(text)? {
                let fields =
                    [("epoch", epoch.epoch.into()), ("start_offset", epoch.start_offset.into())];
                dump.row("leader_epoch", &fields)?;
            }
            Ok(())
        })
    }

    pub(super) fn partition_metadata(
        &mut self,
        file: &FileItem<'_>,
        source: Source,
    ) -> io::Result<()> {
        self.text(file, source, |dump, text| {
            let topic_id = partition_metadata::decode(text)?.to_string();
            dump.row("partition_metadata", &[("topic_id", (&*topic_id).into())])?;
            Ok(())
        })
    }

    pub(super) fn partition_offsets(
        &mut self,
        file: &FileItem<'_>,
        source: Source,
    ) -> io::Result<()> {
        self.text(file, source, |dump, text| {
            for line in offsets::decode(text)? {
                let fields = [
                    ("topic", line.topic.into()),
                    ("partition", line.partition.into()),
                    ("offset", line.offset.into()),
                ];
                dump.row("partition_offset", &fields)?;
            }
            Ok(())
        })
    }

    pub(super) fn properties(&mut self, file: &FileItem<'_>, source: Source) -> io::Result<()> {
        self.text(file, source, |dump, text| {
            for line in text.lines().filter(|line| !line.starts_with('#')) {
                if let Some((name, value)) = line.split_once('=') {
                    dump.row("property", &[("name", name.into()), ("value", value.into())])?;
                }
            }
            Ok(())
        })
    }

    /// Reads a file of lines.
    fn text(
        &mut self,
        file: &FileItem<'_>,
        mut source: Source,
        show: impl FnOnce(&mut Self, &str) -> Result<(), TextError>,
    ) -> io::Result<()> {
        let bytes = match source.read_whole(WHOLE_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) => return self.unreadable(file, 0, &error),
        };
        let Ok(text) = std::str::from_utf8(bytes) else {
            return self.bad_file(file, &"not UTF-8");
        };
        match show(self, text) {
            Ok(()) => Ok(()),
            Err(TextError::Format(error)) => self.bad_file(file, &error),
            Err(TextError::Output(error)) => Err(error),
        }
    }

    /// A file that can't be understood as a whole.
    pub(super) fn bad_file(
        &mut self,
        file: &FileItem<'_>,
        reason: &dyn std::fmt::Display,
    ) -> io::Result<()> {
        let bad = Bad {
            position: 0,
            length: file.len,
            offset: None,
            kind: BadKind::Damaged,
            reason: reason.to_string(),
        };
        self.bad(file, &bad)
    }
}

/// What ends the dump of a file of lines.
enum TextError {
    Format(duramen_protocol::files::FormatError),
    Output(io::Error),
}

impl From<duramen_protocol::files::FormatError> for TextError {
    fn from(error: duramen_protocol::files::FormatError) -> Self {
        TextError::Format(error)
    }
}

impl From<io::Error> for TextError {
    fn from(error: io::Error) -> Self {
        TextError::Output(error)
    }
}
