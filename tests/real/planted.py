"""Holds what came back of a file of csv_events.py against what was planted, and mends it.

planted.py mend MADE RESULT FILE: failed.csv and failed.txt in RESULT have exactly the rows that MADE/planted.jsonl
lists, as they were sent; writes their mended rows to FILE, with the four columns in front; prints the number.
planted.py rows TABLE RECORDS: the ids of the table are those of records 0 to RECORDS, once each.
"""

import json
import sys
from pathlib import Path

import numpy as np
from deltalake import DeltaTable

NAMES = ["weir_line", "weir_field", "weir_code", "weir_message"]


def mend(made, result, file):
    planted = [json.loads(line) for line in open(Path(made) / "planted.jsonl")]
    in_csv = [row for row in planted if row["file"] == "failed.csv"]
    failed = (Path(result) / "failed.csv").read_bytes().decode("latin-1")
    header, rest = failed.split("\n", 1)
    assert header.split(",")[:4] == NAMES, header
    mended = [header]
    for row in in_csv:
        # Rows hold line ends of their own: each is looked for where it has to stand.
        begin = f'{row["line"]},{row["field"] or ""},{row["code"]},'
        assert rest.startswith(begin), (begin, rest[:200])
        at = rest.index("," + row["sent"] + "\n", len(begin) - 1)
        message = rest[len(begin):at]
        assert message.count('"') in (0, 2) and len(message) < 300, message
        mended.append(f'{row["line"]},,,,{row["mended"]}')
        rest = rest[at + len(row["sent"]) + 2:]
    assert rest == "", rest[:200]
    text = Path(result) / "failed.txt"
    lines = text.read_bytes().decode("latin-1").split("\n")[:-1] if text.exists() else []
    in_text = [row for row in planted if row["file"] == "failed.txt"]
    assert len(lines) == len(in_text), (len(lines), len(in_text))
    for line, row in zip(lines, in_text):
        number, _, sent = line.split("\t", 2)
        assert (int(number), sent) == (row["line"], row["sent"]), (line, row)
        mended.append(f'{row["line"]},,,,{row["mended"]}')
    Path(file).write_bytes(("\n".join(mended) + "\n").encode("latin-1"))
    print(json.dumps({"mended": len(planted), "csv": len(in_csv), "text": len(in_text)}))


def rows(table, records):
    ids = DeltaTable(table).to_pyarrow_dataset().to_table(columns=["id"]).column("id").to_numpy()
    ids = np.sort(ids)
    assert np.array_equal(ids, np.arange(10**11, 10**11 + int(records))), (len(ids), ids[:3], ids[-3:])
    print(json.dumps({"rows": len(ids)}))


{"mend": mend, "rows": rows}[sys.argv[1]](*sys.argv[2:])
