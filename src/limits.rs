//! The bounds of every queue, buffer and loop, in one place.

use std::time::Duration;

/// The unit that arena blocks, groups and segment writes are multiples of, at least.
pub const BLOCK_BYTES: usize = 4096;

/// Memory for staged batches, a core.
pub const ARENA_BYTES: usize = 32 << 20;

/// Length of a journal file.
pub const JOURNAL_FILE_BYTES: u64 = 8 << 20;
/// Journal files that each core has at least.
pub const JOURNAL_FILES_MIN: usize = 4;
/// Bytes of all journal files of all cores: what a restart may have to replay.
pub const JOURNAL_BYTES_TOTAL: u64 = 256 << 20;
/// A group is closed when it holds this many bytes of batches.
///
/// On a virtual disk of 1.3 GB/s groups of 256 and 512 KiB, 1, 2 and 4 MiB took 1357, 1349, 1357,
/// 1164 and 865 MB/s (`duramen bench produce --for 2s`, medians of three, spreads of 5 to 35 %),
/// and where all goes through the journal (the same with `--partitions 64 --batch-records 100
/// --in-flight 120`) 429, 570, 701, 652 and 691 MB/s. Smaller ones don't make a lone record beside
/// that load (`duramen bench latency`) wait less: p50 31.6, 27.4 and 18.9 ms at 256 KiB, 1 and
/// 4 MiB.
pub const GROUP_BYTES: usize = 1 << 20;

/// A run of one partition that fills blocks of this many bytes skips the journal.
///
/// An extent saves the disk half of its bytes, and costs the file system a commit of its own, as it
/// goes to space that was only reserved. On a virtual disk of 1.3 GB/s that makes little difference
/// (`duramen bench produce`, medians of three): with runs from 64, 128, 256, 512 and 1024 KiB on it
/// took 1217, 1255, 1235, 1257 and 1161 MB/s at full speed, and with `--rate 431500 --linger-ms 0.25
/// --in-flight 1000` the median was 0.98, 0.88, 0.92, 0.83 and 0.83 ms, p99.9 4.9, 5.6, 8.5, 4.9 and
/// 6.1 ms. Without extents at full speed: 779 MB/s.
pub const EXTENT_BYTES_MIN: u64 = 512 << 10;
/// Bytes of a group that skip the journal.
///
/// 1, 2, 4 and 8 MiB took 654, 1196, 1357 and 1295 MB/s, and over 16 partitions 752, 831, 1052 and
/// 1356 MB/s (measured as [`GROUP_BYTES`], spreads of 10 to 62 %). In later runs 4 and 8 MiB took
/// 1141 and 1064 MB/s (medians of four), and over 16 partitions 972 and 1110 MB/s (of five):
/// neither is better at both.
pub const EXTENT_BYTES_MAX: u64 = 4 << 20;
/// Such a run's batch headers go to the journal: a run where they are more than this share of it
/// gains little.
pub const EXTENT_HEADERS_SHARE: u64 = 8;

