"""Avro events in three schema versions, and what weir has to say of each.

An event is read by the third version. A poisoned one is wrong in one of many ways, each of which has
one reject code. The versions are in event-N.avsc: the second widens a number, renames a field and adds
one, the third changes the order and adds what nests.
"""

import datetime
import decimal
import io
import json
import random
import struct
import uuid
from pathlib import Path

import fastavro

HERE = Path(__file__).parent
ACCEPTED = "accepted"
HEADER = "__value_schema_id"
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def text_of(name):
    """A version as it is registered."""
    schema = json.loads((HERE / f"event-{name}.avsc").read_text())
    return json.dumps(schema, sort_keys=True, separators=(",", ":"))


def parsed(name):
    return fastavro.parse_schema(json.loads(text_of(name)), named_schemas={})


VERSIONS = {version: parsed(version) for version in (1, 2, 3)}


def event(number, rng, version):
    """Event `number` as of a version."""
    symbols = next(f for f in VERSIONS[version]["fields"] if f["name"] == "category")["type"]["symbols"]
    micros = rng.randrange(1_700_000_000_000_000, 1_900_000_000_000_000)
    made = {
        "id": f"event-{number:010d}",
        "number": rng.getrandbits(32) - 2**31 if version == 1 else rng.getrandbits(63) - 2**62,
        "category": symbols[number % len(symbols)],
        "amount": struct.unpack("f", struct.pack("f", rng.random() * 1e4))[0],
        "created_at": EPOCH + datetime.timedelta(microseconds=micros),
        "active": bool(number % 3),
        "text" if version == 1 else "note": "naïve – " * rng.randrange(6),
    }
    if version > 1:
        made["active"] = None if number % 7 == 0 else made["active"]
        made["price"] = decimal.Decimal(rng.randrange(-(10**12) + 1, 10**12)).scaleb(-2)
    if version > 2:
        made["token"] = None if number % 5 == 0 else uuid.UUID(int=rng.getrandbits(128))
        made["counts"] = [rng.getrandbits(40) for _ in range(rng.randrange(4))]
        made["attrs"] = {f"k{n}": rng.choice([None, "", "v"]) for n in range(rng.randrange(3))}
    return made


def datum(version, made):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, VERSIONS[version], made)
    return out.getvalue()


def framed(number, payload):
    return b"\0" + struct.pack(">I", number) + payload


def varint(number):
    number, out = (number << 1) ^ (number >> 63), bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))


def _first_string(payload, length):
    """The datum of version 2, whose first field is a string, with another length in front of it."""
    return varint(length) + payload[1:]


# Code, whether the registry has to be asked, and the value of a good event of version 2 with `ids`.
POISONS = [
    ("invalid_framing", False, lambda ids, d, rng: b"\x07" + framed(ids["2"], d)[1:]),
    ("invalid_framing", False, lambda ids, d, rng: framed(ids["2"], d)[: rng.randrange(5)]),
    ("invalid_framing", False, lambda ids, d, rng: b'{"id":"x"}'),
    ("invalid_framing", False, lambda ids, d, rng: d),
    ("unknown_schema", True, lambda ids, d, rng: framed(3_999_999, d)),
    ("unknown_schema", True, lambda ids, d, rng: framed(ids["foreign"], d)),
    ("wrong_type", False, lambda ids, d, rng: framed(ids["other"], d)),
    ("invalid_avro", False, lambda ids, d, rng: framed(ids["2"], d[: rng.randrange(len(d))])),
    ("trailing_bytes", False, lambda ids, d, rng: framed(ids["2"], d + b"\0")),
    ("invalid_avro", False, lambda ids, d, rng: framed(ids["2"], _first_string(d, 2**63 - 1))),
    ("invalid_avro", False, lambda ids, d, rng: framed(ids["2"], _first_string(d, -5))),
    ("invalid_avro", False, lambda ids, d, rng: framed(ids["2"], b"\xff" * 10 + d)),
    ("invalid_utf8", False, lambda ids, d, rng: framed(ids["2"], d[:1] + b"\xff" + d[2:])),
    ("out_of_range", False, lambda ids, d, rng: framed(ids["2"], _late(rng))),
    ("invalid_format", False, lambda ids, d, rng: framed(ids["3"], _no_uuid(rng))),
]


