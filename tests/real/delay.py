"""How long events take until they can be read.

delay.py send BROKERS TOPIC A_SECOND SECONDS: sends so many events, each with the time of its sending.
delay.py tell TABLE: for each row the time from its sending to the commit that made it visible; prints rows, median,
99th percentile and longest, in seconds.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from confluent_kafka import Producer


def send(brokers, topic, a_second, seconds):
    producer = Producer({"bootstrap.servers": brokers, "linger.ms": 5})
    begin, sent, a_second = time.time(), 0, int(a_second)
    while (now := time.time()) - begin < float(seconds):
        while sent < (now - begin) * a_second:
            event = {"id": str(sent), "number": sent, "category": "book", "amount": 1.5, "country": "DEU",
                     "created_at": int(time.time() * 1e6), "active": True, "note": "x" * 40}
            producer.produce(topic, json.dumps(event).encode())
            sent += 1
        producer.poll(0)
        time.sleep(0.005)
    producer.flush(30)
    print(json.dumps({"sent": sent}))


def tell(table):
    delays = []
    for commit in sorted((Path(table) / "_delta_log").glob("*.json")):
        visible = commit.stat().st_mtime
        for line in commit.read_text().splitlines():
            added = json.loads(line).get("add")
            if added:
                rows = pq.read_table(Path(table) / added["path"], columns=["created_at"])
                times = rows.column("created_at").cast("int64").to_numpy()
                delays.append(visible - times / 1e6)
    delays = np.concatenate(delays)
    median, p99 = np.percentile(delays, [50, 99])
    print(json.dumps({"rows": len(delays), "median": median, "p99": p99, "longest": float(delays.max())}))


{"send": send, "tell": tell}[sys.argv[1]](*sys.argv[2:])