/// A tail of this many durable bytes is worth a write to its segment.
///
/// 64 KiB, 256 KiB and 1 MiB took 602, 701 and 698 MB/s over 64 partitions, and 416, 436 and 473
/// MB/s over 1,000 (measured as [`GROUP_BYTES`], with batches of 100): the spreads, 13 to 32 %, are
/// as large.
pub const MATERIALISE_BYTES: u64 = 256 << 10;
/// The most that one write to a segment carries, an extent's included.
///
/// 256 KiB, 1 and 4 MiB took 1203, 1357 and 1440 MB/s, and over 16 partitions 944, 1052 and 1032
/// MB/s (measured as [`GROUP_BYTES`], spreads of 5 to 36 %).
pub const MATERIALISE_WRITE_BYTES: u64 = 1 << 20;
/// Writes to segments in flight, a core.
///
/// 2, 8 and 32 took 245, 436 and 448 MB/s over 1,000 partitions (measured as [`GROUP_BYTES`], with
/// batches of 100). Single records want few: 80,400, 65,500 and 55,500/s (`duramen bench partitions
/// --for 2s --partitions 1000`; spreads of 3 to 38 %), before [`MATERIALISE_ARENA_SHARE`] saw to
/// that.
pub const MATERIALISE_IN_FLIGHT: usize = 8;
/// Of many logs with little each, one is written at a time while the arena is over half full, and
/// one more for each such share of it in use beyond.
///
/// With [`MATERIALISE_IN_FLIGHT`] at once a write carried 6.6 single records, 7 KiB, and 62,200/s
/// were taken (measured as there). With shares of 32, 64 and 128 it carries 21, 22 KiB, and 78,300,
/// 77,700 and 82,500/s were taken (medians of two, spreads of 0 to 15 %): the arena settles where
/// two are in flight. With batches of 100 it fills up, and with 64ths 425 MB/s were taken for 447
/// (medians of three, spreads of 19 and 13 %).
pub const MATERIALISE_ARENA_SHARE: usize = 64;
/// Of many logs with little each, how many are found at a time.
///
/// 8, 32 and 128 took 419, 436 and 439 MB/s, and 67,700, 65,500 and 63,200 single records/s
/// (measured as [`MATERIALISE_IN_FLIGHT`]): the spreads, 3 to 36 %, are larger.
pub const MATERIALISE_SWEEP: usize = 32;
/// New entries of a growing segment's index that are kept in memory and in the checkpoints, in
/// bytes; beyond, they go to the index files.
pub const INDEX_PENDING_BYTES: usize = 4096;

/// The least by which a segment's reserved space grows.
pub const RESERVE_BYTES_MIN: u64 = 256 << 10;
/// The most by which it grows.
pub const RESERVE_BYTES_MAX: u64 = 32 << 20;

/// Operations of a checkpoint in flight.
pub const CHECKPOINT_IN_FLIGHT: usize = 16;
/// After the disk was full: how long until space is asked for again.
pub const FULL_RETRY_MS: u64 = 200;

/// Reads from files in flight, a core.
pub const READS_IN_FLIGHT: usize = 8;
/// The most that one read from a file brings, unless a single batch is larger.
pub const READ_BYTES: usize = 1 << 20;
/// What comes from a segment to the page cache at a time, and what a reader's share of the disk is
/// for each group that is written meanwhile.
///
/// On a virtual disk of 1.2 GB/s (`duramen bench all --quick --rows mixed`) the p99 of producers at
/// half the highest rate, beside three consumers of cold segments, was 0.6-2.2 times theirs alone
/// with windows of 256 KiB, 1.7-3.6 with 512 KiB, 3.6-8.3 with 1 MiB and 12 with 2 MiB; with the
/// kernel's own readahead 62. The consumers alone took 0.9 to 1.1 GB/s with all of them.
pub const READAHEAD_BYTES: u64 = 256 << 10;
/// So many of those are wanted behind the one that a reader has come to.
pub const READAHEAD_WINDOWS: u64 = 8;
/// In flight, a core.
pub const READAHEADS_IN_FLIGHT: usize = 8;
/// A read of less than this is of those bytes alone.
pub const READAHEAD_FROM_BYTES: u64 = 64 << 10;
/// Reads that wait for their turn, a core.
pub const READS_QUEUED: usize = 10_000;
/// What a scan for a batch reads at a time.
pub const SCAN_BYTES: usize = 16 << 10;
/// A sealed segment longer than this whose index is empty has lost it.
pub const INDEX_MISSED_BYTES: u64 = 4 << 20;
/// The largest batch that any topic may have.
pub const BATCH_BYTES_MAX: usize = 8 << 20;
/// Places behind damage that are remembered, a segment.
pub const HINTS: usize = 10_000;
/// Bytes of index files kept in memory, a core.
pub const INDEX_CACHE_BYTES: usize = 16 << 20;
/// Sealed segments kept open, a core.
pub const SEALED_OPEN: usize = 512;
/// The most memory of a tail that one answer may hold on to.
pub const PINNED_BYTES: usize = 256 << 10;

