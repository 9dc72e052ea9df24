//! What is Duramen's alone: journals, checkpoints, the catalog.
//!
//! A journal file is shown from its first byte to its last: the groups of its latest use, then what
//! is left of earlier ones, which have lower generations and count for nothing.

use std::io;
use std::path::Path;

use duramen_protocol::batch::{BatchHeader, BatchView, HEADER_LEN, batches};
use duramen_protocol::files::catalog::CatalogFile;
use duramen_protocol::files::checkpoint::{Checkpoint, PartitionRecord, ProducerRecord};
use duramen_protocol::files::journal::{Entry, EntryBody, Extent, Group, GroupHeader};

use super::entries::WHOLE_BYTES_MAX;
use super::{Dump, FileItem};
use crate::groups::{GroupPiece, Groups};
use crate::scan::{Bad, BadKind, Batch};
use crate::source::{Access, Source};
use crate::value::Value;

impl Dump<'_> {
    /// A file among Duramen's own, where some are none of those that can be taken apart.
    pub(super) fn own_file(&mut self, path: &Path) -> io::Result<()> {
        match Source::open(path, Access::Read)
            .and_then(|source| self.file_of_some_kind(path, source))
        {
            Ok(Some((file, source))) => self.content(&file, source),
            // The lock says all by being there.
            Ok(None) if path.ends_with("lock") => Ok(()),
            Ok(None) => {
                self.flush()?;
                self.progress.aside(|| writeln!(self.err, "note: {}: not shown", path.display()))
            }
            Err(error) => self.could_not_look(path, &error),
        }
    }

    pub(super) fn journal(&mut self, file: &FileItem<'_>, source: Source) -> io::Result<()> {
        let mut groups = match Groups::new(source) {
            Ok(groups) => groups,
            Err(error) => return self.unreadable(file, 0, &error),
        };
        loop {
            let from = groups.position();
            match groups.next() {
                Ok(None) => return Ok(()),
                Ok(Some((position, GroupPiece::Group(group)))) => {
                    self.group(file, position, &group)?
                }
                Ok(Some((position, GroupPiece::BadGroup(header, bad)))) => {
                    self.group_row(position, &header, false)?;
                    self.bad(file, &bad)?;
                }
                Ok(Some((_, GroupPiece::Bad(bad)))) => self.bad(file, &bad)?,
                Err(error) => return self.unreadable(file, from, &error),
            }
            self.progress.add(groups.position() - from);
        }
    }

    fn group(&mut self, file: &FileItem<'_>, position: u64, group: &Group<'_>) -> io::Result<()> {
        self.group_row(position, &group.header, true)?;
        for entry in group.entries() {
            match entry {
                Ok(entry) => self.entry(file, &entry)?,
                Err(error) => return self.bad(file, &bad_group(position, &group.header, &error)),
            }
        }
        Ok(())
    }

    fn group_row(&mut self, position: u64, header: &GroupHeader, is_valid: bool) -> io::Result<()> {
        self.row(
            "group",
            &[
                ("position", position.into()),
                ("generation", header.generation.into()),
                ("sequence", header.sequence.into()),
                ("acknowledged", header.acknowledged.into()),
                ("entry_count", header.entry_count.into()),
                ("payload_len", header.payload_len.into()),
                ("group_len", header.group_len.into()),
                ("start_epoch", header.start_epoch.into()),
                ("core", header.core.into()),
                ("header_crc", header.header_crc.into()),
                ("payload_crc", header.payload_crc.into()),
                ("previous_crc", header.previous_crc.into()),
                ("successor_file", header.successor.map(|s| s.file).into()),
                ("successor_generation", header.successor.map(|s| s.generation).into()),
                ("isvalid", is_valid.into()),
            ],
        )
    }

    fn entry(&mut self, file: &FileItem<'_>, entry: &Entry<'_>) -> io::Result<()> {
        let topic_id = entry.key.topic_id.to_string();
        let topic_id = ("topic_id", Value::Text(&topic_id));
        let partition = ("partition", entry.key.partition.into());
        match entry.body {
            EntryBody::Batches { segment_base, position, before, batches } => {
                self.row(
                    "batches",
                    &[
                        topic_id,
                        partition,
                        ("segment_base", segment_base.into()),
                        ("position", position.into()),
                        ("before_len", (before.len() as u64).into()),
                        ("batches_len", (batches.len() as u64).into()),
                    ],
                )?;
                self.entry_batches(file, position, batches)
            }
            EntryBody::Extent(extent) => {
                self.row(
                    "extent",
                    &[
                        topic_id,
                        partition,
                        ("segment_base", extent.segment_base.into()),
                        ("position", extent.position.into()),
                        ("batches", (extent.batches() as u64).into()),
                        ("head_len", (extent.head.len() as u64).into()),
                        ("extent_len", extent.extent_len.into()),
                        ("tail_len", (extent.tail.len() as u64).into()),
                    ],
                )?;
                self.extent_batches(file, &extent)
            }
            EntryBody::LogStart { offset } => {
                self.row("log_start", &[topic_id, partition, ("offset", offset.into())])
            }
            EntryBody::Dropped => self.row("dropped", &[topic_id, partition]),
        }
    }

    /// The batches of an extent, of which the journal has no more than the headers.
    fn extent_batches(&mut self, file: &FileItem<'_>, extent: &Extent<'_>) -> io::Result<()> {
        let mut position = extent.position;
        for bytes in extent.headers.chunks_exact(HEADER_LEN) {
            let Ok(header) = BatchHeader::parse(bytes) else {
                let reason = "an extent's batch header".to_owned();
                let (length, kind) = (HEADER_LEN as u64, BadKind::Damaged);
                return self.bad(file, &Bad { position, length, offset: None, kind, reason });
            };
            self.batch(file, &Batch { position, header, view: None, fault: None })?;
            position += header.size_in_bytes() as u64;
        }
        Ok(())
    }

    /// The batches of an entry; their positions are those in the segment.
    fn entry_batches(
        &mut self,
        file: &FileItem<'_>,
        position: u64,
        bytes: &[u8],
    ) -> io::Result<()> {
        for (at, parsed) in batches(bytes) {
            let (at, rest) = (position + at as u64, &bytes[at..]);
            let (view, fault) = match parsed {
                Ok(view) => (view, None),
                Err(error) => match BatchView::parse_unhashed(rest) {
                    Ok(view) => (view, Some(error)),
                    Err(error) => {
                        let reason = format!("an entry's batch: {error}");
                        let (length, kind) = (rest.len() as u64, BadKind::Damaged);
                        return self
                            .bad(file, &Bad { position: at, length, offset: None, kind, reason });
                    }
                },
            };
            let header = *view.header();
            self.batch(file, &Batch { position: at, header, view: Some(view), fault })?;
        }
        Ok(())
    }

    pub(super) fn checkpoint(&mut self, file: &FileItem<'_>, mut source: Source) -> io::Result<()> {
        let decoded = source.read_whole(WHOLE_BYTES_MAX).map(Checkpoint::decode);
        let checkpoint = match decoded {
            Ok(Ok(checkpoint)) => checkpoint,
            Ok(Err(error)) => return self.bad_file(file, &error),
            Err(error) => return self.unreadable(file, 0, &error),
        };
        self.row(
            "checkpoint",
            &[
                ("sequence", checkpoint.sequence.into()),
                ("start_epoch", checkpoint.start_epoch.into()),
                ("core", checkpoint.core.into()),
                ("journal_file", checkpoint.journal.file.into()),
                ("journal_generation", checkpoint.journal.generation.into()),
                ("journal_position", checkpoint.journal.position.into()),
                ("journal_sequence", checkpoint.journal.sequence.into()),
                ("journal_previous_crc", checkpoint.journal.previous_crc.into()),
            ],
        )?;
        checkpoint.partitions.iter().try_for_each(|partition| self.checkpointed(partition))
    }

    fn checkpointed(&mut self, record: &PartitionRecord) -> io::Result<()> {
        let topic_id = record.key.topic_id.to_string();
        let largest = record.index.largest;
        self.row(
            "checkpoint_partition",
            &[
                ("topic_id", (&*topic_id).into()),
                ("partition", record.key.partition.into()),
                ("recovery_point", record.recovery_point.into()),
                ("segment_base", record.segment_base.into()),
                ("position", record.position.into()),
                ("log_start", record.log_start.into()),
                (
                    "max_timestamp_ms",
                    largest.map_or(Value::Null, |largest| Value::Time(largest.timestamp)),
                ),
                ("max_timestamp_offset", largest.map(|largest| largest.offset).into()),
                ("bytes_since_index_entry", record.index.bytes_since_entry.into()),
                ("index_len", record.index_len.into()),
                ("timeindex_len", record.time_index_len.into()),
                ("index_rest_len", (record.index_rest.len() as u64).into()),
                ("timeindex_rest_len", (record.time_index_rest.len() as u64).into()),
            ],
        )?;
        for &(epoch, start_offset) in &record.epochs {
            self.row(
                "checkpoint_leader_epoch",
                &[("epoch", epoch.into()), ("start_offset", start_offset.into())],
            )?;
        }
        record.producers.iter().try_for_each(|producer| self.checkpointed_producer(producer))
    }

    fn checkpointed_producer(&mut self, producer: &ProducerRecord) -> io::Result<()> {
        for batch in &producer.batches {
            self.row(
                "checkpoint_producer_batch",
                &[
                    ("producer_id", producer.producer_id.into()),
                    ("producer_epoch", producer.epoch.into()),
                    ("first_sequence", batch.first_sequence.into()),
                    ("last_sequence", batch.last_sequence.into()),
                    ("first_offset", batch.first_offset.into()),
                    ("last_offset", batch.last_offset.into()),
                    ("timestamp_ms", Value::Time(batch.timestamp_ms)),
                ],
            )?;
        }
        Ok(())
    }

    pub(super) fn catalog(&mut self, file: &FileItem<'_>, mut source: Source) -> io::Result<()> {
        let decoded = source.read_whole(WHOLE_BYTES_MAX).map(CatalogFile::decode);
        let catalog = match decoded {
            Ok(Ok(catalog)) => catalog,
            Ok(Err(error)) => return self.bad_file(file, &error),
            Err(error) => return self.unreadable(file, 0, &error),
        };
        let cluster_id: String =
            catalog.cluster_id.iter().map(|byte| format!("{byte:02x}")).collect();
        self.row(
            "catalog",
            &[
                ("start_epoch", catalog.start_epoch.into()),
                ("cluster_id", (&*cluster_id).into()),
                ("next_producer_id", catalog.next_producer_id.into()),
            ],
        )?;
        for topic in &catalog.topics {
            let topic_id = topic.id.to_string();
            self.row(
                "topic",
                &[
                    ("topic_id", (&*topic_id).into()),
                    ("topic", (&*topic.name).into()),
                    ("partitions", topic.partitions.into()),
                ],
            )?;
            for (name, value) in &topic.configs {
                let fields = [
                    ("topic", (&*topic.name).into()),
                    ("name", (&**name).into()),
                    ("value", (&**value).into()),
                ];
                self.row("topic_config", &fields)?;
            }
        }
        for tombstone in &catalog.tombstones {
            let topic_id = tombstone.id.to_string();
            self.row(
                "tombstone",
                &[
                    ("topic_id", (&*topic_id).into()),
                    ("topic", (&*tombstone.name).into()),
                    ("partitions", tombstone.partitions.into()),
                ],
            )?;
        }
        Ok(())
    }
}

fn bad_group(position: u64, header: &GroupHeader, reason: &dyn std::fmt::Display) -> Bad {
    Bad {
        position,
        length: header.group_len.into(),
        offset: None,
        kind: BadKind::Damaged,
        reason: reason.to_string(),
    }
}