def _late(rng):
    """After the year 9999, which fastavro's own conversion would not write."""
    raw = json.loads(text_of(2))
    next(f for f in raw["fields"] if f["name"] == "created_at")["type"] = "long"
    made = event(1, rng, 2) | {"created_at": 300_000_000_000_000_000}
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(raw, named_schemas={}), made)
    return out.getvalue()


def _no_uuid(rng):
    raw = json.loads(text_of(3))
    next(f for f in raw["fields"] if f["name"] == "token")["type"] = ["null", "string"]
    made = event(1, rng, 3) | {"token": "no uuid"}
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(raw, named_schemas={}), made)
    return out.getvalue()


def poison(number, rng, ids, may_ask):
    """A poisoned value, and its code."""
    asked = [p for p in POISONS if may_ask or not p[1]]
    code, _, make = asked[rng.randrange(len(asked))]
    return make(ids, datum(2, event(number, rng, 2)), rng), code


def fingerprint(version):
    """The 8 bytes by which single-object encoding names a version."""
    canonical = fastavro.schema.to_parsing_canonical_form(json.loads(text_of(version)))
    return bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))


class Framing:
    """How a message names its writer; the names are those of weir's settings."""

    def __init__(self, name, ids):
        self.name, self.ids = name, ids
        keys = {int(number): int(v) for v, number in ids.items() if v in ("1", "2", "3")}
        self.by_id = {b"\0" + struct.pack(">I", number): v for number, v in keys.items()}
        self.by_print = {b"\xc3\x01" + fingerprint(v): v for v in VERSIONS}

    def frame(self, version, payload):
        """Value and headers."""
        if self.name == "registry":
            return framed(self.ids[str(version)], payload), []
        if self.name == "header":
            return payload, [(HEADER, framed(self.ids[str(version)], b""))]
        if self.name == "single-object":
            return b"\xc3\x01" + fingerprint(version) + payload, []
        return payload, []

    def unframe(self, value, headers):
        """The writer's version, and the payload."""
        if self.name == "registry":
            return self.by_id[value[:5]], value[5:]
        if self.name == "header":
            return self.by_id[headers[HEADER]], value
        if self.name == "single-object":
            return self.by_print[value[:10]], value[10:]
        return 2, value

    def poison(self, number, rng):
        """A poisoned message: value, headers, code."""
        good = datum(2, event(number, rng, 2))
        value, headers = self.frame(2, good)
        kinds = [("invalid_avro", value[: -rng.randrange(1, len(good))], headers),
                 ("trailing_bytes", value + b"\0", headers)]
        if self.name == "header":
            kinds += [("invalid_framing", value, []),
                      ("invalid_framing", value, [(HEADER, b"\0\0")]),
                      ("unknown_schema", value, [(HEADER, framed(3_999_999, b""))])]
        if self.name == "single-object":
            kinds += [("invalid_framing", value[1:], headers),
                      ("unknown_schema", value[:2] + bytes(8) + good, headers)]
        code, value, headers = rng.choice(kinds)
        return value, headers, code


class Reader:
    """Decodes messages by fastavro, with the third version."""

    def __init__(self, ids):
        self.framing = Framing(ids.get("framing", "registry"), ids)
        # Rows of an earlier version have no value in the columns of a later one.
        self.follows = ids.get("follows", False)

    def row(self, value, headers):
        """The event as a row should hold it."""
        version, payload = self.framing.unframe(value, headers)
        source = io.BytesIO(payload)
        made = fastavro.schemaless_reader(source, VERSIONS[version], VERSIONS[3])
        assert not source.read()
        # fastavro leaves a default as the schema's JSON has it.
        if made["price"] == "\0":
            made["price"] = decimal.Decimal("0.00")
        if made["token"] is not None:
            made["token"] = str(made["token"])
        made["attrs"] = sorted(made["attrs"].items())
        return made

    def differs(self, value, headers, row):
        """The fields in which a row is not what fastavro reads."""
        made = self.row(value, headers)
        if self.follows:
            version, _ = self.framing.unframe(value, headers)
            written = {f["name"] for f in VERSIONS[version]["fields"]}
            made = {n: v for n, v in made.items() if n in written or row[n] is not None}
        seen = {name: row[name] for name in made}
        if "attrs" in seen:
            seen["attrs"] = sorted(seen["attrs"])
        return [name for name in made if made[name] != seen[name]]
