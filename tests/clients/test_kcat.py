"""kcat: what people try first, and what scripts are made of."""

import json
import pathlib
import unittest

import confluent_kafka

from support import CODECS, DURAMEN, KCAT, Server, ServerTest, folder, real_logs, run


@unittest.skipUnless(KCAT, "no kcat")
class Kcat(ServerTest):
    def kcat(self, *arguments, stdin=b""):
        """Its standard output."""
        return run([KCAT, "-b", self.server.bootstrap, "-q", *arguments], stdin=stdin).stdout

    def produce(self, lines, *flags):
        self.kcat("-P", "-t", self.topic, *flags, stdin=lines)

    def consume(self, *flags):
        """What is there, to the end."""
        return self.kcat("-C", "-t", self.topic, "-e", *flags)

    def test_lists_brokers_and_topics(self):
        self.server.create(self.topic, 4)
        text = self.kcat("-L", "-t", self.topic).decode()
        for node, address in enumerate(self.server.kafka):
            self.assertIn(f"broker {node} at {address}", text)
        self.assertIn(f'topic "{self.topic}" with 4 partitions', text)

        listed = json.loads(self.kcat("-L", "-J"))
        brokers = [(broker["id"], broker["name"]) for broker in listed["brokers"]]
        self.assertEqual(brokers, list(enumerate(self.server.kafka)))
        self.assertEqual(listed["controllerid"], 0)
        [topic] = [topic for topic in listed["topics"] if topic["topic"] == self.topic]
        self.assertEqual([each["partition"] for each in topic["partitions"]], [0, 1, 2, 3])
        self.assertEqual({each["leader"] for each in topic["partitions"]}, {0, 1})

    def test_gives_back_real_lines_in_every_codec(self):
        for codec in CODECS:
            for path in real_logs():
                with self.subTest(codec=codec, path=path.name):
                    self.round_trip(path, codec)

    def round_trip(self, path, codec):
        topic = f"{path.stem}-{codec}"
        written = path.read_bytes().removesuffix(b"\n") + b"\n"
        self.kcat("-P", "-t", topic, "-p", "0", "-z", codec, "-l", path)
        read = self.kcat("-C", "-t", topic, "-p", "0", "-e", "-X", "check.crcs=true")
        # Not assertEqual: it would print both.
        self.assertTrue(read == written, f"{len(read)} bytes for {len(written)}")

    def test_gives_back_whole_files(self):
        for path in real_logs():
            self.kcat("-P", "-t", self.topic, "-p", "0", path)
        files = b"".join(path.read_bytes() for path in real_logs())
        self.assertTrue(self.consume("-f", "%s") == files)

    def test_keeps_keys_headers_and_timestamps(self):
        self.produce(b"eve:in\ndan:out\n", "-K:", "-H", "source=door", "-H", "n=1")
        read = self.consume("-f", "%o %k %s %h\n")
        self.assertEqual(read, b"0 eve in source=door,n=1\n1 dan out source=door,n=1\n")
        self.assertEqual(self.consume("-c", "1", "-K:"), b"eve:in\n")
        [first, last] = self.consume("-J").splitlines()
        self.assertEqual(json.loads(first)["headers"], ["source", "door", "n", "1"])
        self.assertLessEqual(json.loads(first)["ts"], json.loads(last)["ts"])
        self.assertEqual(json.loads(first)["tstype"], "create")

    def test_writes_and_reads_the_partition_that_is_named(self):
        self.server.create(self.topic, 3)
        for partition in "012":
            self.produce(f"to {partition}\n".encode(), "-p", partition)
        for partition in "012":
            read = self.consume("-p", partition, "-f", "%p %o %s\n")
            self.assertEqual(read, f"{partition} 0 to {partition}\n".encode())
        self.assertEqual(len(self.consume().splitlines()), 3)

    def test_the_same_key_goes_to_the_same_partition_as_from_our_client(self):
        self.server.create(self.topic, 5)
        lines = b"".join(b"key %d:%d\n" % (n, n) for n in range(50))
        self.produce(lines, "-K:", "-X", "topic.partitioner=murmur2_random")
        self.server.cli("produce", self.topic, "--key-separator", ":", stdin=lines)
        read = [line.split() for line in self.consume("-f", "%p %s\n").splitlines()]
        homes = {}
        for partition, value in read:
            homes.setdefault(value, set()).add(partition)
        self.assertEqual(len(read), 100)
        self.assertEqual({len(partitions) for partitions in homes.values()}, {1})

    def test_reads_from_where_it_is_told(self):
        self.produce(b"".join(b"%d\n" % n for n in range(10)))
        self.assertEqual(self.consume("-p", "0", "-o", "beginning", "-c", "2"), b"0\n1\n")
        self.assertEqual(self.consume("-p", "0", "-o", "-3"), b"7\n8\n9\n")
        self.assertEqual(self.consume("-p", "0", "-o", "5", "-c", "1"), b"5\n")
        self.assertEqual(self.consume("-p", "0", "-o", "end"), b"")

    def write_at_times(self, times):
        """Records of these timestamps, which kcat can't choose."""
        producer = confluent_kafka.Producer({"bootstrap.servers": self.server.bootstrap})
        for time in times:
            producer.produce(self.topic, f"at {time}", partition=0, timestamp=time)
            producer.flush()

    def test_finds_offsets_by_timestamp(self):
        start = 1_700_000_000_000
        self.write_at_times([start, start + 1000, start + 2000])
        read = self.consume("-p", "0", "-o", f"s@{start + 500}", "-o", f"e@{start + 1500}")
        self.assertEqual(read, f"at {start + 1000}\n".encode())
        read = self.consume("-p", "0", "-o", f"s@{start + 1001}", "-f", "%T\n")
        self.assertEqual(read, f"{start + 2000}\n".encode())
        # Before the first and from the last on; -2 and -1 are start and end.
        times = [(0, 0), (start, 0), (start + 1, 1), (start + 2000, 2), (start + 2001, -1)]
        for time, offset in [*times, (-2, 0), (-1, 3)]:
            answer = self.kcat("-Q", "-t", f"{self.topic}:0:{time}")
            self.assertEqual(answer, f"{self.topic} [0] offset {offset}\n".encode())

    def test_a_group_goes_on_where_it_stopped(self):
        self.server.create(self.topic, 4)
        self.produce(b"".join(b"%d:%d\n" % (n, n) for n in range(100)), "-K:")
        group = ["-G", self.group, "-e", "-o", "beginning", self.topic]
        read = sorted(map(int, self.kcat(*group).split()))
        self.assertEqual(read, list(range(100)))
        self.produce(b"one more\n")
        self.assertEqual(self.kcat("-G", self.group, "-e", self.topic), b"one more\n")

    def test_says_why_a_topic_can_not_be_written(self):
        command = [KCAT, "-b", self.server.bootstrap, "-P", "-t", "no such name!"]
        failed = run(command, stdin=b"lost\n", status=1)
        self.assertIn(b"Invalid topic", failed.stderr)

    def test_says_that_a_message_is_too_large(self):
        self.server.create(self.topic, max_message_bytes=1000)
        command = [KCAT, "-b", self.server.bootstrap, "-P", "-t", self.topic]
        failed = run(command, stdin=b"x" * 2000 + b"\n", status=1)
        self.assertIn(b"Message size too large", failed.stderr)
        self.produce(b"x" * 500 + b"\n")
        self.assertEqual(len(self.consume()), 501)


@unittest.skipUnless(KCAT, "no kcat")
class OnDisk(unittest.TestCase):
    def test_batches_keep_the_codec_they_came_in(self):
        place = folder()
        self.addCleanup(place.cleanup)
        server = Server(pathlib.Path(place.name) / "data")
        self.addCleanup(server.kill)
        for codec in CODECS:
            produce = [KCAT, "-b", server.bootstrap, "-P", "-t", codec, "-z", codec, "-l"]
            run([*produce, real_logs()[0]])
        server.stop()
        for codec in CODECS:
            self.assertEqual(self.codecs(server.data / f"{codec}-0"), {codec})

    def codecs(self, partition):
        dump = run([DURAMEN, "dump", "--json", *partition.glob("*.log")]).stdout
        entries = map(json.loads, dump.splitlines())
        return {entry["compresscodec"] for entry in entries if entry["type"] == "batch"}
