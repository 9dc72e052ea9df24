//! A dump for programs: one JSON object a line, which says in `type` what it is.
//!
//! Fields have the names of Kafka's own dump in snake case, and times their unit. Every batch is
//! followed by its records. Each file opens with an object of type `file`; damage has type
//! `damage`, `torn`, `zeroed` or `stale` and names its file itself.
//!
//! | in | types |
//! |---|---|
//! | every file | `file`; `damage torn zeroed stale` |
//! | segments | `batch record` |
//! | `.index .timeindex .txnindex .snapshot` | `index timeindex aborted_txn producer` |
//! | `leader-epoch-checkpoint`, `partition.metadata` | `leader_epoch partition_metadata` |
//! | Kafka's checkpoint files, `meta.properties` | `partition_offset property` |
//! | journals | `group`; its entries `batches log_start dropped`, with `batch record` |
//! | checkpoints | `checkpoint checkpoint_partition checkpoint_leader_epoch checkpoint_producer_batch` |
//! | catalog | `catalog topic topic_config tombstone` |

use std::path::Path;

use duramen_protocol::batch::{BatchHeader, Record, TimestampType};

use super::{Fields, FileItem, Printer};
use crate::control::Control;
use crate::scan::{Bad, Batch};
use crate::value::Value;

/// See the [module](self).
pub(super) struct JsonPrinter;

/// One line, field by field.
struct Line<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Line<'a> {
    fn new(out: &'a mut Vec<u8>, kind: &str) -> Self {
        out.extend_from_slice(b"{\"type\":");
        Value::Text(kind).write_json(out);
        Line { out }
    }

    fn name(&mut self, name: &str) -> &mut Vec<u8> {
        self.out.push(b',');
        Value::Text(name).write_json(self.out);
        self.out.push(b':');
        self.out
    }

    fn field<'v>(&mut self, name: &str, value: impl Into<Value<'v>>) -> &mut Self {
        let value = value.into();
        value.write_json(self.name(name));
        self
    }

    fn end(&mut self) {
        self.out.extend_from_slice(b"}\n");
    }
}

impl Printer for JsonPrinter {
    fn file(&mut self, out: &mut Vec<u8>, file: &FileItem<'_>) {
        Line::new(out, "file")
            .field("file", &*name(file.path))
            .field("kind", file.kind.label())
            .field("base_offset", file.base_offset)
            .field("size", file.len)
            .end();
    }

    fn batch(&mut self, out: &mut Vec<u8>, batch: &Batch<'_>, _: Option<Control>) {
        let header = &batch.header;
        let attributes = header.attributes;
        Line::new(out, "batch")
            .field("base_offset", header.base_offset)
            .field("last_offset", header.last_offset())
            .field("count", header.count)
            .field("base_sequence", header.base_sequence)
            .field("last_sequence", header.last_sequence())
            .field("producer_id", header.producer_id)
            .field("producer_epoch", header.producer_epoch)
            .field("partition_leader_epoch", header.leader_epoch)
            .field("is_transactional", attributes.is_transactional())
            .field("is_control", attributes.is_control())
            .field("delete_horizon_ms", header.delete_horizon_ms())
            .field("position", batch.position)
            .field("timestamp_type", timestamp_type(header))
            .field("base_timestamp_ms", header.base_timestamp)
            .field("max_timestamp_ms", header.max_timestamp)
            .field("size", header.size_in_bytes() as u64)
            .field("magic", header.magic)
            .field("compresscodec", super::codec_name(header))
            .field("crc", header.crc)
            .field("isvalid", batch.fault.is_none())
            .end();
    }

    fn record(
        &mut self,
        out: &mut Vec<u8>,
        header: &BatchHeader,
        record: &Record<'_>,
        control: Option<Control>,
    ) {
        let mut line = Line::new(out, "record");
        line.field("offset", record.offset)
            .field("timestamp_type", timestamp_type(header))
            .field("timestamp_ms", record.timestamp)
            .field("key_size", size(record.key))
            .field("value_size", size(record.value))
            .field("sequence", record.sequence)
            .field("key", record.key)
            .field("value", record.value);
        let out = line.name("headers");
        out.push(b'[');
        for (i, header) in record.headers().enumerate() {
            out.extend_from_slice(if i == 0 { b"{\"key\":" } else { b",{\"key\":" });
            Value::from(header.key).write_json(out);
            out.extend_from_slice(b",\"value\":");
            Value::from(header.value).write_json(out);
            out.push(b'}');
        }
        out.push(b']');
        match control {
            Some(control) if control.ends_transaction() => {
                line.field("end_txn_marker", control.name())
                    .field("coordinator_epoch", control.coordinator_epoch);
            }
            Some(control) => {
                line.field("control_type", control.name());
            }
            None => {}
        }
        line.end();
    }

    fn row(&mut self, out: &mut Vec<u8>, kind: &'static str, fields: Fields<'_, '_>) {
        let mut line = Line::new(out, kind);
        for (name, value) in fields {
            line.field(name, *value);
        }
        line.end();
    }

    fn bad(&mut self, out: &mut Vec<u8>, file: &FileItem<'_>, bad: &Bad) {
        Line::new(out, super::bad_word(bad.kind))
            .field("file", &*name(file.path))
            .field("position", bad.position)
            .field("length", bad.length)
            .field("offset", bad.offset)
            .field("reason", &*bad.reason)
            .end();
    }
}

fn name(path: &Path) -> std::borrow::Cow<'_, str> {
    path.to_string_lossy()
}

fn timestamp_type(header: &BatchHeader) -> &'static str {
    match header.attributes.timestamp_type() {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    }
}

/// As Kafka counts: -1 for none.
fn size(bytes: Option<&[u8]>) -> i64 {
    bytes.map_or(-1, |bytes| bytes.len() as i64)
}
