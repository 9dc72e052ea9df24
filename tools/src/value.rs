//! Values as a dump shows them: as text for people, as JSON for programs.
//!
//! Bytes are the hard case. In JSON they are a string if they are UTF-8, else
//! `{"base64": "..."}`, so that nothing is lost. As text they stand in quotes with control
//! characters escaped; what is no UTF-8 is marked `b"..."`, its bytes beyond ASCII as `\xff`.

use std::fmt::{self, Display};
use std::io::Write as _;

use base64::display::Base64Display;
use base64::prelude::BASE64_STANDARD;

/// One value of a line.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    /// Milliseconds since 1970.
    Time(i64),
    /// A name or a sentence.
    Text(&'a str),
    /// Bytes of a client's.
    Bytes(&'a [u8]),
}

macro_rules! from_integers {
    ($($kind:ident: $($type:ty)*;)*) => {$($(
        impl From<$type> for Value<'_> {
            fn from(value: $type) -> Self {
                Value::$kind(value.into())
            }
        }
    )*)*};
}

from_integers! {
    Bool: bool;
    Int: i8 i16 i32 i64;
    Uint: u16 u32 u64;
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Value::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Value::Bytes(bytes)
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

impl Value<'_> {
    /// Appends the value as JSON.
    pub(crate) fn write_json(&self, out: &mut Vec<u8>) {
        match *self {
            Value::Null => push(out, "null"),
            Value::Bool(value) => push(out, value),
            Value::Int(value) | Value::Time(value) => push(out, value),
            Value::Uint(value) => push(out, value),
            Value::Text(text) => push_json(out, text),
            Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => push_json(out, text),
                Err(_) => {
                    let base64 = Base64Display::new(bytes, &BASE64_STANDARD);
                    push(out, format_args!("{{\"base64\":\"{base64}\"}}"));
                }
            },
        }
    }

    /// Appends the value as text.
    pub(crate) fn write_text(&self, out: &mut Vec<u8>) {
        match *self {
            Value::Null => push(out, '-'),
            Value::Bool(value) => push(out, value),
            Value::Int(value) => push(out, value),
            Value::Uint(value) => push(out, value),
            Value::Time(ms) => push(out, Time(ms)),
            Value::Text(text) => push(out, text.escape_debug()),
            Value::Bytes(bytes) => write_quoted(bytes, out),
        }
    }
}

fn push(out: &mut Vec<u8>, value: impl Display) {
    // Writing to memory can't fail.
    let _ = write!(out, "{value}");
}

fn push_json(out: &mut Vec<u8>, text: &str) {
    // Nor can a string be one that JSON has no way to say.
    let _ = serde_json::to_writer(out, text);
}

fn write_quoted(bytes: &[u8], out: &mut Vec<u8>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => push(out, format_args!("{text:?}")),
        Err(_) => push(out, format_args!("b\"{}\"", bytes.escape_ascii())),
    }
}

/// Milliseconds since 1970 as a date and time in UTC, or as the bare number where that makes no
/// date of four digits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time(pub(crate) i64);

impl Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAY_MS: i64 = 86_400_000;
        // From 1970 to the end of the year 9999.
        if !(0..253_402_300_800_000).contains(&self.0) {
            return write!(f, "{}", self.0);
        }
        let (year, month, day) = date(self.0 / DAY_MS);
        let ms = self.0 % DAY_MS;
        let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z",
            ms % 1000
        )
    }
}

/// Year, month and day of a day counted from 1970-01-01, which is day 0. The years are taken to
/// begin in March, so that a leap day is a year's last.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468; // From 0000-03-01 on.
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153; // 0 is March.
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year_of_era + i64::from(month >= 10);
    (year, if month < 10 { month + 3 } else { month - 9 }, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: Value<'_>) -> String {
        let mut out = Vec::new();
        value.write_json(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn text(value: Value<'_>) -> String {
        let mut out = Vec::new();
        value.write_text(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_keeps_every_byte() {
        for string in ["", "plain", "\"quoted\" \\ \n\r\t\u{1}\u{1f}", "grün 名前 \u{10ffff}\u{7f}"]
        {
            let read: serde_json::Value =
                serde_json::from_str(&json(string.as_bytes().into())).unwrap();
            assert_eq!(read, serde_json::Value::from(string));
        }
        assert_eq!(json(b"\xff\x00".as_slice().into()), r#"{"base64":"/wA="}"#);
        assert_eq!(json(None::<&[u8]>.into()), "null");
        assert_eq!(json(i64::MIN.into()), "-9223372036854775808");
        assert_eq!(json(Value::Time(5)), "5");
    }

    #[test]
    fn text_stays_on_its_line() {
        assert_eq!(text(b"a\n\"b\"".as_slice().into()), r#""a\n\"b\"""#);
        assert_eq!(text(b"a\xff\n".as_slice().into()), r#"b"a\xff\n""#);
        assert_eq!(text(None::<i64>.into()), "-");
    }

    #[test]
    fn times_are_dates() {
        for (ms, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_531_852_169, "2026-11-24T14:50:52.169Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (253_402_300_800_000, "253402300800000"),
            (-1, "-1"),
            (i64::MIN, "-9223372036854775808"),
        ] {
            assert_eq!(Time(ms).to_string(), expected);
        }
    }
}
