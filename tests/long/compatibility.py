"""Holds `weir schema check` against Apache's avro and fastavro, by chains of versions drawn from a seed.

    python3 -m venv V && V/bin/pip install avro fastavro
    V/bin/python tests/long/compatibility.py target/debug/weir [SEED] [CHAINS]

Each chain is a subject of two to four versions. Weir judges all of them by each of the seven levels,
one process a level. Which pairs a level compares is Confluent's definition (`compared`); whether the
one version reads what the other wrote is asked of Apache's checker, and of fastavro by decoding data
that hold every null, branch and symbol. A difference has to be one of those that
`docs/avro-resolution.md` lists, by its word. Any other ends the run with 1.
"""

import collections
import io
import itertools
import json
import os
import random
import re
import struct
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import fastavro
from avro import schema
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType

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
NAMES = "ABCDEFGH"
SYMBOLS = ["X", "Y", "Z"]
LEVELS = "NONE BACKWARD BACKWARD_TRANSITIVE FORWARD FORWARD_TRANSITIVE FULL FULL_TRANSITIVE".split()


def compared(level, versions):
    """The pairs of reader and writer that a level compares, by Confluent's "Schema Evolution and Compatibility":
    BACKWARD, the new version reads data of the last; FORWARD, the last reads data of the new one; FULL, both;
    _TRANSITIVE, the same with all earlier versions in place of the last."""
    pairs = set()
    for new in range(2, versions + 1):
        for old in range(1 if level.endswith("_TRANSITIVE") else new - 1, new):
            if level.startswith(("BACKWARD", "FULL")):
                pairs.add((new, old))
            if level.startswith(("FORWARD", "FULL")):
                pairs.add((old, new))
    return pairs


def kind(node):
    if isinstance(node, list):
        return "union"
    return node if isinstance(node, str) else node["type"]


