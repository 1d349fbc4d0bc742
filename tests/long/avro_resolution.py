"""Holds weir's Avro decoder against fastavro and Apache's avro, by pairs of schemas drawn from a seed.

    python3 -m venv V && V/bin/pip install avro fastavro
    cargo build --example avro_rows
    V/bin/python tests/long/avro_resolution.py target/debug/examples/avro_rows [SEED] [PAIRS]

Data are drawn with the writer's schema and read by all three with the reader's. What is the same is
counted; a difference has to be one of those that `docs/avro-resolution.md` lists, by its word. Any
other ends the run.
"""

import collections
import datetime
import decimal
import io
import json
import random
import struct
import subprocess
import sys
import uuid
import warnings

import avro.io
import avro.schema
import fastavro

warnings.filterwarnings("ignore")
PRIMITIVE = ["boolean", "int", "long", "float", "double", "bytes", "string"]
LOGICAL = [
    ("int", "date"),
    ("int", "time-millis"),
    ("long", "time-micros"),
    ("long", "timestamp-millis"),
    ("long", "timestamp-micros"),
    ("string", "uuid"),
]
PROMOTED = {
    "int": ["int", "long", "float", "double"],
    "long": ["long", "float", "double"],
    "float": ["float", "double"],
    "string": ["string", "bytes"],
    "bytes": ["bytes", "string"],
}
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def kind(schema):
    if isinstance(schema, list):
        return "union"
    return schema if isinstance(schema, str) else schema["type"]


def logical(schema):
    return schema.get("logicalType") if isinstance(schema, dict) else None


