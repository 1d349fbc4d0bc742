"""Fills a topic with the Avro events of avro_events.py, from a seed, by one of two serializers.

`--with fastavro` frames what fastavro writes; `--with confluent` is confluent-kafka's AvroSerializer, which
asks the registry for each version once, before the first event. With `--framing` it is fastavro in another
framing, with poison of its own. The expectation is in the header
`expect`. SIGUSR1 lets the third version begin, on partitions 0 and 1; what makes weir ask the registry
is on these two only. Prints one JSON object: seed and failures.
"""

import argparse
import json
import random
import signal
import sys
import time

from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

import avro_events


def arguments():
    a = argparse.ArgumentParser()
    a.add_argument("--brokers", required=True)
    a.add_argument("--topic", required=True)
    a.add_argument("--registry")
    a.add_argument("--framing", choices=["header", "single-object", "none"])
    a.add_argument("--ids", required=True, help="JSON: ids by version")
    a.add_argument("--with", dest="serializer", choices=["fastavro", "confluent"], required=True)
    a.add_argument("--version", type=int, help="only this one")
    a.add_argument("--partitions", type=int, default=4)
    a.add_argument("--records", type=int, required=True)
    a.add_argument("--first", type=int, default=0)
    a.add_argument("--seed", type=int, required=True)
    a.add_argument("--poison", type=float, default=0.01)
    a.add_argument("--rate", type=float, default=0)
    a.add_argument("--ready", help="a file that is made before the first event")
    return a.parse_args()


def main():
    a = arguments()
    rng, ids = random.Random(a.seed), json.loads(a.ids)
    late, failures = [], []
    signal.signal(signal.SIGUSR1, lambda *_: late.append(True))
    serialize = {"fastavro": by_fastavro, "confluent": by_confluent}[a.serializer](a, ids)
    framing = a.framing and avro_events.Framing(a.framing, ids)
    producer = Producer({
        "bootstrap.servers": a.brokers,
        "enable.idempotence": True,
        "linger.ms": 5,
        "message.timeout.ms": 300000,
        "queue.buffering.max.messages": 200000,
    })

    def delivered(error, _):
        if error is not None:
            failures.append(str(error))

    if a.ready:
        open(a.ready, "w").close()
    begin = time.monotonic()
    look = max(1, min(100, int(a.rate / 20))) if a.rate else 100
    for n in range(a.records):
        number = a.first + n
        partition = number % a.partitions
        headers = []
        if framing:
            version = 2 if a.framing == "none" else rng.randrange(1, 4)
            value, headers = framing.frame(version, avro_events.datum(version, avro_events.event(number, rng, version)))
            expect = avro_events.ACCEPTED
            if rng.random() < a.poison:
                value, headers, expect = framing.poison(number, rng)
        elif rng.random() < a.poison:
            value, expect = avro_events.poison(number, rng, ids, partition < 2)
        else:
            versions = (1, 2, 3) if late and partition < 2 else (1, 2)
            version = a.version or versions[rng.randrange(len(versions))]
            made = avro_events.event(number, rng, version)
            value, expect = serialize(version, made), avro_events.ACCEPTED
        while True:
            try:
                producer.produce(a.topic, value, partition=partition,
                                 headers=[("expect", expect), *headers], on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.05)
        if n % look == 0:
            producer.poll(0)
            ahead = n / a.rate - (time.monotonic() - begin) if a.rate else 0
            if ahead > 0:
                time.sleep(ahead)
    producer.flush(300)
    print(json.dumps({"seed": a.seed, "failures": failures[:5]}))
    sys.exit(1 if failures else 0)


def by_fastavro(_, ids):
    return lambda version, made: avro_events.framed(ids[str(version)], avro_events.datum(version, made))


def by_confluent(a, _):
    client = SchemaRegistryClient({"url": a.registry})
    where = SerializationContext(a.topic, MessageField.VALUE)
    serializers = {}
    for version in (1, 2, 3):
        serializer = AvroSerializer(client, avro_events.text_of(version),
                                    conf={"auto.register.schemas": False})
        serializer(avro_events.event(0, random.Random(0), version), where)
        serializers[version] = serializer
    return lambda version, made: serializers[version](made, where)


main()
