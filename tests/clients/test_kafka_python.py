"""kafka-python: all of the protocol in Python, with another idea of groups than librdkafka's."""

import itertools
import threading

from kafka import (
    KafkaConsumer,
    KafkaProducer,
    OffsetAndMetadata,
    TopicPartition,
)
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from kafka.errors import MessageSizeTooLargeError, NoOffsetForPartitionError

from support import PATIENCE_S, ServerTest, repeat

# Those that it can do without packages of others.
CODECS = [None, "gzip"]


class KafkaPython(ServerTest):
    def producer(self, **settings):
        producer = KafkaProducer(bootstrap_servers=self.server.bootstrap, **settings)
        self.addCleanup(producer.close)
        return producer

    def consumer(self, *topics, **settings):
        base = {
            "bootstrap_servers": self.server.bootstrap,
            "group_id": self.group,
            "auto_offset_reset": "earliest",
            "enable_auto_commit": False,
            "check_crcs": True,
            "session_timeout_ms": 6000,
            "heartbeat_interval_ms": 200,
        }
        consumer = KafkaConsumer(*topics, **{**base, **settings})
        self.addCleanup(consumer.close)
        return consumer

    def write(self, producer, values, **fields):
        """Produces to partition 0, and gives what was acknowledged."""
        futures = [producer.send(self.topic, value, partition=0, **fields) for value in values]
        return [future.get(PATIENCE_S) for future in futures]

    def read(self, count, **settings):
        """The first records of partition 0."""
        consumer = self.consumer(group_id=None, **settings)
        partition = TopicPartition(self.topic, 0)
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        return poll(consumer, count)

    def test_every_kind_of_acknowledgement(self):
        for acks in [0, 1, "all"]:
            producer = self.producer(acks=acks, enable_idempotence=acks == "all")
            self.write(producer, [f"acks {acks}".encode()])
            producer.flush()
        values = [record.value for record in self.read(3)]
        self.assertEqual(values, [b"acks 0", b"acks 1", b"acks all"])

    def test_acknowledges_with_the_offset_that_is_read(self):
        values = [b"%d" % n for n in range(1000)]
        told = [(at.offset, at.timestamp) for at in self.write(self.producer(linger_ms=5), values)]
        read = self.read(1000)
        self.assertEqual([record.value for record in read], values)
        self.assertEqual([(record.offset, record.timestamp) for record in read], told)
        self.assertEqual([record.offset for record in read], list(range(1000)))

    def test_every_codec_idempotent_and_not(self):
        written = []
        for codec, idempotent in itertools.product(CODECS, [False, True]):
            settings = {"compression_type": codec, "enable_idempotence": idempotent}
            values = [f"{codec} {idempotent} {n} {'x' * 100}".encode() for n in range(200)]
            self.write(self.producer(linger_ms=5, **settings), values)
            written += values
        read = self.read(800)
        self.assertEqual([record.offset for record in read], list(range(800)))
        self.assertEqual([record.value for record in read], written)

    def test_keeps_keys_headers_and_timestamps(self):
        headers = [("one", b"1"), ("empty", b""), ("one", b"again")]
        time = 1_700_000_000_123
        producer = self.producer()
        self.write(producer, [b"value"], key=b"key", headers=headers, timestamp_ms=time)
        self.write(producer, [None], key=b"gone")
        first, second = self.read(2)
        self.assertEqual((first.key, first.value, first.timestamp), (b"key", b"value", time))
        self.assertEqual((list(first.headers), first.timestamp_type), (headers, 0))
        self.assertEqual((second.key, second.value), (b"gone", None))

    def test_finds_offsets_by_time_and_ends(self):
        start = 1_700_000_000_000
        producer = self.producer()
        for n in range(10):
            self.write(producer, [b"%d" % n], timestamp_ms=start + 1000 * n)
        consumer = self.consumer()
        partition = TopicPartition(self.topic, 0)
        self.assertEqual(consumer.beginning_offsets([partition]), {partition: 0})
        self.assertEqual(consumer.end_offsets([partition]), {partition: 10})
        for time, offset in [(0, 0), (start + 2500, 3), (start + 9000, 9)]:
            found = consumer.offsets_for_times({partition: time})[partition]
            self.assertEqual(found.offset, offset)
        self.assertIsNone(consumer.offsets_for_times({partition: start + 9001})[partition])

    def test_commits_with_metadata_and_goes_on_there(self):
        self.write(self.producer(), [b"%d" % n for n in range(10)])
        partition = TopicPartition(self.topic, 0)
        consumer = self.consumer()
        consumer.assign([partition])
        consumer.commit({partition: OffsetAndMetadata(4, "so far", -1)})
        committed = self.consumer().committed(partition, metadata=True)
        self.assertEqual((committed.offset, committed.metadata), (4, "so far"))
        read = poll(self.consumer(self.topic), 6)
        self.assertEqual([record.offset for record in read], [4, 5, 6, 7, 8, 9])

    def test_says_what_is_wrong(self):
        self.server.create(self.topic, max_message_bytes=1000)
        producer = self.producer(max_block_ms=5000)
        with self.assertRaises(MessageSizeTooLargeError):
            self.write(producer, [b"x" * 2000])
        consumer = self.consumer(group_id=None, auto_offset_reset="none")
        partition = TopicPartition(self.topic, 0)
        consumer.assign([partition])
        with self.assertRaises(NoOffsetForPartitionError):
            consumer.position(partition)

    def member(self, **settings):
        """A consumer that a thread of its own polls."""
        member = Member(self.consumer(self.topic, **settings))
        self.addCleanup(member.end)
        return member

    def share(self, assignor):
        """Three members come, one after the other, and one goes: who has what is always whole."""
        self.server.create(self.topic, 6)
        members = []
        for _ in range(3):
            members.append(self.member(partition_assignment_strategy=[assignor]))
            self.all_partitions_are_shared(members)
        members.pop(0).end()
        self.all_partitions_are_shared(members)

    def all_partitions_are_shared(self, members):
        def whole():
            every = sorted(partition for member in members for partition in member.share())
            most = max(len(member.share()) for member in members)
            return every == list(range(6)) and most <= 6 / len(members)

        what = f"partitions for {len(members)} members"
        repeat(lambda: members[0].polled.wait(PATIENCE_S), whole, what)

    def test_members_share_by_ranges(self):
        self.share(RangePartitionAssignor)

    def test_members_share_in_turns(self):
        self.share(RoundRobinPartitionAssignor)

    def test_members_share_stickily(self):
        self.share(StickyPartitionAssignor)

    def test_members_share_cooperatively(self):
        self.share(CooperativeStickyAssignor)

    def test_a_static_member_comes_back_to_its_partitions(self):
        self.server.create(self.topic, 6)
        first = self.member(group_instance_id="first")
        second = self.member(group_instance_id="second")
        self.all_partitions_are_shared([first, second])
        before = second.share()
        second.end()
        second = self.member(group_instance_id="second")
        self.all_partitions_are_shared([first, second])
        self.assertEqual(second.share(), before)


class Member:
    """A consumer that a thread polls, as its users do."""

    def __init__(self, consumer):
        self.consumer = consumer
        self.ending = threading.Event()
        # Set again and again.
        self.polled = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ending.is_set():
            self.consumer.poll(100)
            self.polled.set()
        self.consumer.close()

    def share(self):
        """The partitions that it has."""
        self.polled.clear()
        return sorted(partition.partition for partition in self.consumer.assignment())

    def end(self):
        """Has it leave the group, if it is in it."""
        self.ending.set()
        self.thread.join(PATIENCE_S)


def poll(consumer, count):
    """So many records."""
    records = []

    def step():
        for of_partition in consumer.poll(100).values():
            records.extend(of_partition)

    repeat(step, lambda: len(records) >= count, f"{count} records")
    return records
