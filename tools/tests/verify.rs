//! Damage of every kind is found and told with its place; what is no damage is not called so.

mod support;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use duramen_protocol::batch::{BatchBuilder, Codec, stamp};
use duramen_protocol::files::producer_snapshot::{self, ProducerEntry};
use duramen_protocol::files::segment::SegmentFile;
use duramen_tools::Outcome;
use support::partition::{Partition, START_EPOCH, headers};
use support::{Ran, verify};

/// Runs `check` with each bit of a file flipped in turn.
fn with_each_bit_flipped(path: &Path, check: impl FnMut(usize)) {
    with_bits_flipped(path, 1, check);
}

/// The same with every so manieth bit. The file is changed in place: writing it anew would have the
/// file system wait for the disk each time.
fn with_bits_flipped(path: &Path, step: usize, mut check: impl FnMut(usize)) {
    let good = std::fs::read(path).unwrap();
    let file = File::options().write(true).open(path).unwrap();
    for bit in (0..good.len() * 8).step_by(step) {
        let (at, byte) = ((bit / 8) as u64, good[bit / 8]);
        file.write_all_at(&[byte ^ 1 << (bit % 8)], at).unwrap();
        check(bit);
        file.write_all_at(&[byte], at).unwrap();
    }
}

fn cut(path: &Path, len: usize) {
    File::options().write(true).open(path).unwrap().set_len(len as u64).unwrap();
}

