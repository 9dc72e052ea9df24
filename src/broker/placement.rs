//! Where things belong, by hashes that never change.
//!
//! A partition's owner follows from the topic's id and the number of cores alone, so it is worked
//! out at each start and stored nowhere:
//!
//! ```text
//! owner = (FNV-1a, 64 bits, of the topic id's 16 bytes + partition) mod cores
//! ```
//!
//! The sum is taken without overflow. Partitions of a topic lie on the cores in turn, and the hash
//! spreads the first ones. A named consumer's offsets lie in the partition of
//! `__consumer_offsets` where Kafka puts them.

use duramen_protocol::TopicId;

/// The core, from 0, that owns a partition.
///
/// # Panics
/// Without cores.
pub fn owner(topic_id: TopicId, partition: u32, cores: u32) -> u32 {
    let cores = u64::from(cores);
    ((fnv1a(&topic_id.0) % cores + u64::from(partition)) % cores) as u32
}

/// The partition, of `partitions`, of `__consumer_offsets` that holds a group's offsets, as
/// Kafka works it out: the absolute value of Java's hash of the name.
///
/// # Panics
/// Without partitions.
pub fn partition_for_group(group: &str, partitions: u32) -> u32 {
    // In Java |MIN_VALUE| stays negative; Kafka takes 0 for it.
    let positive = java_hash(group).checked_abs().unwrap_or(0);
    positive.unsigned_abs() % partitions
}

/// FNV-1a, 64 bits.
fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// Java's `String.hashCode`, over UTF-16 code units.
fn java_hash(text: &str) -> i32 {
    let step = |hash: i32, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit));
    text.encode_utf16().fold(0, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_topic_ids_is_pinned() {
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
        assert_eq!(fnv1a(&[0; 16]), 9_808_874_869_469_701_221);
        let rising = std::array::from_fn(|i| i as u8 + 1);
        for (id, first) in [([0; 16], 0), (rising, 1), ([255; 16], 0)] {
            let owners: Vec<u32> = (0..4).map(|p| owner(TopicId(id), p, 3)).collect();
            assert_eq!(owners, [first, (first + 1) % 3, (first + 2) % 3, first], "{id:?}");
        }
        assert_eq!(owner(TopicId([9; 16]), u32::MAX, 1), 0);
    }

    /// Computed by Java.
    #[test]
    fn groups_lie_where_kafka_puts_them() {
        for (group, of_16, of_50) in [
            ("", 0, 0),
            ("a", 1, 47),
            ("my-group", 2, 12),
            ("console-consumer-12345", 2, 6),
            ("grüppe", 12, 12),
            ("😀", 3, 49),
            ("polygenelubricants", 0, 0),
            ("h-gone", 12, 42),
        ] {
            assert_eq!(partition_for_group(group, 16), of_16, "{group}");
            assert_eq!(partition_for_group(group, 50), of_50, "{group}");
        }
    }
}
