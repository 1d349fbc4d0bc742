"""Counts what readers see of a table: its rows, and the values of some columns.

readers.py TABLE COLUMN...: prints {reader: {"rows": n, column: n that are not null}} for deltalake,
polars and duckdb, which reads the files that deltalake names.
"""

import json
import sys

import duckdb
import polars as pl
from deltalake import DeltaTable


def main():
    table, *columns = sys.argv[1:]
    found = {}
    rows = DeltaTable(table).to_pyarrow_dataset().to_table(columns=columns)
    found["deltalake"] = {"rows": len(rows)} | {
        c: len(rows) - rows.column(c).null_count for c in columns
    }
    rows = pl.scan_delta(table).select(columns).collect()
    found["polars"] = {"rows": len(rows)} | {c: rows[c].count() for c in columns}
    dataset = DeltaTable(table).to_pyarrow_dataset()
    counts = ", ".join(f'count("{c}")' for c in columns)
    counted = duckdb.sql(f"select count(*), {counts} from dataset").fetchall()[0]
    found["duckdb"] = dict(zip(["rows", *columns], counted))
    print(json.dumps(found))


main()
