"""Writes a large CSV file of events with planted bad rows, and the list of these.

    python3 tests/long/csv_events.py FOLDER BYTES [SEED]

makes FOLDER/events.csv of at least BYTES, FOLDER/planted.jsonl and FOLDER/events.avsc (the schema, whose key
is `id`), and prints what is in them. A fifth of the records has quoted texts with commas, doubled quotes or
line ends; one in a thousand is bad, in eight ways. The id of record n is 10^11 + n, so that every row of the
table tells where it belongs. Each line of the list is a bad record: its number, its physical line, its code
and field, the file it comes back in, the row as sent (Latin-1, so that any byte stands in it) and the
same row mended. A run of 5 GB takes some seconds: blocks are made once, and numbered anew each time.
"""

import json
import random
import sys
from pathlib import Path

SCHEMA = {
    "type": "record",
    "name": "Event",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "created_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "category", "type": "string"},
        {"name": "number", "type": "int"},
        {"name": "amount", "type": "double"},
        {"name": "country", "type": ["null", "string"], "default": None},
        {"name": "active", "type": "boolean"},
        {"name": "note", "type": ["null", "string"], "default": None},
    ],
}
HEADER = ",".join(field["name"] for field in SCHEMA["fields"]).encode() + b"\n"

ROWS = 10_000  # of a block, so that a block's number and a row's make up the record's
BLOCKS = 24
BAD_A_BLOCK = ROWS // 1000
BLOCK_NUMBER = b"@@@@@@@"

CATEGORIES = ["order", "refund", "login", "logout", "view", "click", "search", "share", "rate", "call", "visit", "chat"]
COUNTRIES = ["DEU", "FRA", "USA", "GBR", "JPN", "BRA", "IND", "ZAF", ""]
WORDS = """weir water stone river gate level spring flood field meadow bridge mill wheel north south rain cloud
light early late often never always quiet loud green grey Bäume höher naïve rivière 水 ще""".split()

# kind: code, field
KINDS = {
    "text_for_number": ("wrong_type", "number"),
    "beyond_int": ("out_of_range", "number"),
    "no_double": ("wrong_type", "amount"),
    "no_time": ("invalid_format", "created_at"),
    "null": ("null_value", "number"),
    "cell_missing": ("csv_columns", None),
    "quote_inside": ("csv_syntax", None),
    "no_utf8": ("invalid_utf8", None),
}


def note(rng):
    """A text, as it stands in the file."""
    words = rng.choices(WORDS, k=rng.randint(6, 16))
    shape = rng.random()
    if shape < 0.05:
        return ""
    if shape < 0.80:
        return " ".join(words)
    if shape < 0.90:
        words.insert(3, 'said ""so"", and')
    elif shape < 0.97:
        words.insert(2, "first,\nsecond")
    else:
        words[0] = words[0] + "\r\n\r\n"
    return '"' + " ".join(words) + '"'


def cells(rng, row):
    at = "2026-%02d-%02dT%02d:%02d:%02d.%03dZ" % (
        rng.randint(1, 12), rng.randint(1, 28), rng.randint(0, 23), rng.randint(0, 59), rng.randint(0, 59),
        rng.randint(0, 999))
    return ["1%s%04d" % (BLOCK_NUMBER.decode(), row), at, rng.choice(CATEGORIES), str(rng.randint(-(2**31), 2**31 - 1)),
            "%.*f" % (rng.randint(0, 4), rng.uniform(-1e5, 1e5)), rng.choice(COUNTRIES),
            rng.choice(["true", "false"]), note(rng)]


def spoil(kind, good):
    """The cells of a bad record, made of those of a good one."""
    bad = list(good)
    if kind == "text_for_number":
        bad[3] = "many"
    elif kind == "beyond_int":
        bad[3] = "2147483648"
    elif kind == "no_double":
        bad[4] = "12.5 EUR"
    elif kind == "no_time":
        bad[1] = "yesterday"
    elif kind == "null":
        bad[3] = ""
    elif kind == "cell_missing":
        del bad[6]
    elif kind == "quote_inside":
        bad[2] = 'or"der'
    return bad


def block(rng):
    """Bytes with the block's number left open, its physical lines, and its bad rows by row, line and texts."""
    out, bad, line = [], [], 0
    rows = set(rng.sample(range(ROWS), BAD_A_BLOCK))
    for row in range(ROWS):
        good = cells(rng, row)
        text = ",".join(good).encode()
        if row in rows:
            kind = rng.choice(list(KINDS))
            if kind == "quote_inside":  # a line of its own: what reaches over lines is rejected line by line
                good[7] = "plain"
                text = ",".join(good).encode()
            mended, text = text, ",".join(spoil(kind, good)).encode()
            if kind == "no_utf8":
                text = text.replace(b"T", b"T\xff", 1)
            bad.append((row, line, kind, text, mended))
        line += text.count(b"\n") + 1
        out.append(text)
    return b"\n".join(out) + b"\n", line, bad


def write(folder, size, seed):
    """Writes the files; returns what is in them."""
    rng = random.Random(seed)
    blocks = [block(rng) for _ in range(BLOCKS)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "events.avsc").write_text(json.dumps(SCHEMA, indent=2) + "\n")
    told = {"seed": seed, "bytes": len(HEADER), "records": 0, "lines": 1, "bad": 0, "codes": {}}
    with open(folder / "events.csv", "wb", buffering=0) as out, open(folder / "planted.jsonl", "w") as planted:
        out.write(HEADER)
        number = 0
        while told["bytes"] < size:
            text, lines, bad = rng.choice(blocks)
            digits = b"%07d" % number
            numbered = text.replace(BLOCK_NUMBER, digits)
            out.write(numbered)
            for row, line, kind, sent, mended in bad:
                code, field = KINDS[kind]
                row = {"record": number * ROWS + row, "line": told["lines"] + line + 1, "kind": kind, "code": code,
                       "field": field, "file": "failed.txt" if code == "csv_syntax" else "failed.csv",
                       "sent": sent.replace(BLOCK_NUMBER, digits).decode("latin-1"),
                       "mended": mended.replace(BLOCK_NUMBER, digits).decode("latin-1")}
                planted.write(json.dumps(row) + "\n")
                told["codes"][code] = told["codes"].get(code, 0) + 1
            told["bytes"] += len(numbered)
            told["records"] += ROWS
            told["lines"] += lines
            told["bad"] += len(bad)
            number += 1
    return told


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    print(json.dumps(write(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1)))
