//! Values that several commands take.

use std::time::Duration;

/// Units of a duration, and their milliseconds.
const UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// A duration: whole numbers with units, as in `500ms`, `30s` or `1h30m`.
///
/// # Errors
/// When it isn't one.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wanted = || format!("{text:?} is no duration: try 500ms, 30s, 10m, 1h30m or 7d");
    let mut rest = text;
    let mut total_ms = 0_u64;
    while !rest.is_empty() {
        let (number, after) = split_where(rest, |c| !c.is_ascii_digit());
        let (unit, after) = split_where(after, |c| c.is_ascii_digit());
        let number: u64 = number.parse().map_err(|_| wanted())?;
        let (_, unit_ms) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wanted)?;
        let ms = number.checked_mul(*unit_ms).ok_or_else(wanted)?;
        total_ms = total_ms.checked_add(ms).ok_or_else(wanted)?;
        rest = after;
    }
    match text {
        "" => Err(wanted()),
        _ => Ok(Duration::from_millis(total_ms)),
    }
}

fn split_where(text: &str, is_end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(is_end).unwrap_or(text.len()))
}

/// `NAME=VALUE`; the value may be empty or hold more `=`.
///
/// # Errors
/// When there is no `=`, or nothing before it.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("NAME=VALUE is wanted, as in retention.ms=3600000".into()),
    }
}

/// What stands behind a `\` in a format or a separator.
///
/// # Errors
/// When it stands for nothing.
pub(super) fn escape(escaped: Option<char>) -> Result<char, String> {
    match escaped {
        Some('n') => Ok('\n'),
        Some('r') => Ok('\r'),
        Some('t') => Ok('\t'),
        Some('0') => Ok('\0'),
        Some('\\') => Ok('\\'),
        Some(other) => Err(format!("\\{other} stands for nothing: use \\n \\r \\t \\0 or \\\\")),
        None => Err("a single \\ at the end: write \\\\ for one".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let ms = |text| duration(text).map(|duration| duration.as_millis());
        for (text, expected) in
            [("0s", 0), ("500ms", 500), ("90s", 90_000), ("1h30m", 5_400_000), ("7d", 604_800_000)]
        {
            assert_eq!(ms(text), Ok(expected), "{text}");
        }
        for bad in ["", "5", "s", "5 s", "-5s", "5x", "5s5", "99999999999999999999s", "9e9d", "²s"]
        {
            assert!(ms(bad).is_err(), "{bad}");
        }
        assert!(ms(&format!("{}d", u64::MAX)).is_err());
    }

    #[test]
    fn pairs() {
        let owned = |name: &str, value: &str| Ok((name.to_owned(), value.to_owned()));
        assert_eq!(pair("retention.ms=5"), owned("retention.ms", "5"));
        assert_eq!(pair("a=b=c"), owned("a", "b=c"));
        assert_eq!(pair("a="), owned("a", ""));
        assert!(pair("a").is_err() && pair("=a").is_err());
    }
}