class Drawing:
    """Schemas and data of a seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.count = 0

    def chance(self, share):
        return self.random.random() < share

    def name(self):
        self.count += 1
        return f"N{self.count}"

    def symbols(self):
        return self.random.sample(["A", "B", "C"], self.random.randint(1, 3))

    def type(self, depth):
        drawn = self.random.random() * (0.7 if depth > 2 else 1)
        if drawn < 0.4:
            return self.random.choice(PRIMITIVE)
        if drawn < 0.5:
            base, name = self.random.choice(LOGICAL)
            return {"type": base, "logicalType": name}
        if drawn < 0.55:
            precision = self.random.randint(1, 18)
            more = {"logicalType": "decimal", "precision": precision, "scale": self.random.randint(0, precision)}
            if self.chance(0.3):
                return {"type": "fixed", "name": self.name(), "size": 8, **more}
            return {"type": "bytes", **more}
        if drawn < 0.6:
            return {"type": "fixed", "name": self.name(), "size": self.random.randint(1, 3)}
        if drawn < 0.69:
            return {"type": "enum", "name": self.name(), "symbols": self.symbols()}
        if drawn < 0.7:
            return "null"
        if drawn < 0.8:
            return {"type": "array", "items": self.value(depth + 1)}
        if drawn < 0.87:
            return {"type": "map", "values": self.value(depth + 1)}
        return self.record(depth + 1)

    def value(self, depth):
        if self.chance(0.6):
            return self.type(depth)
        branches = []
        for _ in range(self.random.randint(1, 3)):
            branch = "null" if self.chance(0.4) else self.type(depth)
            if all(kind(branch) != kind(other) for other in branches):
                branches.append(branch)
        return branches

    def record(self, depth):
        fields = [{"name": f"f{n}", "type": self.value(depth)} for n in range(self.random.randint(1, 3))]
        return {"type": "record", "name": self.name(), "fields": fields}

    def reader(self, writer):
        if isinstance(writer, list):
            others = [branch for branch in writer if branch != "null"]
            if not others:
                return ["null", "int"]
            chosen = self.type_reader(self.random.choice(others))
            nullable = self.chance(0.7) and not isinstance(chosen, list)
            return ["null", chosen] if nullable else chosen
        reader = self.type_reader(writer)
        return ["null", reader] if self.chance(0.1) and not isinstance(reader, list) else reader

    def type_reader(self, writer):
        if self.chance(0.02):
            return self.random.choice(PRIMITIVE)
        if writer == "null":
            return ["null", "string"]
        if isinstance(writer, str):
            return self.random.choice(PROMOTED.get(writer, [writer]))
        reader = dict(writer)
        if "items" in reader:
            reader["items"] = self.reader(reader["items"])
        if "values" in reader:
            reader["values"] = self.reader(reader["values"])
        if kind(writer) == "enum" and self.chance(0.4):
            reader["symbols"] = self.symbols()
            if self.chance(0.5):
                reader["default"] = reader["symbols"][0]
        if kind(writer) == "fixed" and self.chance(0.1):
            reader["size"] += 1
        if logical(writer) in ("date", "timestamp-millis") and self.chance(0.1):
            del reader["logicalType"]
        if logical(writer) == "decimal" and kind(writer) == "fixed" and self.chance(0.2):
            reader = {**reader, "type": "bytes"}
            del reader["name"], reader["size"]
        if kind(writer) == "record":
            reader["fields"] = self.reader_fields(writer)
        if "name" in reader and self.chance(0.1):
            if self.chance(0.6):
                reader["aliases"] = [writer["name"]]
            reader["name"] = self.name()
        return reader

    def reader_fields(self, writer):
        fields = []
        for field in writer["fields"]:
            if self.chance(0.1):
                continue
            read = {"name": field["name"], "type": self.reader(field["type"])}
            if self.chance(0.1):
                read = {**read, "name": "new_" + field["name"], "aliases": ["other", field["name"]]}
            fields.insert(self.random.randint(0, len(fields)), read)
        more = [
            {"name": "d0", "type": "int", "default": 7},
            {"name": "d1", "type": ["null", "string"], "default": None},
            {"name": "d2", "type": {"type": "array", "items": "long"}, "default": [1, 2]},
            {"name": "d3", "type": "string", "default": "x", "aliases": ["f0"]},
            {"name": "d4", "type": "string"},
        ]
        if not fields or self.chance(0.3):
            fields.append(self.random.choice(more[: 5 if self.chance(0.1) else 4]))
        return fields

    def encode(self, schema, out):
        """Their own writers choose a union's branch by the value; here each branch has its turn."""
        if isinstance(schema, list):
            at = self.random.randrange(len(schema))
            long(out, at)
            return self.encode(schema[at], out)
        name = kind(schema)
        if name == "record":
            for field in schema["fields"]:
                self.encode(field["type"], out)
        elif name in ("array", "map"):
            count = self.random.randint(0, 3)
            if count:
                long(out, count)
                for at in range(count):
                    if name == "map":
                        text(out, f"k{at}" if self.chance(0.95) else "k0")
                    self.encode(schema["items" if name == "array" else "values"], out)
            long(out, 0)
        elif name == "enum":
            long(out, self.random.randrange(len(schema["symbols"])))
        elif name == "fixed":
            small = logical(schema) == "decimal"
            out.extend(bytes(schema["size"] - 1) if small else self.random.randbytes(schema["size"] - 1))
            out.append(self.random.randrange(256))
        elif name == "boolean":
            out.append(self.random.randrange(2))
        elif name in ("int", "long"):
            most = {"date": 2_900_000, "time-millis": 86_399_999, "time-micros": 86_399_999_999}.get(logical(schema))
            if logical(schema) in ("timestamp-millis", "timestamp-micros"):
                most = 250_000_000_000_000 if logical(schema) == "timestamp-millis" else 250_000_000_000_000_000
                long(out, self.random.randint(0 if self.chance(0.9) else -62_000_000_000_000, most))
            elif most:
                long(out, self.random.randint(0, most) if self.chance(0.95) else -800_000)
            else:
                bits = 31 if name == "int" else 63
                long(out, self.random.randint(-(1 << bits), (1 << bits) - 1) >> self.random.randint(0, bits))
        elif name == "float":
            out.extend(struct.pack("<f", self.random.uniform(-9, 9)))
        elif name == "double":
            out.extend(struct.pack("<d", self.random.uniform(-9, 9)))
        elif name == "bytes" and logical(schema) == "decimal":
            number = self.random.randint(-(10 ** schema["precision"]), 10 ** schema["precision"]) >> self.random.randint(0, 9)
            data = number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)
            text(out, data)
        elif name in ("bytes", "string") and logical(schema) != "uuid":
            text(out, self.random.choice([b"", b"a", "ä".encode()]) if name == "string" or self.chance(0.7) else b"\xff")
        elif name == "string":
            text(out, "123e4567-e89b-12d3-a456-426614174000" if self.chance(0.95) else "no uuid")