fn name(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[track_caller]
fn assert_whole(ran: &Ran) {
    assert_eq!((ran.outcome, ran.damages()), (Outcome::Whole, vec![]), "{}", ran.err);
}

#[test]
fn a_good_partition_is_whole() {
    let partition = Partition::new();
    let ran = verify(&partition.folder());
    assert_whole(&ran);
    assert_eq!(ran.notes(), [""; 0]);
    assert!(ran.err.starts_with("whole: 15 batches, "), "{}", ran.err);
    assert_whole(&verify(partition.data.path()));
}

#[test]
fn every_flipped_bit_of_a_segment_is_damage() {
    let partition = Partition::new();
    // One with a follower, and the newest.
    for segment in 1..3 {
        let path = partition.file(SegmentFile::Log, segment);
        let batches = headers(&std::fs::read(&path).unwrap());
        with_each_bit_flipped(&path, |bit| {
            let ran = verify(&partition.folder());
            let (position, header) =
                batches.iter().rev().find(|(position, _)| *position <= bit / 8).unwrap();
            let base_offset_or_epoch =
                !(8..12).contains(&(bit / 8 - position)) && bit / 8 - position < 16;
            // Nothing follows the very last batch that would contradict a later epoch.
            let is_last = segment == 2 && Some(*position) == batches.last().map(|last| last.0);
            if is_last && base_offset_or_epoch && ran.outcome == Outcome::Whole {
                assert!(ran.out.contains("leader-epoch-checkpoint"), "bit {bit}: {}", ran.out);
                return;
            }
            assert_eq!(ran.outcome, Outcome::Damaged, "bit {bit} of segment {segment}");
            // A wrong offset or epoch may show at its neighbours only.
            let expected =
                format!("{}: position {position}, offset {}: ", name(&path), header.base_offset);
            let is_named = ran.damages().iter().any(|line| line.starts_with(&expected));
            assert!(is_named || base_offset_or_epoch, "bit {bit}: {expected}{}", ran.out);
        });
    }
}

#[test]
fn every_flipped_bit_of_an_index_or_snapshot_is_damage() {
    let partition = Partition::new();
    for file in [
        SegmentFile::OffsetIndex,
        SegmentFile::TimeIndex,
        SegmentFile::TxnIndex,
        SegmentFile::Snapshot,
    ] {
        let path = partition.file(file, 1);
        with_each_bit_flipped(&path, |bit| {
            let ran = verify(&partition.folder());
            // The last stable offset may have been held back; only that it is too high shows.
            let may_be_less = file == SegmentFile::TxnIndex && bit / 8 >= 26;
            if !may_be_less {
                assert_eq!(ran.outcome, Outcome::Damaged, "bit {bit} of {}", name(&path));
            }
            assert!(ran.damages().iter().all(|line| line.starts_with(name(&path))
                || line.contains("missing in the transaction index")
                || line.contains("where the log has")));
        });
    }
}

#[test]
fn a_newest_segment_cut_anywhere_is_a_note() {
    let partition = Partition::new();
    let path = partition.file(SegmentFile::Log, 2);
    let good = std::fs::read(&path).unwrap();
    for len in (0..good.len()).rev() {
        cut(&path, len);
        let ran = verify(&partition.folder());
        assert_whole(&ran);
        let at_a_batch = len == 0 || headers(&good).iter().any(|(position, _)| *position == len);
        let torn = ran.notes().iter().any(|line| line.contains(".log: position"));
        assert_eq!(torn, !at_a_batch, "{len} bytes: {}", ran.out);
    }
}

#[test]
fn an_earlier_segment_cut_anywhere_is_damage() {
    let partition = Partition::new();
    let path = partition.file(SegmentFile::Log, 1);
    let good = std::fs::read(&path).unwrap();
    for len in (0..good.len()).rev() {
        cut(&path, len);
        assert_eq!(verify(&partition.folder()).outcome, Outcome::Damaged, "{len} bytes");
    }
}

#[test]
fn a_zeroed_tail_is_a_note_in_the_newest_segment_only() {
    let partition = Partition::new();
    for (segment, outcome) in [(2, Outcome::Whole), (1, Outcome::Damaged)] {
        let path = partition.file(SegmentFile::Log, segment);
        let good = std::fs::read(&path).unwrap();
        for zeroes in [1, 11, 12, 60, 61, 5000] {
            let padded = [good.as_slice(), &vec![0; zeroes]].concat();
            std::fs::write(&path, padded).unwrap();
            let ran = verify(&partition.folder());
            assert_eq!(ran.outcome, outcome, "{zeroes} zeroes: {}", ran.out);
            let place = format!("{}: position {}, offset ", name(&path), good.len());
            assert!(ran.out.contains(&place), "{}", ran.out);
        }
        std::fs::write(&path, good).unwrap();
    }
}

#[test]
fn a_last_batch_whose_last_sectors_never_came_is_a_note() {
    let partition = Partition::new();
    let path = partition.file(SegmentFile::Log, 2);
    let good = std::fs::read(&path).unwrap();
    let mut builder = BatchBuilder::new(Codec::None);
    builder.append(1, None, Some(&[b'x'; 2000]), &[]).unwrap();
    let mut last = builder.finish().unwrap().to_vec();
    stamp(&mut last, partition.bases[3], START_EPOCH as i32);
    let whole = [good.as_slice(), &last].concat();
    for (zeroes_from, outcome) in [
        (2048, Outcome::Whole),
        (1024, Outcome::Whole),
        // Not where a disk would stop.
        (whole.len() - 20, Outcome::Damaged),
    ] {
        for padding in [0, 4096] {
            let mut torn = whole.clone();
            torn[zeroes_from..].fill(0);
            torn.resize(whole.len() + padding, 0);
            std::fs::write(&path, torn).unwrap();
            let ran = verify(&partition.folder());
            assert_eq!(ran.outcome, outcome, "zeroes from {zeroes_from}: {}", ran.out);
            let place = format!("{}: position {}, offset 27: ", name(&path), good.len());
            assert!(ran.out.contains(&place), "{}", ran.out);
        }
    }
}

#[test]
fn a_snapshot_that_contradicts_the_log_is_damage() {
    let partition = Partition::new();
    for segment in [1, 3] {
        let path = partition.file(SegmentFile::Snapshot, segment);
        let good = std::fs::read(&path).unwrap();
        let entry = producer_snapshot::decode(&good).unwrap()[0];
        for wrong in [
            ProducerEntry { last_sequence: entry.last_sequence + 1, ..entry },
            ProducerEntry { last_offset: entry.last_offset - 1, ..entry },
            ProducerEntry { last_offset: entry.last_offset + 1, ..entry },
        ] {
            std::fs::write(&path, producer_snapshot::encode(&[wrong])).unwrap();
            let ran = verify(&partition.folder());
            assert_eq!(ran.outcome, Outcome::Damaged, "{wrong:?}");
            assert!(ran.damages()[0].starts_with(name(&path)), "{}", ran.out);
        }
        std::fs::write(&path, good).unwrap();
    }
}

#[test]
fn garbage_behind_the_last_batch_is_damage() {
    let partition = Partition::new();
    let path = partition.file(SegmentFile::Log, 2);
    let garbage: Vec<u8> = (0..200u8).map(|i| i.wrapping_mul(37) | 1).collect();
    let bytes = [std::fs::read(&path).unwrap(), garbage].concat();
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(verify(&partition.folder()).outcome, Outcome::Damaged);
}

#[test]
fn a_recovery_point_leaves_no_excuse_below_it() {
    let partition = Partition::new();
    let path = partition.file(SegmentFile::Log, 2);
    let good = std::fs::read(&path).unwrap();
    let end = partition.bases[3];
    let points = partition.data.path().join("recovery-point-offset-checkpoint");
    for (point, cut, outcome) in [
        (end, 0, Outcome::Whole),
        (end, 1, Outcome::Damaged),
        (partition.bases[2], 1, Outcome::Whole),
    ] {
        std::fs::write(&points, format!("0\n1\nt 0 {point}\n")).unwrap();
        std::fs::write(&path, &good[..good.len() - cut]).unwrap();
        let ran = verify(&partition.folder());
        assert_eq!(ran.outcome, outcome, "recovery point {point}, cut by {cut}: {}", ran.out);
    }
    // Cut at a batch, so that only the recovery point tells.
    std::fs::write(&points, format!("0\n1\nt 0 {end}\n")).unwrap();
    let (last, header) = headers(&good).pop().unwrap();
    std::fs::write(&path, &good[..last]).unwrap();
    let ran = verify(partition.data.path());
    let expected = format!("{}: position {last}, offset {}: ", name(&path), header.base_offset);
    assert!(ran.damages().iter().any(|line| line.starts_with(&expected)), "{}", ran.out);
}

#[test]
fn a_missing_segment_is_damage_in_our_folders() {
    let ours = Partition::of_ours(27, 18, 0);
    assert_whole(&verify(ours.data.path()));
    std::fs::remove_file(ours.file(SegmentFile::Log, 1)).unwrap();
    let ran = verify(ours.data.path());
    let expected = format!("{}: position 0, offset 18: ", name(&ours.file(SegmentFile::Log, 2)));
    assert!(ran.damages().iter().any(|line| line.starts_with(&expected)), "{}", ran.out);
    // Where compaction may have been at work, it proves nothing.
    let other = Partition::new();
    for file in SegmentFile::ALL {
        std::fs::remove_file(other.file(file, 1)).unwrap();
    }
    assert_whole(&verify(&other.folder()));
}

#[test]
fn ours_is_judged_by_its_recovery_point() {
    let partition = Partition::new();
    let log = std::fs::read(partition.file(SegmentFile::Log, 1)).unwrap();
    let (position, header) = headers(&log)[2];
    let ours = Partition::of_ours(header.base_offset, partition.bases[1], position as u64);
    let path = ours.file(SegmentFile::Log, 1);
    with_bits_flipped(&path, 7, |bit| {
        let ran = verify(ours.data.path());
        let below = bit / 8 < position;
        // Indexes past it are not vouched for either, but what they say must be true.
        let in_log = ran.damages().iter().any(|line| line.starts_with(name(&path)));
        assert_eq!(in_log, below, "bit {bit}: {}", ran.out);
    });
}

#[test]
fn missing_indexes_and_unknown_files_are_notes() {
    let partition = Partition::new();
    for file in [SegmentFile::OffsetIndex, SegmentFile::TimeIndex] {
        std::fs::remove_file(partition.file(file, 1)).unwrap();
    }
    std::fs::write(partition.folder().join("notes.txt"), "x").unwrap();
    std::fs::write(partition.folder().join("00000000000000000000.log.deleted"), "x").unwrap();
    std::fs::write(partition.data.path().join("lost+found"), "x").unwrap();
    let ran = verify(partition.data.path());
    assert_whole(&ran);
    assert_eq!(ran.notes().len(), 5, "{}", ran.out);
}

#[test]
fn a_missing_transaction_index_is_damage_below_the_newest_segment() {
    let partition = Partition::new();
    std::fs::remove_file(partition.file(SegmentFile::TxnIndex, 2)).unwrap();
    assert_whole(&verify(&partition.folder()));
    std::fs::remove_file(partition.file(SegmentFile::TxnIndex, 1)).unwrap();
    assert_eq!(verify(&partition.folder()).outcome, Outcome::Damaged);
}

#[test]
fn single_files_are_held_against_the_segment_beside_them() {
    let partition = Partition::new();
    for file in SegmentFile::ALL {
        assert_whole(&verify(&partition.file(file, 1)));
    }
    let path = partition.file(SegmentFile::OffsetIndex, 1);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[7] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(verify(&path).outcome, Outcome::Damaged);
    assert_whole(&verify(&partition.file(SegmentFile::Log, 1)));
}

#[test]
fn what_can_not_be_looked_at_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let nothing: PathBuf = folder.path().join("nothing");
    let garbage =
        file("garbage", b"neither this nor that, but long enough to be looked at closely");
    let empty = file("empty", b"");
    let below_a_file = empty.join("file");
    let index = file("renamed.index", b"12345678");
    let empty_folder = folder.path().join("folder");
    std::fs::create_dir(&empty_folder).unwrap();
    for path in [nothing, garbage, empty, below_a_file, index, empty_folder] {
        let ran = verify(&path);
        assert_eq!(ran.outcome, Outcome::CouldNotLook, "{}", name(&path));
        assert!(ran.err.starts_with(&format!("{}: ", name(&path))), "{}", ran.err);
        assert_eq!(ran.out, "");
    }
    assert_eq!(
        [0, 1, 2].map(|code| code),
        [
            Outcome::Whole.exit_code(),
            Outcome::Damaged.exit_code(),
            Outcome::CouldNotLook.exit_code()
        ]
    );
}

