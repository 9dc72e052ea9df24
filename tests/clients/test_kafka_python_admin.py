"""kafka-python's administration."""

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, OffsetSpec
from kafka.errors import (
    IncompatibleBrokerVersion,
    InvalidConfigurationError,
    InvalidPartitionsError,
    InvalidReplicationFactorError,
    NoError,
    TopicAlreadyExistsError,
)

from support import ServerTest, repeat


class KafkaPythonAdmin(ServerTest):
    def setUp(self):
        super().setUp()
        self.admin = KafkaAdminClient(bootstrap_servers=self.server.bootstrap)
        self.addCleanup(self.admin.close)

    def create(self, partitions=2, **configs):
        settings = {"num_partitions": partitions, "replication_factor": 1, "configs": configs}
        return self.admin.create_topics({self.topic: settings})

    def write(self, values):
        producer = KafkaProducer(bootstrap_servers=self.server.bootstrap)
        self.addCleanup(producer.close)
        for value in values:
            producer.send(self.topic, value, partition=0)
        producer.flush()

    def test_topics_come_grow_and_go(self):
        [made] = self.create(3)["topics"]
        self.assertEqual((made["num_partitions"], made["replication_factor"]), (3, 1))
        with self.assertRaises(TopicAlreadyExistsError):
            self.create()
        self.assertIn(self.topic, self.admin.list_topics())
        self.admin.create_partitions({self.topic: 5})
        with self.assertRaises(InvalidPartitionsError):
            self.admin.create_partitions({self.topic: 4})
        [described] = self.admin.describe_topics([self.topic])
        partitions = described["partitions"]
        self.assertEqual(sorted(each["partition_index"] for each in partitions), [0, 1, 2, 3, 4])
        self.assertEqual({each["leader_id"] for each in partitions}, {0, 1})
        paged = self.admin.describe_topic_partitions([self.topic], response_partition_limit=2)
        self.assertEqual(len(paged["topics"][0]["partitions"]), 2)
        self.assertEqual(paged["next_cursor"]["partition_index"], 2)
        self.admin.delete_topics([self.topic])
        self.assertNotIn(self.topic, self.admin.list_topics())

    def test_topics_that_can_not_be_are_refused(self):
        with self.assertRaises(InvalidReplicationFactorError):
            self.admin.create_topics({self.topic: {"num_partitions": 1, "replication_factor": 3}})
        with self.assertRaises(InvalidConfigurationError):
            self.create(configs={"retention.ms": "long"})
        self.assertNotIn(self.topic, self.admin.list_topics())

    def test_configurations_are_told_and_altered(self):
        self.create()
        for incremental, retention in [(True, "5000000"), (False, "6000000")]:
            altered = {"retention.ms": retention}
            resource = ConfigResource(ConfigResourceType.TOPIC, self.topic, altered)
            self.admin.alter_configs([resource], incremental=incremental)
            self.assertEqual(self.altered(), altered)
        resource = ConfigResource(ConfigResourceType.TOPIC, self.topic, ["retention.ms"])
        self.admin.reset_configs([resource])
        self.assertEqual(self.altered(), {})
        self.assertIn(self.topic, self.admin.list_config_resources()["topic"])

    def altered(self):
        """The topic's configurations that are not the defaults."""
        resource = ConfigResource(ConfigResourceType.TOPIC, self.topic)
        configs = self.admin.describe_configs([resource])["topic"][self.topic]
        return {name: config["value"] for name, config in configs.items()}

    def test_brokers_are_told(self):
        cluster = self.admin.describe_cluster()
        brokers = [f"{broker['host']}:{broker['port']}" for broker in cluster["brokers"]]
        self.assertEqual((brokers, cluster["controller_id"]), (self.server.kafka, 0))
        resource = ConfigResource(ConfigResourceType.BROKER, "1")
        configs = self.admin.describe_configs([resource], config_filter="all")["broker"]["1"]
        self.assertEqual(configs["log.dirs"]["value"], str(self.server.data))
        self.assertEqual(self.admin.get_broker_version_data(0).broker_version, (4, 3))

    def test_every_partition_has_its_place_on_the_disk(self):
        self.create(4)
        self.write([b"x" * 1000])
        found = {}
        for broker in self.admin.describe_log_dirs():
            [folder] = broker["log_dirs"]
            for topic in folder["topics"]:
                if topic["name"] == self.topic:
                    for each in topic["partitions"]:
                        self.assertNotIn(each["partition_index"], found)
                        found[each["partition_index"]] = each["partition_size"]
        self.assertEqual(sorted(found), [0, 1, 2, 3])
        self.assertGreater(found[0], 1000)

    def test_records_are_deleted_and_offsets_listed(self):
        self.create()
        self.write([b"%d" % n for n in range(10)])
        partition = TopicPartition(self.topic, 0)
        deleted = self.admin.delete_records({partition: 4})
        self.assertEqual(deleted[partition]["low_watermark"], 4)
        for spec, offset in [(OffsetSpec.EARLIEST, 4), (OffsetSpec.LATEST, 10)]:
            found = self.admin.list_partition_offsets({partition: spec})
            self.assertEqual(found[partition].offset, offset)

    def test_groups_are_told_moved_and_deleted(self):
        self.create(1)
        self.write([b"%d" % n for n in range(10)])
        partition = TopicPartition(self.topic, 0)
        consumer = KafkaConsumer(
            self.topic,
            bootstrap_servers=self.server.bootstrap,
            group_id=self.group,
            client_id="reader",
            auto_offset_reset="earliest",
        )
        read = []
        repeat(lambda: read.extend(consumer.poll(100).values()), lambda: read, "records")
        consumer.commit()
        self.assertEqual(self.states(), [(self.group, "Stable")])
        described = self.admin.describe_groups([self.group])[self.group]
        [member] = described["members"]
        self.assertEqual((described["protocol_data"], member["client_id"]), ("range", "reader"))
        self.assertEqual(self.admin.delete_groups([self.group]), {self.group: "NonEmptyGroupError"})
        consumer.close()
        self.assertEqual(self.states(), [(self.group, "Empty")])

        self.assertEqual(self.committed(), {partition: 10})
        self.admin.alter_group_offsets(self.group, {partition: OffsetAndMetadata(3, "m", -1)})
        self.assertEqual(self.committed(), {partition: 3})
        self.admin.reset_group_offsets(self.group, {partition: OffsetSpec.EARLIEST})
        self.assertEqual(self.committed(), {partition: 0})
        deleted = self.admin.delete_group_offsets(self.group, [partition])
        self.assertEqual(deleted, {partition: NoError})
        self.assertEqual(self.committed(), {})
        self.assertEqual(self.admin.delete_groups([self.group]), {self.group: "OK"})
        self.assertEqual(self.states(), [])

    def states(self):
        groups = self.admin.list_groups()
        return [
            (group["group_id"], group["group_state"])
            for group in groups
            if group["group_id"] == self.group
        ]

    def committed(self):
        offsets = self.admin.list_group_offsets([self.group])[self.group]
        return {partition: at.offset for partition, at in offsets.items()}

    def test_what_is_not_served_is_said_to_be_so(self):
        with self.assertRaises(IncompatibleBrokerVersion):
            self.admin.list_partition_reassignments()