/// Bytes of batches that were read from sockets and wait to be staged, a core: beyond, nobody
/// reads further.
pub const BACKLOG_BYTES: usize = 16 << 20;
/// Bytes of batches that one tick stages: beyond, the next tick goes on.
pub const TICK_APPEND_BYTES: usize = 4 << 20;
/// Bytes that one subscription is pushed at a turn.
pub const PUSH_BYTES: usize = 256 << 10;
/// Bytes that one tick pushes to all subscriptions.
pub const TICK_PUSH_BYTES: usize = 4 << 20;
/// Bytes of the log that one client was given and has not sent on.
pub const UNSENT_BYTES: usize = 1 << 20;

/// Unanswered requests of one connection.
pub const CALLS_IN_FLIGHT: usize = 1024;
/// Those of them that take a task, and perhaps other cores.
pub const TASKS_IN_FLIGHT: usize = 8;
/// Bytes of unanswered append frames of one connection.
pub const APPEND_CREDIT_BYTES: u32 = 16 << 20;
/// Bytes of answers in one connection's outbox, records aside: beyond, it is not read from.
pub const OUTBOX_BYTES: usize = 256 << 10;
/// Bytes that one flush of a connection sends; its own task goes on with the rest.
pub const FLUSH_BYTES: usize = 1 << 20;
/// Bytes of batches that are read before the tick gets a turn.
pub const INBOX_BYTES: usize = 256 << 10;
/// Partitions that one connection has open.
pub const HANDLES: usize = 16_384;
/// Subscriptions of one connection.
pub const SUBSCRIPTIONS: usize = 4096;
/// Bytes of records in one answer to a Kafka client, unless a single batch is larger.
pub const KAFKA_FETCH_BYTES: u32 = 16 << 20;
/// Bytes of further requests that are read while one of a Kafka client waits.
pub const READ_AHEAD_BYTES: usize = 64 << 10;
/// Fetch sessions of one core, as Kafka's `max.incremental.fetch.session.cache.slots`.
pub const FETCH_SESSIONS: usize = 1000;
/// Partitions in all of them.
pub const FETCH_SESSION_PARTITIONS: usize = 128 << 10;
/// A session that was not used for so long gives way to any other; one that is as old, to a larger
/// one. As in Kafka.
pub const FETCH_SESSION_STALE_MS: u64 = 120_000;
/// The longest that a read may wait.
pub const READ_WAIT_MS: u32 = 60_000;
/// A tick that takes longer is logged.
pub const TICK_LOGGED_US: u64 = 100_000;
/// Ticks that may follow each other at once; then the other tasks get a turn.
pub const TICKS_IN_A_ROW: u64 = 16;
/// The longest sleep between two ticks.
pub const TICK_PAUSE: Duration = Duration::from_secs(60);
/// How long a stop may take until what is not done is left to the next start.
pub const STOP_TIME: Duration = Duration::from_secs(30);
/// The longest sleep between two ticks of a core that stops.
pub const STOP_PAUSE: Duration = Duration::from_millis(20);
/// Threads of the blocking disk, a core.
pub const BLOCKING_THREADS: usize = 4;
/// Threads of the disk that recovery runs on: it waits for many small writes.
pub const RECOVERY_THREADS: usize = 32;
/// Producer ids that are leased to a core at a time.
pub const PRODUCER_IDS_LEASED: u32 = 1000;
/// Cores of a server.
pub const CORES: usize = 1024;
/// Bytes of batches that one core sent on to others and that are not answered yet; a larger batch
/// goes alone.
pub const FORWARDED_BYTES: usize = 4 << 20;
/// Connections of one core.
pub const CONNECTIONS: usize = 16_384;
/// Messages in a core's mailbox, and orders to the keeper of the catalog.
pub const MAILBOX_MAILS: usize = 256;
/// Orders for topics that wait until a deleted topic of the same name is gone.
pub const TOPICS_PARKED: usize = 64;
/// Connections that the kernel keeps until they are accepted.
pub const LISTEN_BACKLOG: i32 = 1024;
/// How long a connection may take to say hello.
pub const HELLO_TIME: Duration = Duration::from_secs(10);
/// How long the last answer may take to leave a connection that is closed.
pub const LINGER: Duration = Duration::from_secs(1);
/// How long to wait after a connection could not be accepted.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A connection is quiet for so long before the kernel asks whether the peer is there.
pub const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
/// How long it waits between two such questions.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// How many it asks before the connection counts as broken.
pub const KEEPALIVE_PROBES: u32 = 6;

