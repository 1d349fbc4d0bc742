"""Fills a topic with messages that inflate a thousandfold: events of events.py whose note is one letter.

inflate.py BROKERS TOPIC CODEC BATCH SIZE...: messages with notes of so many MiB each, `BATCH` of them in one
batch, all in partition 0. Those of more than 16 MiB are expected to be too large.
"""

import random
import sys

from confluent_kafka import Producer

import events

brokers, topic, codec, batch, *sizes = sys.argv[1:]
producer = Producer({
    "bootstrap.servers": brokers,
    "compression.codec": codec,
    "batch.num.messages": int(batch),
    # A batch goes when it is full, or when nothing more can come.
    "linger.ms": 60_000,
    "batch.size": 1_000_000_000,
    "message.max.bytes": 1_000_000_000,
    "queue.buffering.max.kbytes": 2_000_000,
    "message.timeout.ms": 300_000,
})
failures = []
rng = random.Random(7)
for number, size in enumerate(sizes):
    value = events.text(events.fields(number, rng) | {"note": '"' + "0" * (int(size) << 20) + '"'})
    expect = "too_large" if len(value) > 16 << 20 else events.ACCEPTED
    producer.produce(
        topic,
        value,
        partition=0,
        headers=[("expect", expect)],
        on_delivery=lambda error, _: failures.append(str(error)) if error else None,
    )
    if (number + 1) % int(batch) == 0:
        producer.flush(300)
producer.flush(300)
sys.exit("\n".join(failures) or 0)
