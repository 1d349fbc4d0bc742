"""Holds the lake against the log, by other means than weir's own: `deltalake` and `pyarrow` read
the tables, `confluent-kafka` the topics. Prints one JSON object with counts and findings; ends
with 1 if there is any finding.

For each message of the log, its header `expect` says where it belongs: `accepted`, a reject code,
or `skip:<code>`. Checked is that
  - each (topic, partition, offset) is once in the right table with the right code, or in the
    ledger as the skip that it is; accepted rows hold the message's values, rejects its bytes;
  - no row is of a message that never was;
  - rows of a partition stand in offset order within a file, and later commits hold later offsets;
  - the ledger's ranges join, and their counts are those of the rows in them;
  - holes and losses are what the log does not hold;
  - each partition is settled up to its end.

A topic that was recreated under its name has a source id for each incarnation; its log is that of
the newest, and what the earlier ones held is told by --earlier.
"""

import argparse
import collections
import datetime
import json
import re
import sys
import time
from pathlib import Path

import pyarrow.fs
import pyarrow.parquet as pq
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition
from deltalake import DeltaTable

KEY = ["_weir_source_id", "_weir_partition", "_weir_offset"]
# Without an answer from the broker for so many seconds, there is none.
PATIENCE = 60
Message = collections.namedtuple("Message", "expect value headers")


def arguments():
    a = argparse.ArgumentParser()
    a.add_argument("--lake", required=True, help="a folder, or s3://bucket/prefix")
    a.add_argument("--s3", help="JSON: endpoint, key, secret")
    a.add_argument("--stream", required=True)
    a.add_argument("--brokers", required=True)
    a.add_argument("--topic", action="append", required=True)
    a.add_argument("--log", action="append", default=[], metavar="TOPIC=FILE",
                   help="deliveries that the topic need not hold any more, from produce.py --log")
    a.add_argument("--earlier", action="append", default=[], metavar="TOPIC=FILE",
                   help="the same for an incarnation of the topic that is gone, oldest first")
    a.add_argument("--avro", metavar="IDS",
                   help="values are framed Avro of avro/avro_events.py: JSON, ids by version")
    a.add_argument("--framed", type=int, default=0, metavar="BYTES",
                   help="so many bytes stand in front of the JSON")
    a.add_argument("--open-end", action="store_true", help="the end need not be reached")
    return a.parse_args()


class Lake:
    """The stream's two tables and their logs."""

    def __init__(self, url, s3, stream):
        self.root, self.options = url.rstrip("/"), {}
        if s3:
            self.files = pyarrow.fs.S3FileSystem(
                endpoint_override=s3["endpoint"], access_key=s3["key"],
                secret_key=s3["secret"], region="us-east-1",
            )
            self.options = {
                "AWS_ENDPOINT_URL": s3["endpoint"], "AWS_ACCESS_KEY_ID": s3["key"],
                "AWS_SECRET_ACCESS_KEY": s3["secret"], "AWS_REGION": "us-east-1",
                "AWS_ALLOW_HTTP": "true",
            }
        else:
            self.files = pyarrow.fs.LocalFileSystem()
        self.data, self.rejects = f"{stream}__dll", f"{stream}__rejects"

    def path(self, *parts):
        return "/".join([self.root.removeprefix("s3://"), *parts])

    def table(self, name):
        return DeltaTable(f"{self.root}/{name}", storage_options=self.options)

    def commits(self, name):
        """Every commit of the table, as (version, actions)."""
        listing = self.files.get_file_info(pyarrow.fs.FileSelector(self.path(name, "_delta_log")))
        for info in sorted(listing, key=lambda i: i.base_name):
            stem, _, ending = info.base_name.partition(".")
            if ending == "json" and len(stem) == 20:
                with self.files.open_input_stream(info.path) as stream:
                    lines = stream.read().decode().splitlines()
                yield int(stem), [json.loads(line) for line in lines if line]

    def rows(self, name, file):
        """Source, partition and offset of the rows of one file, in their order."""
        with self.files.open_input_file(self.path(name, file)) as opened:
            return pq.ParquetFile(opened).read(columns=KEY)


