//! How a record is printed.
//!
//! | format | a record |
//! |---|---|
//! | `text` | exactly the value's bytes and one LF; nothing and a LF where there is no value |
//! | `json` | one object and a LF: `topic partition offset timestamp_ms key value headers` |
//! | anything with `%` or `\` in it | itself, with what `%` and a letter stand for in its place |

use std::io::Write;
use std::str::FromStr;

use duramen_protocol::batch::Record;

use crate::cli::json::Line;
use crate::cli::parse::escape;

/// How a record is printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Json,
    Pieces(Vec<Piece>),
}

/// A part of a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Literal(String),
    Topic,
    Partition,
    Offset,
    Timestamp,
    Key,
    Value,
    Headers,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Format, String> {
        match text {
            "text" => Ok(Format::Text),
            "json" => Ok(Format::Json),
            _ if !text.contains(['%', '\\']) => {
                Err("text, json, or a format such as '%o %v\\n' is wanted".into())
            }
            _ => pieces(text).map(Format::Pieces),
        }
    }
}

fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let (mut pieces, mut literal) = (Vec::new(), String::new());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => literal.push(escape(chars.next())?),
            '%' => match placeholder(chars.next())? {
                None => literal.push('%'),
                Some(piece) => {
                    if !literal.is_empty() {
                        pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                    }
                    pieces.push(piece);
                }
            },
            char => literal.push(char),
        }
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

/// What stands behind a `%`; none for a `%` itself.
fn placeholder(letter: Option<char>) -> Result<Option<Piece>, String> {
    Ok(Some(match letter {
        Some('%') => return Ok(None),
        Some('t') => Piece::Topic,
        Some('p') => Piece::Partition,
        Some('o') => Piece::Offset,
        Some('T') => Piece::Timestamp,
        Some('k') => Piece::Key,
        Some('v') => Piece::Value,
        Some('h') => Piece::Headers,
        Some(other) => {
            return Err(format!("%{other} stands for nothing: use %t %p %o %T %k %v %h or %%"));
        }
        None => return Err("a single % at the end: write %% for one".into()),
    }))
}

impl Format {
    /// Appends a record to `out`.
    pub(super) fn push(&self, out: &mut Vec<u8>, topic: &str, partition: u32, record: &Record<'_>) {
        match self {
            Format::Text => {
                out.extend_from_slice(record.value.unwrap_or_default());
                out.push(b'\n');
            }
            Format::Json => push_json(out, topic, partition, record),
            Format::Pieces(pieces) => {
                for piece in pieces {
                    piece.push(out, topic, partition, record);
                }
            }
        }
    }
}

impl Piece {
    fn push(&self, out: &mut Vec<u8>, topic: &str, partition: u32, record: &Record<'_>) {
        match self {
            Piece::Literal(text) => out.extend_from_slice(text.as_bytes()),
            Piece::Topic => out.extend_from_slice(topic.as_bytes()),
            Piece::Partition => push_number(out, partition.into()),
            Piece::Offset => push_number(out, record.offset),
            Piece::Timestamp => push_number(out, record.timestamp),
            Piece::Key => out.extend_from_slice(record.key.unwrap_or_default()),
            Piece::Value => out.extend_from_slice(record.value.unwrap_or_default()),
            Piece::Headers => push_headers(out, record),
        }
    }
}

fn push_number(out: &mut Vec<u8>, number: i64) {
    // Writing to memory can't fail.
    let _ = write!(out, "{number}");
}

/// `name=value,name=value`.
fn push_headers(out: &mut Vec<u8>, record: &Record<'_>) {
    for (i, header) in record.headers().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        out.extend_from_slice(header.key);
        out.push(b'=');
        out.extend_from_slice(header.value.unwrap_or_default());
    }
}

fn push_json(out: &mut Vec<u8>, topic: &str, partition: u32, record: &Record<'_>) {
    Line::new(out)
        .text("topic", topic)
        .plain("partition", partition)
        .plain("offset", record.offset)
        .plain("timestamp_ms", record.timestamp)
        .bytes("key", record.key)
        .bytes("value", record.value)
        .list("headers", record.headers(), |out, header| {
            Line::new(out).bytes("key", Some(header.key)).bytes("value", header.value).close();
        })
        .end();
}

#[cfg(test)]
mod tests {
    use super::*;
    use duramen_protocol::batch::{BatchBuilder, BatchView, Codec};

    type Headers<'a> = [(&'a str, Option<&'a [u8]>)];

    fn printed(
        format: &str,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &Headers<'_>,
    ) -> Vec<u8> {
        let mut builder = BatchBuilder::new(Codec::None);
        builder.append(1234, key, value, headers).unwrap();
        let batch = builder.finish().unwrap();
        let records = BatchView::parse_unhashed(&batch).unwrap().records().unwrap();
        let record = records.iter().next().unwrap().unwrap();
        let mut out = Vec::new();
        format.parse::<Format>().unwrap().push(&mut out, "t", 3, &record);
        out
    }

    #[test]
    fn text_is_the_bytes_and_one_lf() {
        assert_eq!(printed("text", Some(b"k"), Some(b"a\r\n\xff"), &[]), b"a\r\n\xff\n");
        assert_eq!(printed("text", None, Some(b""), &[]), b"\n");
        assert_eq!(printed("text", None, None, &[]), b"\n");
    }

    #[test]
    fn json_has_every_field_and_every_byte() {
        let headers: &Headers<'_> = &[("a", Some(b"1")), ("a", None)];
        let json = printed("json", Some(b"\xff"), Some("grün\r".as_bytes()), headers);
        assert_eq!(
            String::from_utf8(json).unwrap(),
            "{\"topic\":\"t\",\"partition\":3,\"offset\":0,\"timestamp_ms\":1234,\
             \"key\":{\"base64\":\"/w==\"},\"value\":\"grün\\r\",\
             \"headers\":[{\"key\":\"a\",\"value\":\"1\"},{\"key\":\"a\",\"value\":null}]}\n"
        );
        let json = printed("json", None, None, &[]);
        assert!(json.ends_with(b"\"key\":null,\"value\":null,\"headers\":[]}\n"));
    }

    #[test]
    fn formats() {
        let headers: &Headers<'_> = &[("a", Some(b"1")), ("b", None)];
        let format = "%t %p %o %T %k %v %h\\t%%\\n\\\\ü";
        assert_eq!(
            printed(format, Some(b"k"), Some(b"\xff"), headers),
            b"t 3 0 1234 k \xff a=1,b=\t%\n\\\xc3\xbc"
        );
        assert_eq!(printed("%k%v\\n", None, None, &[]), b"\n");
        for bad in ["", "txt", "%", "%x", "\\", "\\x", "%v\\", "100%"] {
            assert!(bad.parse::<Format>().is_err(), "{bad}");
        }
    }
}
