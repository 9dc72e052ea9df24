"""The listener: whom it turns away, what it tells clients of itself, and restarts."""

import pathlib
import socket
import ssl
import unittest

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from support import PATIENCE_S, Server, ServerTest, folder, repeat, wait_until


# A server that is away for a moment is no news, and is looked for again soon.
PATIENT = {"reconnect.backoff.max.ms": 500, "log_level": 0}


def brokers(bootstrap):
    """The brokers as a client is told of them."""
    told = AdminClient({"bootstrap.servers": bootstrap}).list_topics(timeout=PATIENCE_S).brokers
    return {broker.id: f"{broker.host}:{broker.port}" for broker in told.values()}


class Strangers(ServerTest):
    def connect(self):
        host, port = self.server.bootstrap.split(":")
        return socket.create_connection((host, int(port)), timeout=PATIENCE_S)

    def closed_with_a_line(self, about, stream):
        """The server ends the connection, and says why in one line."""
        peer = "{}:{}".format(*stream.getsockname())
        with stream:
            self.assertEqual(stream.recv(1), b"")
        of_peer = lambda: [line for line in self.server.said.lines if peer in line]
        wait_until(of_peer, f"a line about {peer}")
        # It serves on, and whatever it says of the stranger came before this.
        self.assertEqual(len(brokers(self.server.bootstrap)), 2)
        [line] = of_peer()
        self.assertIn(about, line)

    def test_bytes_of_another_protocol_are_turned_away(self):
        for stranger in [b"GET / HTTP/1.1\r\n\r\n", b"\xff\xff\xff\xff\0\0", b"SSH-2.0-x\r\n"]:
            stream = self.connect()
            stream.sendall(stranger)
            self.closed_with_a_line("socket.request.max.bytes", stream)

    def test_a_request_that_is_none_is_turned_away(self):
        stream = self.connect()
        stream.sendall(b"\0\0\0\x0a\x7f\xff\0\0\0\0\0\x01\xff\xff")
        self.closed_with_a_line("API 32767", stream)

    def test_tls_is_turned_away_by_its_name(self):
        context = ssl.create_default_context()
        hello = ssl.MemoryBIO()
        try:
            context.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="log.example").do_handshake()
        except ssl.SSLWantReadError:
            pass
        stream = self.connect()
        stream.sendall(hello.read())
        self.closed_with_a_line("TLS", stream)


class Ports(unittest.TestCase):
    def start(self, *flags, data=None):
        if data is None:
            place = folder()
            self.addCleanup(place.cleanup)
            data = pathlib.Path(place.name) / "data"
        server = Server(data, *flags)
        self.addCleanup(server.kill)
        return server

    def test_clients_are_told_the_name_that_is_advertised(self):
        server = self.start("--advertise", "localhost")
        ports = [address.split(":")[1] for address in server.kafka]
        named = {node: f"localhost:{port}" for node, port in enumerate(ports)}
        self.assertEqual(brokers(server.bootstrap), named)
        self.round_trip(server)

    def test_clients_are_told_the_port_that_is_advertised(self):
        server = self.start("--advertise", "log.example:19000")
        named = {0: "log.example:19000", 1: "log.example:19001"}
        self.assertEqual(brokers(server.bootstrap), named)

    def test_one_port_serves_all_cores(self):
        server = self.start("--kafka-ports", "single")
        self.assertEqual(brokers(server.bootstrap), {0: server.bootstrap})
        self.round_trip(server)

    def round_trip(self, server):
        """Records by a producer and a group, over partitions of both cores."""
        server.create("events", 6)
        self.produce(self.producer(server), 60)
        consumer = self.member(server)
        self.assertEqual(self.read(consumer, 60), 60)
        consumer.close()

    def producer(self, server):
        return Producer({"bootstrap.servers": server.bootstrap, **PATIENT})

    def produce(self, producer, count):
        errors = []
        told = lambda error, _: errors.append(error)
        for n in range(count):
            producer.produce("events", str(n), partition=n % 6, on_delivery=told)
        self.assertEqual(producer.flush(PATIENCE_S), 0)
        self.assertEqual(errors, [None] * count)

    def member(self, server):
        consumer = Consumer(
            {
                "bootstrap.servers": server.bootstrap,
                "group.id": "readers",
                "auto.offset.reset": "earliest",
                **PATIENT,
                "heartbeat.interval.ms": 200,
                "session.timeout.ms": 6000,
            }
        )
        consumer.subscribe(["events"])
        return consumer

    def read(self, consumer, count):
        """How many different records came, of so many that should."""
        records = set()

        def step():
            for message in consumer.consume(100, 0.1):
                # Of a broker that is away a client says so, and tries again.
                if message.error() is None:
                    records.add((message.partition(), message.offset()))

        repeat(step, lambda: len(records) >= count, f"{count} records")
        return len(records)

    def test_clients_go_on_over_a_restart_with_fewer_cores(self):
        server = self.start()
        server.create("events", 6)
        producer, consumer = self.producer(server), self.member(server)
        self.produce(producer, 60)
        self.assertEqual(self.read(consumer, 60), 60)
        server.stop()
        again = self.start("--cores", "1", "--kafka", server.bootstrap, data=server.data)
        self.assertEqual(brokers(again.bootstrap), {0: again.bootstrap})
        self.produce(producer, 60)
        self.assertEqual(self.read(consumer, 60), 60)
        consumer.close()
