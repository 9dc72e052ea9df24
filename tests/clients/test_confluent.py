"""confluent-kafka, librdkafka in Python: producers, consumers, groups."""

import itertools

from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_CREATE_TIME,
    TIMESTAMP_LOG_APPEND_TIME,
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)

from support import CODECS, PATIENCE_S, ServerTest, repeat


class Confluent(ServerTest):
    def producer(self, **settings):
        return Producer({"bootstrap.servers": self.server.bootstrap, **dotted(settings)})

    def consumer(self, **settings):
        base = {
            "bootstrap.servers": self.server.bootstrap,
            "group.id": self.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "check.crcs": True,
            # The least that the server of these tests allows, so that nothing is waited for long.
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 200,
            "log_level": 0,
        }
        consumer = Consumer({**base, **dotted(settings)})
        self.addCleanup(consumer.close)
        return consumer

    def read(self, count, topic=None, partition=0):
        """The first records of a partition."""
        consumer = self.consumer()
        consumer.assign([TopicPartition(topic or self.topic, partition, OFFSET_BEGINNING)])
        return consume(consumer, count)

    def write(self, producer, values, **fields):
        """Produces to partition 0, and gives what was acknowledged."""
        acknowledged = []

        def delivered(error, message):
            if error is not None:
                raise KafkaException(error)
            acknowledged.append(message)

        for value in values:
            producer.produce(self.topic, value, partition=0, on_delivery=delivered, **fields)
        self.assertEqual(producer.flush(PATIENCE_S), 0)
        return acknowledged

    def test_every_kind_of_acknowledgement(self):
        for acks in ["0", "1", "all"]:
            acknowledged = self.write(self.producer(acks=acks), [f"acks {acks}"])
            self.assertEqual(len(acknowledged), 1)
        values = [message.value().decode() for message in self.read(3)]
        self.assertEqual(values, ["acks 0", "acks 1", "acks all"])

    def test_acknowledges_with_the_offset_that_is_read(self):
        acknowledged = self.write(self.producer(linger_ms=5), [str(n) for n in range(1000)])
        told = [(message.offset(), message.value()) for message in acknowledged]
        read = [(message.offset(), message.value()) for message in self.read(1000)]
        self.assertEqual(told, read)
        self.assertEqual([offset for offset, _ in read], list(range(1000)))

    def test_every_codec_idempotent_and_not(self):
        written = []
        for codec, idempotent in itertools.product(CODECS, [False, True]):
            settings = {"compression_type": codec, "enable_idempotence": idempotent}
            values = [f"{codec} {idempotent} {n} {'x' * 100}" for n in range(200)]
            self.write(self.producer(linger_ms=5, **settings), values)
            written += values
        read = self.read(2000)
        self.assertEqual([message.offset() for message in read], list(range(2000)))
        self.assertEqual([message.value().decode() for message in read], written)

    def test_keeps_keys_headers_and_timestamps(self):
        headers = [("one", b"1"), ("none", None), ("empty", b""), ("one", b"again")]
        time = 1_700_000_000_123
        producer = self.producer()
        self.write(producer, [b"value"], key=b"key", headers=headers, timestamp=time)
        self.write(producer, [None], key=b"")
        first, second = self.read(2)
        self.assertEqual((first.key(), first.value()), (b"key", b"value"))
        self.assertEqual(first.headers(), headers)
        self.assertEqual(first.timestamp(), (TIMESTAMP_CREATE_TIME, time))
        self.assertEqual((second.key(), second.value(), second.headers()), (b"", None, None))

    def test_the_server_may_set_the_timestamps(self):
        self.server.create(self.topic, message_timestamp_type="LogAppendTime")
        self.write(self.producer(compression_type="lz4"), [b"value"], timestamp=1000)
        [message] = self.read(1)
        kind, time = message.timestamp()
        self.assertEqual(kind, TIMESTAMP_LOG_APPEND_TIME)
        self.assertGreater(time, 1_700_000_000_000)

    def test_finds_offsets_by_time_and_ends(self):
        start = 1_700_000_000_000
        producer = self.producer()
        for n in range(10):
            self.write(producer, [str(n)], timestamp=start + 1000 * n)
        consumer = self.consumer()
        self.assertEqual(consumer.get_watermark_offsets(TopicPartition(self.topic, 0)), (0, 10))
        for time, offset in [(0, 0), (start + 2500, 3), (start + 9000, 9), (start + 9001, -1)]:
            asked = TopicPartition(self.topic, 0, time)
            [found] = consumer.offsets_for_times([asked])
            self.assertEqual((found.offset, found.error), (offset, None))

    def test_commits_with_metadata_and_goes_on_there(self):
        self.write(self.producer(), [str(n) for n in range(10)])
        partition = TopicPartition(self.topic, 0, 4, "so far")
        consumer = self.consumer()
        consumer.commit(offsets=[partition], asynchronous=False)
        [committed] = consumer.committed([TopicPartition(self.topic, 0)])
        self.assertEqual((committed.offset, committed.metadata), (4, "so far"))
        consumer.subscribe([self.topic])
        self.assertEqual([message.offset() for message in consume(consumer, 6)], [4, 5, 6, 7, 8, 9])

    def test_an_offset_that_is_not_there_is_told(self):
        self.write(self.producer(), [b"only"])
        consumer = self.consumer(auto_offset_reset="error")
        consumer.assign([TopicPartition(self.topic, 0, 17)])
        told = []
        repeat(lambda: told.append(consumer.poll(1)), lambda: any(told), "an error")
        [message] = filter(None, told)
        self.assertEqual(message.error().name(), "_AUTO_OFFSET_RESET")

    def share(self, strategy, **settings):
        """Three members come, one after the other, and one goes: who has what is always whole."""
        self.server.create(self.topic, 6)
        settings = {"partition_assignment_strategy": strategy, **settings}
        members = []
        for _ in range(3):
            members.append(self.consumer(**settings))
            members[-1].subscribe([self.topic])
            self.all_partitions_are_shared(members)
        members.pop(0).close()
        self.all_partitions_are_shared(members)

    def all_partitions_are_shared(self, members):
        def shares():
            return [{each.partition for each in member.assignment()} for member in members]

        def whole():
            every = sorted(partition for share in shares() for partition in share)
            return every == list(range(6)) and max(map(len, shares())) <= 6 / len(members)

        def step():
            for member in members:
                message = member.poll(0.01)
                assert message is None, message.error() or message.value()

        repeat(step, whole, f"partitions for {len(members)} members")

    def test_members_share_by_ranges(self):
        self.share("range")

    def test_members_share_in_turns(self):
        self.share("roundrobin")

    def test_members_share_cooperatively(self):
        self.share("cooperative-sticky")

    def test_a_static_member_comes_back_to_its_partitions(self):
        self.server.create(self.topic, 6)
        settings = {"session_timeout_ms": 45_000}
        first = self.consumer(group_instance_id="first", **settings)
        second = self.consumer(group_instance_id="second", **settings)
        for member in [first, second]:
            member.subscribe([self.topic])
        self.all_partitions_are_shared([first, second])
        before = [each.partition for each in second.assignment()]
        # It does not leave the group by that: long before its session ends it is back.
        second.close()
        second = self.consumer(group_instance_id="second", **settings)
        second.subscribe([self.topic])
        self.all_partitions_are_shared([first, second])
        self.assertEqual([each.partition for each in second.assignment()], before)

    def test_two_static_members_of_a_name_exclude_each_other(self):
        self.server.create(self.topic, 6)
        first = self.consumer(group_instance_id="same")
        first.subscribe([self.topic])
        self.all_partitions_are_shared([first])
        second = self.consumer(group_instance_id="same")
        second.subscribe([self.topic])
        fatal = []

        def step():
            message = first.poll(0.01)
            if message is not None and message.error().code() == KafkaError._FATAL:
                fatal.append(message.error())
            second.poll(0.01)

        repeat(step, lambda: fatal, "the end of the first")
        self.assertIn("Static consumer fenced", fatal[0].str())


def dotted(settings):
    """Settings by librdkafka's names."""
    return {name.replace("_", "."): value for name, value in settings.items()}


def consume(consumer, count):
    """So many messages."""
    messages = []

    def step():
        for message in consumer.consume(count - len(messages), 0.1):
            if message.error() is not None:
                raise KafkaException(message.error())
            messages.append(message)

    repeat(step, lambda: len(messages) >= count, f"{count} records")
    return messages
