//! Where keys land.

use duramen_protocol::murmur2::{murmur2, partition_for_key};

use crate::reference::{lines, roots, unhex};

#[test]
fn keys_hash_and_land_as_with_kafka() {
    for root in roots() {
        let lines = lines(&root.join("batches/murmur2.tsv"));
        let rows: Vec<_> = lines.iter().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(rows.len(), 200);
        for row in rows {
            let columns: Vec<&str> = row.split('\t').collect();
            let key = unhex(columns[0]);
            assert_eq!(murmur2(&key).to_string(), columns[1], "{row}");
            for (partitions, expected) in [12, 3, 7].into_iter().zip(&columns[2..]) {
                assert_eq!(partition_for_key(&key, partitions).to_string(), *expected, "{row}");
            }
        }
    }
}
