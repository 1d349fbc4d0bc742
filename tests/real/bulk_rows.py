"""Counts the rows of a DLO by the file that they came from.

bulk_rows.py TABLE VALUES DISTINCT: prints {source: {"rows": n, "distinct": n of the column DISTINCT, "values":
the values of the column VALUES}}.
"""

import json
import sys

from deltalake import DeltaTable


def main():
    table, values, distinct = sys.argv[1:]
    rows = DeltaTable(table).to_pyarrow_dataset().to_table(columns=["_weir_source", values, distinct])
    found = {}
    for source, value, one in zip(*(rows.column(c).to_pylist() for c in ["_weir_source", values, distinct])):
        of = found.setdefault(source, [0, set(), set()])
        of[0] += 1
        of[1].add(one)
        of[2].add(value)
    print(json.dumps({
        source: {"rows": n, "distinct": len(ones), "values": sorted(values)}
        for source, (n, ones, values) in found.items()
    }))


main()