def read_topic(brokers, topic):
    """{partition: ({offset: Message}, low, end)} as a plain reader of committed messages sees it."""
    consumer = Consumer({
        "bootstrap.servers": brokers, "group.id": "check", "enable.auto.commit": False,
        "isolation.level": "read_committed", "enable.partition.eof": True,
        "auto.offset.reset": "error", "fetch.queue.backoff.ms": 5,
        "receive.message.max.bytes": 1_000_000_000,
    })
    partitions = consumer.list_topics(topic, 30).topics[topic].partitions
    found = {}
    for p in partitions:
        low, _ = consumer.get_watermark_offsets(TopicPartition(topic, p), 30)
        found[p] = [{}, low, None]
    consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in partitions])
    missing, answered = set(partitions), time.monotonic()
    while missing:
        # Waits for the whole number, however short the log.
        messages = consumer.consume(10000, 0.2)
        if messages:
            answered = time.monotonic()
        elif time.monotonic() - answered > PATIENCE:
            sys.exit(f"check.py: no answer from {topic}")
        for message in messages:
            error = message.error()
            if error and error.code() == KafkaError._PARTITION_EOF:
                found[message.partition()][2] = message.offset()
                missing.discard(message.partition())
            elif error:
                sys.exit(f"check.py: {error}")
            else:
                headers = dict(message.headers() or {})
                expect = headers.get("expect", b"accepted").decode()
                made = Message(expect, message.value(), headers)
                found[message.partition()][0][message.offset()] = made
    consumer.close()
    return found


