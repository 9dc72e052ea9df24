//! A dump for people: a heading for each file, then a line for each batch or entry.
//!
//! ```text
//! s-txn-0/00000000000000000103.log: segment, base offset 103, 8052 bytes
//!     position offsets        count    size codec  max timestamp            span_ms producer sequence epoch crc
//!          232 105-107            3     162 none   2026-11-24T14:50:52.178Z       0 17/3     8-10         0 b073d7a0 ok  transactional
//!          394 108                1      78 none   2026-11-24T14:50:52.184Z       0 17/4     -            0 e220c2d2 ok  transactional ABORT coordinator epoch 0
//! !        472 damage, 300 bytes, offset 109: CRC 9a0f31c2 where the header says 1bfc7490
//! ~        772 torn, 40 bytes, offset 114: 40 bytes, too few for the header of a batch
//! ```
//!
//! Columns keep their widths as long as values fit; nothing is ever cut.

use std::fmt::Display;
use std::io::Write as _;

use duramen_protocol::batch::{BatchHeader, NO_SEQUENCE, Record, TimestampType};

use super::{Fields, FileItem, Printer};
use crate::control::Control;
use crate::scan::{Bad, BadKind, Batch};
use crate::value::{Time, Value};

/// See the [module](self).
#[derive(Default)]
pub(super) struct TextPrinter {
    /// Whether the present file's columns have been named.
    headed: bool,
    /// The widths of the columns of the last row.
    widths: Vec<usize>,
    row_kind: &'static str,
}

impl Printer for TextPrinter {
    fn file(&mut self, out: &mut Vec<u8>, file: &FileItem<'_>) {
        *self = TextPrinter::default();
        let FileItem { path, kind, base_offset, len } = file;
        push(out, format_args!("{}: {}", path.display(), kind.label()));
        if let Some(base_offset) = base_offset {
            push(out, format_args!(", base offset {base_offset}"));
        }
        push(out, format_args!(", {len} bytes\n"));
    }

    fn batch(&mut self, out: &mut Vec<u8>, batch: &Batch<'_>, control: Option<Control>) {
        if !std::mem::replace(&mut self.headed, true) {
            push(
                out,
                format_args!(
                    "{:>12} {:<15} {:>6} {:>9} {:<6} {:<24} {:>7} {:<9} {:<11} {:>5} crc\n",
                    "position",
                    "offsets",
                    "count",
                    "size",
                    "codec",
                    "max timestamp",
                    "span_ms",
                    "producer",
                    "sequence",
                    "epoch"
                ),
            );
        }
        let header = &batch.header;
        push(
            out,
            format_args!(
                "{:>12} {:<15} {:>6} {:>9} {:<6} {:<24} {:>7} {:<9} {:<11} {:>5} {:08x} {}{}\n",
                batch.position,
                range(header.base_offset, header.last_offset()),
                header.count,
                header.size_in_bytes(),
                super::codec_name(header),
                Time(header.max_timestamp).to_string(),
                span(header),
                producer(header),
                sequences(header),
                header.leader_epoch,
                header.crc,
                if batch.fault.is_none() { "ok" } else { "BAD" },
                flags(header, control),
            ),
        );
    }

    fn record(
        &mut self,
        out: &mut Vec<u8>,
        _: &BatchHeader,
        record: &Record<'_>,
        control: Option<Control>,
    ) {
        push(out, format_args!("{:>12} {} {}", "|", record.offset, Time(record.timestamp)));
        if record.sequence != NO_SEQUENCE {
            push(out, format_args!(" sequence {}", record.sequence));
        }
        if let Some(control) = control {
            push(out, format_args!(" {}", mark(control)));
        }
        for (name, bytes) in [("key", record.key), ("value", record.value)] {
            push(out, format_args!(" {name} "));
            write_nullable(bytes, out);
        }
        for (i, header) in record.headers().enumerate() {
            push(out, if i == 0 { " headers " } else { ", " });
            Value::Bytes(header.key).write_text(out);
            push(out, ": ");
            write_nullable(header.value, out);
        }
        push(out, '\n');
    }

    fn row(&mut self, out: &mut Vec<u8>, kind: &'static str, fields: Fields<'_, '_>) {
        if self.row_kind != kind {
            self.row_kind = kind;
            self.widths.clear();
        }
        self.widths.resize(fields.len(), 0);
        push(out, format_args!("  {kind}"));
        for ((name, value), width) in fields.iter().zip(&mut self.widths) {
            // A time is shown as a date, not in the unit of its name.
            let name = match value {
                Value::Time(_) => name.trim_end_matches("_ms"),
                _ => name,
            };
            push(out, format_args!("  {name} "));
            let start = out.len();
            value.write_text(out);
            let len = out.len() - start;
            *width = len.max(*width);
            out.resize(out.len() + *width - len, b' ');
        }
        while out.last() == Some(&b' ') {
            out.pop();
        }
        push(out, '\n');
    }

    fn bad(&mut self, out: &mut Vec<u8>, _: &FileItem<'_>, bad: &Bad) {
        let Bad { position, length, offset, kind, reason } = bad;
        // What an unclean stop leaves is no damage.
        let sign = if *kind == BadKind::Damaged { '!' } else { '~' };
        push(out, format_args!("{sign}{position:>11} {}, {length} bytes", super::bad_word(*kind)));
        if let Some(offset) = offset {
            push(out, format_args!(", offset {offset}"));
        }
        push(out, format_args!(": {reason}\n"));
    }
}

fn push(out: &mut Vec<u8>, value: impl Display) {
    // Writing to memory can't fail.
    let _ = write!(out, "{value}");
}

fn write_nullable(bytes: Option<&[u8]>, out: &mut Vec<u8>) {
    match bytes {
        Some(bytes) => Value::Bytes(bytes).write_text(out),
        None => push(out, "null"),
    }
}

fn range(first: impl Display + PartialEq, last: impl Display + PartialEq) -> String {
    let (first, last) = (first.to_string(), last.to_string());
    if first == last { first } else { format!("{first}-{last}") }
}

fn span(header: &BatchHeader) -> String {
    match header.first_timestamp() {
        Some(first) => header.max_timestamp.saturating_sub(first).to_string(),
        None => "-".to_owned(),
    }
}

fn producer(header: &BatchHeader) -> String {
    match header.has_producer_id() {
        true => format!("{}/{}", header.producer_id, header.producer_epoch),
        false => "-".to_owned(),
    }
}

fn sequences(header: &BatchHeader) -> String {
    match header.base_sequence {
        NO_SEQUENCE => "-".to_owned(),
        first => range(first, header.last_sequence()),
    }
}

fn mark(control: Control) -> String {
    match control.coordinator_epoch {
        Some(epoch) => format!("{} coordinator epoch {epoch}", control.name()),
        None => control.name().to_owned(),
    }
}

/// What is special about a batch, each with a blank before it.
fn flags(header: &BatchHeader, control: Option<Control>) -> String {
    let mut flags = String::new();
    let mut add = |flag: &str| {
        flags.push(' ');
        flags.push_str(flag);
    };
    if header.attributes.timestamp_type() == TimestampType::LogAppendTime {
        add("log-append-time");
    }
    if header.attributes.is_transactional() {
        add("transactional");
    }
    if let Some(ms) = header.delete_horizon_ms() {
        add(&format!("delete-horizon {}", Time(ms)));
    }
    match control {
        Some(control) => add(&mark(control)),
        None if header.attributes.is_control() => add("control"),
        None => {}
    }
    flags
}
