"""A consumer in a group that says what it is given and what it reads, until it is killed.

    member.py confluent|kafka-python BOOTSTRAP GROUP TOPIC

It says `has P P P` after each rebalance, and `read P O` for each record. A record is committed only
after it was said, so whoever is killed in between leaves it to another member.
"""

import sys

SESSION_MS = 3000
HEARTBEAT_MS = 300


def say(*words):
    print(*words, flush=True)


def confluent(bootstrap, group, topic):
    from confluent_kafka import Consumer

    def has(_, partitions):
        say("has", *sorted(each.partition for each in partitions))

    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": SESSION_MS,
            "heartbeat.interval.ms": HEARTBEAT_MS,
            "log_level": 0,
        }
    )
    consumer.subscribe([topic], on_assign=has, on_revoke=lambda *_: say("has"))
    while True:
        messages = consumer.consume(100, 0.1)
        for message in messages:
            assert message.error() is None, message.error()
            say("read", message.partition(), message.offset())
        if messages:
            consumer.commit()


def kafka_python(bootstrap, group, topic):
    from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata

    class Listener(ConsumerRebalanceListener):
        def on_partitions_assigned(self, assigned):
            say("has", *sorted(each.partition for each in assigned))

        def on_partitions_revoked(self, revoked):
            say("has")

    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=SESSION_MS,
        heartbeat_interval_ms=HEARTBEAT_MS,
    )
    consumer.subscribe([topic], listener=Listener())
    while True:
        for partition, records in consumer.poll(100).items():
            for record in records:
                say("read", record.partition, record.offset)
            consumer.commit({partition: OffsetAndMetadata(records[-1].offset + 1, "", -1)})


if __name__ == "__main__":
    {"confluent": confluent, "kafka-python": kafka_python}[sys.argv[1]](*sys.argv[2:])
