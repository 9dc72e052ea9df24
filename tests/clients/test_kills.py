"""Members of a group that are killed: their partitions go to the others, and nothing is skipped."""

import pathlib
import subprocess
import sys

from confluent_kafka import Producer

from support import PATIENCE_S, WITH_PARENT, Lines, ServerTest, wait_until

PARTITIONS = 12


class Member:
    """A consumer in a process of its own."""

    def __init__(self, *arguments):
        program = str(pathlib.Path(__file__).with_name("member.py"))
        self.process = subprocess.Popen(
            [*WITH_PARENT, sys.executable, program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.said = Lines(self.process.stdout)

    def share(self):
        """How many partitions it has."""
        last = next(filter(is_share, reversed(self.said.lines)), "has")
        return len(last.split()) - 1

    def read(self):
        """The partitions and offsets that it has read."""
        reads = [line.split()[1:] for line in self.said.lines if line.startswith("read")]
        return {(int(partition), int(offset)) for partition, offset in reads}

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
            self.said.end()


def is_share(line):
    return line.startswith("has")


class Kills(ServerTest):
    def write(self, count):
        """Records in all partitions, in turns."""
        producer = Producer({"bootstrap.servers": self.server.bootstrap})
        for n in range(count):
            producer.produce(self.topic, str(n), partition=n % PARTITIONS)
        self.assertEqual(producer.flush(PATIENCE_S), 0)

    def kill_one_of_three(self, client):
        self.server.create(self.topic, PARTITIONS)
        arguments = [client, self.server.bootstrap, self.group, self.topic]
        members = [Member(*arguments) for _ in range(3)]
        for member in members:
            self.addCleanup(member.kill)
        self.write(600)
        wait_until(lambda: [4, 4, 4] == [member.share() for member in members], "equal shares")
        self.write(600)
        victim, *others = members
        # In the middle of its work, or just before or after.
        victim.kill()
        self.write(600)
        wait_until(lambda: [6, 6] == [member.share() for member in others], "what the victim had")
        self.write(600)
        every = {(p, o) for p in range(PARTITIONS) for o in range(2400 // PARTITIONS)}
        read = lambda: set.union(*(member.read() for member in members))
        wait_until(lambda: read() == every, "every record")

    def test_librdkafka(self):
        self.kill_one_of_three("confluent")

    def test_kafka_python(self):
        self.kill_one_of_three("kafka-python")
