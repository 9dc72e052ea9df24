//! JSON, an object a line, appended to a buffer.
//!
//! Bytes are a string if they are UTF-8, else `{"base64": "..."}`, so that nothing is lost.

use std::io::Write;

use base64::display::Base64Display;
use base64::prelude::BASE64_STANDARD;

/// One object, which ends its line when it ends.
pub(super) struct Line<'a> {
    out: &'a mut Vec<u8>,
    is_empty: bool,
}

impl<'a> Line<'a> {
    /// Opens an object.
    pub(super) fn new(out: &'a mut Vec<u8>) -> Line<'a> {
        out.push(b'{');
        Line { out, is_empty: true }
    }

    /// A field of text.
    pub(super) fn text(&mut self, name: &str, text: &str) -> &mut Self {
        push_text(self.name(name), text);
        self
    }

    /// A field that JSON writes as Rust does: a number, `true` or `false`.
    pub(super) fn plain(&mut self, name: &str, value: impl std::fmt::Display) -> &mut Self {
        push(self.name(name), value);
        self
    }

    /// A field of bytes, or `null`.
    pub(super) fn bytes(&mut self, name: &str, bytes: Option<&[u8]>) -> &mut Self {
        push_bytes(self.name(name), bytes);
        self
    }

    /// A field of a list, each item of which `push_item` appends.
    pub(super) fn list<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut push_item: impl FnMut(&mut Vec<u8>, T),
    ) -> &mut Self {
        let out = self.name(name);
        out.push(b'[');
        for (i, item) in items.into_iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            push_item(out, item);
        }
        out.push(b']');
        self
    }

    /// Closes the object.
    pub(super) fn close(&mut self) {
        self.out.push(b'}');
    }

    /// Closes the object and its line.
    pub(super) fn end(&mut self) {
        self.out.extend_from_slice(b"}\n");
    }

    fn name(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.is_empty) {
            self.out.push(b',');
        }
        push_text(self.out, name);
        self.out.push(b':');
        self.out
    }
}

/// A line of JSON.
pub(super) fn line(fill: impl FnOnce(&mut Line<'_>)) -> String {
    let mut out = Vec::new();
    let mut line = Line::new(&mut out);
    fill(&mut line);
    line.end();
    // The fields are text, so there is nothing to lose.
    String::from_utf8_lossy(&out).into_owned()
}

fn push_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    let Some(bytes) = bytes else { return out.extend_from_slice(b"null") };
    match std::str::from_utf8(bytes) {
        Ok(text) => push_text(out, text),
        Err(_) => {
            let base64 = Base64Display::new(bytes, &BASE64_STANDARD);
            push(out, format_args!("{{\"base64\":\"{base64}\"}}"));
        }
    }
}

fn push(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    // Writing to memory can't fail.
    let _ = write!(out, "{value}");
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    // Nor is there a string that JSON has no way to say.
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_json_that_keeps_every_byte() {
        let mut out = Vec::new();
        Line::new(&mut out)
            .text("text", "\"grün\"\n\u{1}")
            .plain("number", i64::MIN)
            .bytes("bytes", Some(b"\xff\x00"))
            .bytes("none", None)
            .list("list", [1, 2], |out, item| Line::new(out).plain("n", item).close())
            .end();
        assert_eq!(out.last(), Some(&b'\n'));
        let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let expected = serde_json::json!({
            "text": "\"grün\"\n\u{1}",
            "number": i64::MIN,
            "bytes": {"base64": "/wA="},
            "none": null,
            "list": [{"n": 1}, {"n": 2}],
        });
        assert_eq!(read, expected);
        assert_eq!(out.iter().filter(|&&byte| byte == b'\n').count(), 1);
    }
}