class Check:
    def __init__(self, avro, framed):
        self.avro = avro  # who reads a value otherwise than as JSON
        self.framed = framed
        self.findings, self.counts = [], collections.Counter()
        self.topics = {}  # source id -> topic, as far as the ledger tells

    def find(self, kind, **facts):
        self.counts[f"finding:{kind}"] += 1
        if self.counts[f"finding:{kind}"] <= 10:
            self.findings.append({"kind": kind, **facts})

    def ledger(self, lake):
        """The ranges of each partition in the order of the commits; they have to join."""
        ranges, batches, named = collections.defaultdict(list), set(), []
        self.position = {}
        for version, actions in lake.commits(lake.data):
            info = next((a["commitInfo"] for a in actions if "commitInfo" in a), {})
            record = info.get("weir")
            if isinstance(record, str):
                record = json.loads(record)
            txns = {a["txn"]["appId"]: a["txn"]["version"] for a in actions if "txn" in a}
            self.position |= txns
            adds = [a["add"]["path"] for a in actions if "add" in a]
            if record is None:
                if adds:
                    self.find("commit_without_record", version=version)
                continue
            if record["batch"] in batches:
                self.find("batch_twice", version=version, batch=record["batch"])
            batches.add(record["batch"])
            named += [r["path"] for r in record.get("rejects", [])]
            for r in record.get("ranges", []):
                key = (r["source_id"], r["partition"])
                self.topics[r["source_id"]] = r["source"]
                self.range(version, key, r, ranges[key], txns)
                ranges[key].append((version, r))
            self.later_offsets(lake, version, adds, record)
        return ranges, named

    def range(self, version, key, r, earlier, txns):
        where = {"version": version, "partition": list(key), "from": r["from"], "to": r["to"]}
        if earlier and earlier[-1][1]["to"] != r["from"]:
            self.find("ranges_do_not_join", before=earlier[-1][1]["to"], **where)
        if not earlier and r["from"] != r["to"]:
            self.find("no_starting_point", **where)
        if r["to"] - r["from"] != r["read"] + r["holes"] + r["lost"]:
            self.find("range_does_not_add_up", **where)
        if r["read"] != r["accepted"] + r["rejected"] + r["skipped"]:
            self.find("range_does_not_add_up", **where)
        if sum(b - a for a, b in r.get("hole_ranges", [])) != r["holes"]:
            self.find("holes_do_not_add_up", **where)
        if txns.get(f"{r['source_id']}:{r['partition']}") != r["to"]:
            self.find("position_is_not_the_ranges_end", **where)

    def later_offsets(self, lake, version, adds, record):
        """A commit's rows lie in its ranges, which join: so later commits hold later offsets."""
        of = {(r["source_id"], r["partition"]): r for r in record.get("ranges", [])}
        for path in adds:
            rows = lake.rows(lake.data, path)
            self.file(lake.data, path, rows)
            for (source, partition), low, high in extent(rows):
                r = of.get((source, partition))
                if r is None or low < r["from"] or high >= r["to"]:
                    self.find("row_outside_its_commit", version=version, file=path, source=source,
                              partition=partition, low=low, high=high)

    def file(self, table, path, rows):
        last = {}
        for source, partition, offset in zip(*(rows.column(k).to_pylist() for k in KEY)):
            if offset <= last.get((source, partition), -1):
                self.find("file_out_of_order", table=table, file=path, source=source,
                          partition=partition, offset=offset)
            last[source, partition] = offset

    def rows(self, lake, name):
        """{(source id, partition, offset): row} of a table, read by deltalake."""
        table = lake.table(name).to_pyarrow_dataset().to_table()
        seen = {}
        for row in table.to_pylist():
            key = tuple(row[name] for name in KEY)
            if key in seen:
                self.find("row_twice", table=name, key=list(key))
            if row["_weir_index"] != 0:
                self.find("index_of_a_single_record", table=name, key=list(key))
            seen[key] = row
        self.counts[name] = len(table)
        return seen

    def incarnations(self, topic):
        """The source ids of a topic, oldest first: the second is marked `#2`, and so on."""
        ids = [i for i, t in self.topics.items() if t == topic]
        number = lambda i: int(m[1]) if (m := re.search(r"#(\d+)$", i)) else 1
        return sorted(ids, key=number)

    def partition(self, source, number, log, ranges, data, rejects, remembered, open_end):
        """One partition of the log against the ledger and the tables."""
        messages, low, end = log
        holes, lost, skips = spans(ranges, "hole_ranges"), [], {}
        for _, r in ranges:
            if r["lost"]:
                lost.append((r["from"], r["to"]))
            for code, pieces in r.get("skip_ranges", {}).items():
                for a, b in pieces:
                    skips |= dict.fromkeys(range(a, b), f"skip:{code}")
        where = {"source": source, "partition": number}
        if not ranges:
            if messages:
                self.find("partition_unknown", **where)
            return
        begin, reached = ranges[0][1]["from"], ranges[-1][1]["to"]
        self.counts["positions"] += reached - begin
        self.counts["lost"] += sum(r["lost"] for _, r in ranges)
        self.counts["holes"] += sum(r["holes"] for _, r in ranges)
        if not open_end and reached < max(messages, default=begin - 1) + 1:
            self.find("not_at_the_end", reached=reached, end=end, **where)
        if reached > end:
            self.find("beyond_the_end", reached=reached, end=end, **where)
        in_log = {o: m for o, m in messages.items() if begin <= o < reached}
        known = {o: Message(e, None, None) for o, e in remembered.items() if begin <= o < reached}
        for offset, message in (known | in_log).items():
            if offset not in in_log and (within(offset, holes) or within(offset, lost)):
                self.counts["gone_before_it_was_read"] += 1
                continue
            self.message((source, number, offset), message, data, rejects, skips)
        for offset in in_log:
            if within(offset, holes):
                self.find("hole_over_a_message", offset=offset, **where)
            # An operator may pass over what is there; retention may not.
            if within(offset, lost) and offset >= low:
                self.counts["passed_over"] += 1
        for offset in skips.keys() - (known | in_log).keys():
            self.find("skip_of_nothing", offset=offset, **where)
        for table, name, count in ((data, "data", "accepted"), (rejects, "rejects", "rejected")):
            mine = [o for s, p, o in table if (s, p) == (source, number)]
            for offset in mine:
                if offset not in messages and offset not in remembered:
                    self.find("row_of_nothing", table=name, offset=offset, **where)
            told = sum(r[count] for _, r in ranges)
            if told != len(mine):
                self.find("count_differs", of=count, told=told, rows=len(mine), **where)

    def message(self, key, message, data, rejects, skips):
        row, reject, skip = data.get(key), rejects.get(key), skips.get(key[2])
        places = [p for p in (
            "accepted" if row else None, reject["code"] if reject else None, skip,
        ) if p]
        self.counts[message.expect] += 1
        if places != [message.expect]:
            self.find("wrong_place", key=list(key), expect=message.expect, found=places)
        elif row and message.value is not None:
            self.values(key, message, row)
        elif reject and message.value is not None and reject["raw"] != message.value:
            self.find("raw_differs", key=list(key))

    def values(self, key, message, row):
        if self.avro:
            if fields := self.avro.differs(message.value, message.headers, row):
                self.find("values_differ", key=list(key), fields=fields)
            return
        sent = json.loads(message.value[self.framed :])
        at = datetime.datetime.fromisoformat(sent.pop("created_at"))
        if row["created_at"] != at or any(row[name] != value for name, value in sent.items()):
            self.find("values_differ", key=list(key))