#[test]
fn any_bytes_in_any_file_are_survived() {
    let partition = Partition::new();
    let mut seed = 1u64;
    let mut byte = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 56) as u8
    };
    for file in SegmentFile::ALL {
        let path = partition.file(file, 1);
        let good = std::fs::read(&path).unwrap();
        for len in [0, 1, 7, 33, 61, 62, 100, 4096] {
            let garbage: Vec<u8> = (0..len).map(|_| byte()).collect();
            std::fs::write(&path, &garbage).unwrap();
            verify(partition.data.path());
            support::dump(partition.data.path(), &Default::default());
            // The start of something good, then garbage.
            std::fs::write(&path, [&good[..good.len().min(70)], &garbage].concat()).unwrap();
            verify(partition.data.path());
            support::dump(partition.data.path(), &Default::default());
        }
        std::fs::write(&path, good).unwrap();
    }
}

/// The states of the reference data, as their README describes them.
fn check_states(segments: &Path) {
    for state in ["clean", "recovered", "unclean"] {
        let path = segments.join(state);
        if path.is_dir() {
            assert_whole(&verify(&path));
        }
    }
    for damage in ["torn", "zeros", "noindex"] {
        let ran = verify(&segments.join(format!("damaged/s-killed-{damage}-0")));
        assert_whole(&ran);
        assert_ne!(ran.notes().len(), 0, "{damage}");
    }
    let ran = verify(&segments.join("damaged"));
    let log = segments.join("damaged/s-killed-flipped-0/00000000000000000234.log");
    let expected = format!("{}: position 7356, offset 294: ", name(&log));
    assert_eq!(ran.outcome, Outcome::Damaged);
    assert!(ran.damages()[0].starts_with(&expected), "{}", ran.out);
    assert_eq!(ran.damages().len(), 1, "{}", ran.out);
}

#[test]
fn kafkas_folders_are_judged_as_they_should_be() {
    check_states(&support::fixtures());
}

#[test]
fn all_of_kafkas_folders_are_judged_as_they_should_be() {
    if let Some(segments) = support::reference() {
        check_states(&segments);
    }
}
