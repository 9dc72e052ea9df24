//! The id of a topic: 16 bytes that outlive its name.

use std::fmt;
use std::str::FromStr;

/// Characters of the text form.
const TEXT_LEN: usize = 22;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A topic's id, a UUID. As text it is URL-safe base64 without padding, 22 characters, as Kafka
/// writes it.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicId(pub [u8; 16]);

impl TopicId {
    /// Stands for "no id".
    pub const ZERO: TopicId = TopicId([0; 16]);

    /// Whether this is [`TopicId::ZERO`].
    pub fn is_zero(&self) -> bool {
        *self == TopicId::ZERO
    }
}

/// Text that is no topic id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no topic id: 22 characters of URL-safe base64")]
pub struct InvalidTopicId(pub String);

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 128 bits are 21 characters of 6 bits and one of 2, which stand at its top.
        let bits = u128::from_be_bytes(self.0);
        let mut text = String::with_capacity(TEXT_LEN);
        for i in 0..TEXT_LEN - 1 {
            text.push(char::from(ALPHABET[(bits >> (122 - 6 * i)) as usize & 63]));
        }
        text.push(char::from(ALPHABET[(bits << 4) as usize & 63]));
        f.pad(&text)
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TopicId({self})")
    }
}

impl FromStr for TopicId {
    type Err = InvalidTopicId;

    fn from_str(text: &str) -> Result<TopicId, InvalidTopicId> {
        parse(text).ok_or_else(|| InvalidTopicId(text.chars().take(64).collect()))
    }
}

fn parse(text: &str) -> Option<TopicId> {
    let (last, rest) = text.as_bytes().split_last()?;
    if rest.len() != TEXT_LEN - 1 {
        return None;
    }
    let value = |character: &u8| ALPHABET.iter().position(|c| c == character);
    let mut bits = 0u128;
    for character in rest {
        bits = bits << 6 | value(character)? as u128;
    }
    let last = value(last)?;
    // The last character holds two bits; more would be lost, and two texts be one id.
    if last & 0b1111 != 0 {
        return None;
    }
    Some(TopicId((bits << 2 | (last >> 4) as u128).to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::prelude::*;

    #[test]
    fn text_is_url_safe_base64() {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..100 {
            let id = TopicId(std::array::from_fn(|_| random.u8(..)));
            assert_eq!(id.to_string(), BASE64_URL_SAFE_NO_PAD.encode(id.0));
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        assert_eq!(TopicId::ZERO.to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "AAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAAB",
            "AAAAAAAAAAAAAAAAAAAAA=",
        ] {
            assert!(text.parse::<TopicId>().is_err(), "{text}");
        }
    }
}