/// Partitions of one topic.
pub const TOPIC_PARTITIONS_MAX: u32 = 4096;
/// Partitions of all topics, and of deleted ones that journals still name.
pub const PARTITIONS_MAX: u32 = 16_384;
/// Length of a configuration's value as text.
pub const CONFIG_VALUE_BYTES_MAX: usize = 255;

/// Length of a group's name.
pub const GROUP_NAME_BYTES_MAX: usize = 255;
/// Length of a committed offset's metadata, as in Kafka.
pub const OFFSET_METADATA_BYTES_MAX: usize = 4096;
/// Bytes of the offsets that one commit may carry, and of one group's record; they are one batch.
pub const OFFSET_COMMIT_BYTES_MAX: u64 = 1_000_000;
/// Bytes of all offsets in one partition of `__consumer_offsets`, all of which are in memory.
pub const OFFSET_TABLE_BYTES_MAX: u64 = 16 << 20;
/// The least growth of such a partition's log that a snapshot of the table is written after.
pub const OFFSET_LOG_BYTES_MIN: u64 = 1 << 20;
/// Bytes of one batch of a snapshot, unless a single record is larger.
pub const OFFSET_SNAPSHOT_BATCH_BYTES: u64 = 256 << 10;
/// Changes that wait to be appended to one such partition.
pub const OFFSET_COMMITS_QUEUED: usize = 1024;
/// How often offsets are swept.
pub const OFFSET_SWEEP_MS: u64 = 600_000;
/// Committed offsets that one step of a sweep looks at.
pub const OFFSET_SWEEP_ENTRIES: usize = 1024;

/// Members that one group may have; `group.max.size` can only lower it.
pub const GROUP_MEMBERS_MAX: usize = 10_000;
/// What one member brings: its protocols with their bytes.
pub const GROUP_MEMBER_BYTES_MAX: usize = 256 << 10;
/// Memory of all groups in one partition of `__consumer_offsets`.
pub const GROUPS_BYTES_MAX: usize = 16 << 20;
/// How long a member that joins for the first time may wait for its answer: it can't send
/// heartbeats yet, and may be gone. As in Kafka.
pub const GROUP_NEW_MEMBER_MS: u64 = 300_000;

/// Largest `max.message.bytes` for an arena and journal files of these sizes: a quarter of the
/// arena, half of a journal file, less what entry and group add.
pub const fn max_message_bytes(arena_bytes: usize, journal_file_bytes: u64) -> u64 {
    let arena = arena_bytes as u64 / 4;
    let journal = journal_file_bytes / 2;
    let least = if arena < journal { arena } else { journal };
    least - 2 * BLOCK_BYTES as u64
}

const _: () = assert!(max_message_bytes(ARENA_BYTES, JOURNAL_FILE_BYTES) > 1_048_588);
const _: () = assert!(MATERIALISE_WRITE_BYTES >= MATERIALISE_BYTES);
