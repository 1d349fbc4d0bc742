"""Fills a topic with the events of events.py, from a seed.

Prints one JSON object: the seed, and for each partition the next offset after the last delivery.
With --log, every delivery is appended to a file (partition, offset, expectation), for topics whose
log does not keep what was in it. SIGTERM ends the production early, and well.
"""

import argparse
import json
import random
import signal
import sys
import time

from confluent_kafka import Producer

import events


def arguments():
    a = argparse.ArgumentParser()
    a.add_argument("--brokers", required=True)
    a.add_argument("--topic", required=True)
    a.add_argument("--partitions", type=int, default=4)
    a.add_argument("--records", type=int, default=1000)
    a.add_argument("--first", type=int, default=0, help="number of the first event")
    a.add_argument("--seed", type=int, required=True)
    a.add_argument("--poison", type=float, default=0.01)
    a.add_argument("--version", type=int, default=1, help="of the schema")
    a.add_argument("--frame", type=int, help="an id of the registry, in front of each value")
    a.add_argument("--tombstones", type=float, default=0.0)
    a.add_argument("--keys", type=int, default=0, help="this many different keys, else none")
    a.add_argument("--rate", type=float, default=0, help="records a second, 0 for all at once")
    a.add_argument("--transaction", type=int, default=0, help="records of a transaction")
    a.add_argument("--abort", type=float, default=0.0, help="share of transactions to abort")
    a.add_argument("--log")
    return a.parse_args()


def main():
    a = arguments()
    rng = random.Random(a.seed)
    ends, failures = {}, []
    log = open(a.log, "a") if a.log else None
    settings = {
        "bootstrap.servers": a.brokers,
        "enable.idempotence": True,
        "linger.ms": 5,
        "message.timeout.ms": 300000,
        "queue.buffering.max.messages": 200000,
    }
    if a.transaction:
        settings["transactional.id"] = f"produce-{a.seed}"
        settings["message.timeout.ms"] = 60000
    producer = Producer(settings)

    def delivered(expect):
        def told(error, message):
            if error is not None:
                # What an aborted transaction purges was meant to be lost.
                if expect != "aborted":
                    failures.append(str(error))
                return
            at, offset = message.partition(), message.offset()
            ends[at] = max(ends.get(at, 0), offset + 1)
            if log and expect != "aborted":
                log.write(f"{at}\t{offset}\t{expect}\n")

        return told

    if a.transaction:
        producer.init_transactions(60)
    begin, aborting, stopping = time.monotonic(), False, []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    # Twenty looks at the clock a second, and no more than are needed.
    look = max(1, min(100, int(a.rate / 20))) if a.rate else 100
    for n in range(a.records):
        if stopping:
            break
        if a.transaction and n % a.transaction == 0:
            if n:
                end_transaction(producer, aborting)
            producer.begin_transaction()
            aborting = rng.random() < a.abort
        number = a.first + n
        value, expect = events.event(number, rng, a.poison, a.version)
        if a.frame is not None:
            value = b"\0" + a.frame.to_bytes(4, "big") + value
        key = f"key-{rng.randrange(a.keys)}" if a.keys else None
        if a.tombstones and rng.random() < a.tombstones:
            key, value, expect = key or f"key-{number}", None, events.TOMBSTONE
        if aborting:
            expect = "aborted"
        while True:
            try:
                producer.produce(
                    a.topic,
                    value,
                    key,
                    partition=number % a.partitions,
                    headers=[("expect", expect)],
                    on_delivery=delivered(expect),
                )
                break
            except BufferError:
                producer.poll(0.05)
        if n % look == 0:
            producer.poll(0)
            ahead = n / a.rate - (time.monotonic() - begin) if a.rate else 0
            if ahead > 0:
                time.sleep(ahead)
    if a.transaction:
        end_transaction(producer, aborting)
    producer.flush(300)
    if log:
        log.close()
    print(json.dumps({"seed": a.seed, "ends": ends, "failures": failures[:5]}))
    sys.exit(1 if failures else 0)


def end_transaction(producer, aborting):
    producer.flush(60)
    (producer.abort_transaction if aborting else producer.commit_transaction)(60)


main()
