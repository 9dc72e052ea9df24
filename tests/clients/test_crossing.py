"""Two protocols, one log: what came by one is read by the other, and groups are the same."""

import json
import unittest

from confluent_kafka import Consumer, TopicPartition

from support import KCAT, ServerTest, repeat, run

PARTITIONS = 3


@unittest.skipUnless(KCAT, "no kcat")
class Crossing(ServerTest):
    def kcat(self, *arguments, stdin=b""):
        return run([KCAT, "-b", self.server.bootstrap, "-q", *arguments], stdin=stdin).stdout

    def by_kcat(self):
        """The records as kcat reads them: partition, offset, timestamp, key, value, headers."""
        lines = self.kcat("-C", "-t", self.topic, "-e", "-J").splitlines()
        records = []
        for record in map(json.loads, lines):
            headers = record.get("headers", [])
            pairs = list(zip(headers[::2], headers[1::2]))
            fields = [record[name] for name in ["partition", "offset", "ts", "key", "payload"]]
            records.append((*fields, pairs))
        return sorted(records)

    def by_duramen(self, *flags):
        """The records as our own client reads them, likewise."""
        flags = ["--from", "beginning", "--until-end", "--format", "json", *flags]
        lines = self.server.cli("consume", self.topic, *flags).splitlines()
        records = []
        for record in map(json.loads, lines):
            pairs = [(header["key"], header["value"]) for header in record["headers"]]
            names = ["partition", "offset", "timestamp_ms", "key", "value"]
            records.append((*(record[name] for name in names), pairs))
        return sorted(records)

    def test_what_either_writes_both_read_alike(self):
        self.server.create(self.topic, PARTITIONS)
        lines = b"".join(b"key %d\tvalue %d\n" % (n % 10, n) for n in range(100))
        for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
            flags = ["--key-separator", "\\t", "--compression", codec]
            self.server.cli("produce", self.topic, *flags, stdin=lines)
            flags = ["-K", "\t", "-H", "codec=" + codec, "-H", "n=1", "-z", codec]
            self.kcat("-P", "-t", self.topic, *flags, stdin=lines)
        read = self.by_kcat()
        self.assertEqual(read, self.by_duramen())
        self.assertEqual(len(read), 1000)
        self.assertEqual(sum(bool(headers) for *_, headers in read), 500)
        for partition in range(PARTITIONS):
            offsets = [record[1] for record in read if record[0] == partition]
            self.assertEqual(offsets, list(range(len(offsets))))

    def test_a_group_goes_on_whichever_protocol_it_comes_by(self):
        self.kcat("-P", "-t", self.topic, stdin=b"1\n2\n3\n")
        self.assertEqual(len(self.by_duramen("--group", self.group)), 3)
        self.kcat("-P", "-t", self.topic, stdin=b"4\n")
        consumer = Consumer(
            {
                "bootstrap.servers": self.server.bootstrap,
                "group.id": self.group,
                "enable.auto.commit": False,
            }
        )
        consumer.subscribe([self.topic])
        read = []
        repeat(lambda: read.extend(consumer.consume(1, 0.1)), lambda: read, "a record")
        self.assertEqual([message.value() for message in read], [b"4"])
        consumer.commit(asynchronous=False)
        described = self.server.cli("group", "describe", self.group).decode()
        self.assertIn("Stable", described.splitlines()[0])
        consumer.close()
        self.kcat("-P", "-t", self.topic, stdin=b"5\n")
        values = [record[4] for record in self.by_duramen("--group", self.group)]
        self.assertEqual(values, ["5"])
        self.server.cli("group", "reset-offsets", self.group, "--to-earliest")
        again = Consumer({"bootstrap.servers": self.server.bootstrap, "group.id": self.group})
        [committed] = again.committed([TopicPartition(self.topic, 0)])
        again.close()
        self.assertEqual(committed.offset, 0)