class Drawing:
    """Schemas of a seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def chance(self, share):
        return self.random.random() < share

    def symbols(self):
        return sorted(self.random.sample(SYMBOLS, self.random.randint(1, 3)))

    def scalar(self):
        if self.chance(0.75):
            return self.random.choice(PRIMITIVE)
        if self.chance(0.7):
            base, name = self.random.choice(LOGICAL)
            return {"type": base, "logicalType": name}
        return {"type": "bytes", **self.decimal()}

    def decimal(self):
        return {"logicalType": "decimal", "precision": self.random.randint(4, 6), "scale": self.random.randint(0, 2)}

    def type(self, depth, names):
        drawn = self.random.random()
        free = [name for name in NAMES if name not in names]
        if drawn < 0.5 or depth > 2 or not free:
            return self.scalar()
        if drawn < 0.6:
            return {"type": "array", "items": self.value(depth + 1, names)}
        if drawn < 0.68:
            return {"type": "map", "values": self.value(depth + 1, names)}
        name = self.random.choice(free)
        names.add(name)
        if drawn < 0.8:
            enum = {"type": "enum", **self.name(name), "symbols": self.symbols()}
            if self.chance(0.3):
                enum["default"] = enum["symbols"][0]
            return enum
        if drawn < 0.86:
            return {"type": "fixed", **self.name(name), "size": self.random.randint(1, 2)}
        if drawn < 0.89:
            return {"type": "fixed", **self.name(name), "size": 4, **self.decimal()}
        if drawn < 0.91:
            return {"type": "fixed", **self.name(name), "size": 16, "logicalType": "uuid"}
        return self.record(name, depth + 1, names)

    def name(self, name):
        named = {"name": name}
        if self.chance(0.2):
            named["namespace"] = self.random.choice(["n", "m.o"])
        if self.chance(0.2):
            named["aliases"] = [self.random.choice(["", "", "n."]) + self.random.choice(NAMES)]
        return named

    def value(self, depth, names):
        inner = self.type(depth, names)
        return ["null", inner] if self.chance(0.3) else inner

    def field(self, name, depth, names):
        field = {"name": name, "type": self.value(depth, names)}
        if isinstance(field["type"], list) and self.chance(0.6):
            field["default"] = None
        if self.chance(0.15):
            field["aliases"] = self.random.sample("pqrs", self.random.randint(1, 2))
        return field

    def record(self, name, depth, names):
        drawn = self.random.sample("pqrs", self.random.randint(1, 3))
        fields = [self.field(field, depth, names) for field in drawn]
        return {"type": "record", **self.name(name), "fields": fields}

    def root(self):
        root = self.record("R", 0, {"R"})
        root["fields"].insert(0, {"name": "key", "type": "string"})
        return root

    def chain(self):
        chain = [self.root()]
        for _ in range(self.random.randint(1, 3)):
            before = self.random.choice(chain) if self.chance(0.1) else chain[-1]
            chain.append(self.changed(before) if self.chance(0.95) else self.root())
        return chain

    def changed(self, node):
        """The same, with a few changes."""
        if isinstance(node, list):
            return [self.changed(part) for part in node]
        if not isinstance(node, dict):
            return node
        node = {key: self.changed(part) if key != "aliases" else part for key, part in node.items()}
        if node.get("type") == "enum" and self.chance(0.2):
            node["symbols"] = self.symbols()
            node.pop("default", None)
            if self.chance(0.5):
                node["default"] = node["symbols"][0]
        if node.get("type") == "fixed" and "logicalType" not in node and self.chance(0.1):
            node["size"] = 3 - node["size"]
        if node.get("logicalType") == "decimal" and self.chance(0.15):
            node["scale"] = self.random.randint(0, 2)
        if node.get("logicalType") and self.chance(0.05):
            del node["logicalType"]
        if "name" in node and "type" in node and node["type"] in ("enum", "fixed", "record") and self.chance(0.08):
            self.rename(node)
        if node.get("type") == "record":
            self.change_fields(node["fields"])
        return node

    def rename(self, node):
        """Often with what makes it the same type all the same."""
        old, space = node["name"], node.get("namespace")
        if self.chance(0.3):
            node.pop("namespace", None)
        else:
            node["name"] = self.random.choice("STUVW")
        if self.chance(0.7):
            node["aliases"] = [f"{space}.{old}" if space and self.chance(0.5) else old]

    def change_fields(self, fields):
        if len(fields) > 1 and self.chance(0.12):
            at = self.random.randrange(len(fields))
            if fields[at]["name"] != "key":
                fields.pop(at)
        if self.chance(0.12):
            free = [name for name in "pqrst" if all(field["name"] != name for field in fields)]
            name = self.random.choice(free)
            fields.append({"name": name, "type": ["null", "int"], "default": None} if self.chance(0.7) else {"name": name, "type": "int"})
        for field in fields:
            if field["name"] == "key":
                continue
            if self.chance(0.06):
                field["aliases"] = [field["name"]]
                field["name"] = self.random.choice([name for name in "tuvwxyz" if all(f["name"] != name for f in fields)])
            if self.chance(0.1):
                field.pop("default", None)
                nullable = isinstance(field["type"], list)
                field["type"] = field["type"][1] if nullable else self.random.choice([["null", field["type"]], *PRIMITIVE])


def long(out, value):
    left = ((value << 1) ^ (value >> 63)) & ((1 << 64) - 1)
    while left >= 0x80:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    out.append(left)


def count(node):
    """How many data hold every null, branch and symbol of `node`."""
    name = kind(node)
    if name == "union":
        return len(node) * max(count(branch) for branch in node)
    if name == "enum":
        return len(node["symbols"])
    if name == "record":
        return max(count(field["type"]) for field in node["fields"])
    return 1


def encode(node, turn, out):
    """The datum of that turn, of `count(node)`."""
    name = kind(node)
    if name == "union":
        long(out, turn % len(node))
        encode(node[turn % len(node)], turn // len(node), out)
    elif name == "enum":
        long(out, turn % len(node["symbols"]))
    elif name == "record":
        for field in node["fields"]:
            encode(field["type"], turn, out)
    elif name in ("array", "map"):
        part = node["items" if name == "array" else "values"]
        long(out, count(part))
        for item in range(count(part)):
            if name == "map":
                out.extend(b"\x02" + b"abcdefghijklmnopqrstuvwxyz"[item % 26 : item % 26 + 1])
            encode(part, item, out)
        out.append(0)
    elif name == "fixed":
        out.extend(bytes(node["size"] - 1) + b"\x01")
    elif name == "string" and isinstance(node, dict) and node.get("logicalType") == "uuid":
        out.extend(b"\x48" + b"123e4567-e89b-12d3-a456-426614174000")
    elif name in ("string", "bytes"):
        out.extend(b"\x021")
    elif name in ("float", "double"):
        out.extend(struct.pack("<f" if name == "float" else "<d", 1.0))
    elif name != "null":
        out.append(0 if name == "boolean" else 2)


def of_avro(reader, writer):
    """Why not, or None."""
    found = ReaderWriterCompatibilityChecker().get_compatibility(
        schema.parse(json.dumps(reader)), schema.parse(json.dumps(writer))
    )
    if found.compatibility == SchemaCompatibilityType.compatible:
        return None
    return f"{sorted(kind.name for kind in found.incompatibilities)}: {sorted(found.messages)}"


def of_fastavro(reader, writer):
    """Why not, or None."""
    try:
        parsed = fastavro.parse_schema(writer, {}), fastavro.parse_schema(reader, {})
    except Exception as error:  # noqa: BLE001 whatever they raise is their refusal
        return f"parse: {error!r}"
    for turn in range(count(writer)):
        out = bytearray()
        encode(writer, turn, out)
        try:
            fastavro.schemaless_reader(io.BytesIO(bytes(out)), *parsed)
        except Exception as error:  # noqa: BLE001
            return repr(error)
    return None


def some(node):
    """What may be written beside null."""
    return node[1] if isinstance(node, list) else node


def full(name, space):
    return name if "." in name or not space else f"{space}.{name}"


def rewritten(node, named, decimal, space=None):
    """A copy, with what `named` makes of named types (given their namespace) and `decimal` of decimals."""
    if isinstance(node, list):
        return [rewritten(part, named, decimal, space) for part in node]
    if not isinstance(node, dict):
        return node
    node = dict(node)
    if node.get("logicalType") == "decimal":
        node = decimal(node)
    if "name" in node:
        space = node.get("namespace", space)
        named(node, space)
    for part in ("items", "values"):
        if part in node:
            node[part] = rewritten(node[part], named, decimal, space)
    if "fields" in node:
        node["fields"] = [{**field, "type": rewritten(field["type"], named, decimal, space)} for field in node["fields"]]
    return node


def same(node):
    return node


def with_full_aliases(reader, writer):
    """Aliases of types by their full names, those that no written type has left out."""
    written = set()
    rewritten(writer, lambda node, space: written.add(full(node["name"], space)), same)

    def named(node, space):
        aliases = [full(alias, space) for alias in node.get("aliases", [])]
        node["aliases"] = [alias for alias in aliases if alias in written]

    return rewritten(reader, named, same), writer


def with_kinds_in_names(reader, writer):
    """No record has the name of an enum."""

    def named(node, space):
        node["name"] += "_" + node["type"]
        node["aliases"] = [alias + "_" + node["type"] for alias in node.get("aliases", [])]

    return rewritten(reader, named, same), rewritten(writer, named, same)


def with_read_once(reader, writer):
    """Each written field is read by the field of its name, else by the first one with the alias, and by that alone."""
    if isinstance(reader, list):
        inner = with_read_once(reader[1], writer)[0]
        return [reader[0], inner], writer
    other = some(writer)
    if not isinstance(reader, dict) or kind(reader) != kind(other):
        return reader, writer
    reader = dict(reader)
    for part in ("items", "values"):
        if part in reader:
            reader[part] = with_read_once(reader[part], other[part])[0]
    if kind(reader) == "record":
        free = {field["name"]: field["type"] for field in other["fields"]}
        fields = [dict(field) for field in reader["fields"]]
        written = [free.pop(field["name"], None) for field in fields]
        for at, field in enumerate(fields):
            aliases = field.pop("aliases", [])
            if written[at] is None:
                alias = next((alias for alias in aliases if alias in free), None)
                if alias is not None:
                    written[at], field["aliases"] = free.pop(alias), [alias]
            if written[at] is not None:
                field["type"] = with_read_once(field["type"], written[at])[0]
        reader["fields"] = fields
    return reader, writer


def with_decimals_on_bytes(reader, writer):
    """All decimals on bytes, as precision and scale are all that counts."""

    def decimal(node):
        return {"type": "bytes", **{key: node[key] for key in ("logicalType", "precision", "scale")}}

    return rewritten(reader, lambda *_: None, decimal), rewritten(writer, lambda *_: None, decimal)


# The word of a difference, and the same pair written so that what the word stands for is gone.
CURES = {
    "alias namespace": with_full_aliases,
    "alias twice": with_read_once,
    "decimal": with_decimals_on_bytes,
    "kind": with_kinds_in_names,
}


def cured(ask, reader, writer, is_read):
    """The fewest words that together make the other say of the pair what weir says; None if there are none."""
    for size in range(1, len(CURES) + 1):
        for words in itertools.combinations(CURES, size):
            pair = reader, writer
            for word in words:
                pair = CURES[word](*pair)
            if (ask(*pair) is None) == is_read:
                return list(words)
    return None


TYPE = r"(?:fixed\(\d+\) [\w.]+|\S+)(?: \(([^)]*)\))?"
TYPES = re.compile(f"is written as {TYPE} and read as {TYPE}")


def explained(ask, faults, reader, writer):
    """The words of a difference, None where it is none that is known."""
    words = []
    left = []
    for fault in faults:
        types = TYPES.fullmatch(fault.partition(": ")[2])
        if types and types[1] != types[2]:
            words.append("logical")
        else:
            left.append(fault)
    if left or not faults:
        found = cured(ask, reader, writer, not faults)
        return found and words + found
    return words


def configuration(folder, chains):
    (folder / "streams").mkdir()
    (folder / "weir.toml").write_text(f'[kafka]\nbrokers = "127.0.0.1:1"\n[lake]\nurl = "file://{folder}/lake"\n')
    for at, chain in enumerate(chains):
        (folder / f"streams/s{at}.toml").write_text(
            f'source = "x"\nobject = "y"\ncategory = "other"\nschema = {{ subject = "s{at}" }}\n'
            f'primary_key = ["key"]\n[topics]\nnames = ["t{at}"]\nformat = "json"\n'
        )
        (folder / f"schemas/s{at}").mkdir(parents=True)
        for version, text in enumerate(chain, 1):
            (folder / f"schemas/s{at}/{version}.avsc").write_text(json.dumps(text))


FAULT = re.compile(r"s\d+ version (\d+) cannot read data of version (\d+): (.*)", re.S)


def judged(weir, folder, level):
    """For each chain the faults by reader and writer; None where a version cannot land."""
    command = [weir, "--config", folder / "weir.toml", "--format", "json", "schema", "check"]
    environment = {**os.environ, "WEIR__SCHEMAS__COMPATIBILITY": level}
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if ran.returncode not in (0, 1):
        sys.exit(ran.stderr)
    chains = {}
    for subject in json.loads(ran.stdout)["subjects"]:
        pairs = collections.defaultdict(list)
        for fault in subject["faults"]:
            found = FAULT.fullmatch(fault)
            if found:
                pairs[int(found[1]), int(found[2])].append(found[3])
        chains[int(subject["name"][1:])] = None if any(".avsc: " in f for f in subject["faults"]) else pairs
    return [chains[at] for at in range(len(chains))]


class Comparison:
    """What was counted, and what none of the words explains."""

    def __init__(self):
        self.counts = collections.Counter()
        self.unexplained = []

    def pairs(self, chain, found):
        """Each reader and writer by weir, avro and fastavro; the pairs that avro refuses."""
        refused = set()
        for reader, writer in sorted(compared("FULL_TRANSITIVE", len(chain))):
            faults = found.get((reader, writer), [])
            texts = chain[reader - 1], chain[writer - 1]
            for who, ask in (("avro", of_avro), ("fastavro", of_fastavro)):
                why = ask(*texts)
                if who == "avro" and why:
                    refused.add((reader, writer))
                if bool(faults) == bool(why):
                    self.counts[who, "as weir", "refused" if why else "read"] += 1
                    continue
                words = explained(ask, faults, *texts)
                if words is None:
                    shown = "\n".join(json.dumps(text) for text in texts)
                    self.unexplained.append(f"{who}: {faults or why}\n{shown}")
                for word in set(words or []):
                    self.counts[who, "weir refuses" if faults else "refuses", word] += 1
        return refused

    def levels(self, chain, found, by_level, refused):
        """Each level compares the pairs of its definition and no other, and comes to what avro comes to but for the
        pairs that were explained."""
        for level in LEVELS:
            pairs = compared(level, len(chain))
            ours = {pair for pair in pairs if found.get(pair)}
            if set(by_level[level]) != ours:
                self.unexplained.append(f"{level}: {by_level[level]}, not {ours}\n{json.dumps(chain)}")
            verdicts = "holds" if not ours else "refused", "holds" if not pairs & refused else "refused"
            self.counts[level, "weir: " + verdicts[0], "avro: " + verdicts[1]] += 1


def main():
    weir = sys.argv[1]
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    drawing = Drawing(seed)
    chains = [drawing.chain() for _ in range(int(sys.argv[3]) if len(sys.argv) > 3 else 1000)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        configuration(folder, chains)
        by_level = {level: judged(weir, folder, level) for level in LEVELS}
    comparison = Comparison()
    for at, chain in enumerate(chains):
        found = by_level["FULL_TRANSITIVE"][at]
        if found is None:
            comparison.counts["chains with a version that cannot land"] += 1
            continue
        refused = comparison.pairs(chain, found)
        comparison.levels(chain, found, {level: by_level[level][at] for level in LEVELS}, refused)
    print(f"seed {seed}, {len(chains)} chains, {len(LEVELS)} processes")
    for key, number in sorted(comparison.counts.items(), key=str):
        print(f"{number:8} {key if isinstance(key, str) else ', '.join(key)}")
    if comparison.unexplained:
        print(f"{len(comparison.unexplained)} differences that are not in docs/avro-resolution.md; the first ones:")
        sys.exit("\n\n".join(comparison.unexplained[:5]))


main()
