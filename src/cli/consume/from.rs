//! `--from`: where reading starts.

use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use duramen_protocol::client::Start;

use crate::cli::parse::duration;

/// Where to start, as it is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    Beginning,
    End,
    Offset(i64),
    /// In ms since 1970.
    At(i64),
    /// So long before now.
    Ago(Duration),
}

impl FromStr for From {
    type Err = String;

    fn from_str(text: &str) -> Result<From, String> {
        let wanted = || {
            "beginning, end, an offset, @ and ms since 1970, or - and a duration such as 10m is \
             wanted"
                .to_owned()
        };
        let number = |text: &str| match text.parse::<i64>() {
            Ok(number) if number >= 0 => Ok(number),
            _ => Err(wanted()),
        };
        match text.split_at_checked(1) {
            _ if text == "beginning" => Ok(From::Beginning),
            _ if text == "end" => Ok(From::End),
            Some(("@", time)) => number(time).map(From::At),
            Some(("-", ago)) => duration(ago).map(From::Ago),
            _ => number(text).map(From::Offset),
        }
    }
}

impl From {
    /// What the client is told.
    pub(super) fn start(self, now: SystemTime) -> Start {
        match self {
            From::Beginning => Start::Beginning,
            From::End => Start::End,
            From::Offset(offset) => Start::Offset(offset),
            From::At(timestamp_ms) => Start::Timestamp(timestamp_ms),
            From::Ago(ago) => {
                let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
                let then = since.saturating_sub(ago).as_millis();
                Start::Timestamp(i64::try_from(then).unwrap_or(i64::MAX))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_say_it() {
        let now = UNIX_EPOCH + Duration::from_millis(10_000);
        for (text, expected) in [
            ("beginning", Start::Beginning),
            ("end", Start::End),
            ("0", Start::Offset(0)),
            ("42", Start::Offset(42)),
            ("@1700000000000", Start::Timestamp(1_700_000_000_000)),
            ("-3s", Start::Timestamp(7_000)),
            ("-1d", Start::Timestamp(0)),
        ] {
            assert_eq!(text.parse::<From>().map(|from| from.start(now)), Ok(expected), "{text}");
        }
        for bad in
            ["", "begin", "-", "-5", "@", "@-1", "@x", "1.5", "+", "ä", "99999999999999999999"]
        {
            assert!(bad.parse::<From>().is_err(), "{bad}");
        }
    }
}
