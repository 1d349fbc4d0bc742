"""What an operator does to topics.

topics.py BROKERS create NAME PARTITIONS [KEY=VALUE]... | delete NAME | grow NAME PARTITIONS
        | cut NAME PARTITION OFFSET (removes the records before the offset)
        | ends NAME (first and next offsets) | held NAME (number of messages)
        | leader NAME PARTITION (id of the node) | groups - (names of the consumer groups)
"""

import json
import sys
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

brokers, verb, name, *rest = sys.argv[1:]
admin = AdminClient({"bootstrap.servers": brokers})


def settle(futures):
    for future in futures.values():
        future.result(60)


def bounds():
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "none"})
    deadline = time.monotonic() + 60
    while True:
        try:
            partitions = consumer.list_topics(name, 30).topics[name].partitions
            return {p: consumer.get_watermark_offsets(TopicPartition(name, p), 10) for p in partitions}
        except KafkaException:
            # Between two leaders.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def held():
    consumer = Consumer({
        "bootstrap.servers": brokers, "group.id": "none", "enable.auto.commit": False,
        "enable.partition.eof": True, "fetch.queue.backoff.ms": 5,
    })
    partitions = consumer.list_topics(name, 30).topics[name].partitions
    consumer.assign([TopicPartition(name, p, OFFSET_BEGINNING) for p in partitions])
    count, missing, deadline = 0, set(partitions), time.monotonic() + 60
    while missing:
        assert time.monotonic() < deadline, "the topic has no end"
        for message in consumer.consume(10000, 0.2):
            if message.error() and message.error().code() == KafkaError._PARTITION_EOF:
                missing.discard(message.partition())
            else:
                assert not message.error(), message.error()
                count += 1
    consumer.close()
    return count


def leader(partition):
    deadline = time.monotonic() + 60
    while True:
        node = admin.list_topics(name, 30).topics[name].partitions[partition].leader
        if node >= 0:
            return node
        assert time.monotonic() < deadline, "the partition has no leader"
        time.sleep(0.1)


if verb == "create":
    settings = dict(pair.split("=", 1) for pair in rest[1:])
    settle(admin.create_topics([NewTopic(name, int(rest[0]), config=settings)]))
    # A topic is there when a leader says so.
    deadline = time.monotonic() + 60
    while True:
        topic = admin.list_topics(timeout=30).topics.get(name)
        leaders = [p.leader for p in topic.partitions.values()] if topic else []
        if len(leaders) == int(rest[0]) and min(leaders) >= 0:
            break
        assert time.monotonic() < deadline, "the topic has no leaders"
        time.sleep(0.1)
elif verb == "delete":
    settle(admin.delete_topics([name]))
    deadline = time.monotonic() + 60
    while name in admin.list_topics(timeout=30).topics:
        assert time.monotonic() < deadline, "the topic does not go"
        time.sleep(0.1)
elif verb == "grow":
    settle(admin.create_partitions([NewPartitions(name, int(rest[0]))]))
elif verb == "cut":
    settle(admin.delete_records([TopicPartition(name, int(rest[0]), int(rest[1]))]))
elif verb == "ends":
    print(json.dumps(bounds()))
elif verb == "held":
    print(held())
elif verb == "leader":
    print(leader(int(rest[0])))
elif verb == "groups":
    print(json.dumps([g.group_id for g in admin.list_consumer_groups().result(30).valid]))
else:
    sys.exit(__doc__)