def long(out, value):
    left = (value << 1) ^ (value >> 63)
    left &= (1 << 64) - 1
    while left >= 0x80:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    out.append(left)


def text(out, value):
    data = value if isinstance(value, bytes) else value.encode()
    long(out, len(data))
    out.extend(data)


def cell(value, schema):
    """A value of theirs as `avro_rows` writes it."""
    if isinstance(schema, list):
        if value is None:
            return None
        return cell(value, next(branch for branch in schema if branch != "null"))
    name = kind(schema)
    if name == "record":
        return [cell(value[field["name"]], field["type"]) for field in schema["fields"]]
    if name == "array":
        return [cell(item, schema["items"]) for item in value]
    if name == "map":
        return [[key, cell(item, schema["values"])] for key, item in value.items()]
    if logical(schema) == "decimal":
        with decimal.localcontext(prec=100):
            return str(int(value.scaleb(schema.get("scale", 0))))
    if logical(schema) == "uuid":
        return str(value)
    if name in ("float", "double"):
        return "nan" if value != value else struct.pack(">d", value).hex()
    if name in ("bytes", "fixed"):
        return bytes(value).hex()
    if isinstance(value, datetime.datetime):
        value = value if value.tzinfo else value.replace(tzinfo=datetime.timezone.utc)
        return (value - EPOCH) // datetime.timedelta(microseconds=1)
    if isinstance(value, datetime.date):
        return (value - EPOCH.date()).days
    if isinstance(value, datetime.time):
        micros = ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond
        return micros // 1000 if logical(schema) == "time-millis" else micros
    return value


def of_fastavro(writer, reader, data):
    out = []
    writer, reader = fastavro.parse_schema(writer, {}), fastavro.parse_schema(reader, {})
    for datum in data:
        try:
            value = fastavro.schemaless_reader(io.BytesIO(datum), writer, reader)
            out.append(value)
        except Exception as error:  # noqa: BLE001 whatever they raise is their refusal
            out.append(error)
    return out


def of_avro(writer, reader, data):
    out = []
    reading = avro.io.DatumReader(avro.schema.parse(json.dumps(writer)), avro.schema.parse(json.dumps(reader)))
    for datum in data:
        try:
            out.append(reading.read(avro.io.BinaryDecoder(io.BytesIO(datum))))
        except Exception as error:  # noqa: BLE001
            out.append(error)
    return out


def same_cells(ours, theirs, reader):
    if isinstance(theirs, Exception):
        return False
    try:
        return ours == cell(theirs, reader)
    except Exception:  # noqa: BLE001 a value of another kind
        return False


def parts(schema):
    """A schema and all that stands in it."""
    yield schema
    if isinstance(schema, list):
        for branch in schema:
            yield from parts(branch)
    elif isinstance(schema, dict):
        for part in ("items", "values"):
            if part in schema:
                yield from parts(schema[part])
        for field in schema.get("fields", []):
            yield from parts(field["type"])


def fields(schema):
    for part in parts(schema):
        if kind(part) == "record":
            yield from part["fields"]


def has_alias_twice(schema):
    for part in parts(schema):
        if kind(part) == "record":
            aliases = [alias for field in part["fields"] for alias in field.get("aliases", [])]
            names = [field["name"] for field in part["fields"]]
            if any(aliases.count(a) > 1 or a in names for a in aliases if a != "other"):
                return True
    return False


def mismatched(message):
    """The two schemas that Apache's avro tells of."""
    writer, reader = message.split("Writer's Schema: ", 1)[1].split("\nReader's Schema: ", 1)
    return json.loads(writer), json.loads(reader)