def spans(ranges, name):
    return [(a, b) for _, r in ranges for a, b in r.get(name, [])]


def within(offset, ranges):
    return any(a <= offset < b for a, b in ranges)


def extent(rows):
    grouped = rows.group_by(KEY[:2]).aggregate([("_weir_offset", "min"), ("_weir_offset", "max")])
    for r in grouped.to_pylist():
        yield (r["_weir_source_id"], r["_weir_partition"]), r["_weir_offset_min"], r["_weir_offset_max"]


def main():
    a = arguments()
    lake = Lake(a.lake, json.loads(a.s3) if a.s3 else None, a.stream)
    check = Check(avro_reader(a.avro), a.framed)
    ledger, named = check.ledger(lake)
    data, rejects = check.rows(lake, lake.data), check.rows(lake, lake.rejects)
    added = [x["add"]["path"] for _, actions in lake.commits(lake.rejects) for x in actions if "add" in x]
    if sorted(named) != sorted(added):
        check.find("rejects_files_differ", named=len(named), added=len(added))
    for path in set(added):
        check.file(lake.rejects, path, lake.rows(lake.rejects, path))
    now, earlier = deliveries(a.log), deliveries(a.earlier)
    for topic in a.topic:
        *gone, source = check.incarnations(topic) or [topic]
        logs = [(source, read_topic(a.brokers, topic), now.get(topic, [{}])[0])]
        if len(gone) != len(earlier.get(topic, [])):
            check.find("incarnations", topic=topic, earlier=gone)
        for source, kept in zip(gone, earlier.get(topic, [])):
            messages = {p: {o: Message(e, None, None) for o, e in found.items()} for p, found in kept.items()}
            logs.append((source, {p: (m, 0, max(m) + 1) for p, m in messages.items()}, {}))
        for source, log, remembered in logs:
            for number, found in log.items():
                check.partition(source, number, found, ledger[source, number], data, rejects,
                                remembered.get(number, {}), a.open_end)
    print(json.dumps({"ok": not check.findings, "counts": check.counts, "findings": check.findings}, indent=1, default=str))
    sys.exit(1 if check.findings else 0)


def avro_reader(ids):
    if not ids:
        return None
    sys.path.append(str(Path(__file__).parent / "avro"))
    import avro_events

    return avro_events.Reader(json.loads(ids))


def deliveries(pairs):
    """{topic: [{partition: {offset: expectation}}]} of the files that produce.py --log wrote."""
    found = collections.defaultdict(list)
    for pair in pairs:
        topic, _, file = pair.partition("=")
        log = collections.defaultdict(dict)
        for line in open(file):
            partition, offset, expect = line.rstrip("\n").split("\t")
            log[int(partition)][int(offset)] = expect
        found[topic].append(log)
    return found


main()
