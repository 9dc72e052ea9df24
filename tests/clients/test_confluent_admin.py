"""confluent-kafka's administration."""

from confluent_kafka import (
    Consumer,
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from support import PATIENCE_S, ServerTest, repeat


def results(futures):
    """What came of each, once all are there."""
    return {key: future.result(PATIENCE_S) for key, future in futures.items()}


class ConfluentAdmin(ServerTest):
    def setUp(self):
        super().setUp()
        self.admin = AdminClient({"bootstrap.servers": self.server.bootstrap})

    def create(self, partitions=2, **configs):
        topic = NewTopic(self.topic, partitions, 1, config=dict(configs))
        results(self.admin.create_topics([topic]))

    def write(self, values, start=None):
        producer = Producer({"bootstrap.servers": self.server.bootstrap})
        for n, value in enumerate(values):
            time = {} if start is None else {"timestamp": start + n}
            producer.produce(self.topic, value, partition=0, **time)
        self.assertEqual(producer.flush(PATIENCE_S), 0)

    def refused(self, code, futures):
        with self.assertRaises(KafkaException) as raised:
            results(futures)
        error = raised.exception.args[0]
        self.assertEqual(error.code(), code)
        return error.str()

    def topics(self):
        return self.admin.list_topics().topics

    def test_topics_come_grow_and_go(self):
        self.create(3)
        told = self.refused(
            KafkaError.TOPIC_ALREADY_EXISTS, self.admin.create_topics([NewTopic(self.topic, 1, 1)])
        )
        self.assertIn(self.topic, told)
        results(self.admin.create_partitions([NewPartitions(self.topic, 5)]))
        self.refused(
            KafkaError.INVALID_PARTITIONS,
            self.admin.create_partitions([NewPartitions(self.topic, 4)]),
        )
        self.assertEqual(sorted(self.topics()[self.topic].partitions), [0, 1, 2, 3, 4])
        described = results(self.admin.describe_topics(TopicCollection([self.topic])))[self.topic]
        self.assertEqual({each.leader.id for each in described.partitions}, {0, 1})
        results(self.admin.delete_topics([self.topic]))
        self.assertNotIn(self.topic, self.topics())
        self.refused(KafkaError.UNKNOWN_TOPIC_OR_PART, self.admin.delete_topics([self.topic]))

    def test_topics_that_can_not_be_are_refused(self):
        for code, topic in [
            (KafkaError.INVALID_REPLICATION_FACTOR, NewTopic(self.topic, 1, 3)),
            (KafkaError.TOPIC_EXCEPTION, NewTopic("no such name!", 1, 1)),
            (KafkaError.INVALID_CONFIG, NewTopic(self.topic, 1, 1, config={"segment.ms": "x"})),
        ]:
            self.refused(code, self.admin.create_topics([topic]))
        results(self.admin.create_topics([NewTopic(self.topic, 1, 1)], validate_only=True))
        self.assertNotIn(self.topic, self.topics())

    def configs(self, kind, name):
        resource = ConfigResource(kind, name)
        return results(self.admin.describe_configs([resource]))[resource]

    def retention(self):
        retention = self.configs(ResourceType.TOPIC, self.topic)["retention.ms"]
        return retention.value, retention.is_default

    def test_configurations_are_told_and_altered(self):
        self.create()
        self.assertEqual(self.retention(), ("604800000", True))
        resource = ConfigResource(
            ResourceType.TOPIC, self.topic, set_config={"retention.ms": "5000000"}
        )
        results(self.admin.alter_configs([resource]))
        self.assertEqual(self.retention(), ("5000000", False))
        for operation, after in [
            (AlterConfigOpType.SET, ("6000000", False)),
            (AlterConfigOpType.DELETE, ("604800000", True)),
        ]:
            entry = ConfigEntry("retention.ms", "6000000", incremental_operation=operation)
            resource = ConfigResource(
                ResourceType.TOPIC, self.topic, incremental_configs=[entry]
            )
            results(self.admin.incremental_alter_configs([resource]))
            self.assertEqual(self.retention(), after)

    def test_brokers_are_told(self):
        cluster = self.admin.describe_cluster().result(PATIENCE_S)
        nodes = sorted((node.id, f"{node.host}:{node.port}") for node in cluster.nodes)
        self.assertEqual(nodes, list(enumerate(self.server.kafka)))
        self.assertEqual((cluster.controller.id, len(cluster.cluster_id)), (0, 22))
        for node in ["0", "1"]:
            configs = self.configs(ResourceType.BROKER, node)
            self.assertEqual(configs["log.dirs"].value, str(self.server.data))

    def test_records_are_deleted_and_offsets_listed(self):
        self.create()
        start = 1_700_000_000_000
        self.write([str(n) for n in range(10)], start)
        partition = TopicPartition(self.topic, 0)
        deleted = results(self.admin.delete_records([TopicPartition(self.topic, 0, 4)]))
        self.assertEqual(deleted[partition].low_watermark, 4)
        for spec, offset in [
            (OffsetSpec.earliest(), 4),
            (OffsetSpec.latest(), 10),
            (OffsetSpec.max_timestamp(), 9),
            (OffsetSpec.for_timestamp(start + 6), 6),
        ]:
            found = results(self.admin.list_offsets({partition: spec}))
            self.assertEqual(found[partition].offset, offset)
        self.refused(
            KafkaError.OFFSET_OUT_OF_RANGE,
            self.admin.delete_records([TopicPartition(self.topic, 0, 11)]),
        )

    def test_groups_are_told_moved_and_deleted(self):
        self.create(1)
        self.write([str(n) for n in range(10)])
        consumer = self.member()
        described = results(self.admin.describe_consumer_groups([self.group]))[self.group]
        [member] = described.members
        self.assertEqual((described.state, member.client_id), (ConsumerGroupState.STABLE, "reader"))
        assigned = member.assignment.topic_partitions
        self.assertEqual([(each.topic, each.partition) for each in assigned], [(self.topic, 0)])
        self.assertEqual(self.state(), ConsumerGroupState.STABLE)
        # NON_EMPTY_GROUP, and the answer to whoever is no member.
        self.refused(KafkaError.NON_EMPTY_GROUP, self.admin.delete_consumer_groups([self.group]))
        self.refused(KafkaError.UNKNOWN_MEMBER_ID, self.move(3))
        consumer.close()
        self.assertEqual(self.state(), ConsumerGroupState.EMPTY)

        self.assertEqual(self.committed(), [10])
        results(self.move(3))
        self.assertEqual(self.committed(), [3])
        results(self.admin.delete_consumer_groups([self.group]))
        self.assertIsNone(self.state())
        self.refused(KafkaError.GROUP_ID_NOT_FOUND, self.admin.delete_consumer_groups([self.group]))

    def member(self):
        """A consumer that has read and committed everything."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.server.bootstrap,
                "group.id": self.group,
                "client.id": "reader",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
            }
        )
        consumer.subscribe([self.topic])
        read = []
        repeat(lambda: read.extend(consumer.consume(10, 0.1)), lambda: len(read) == 10, "records")
        consumer.commit(asynchronous=False)
        return consumer

    def state(self):
        """The group's state, if there is such a group."""
        listed = self.admin.list_consumer_groups().result(PATIENCE_S)
        self.assertEqual(listed.errors, [])
        states = {group.group_id: group.state for group in listed.valid}
        return states.get(self.group)

    def move(self, offset):
        offsets = [TopicPartition(self.topic, 0, offset)]
        asked = ConsumerGroupTopicPartitions(self.group, offsets)
        futures = self.admin.alter_consumer_group_offsets([asked])
        return {group: _Checked(future) for group, future in futures.items()}

    def committed(self):
        asked = ConsumerGroupTopicPartitions(self.group)
        told = results(self.admin.list_consumer_group_offsets([asked]))[self.group]
        return [partition.offset for partition in told.topic_partitions]


class _Checked:
    """Offsets that were altered, whose errors stand beside them."""

    def __init__(self, future):
        self.future = future

    def result(self, timeout):
        told = self.future.result(timeout)
        for partition in told.topic_partitions:
            if partition.error is not None:
                raise KafkaException(partition.error)
        return told