def of_avro_mismatch(writer, reader):
    is_text = lambda schema: kind(schema) in ("string", "bytes")
    if any(isinstance(part, list) for part in parts(writer)):
        return "union"
    if any("aliases" in part for part in parts(reader) if isinstance(part, dict)):
        return "name alias"
    if any("aliases" in field for field in fields(reader)):
        return "field alias"
    if kind(writer) in ("array", "map"):
        return "items"
    if any(logical(part) == "decimal" for part in parts(writer)):
        return "decimal"
    if any(is_text(part) for part in parts(writer)) and any(is_text(part) for part in parts(reader)):
        return "string and bytes"
    return None


def difference(name, row, their, writer, reader):
    """The letter's word in docs/avro-resolution.md, or None if it is a difference that is not there."""
    if isinstance(row, str):
        place, _, rule = row.partition(": ")
        code = place.partition("@")[0]
        by_code = {"inexact": "exact", "out_of_range": "range", "duplicate_field": "map keys", "invalid_utf8": "utf-8", "invalid_format": "uuid"}
        if code in by_code:
            return by_code[code]
        if code == "wrong_type" and any(f"({part[1]})" in rule for part in LOGICAL + [("", "decimal")]):
            return "logical"
        if "(decimal" in rule:
            return "logical"
        if "[]" in row or "{}" in row:
            return "items"
        if name == "avro" and any("aliases" in field for field in fields(reader)):
            return "field alias"
        return "alias twice" if has_alias_twice(reader) else None
    if isinstance(their, Exception):
        message = str(their)
        if name == "avro" and message.startswith("No default value for field"):
            return "field alias"
        if name == "avro" and message.startswith("Symbol "):
            return "enum default"
        if name == "avro" and "Schemas do not match" in message:
            return of_avro_mismatch(*mismatched(message))
        if "decimal" in message:
            return "decimal"
        return "alias twice" if has_alias_twice(reader) else None
    if name == "avro" and any("aliases" in field for field in fields(reader)):
        return "field alias"
    if any(logical(part) == "uuid" for part in parts(writer)) and name == "fastavro":
        return "uuid"
    return "alias twice" if has_alias_twice(reader) else None


def main():
    program = subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    pairs = int(sys.argv[3]) if len(sys.argv) > 3 else 1000
    drawing = Drawing(seed)
    counts = collections.Counter()
    for _ in range(pairs):
        writer = drawing.record(0)
        reader = drawing.reader(writer)
        reader = reader[1] if isinstance(reader, list) else reader
        data = []
        for _ in range(4):
            out = bytearray()
            drawing.encode(writer, out)
            data.append(bytes(out))
        asked = json.dumps({"writer": writer, "reader": reader, "data": [datum.hex() for datum in data]})
        program.stdin.write(asked + "\n")
        program.stdin.flush()
        answer = json.loads(program.stdout.readline())
        if "refused" in answer:
            counts["cannot land"] += 1
            continue
        faults = answer.get("faults", [])
        rows = answer.get("rows", ["unread"] * len(data))
        for name, read in (("fastavro", of_fastavro), ("avro", of_avro)):
            for row, their in zip(rows, read(writer, reader, data)):
                rejects = isinstance(row, str)
                if rejects and isinstance(their, Exception):
                    counts[name, "both reject"] += 1
                elif not rejects and same_cells(row, their, reader):
                    counts[name, "the same row"] += 1
                else:
                    told = faults if row == "unread" else [row]
                    words = (difference(name, one, their, writer, reader) for one in told)
                    word = next((word for word in words if word), None)
                    if word is None:
                        sys.exit(f"seed {seed}: {name}\n{asked}\nweir: {told}\ntheirs: {their!r}")
                    side = "weir rejects" if rejects else "theirs refuses" if isinstance(their, Exception) else "another row"
                    counts[name, side, word] += 1
    print(f"seed {seed}, {pairs} pairs of 4 data each")
    for key, count in sorted(counts.items(), key=str):
        print(f"{count:8} {key if isinstance(key, str) else ', '.join(key)}")


main()
