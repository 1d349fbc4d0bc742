"""What an operator does to topics.

topics.py BROKERS create NAME PARTITIONS [KEY=VALUE]... | delete NAME | grow NAME PARTITIONS
        | cut NAME PARTITION OFFSET (removes the records before the offset) | ends NAME
"""

import json
import sys
import time

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

brokers, verb, name, *rest = sys.argv[1:]
admin = AdminClient({"bootstrap.servers": brokers})


def settle(futures):
    for future in futures.values():
        future.result(60)


def bounds():
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "none"})
    partitions = consumer.list_topics(name, 30).topics[name].partitions
    found = {p: consumer.get_watermark_offsets(TopicPartition(name, p), 30) for p in partitions}
    consumer.close()
    return found


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
else:
    sys.exit(__doc__)
