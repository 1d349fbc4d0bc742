"""Holds `weir schema check` against Apache Avro's own checker, by pairs of schemas drawn from a seed.

    python3 -m venv V && V/bin/pip install avro
    V/bin/python tests/long/compatibility.py target/debug/weir [SEED] [PAIRS]

Logical types are left out: weir tells them apart, where the specification may lay them aside.
"""

import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from avro import schema
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType

PRIMITIVE = ["boolean", "int", "long", "float", "double", "bytes", "string"]
NAMES = "ABCDEFGH"
SYMBOLS = ["X", "Y", "Z"]


class Drawing:
    """Schemas of a seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def chance(self, share):
        return self.random.random() < share

    def symbols(self):
        return sorted(self.random.sample(SYMBOLS, self.random.randint(1, 3)))

    def type(self, depth, names):
        kind = self.random.random()
        free = [name for name in NAMES if name not in names]
        if kind < 0.55 or depth > 2 or not free:
            return self.random.choice(PRIMITIVE)
        if kind < 0.65:
            return {"type": "array", "items": self.value(depth + 1, names)}
        if kind < 0.72:
            return {"type": "map", "values": self.value(depth + 1, names)}
        name = self.random.choice(free)
        names.add(name)
        if kind < 0.82:
            enum = {"type": "enum", "name": name, "symbols": self.symbols()}
            if self.chance(0.3):
                enum["default"] = enum["symbols"][0]
            if self.chance(0.3):
                enum["aliases"] = [self.random.choice(NAMES)]
            return enum
        if kind < 0.9:
            return {"type": "fixed", "name": name, "size": self.random.randint(1, 2)}
        return self.record(name, depth + 1, names)

    def value(self, depth, names):
        inner = self.type(depth, names)
        return ["null", inner] if self.chance(0.3) else inner

    def record(self, name, depth, names):
        fields = []
        for field in self.random.sample("pqrs", self.random.randint(1, 3)):
            fields.append({"name": field, "type": self.value(depth, names)})
            if isinstance(fields[-1]["type"], list) and self.chance(0.5):
                fields[-1]["default"] = None
            if self.chance(0.15):
                fields[-1]["aliases"] = [self.random.choice("pqrs")]
        return {"type": "record", "name": name, "fields": fields}

    def root(self):
        root = self.record("R", 0, {"R"})
        root["fields"].insert(0, {"name": "key", "type": "string"})
        return root

    def changed(self, node):
        """The same, with a few changes."""
        if isinstance(node, list):
            return [self.changed(part) for part in node]
        if not isinstance(node, dict):
            return node
        node = {name: self.changed(part) for name, part in node.items()}
        if node.get("type") == "enum" and self.chance(0.3):
            node["symbols"] = self.symbols()
            node.pop("default", None)
        if node.get("type") == "fixed" and self.chance(0.2):
            node["size"] = 3 - node["size"]
        if node.get("type") == "record":
            if len(node["fields"]) > 1 and self.chance(0.2):
                node["fields"].pop(self.random.randrange(1, len(node["fields"])))
            for field in node["fields"]:
                if field["name"] != "key" and self.chance(0.15):
                    field.pop("default", None)
                    field["type"] = (
                        field["type"][1]
                        if isinstance(field["type"], list)
                        else self.random.choice([["null", field["type"]], *PRIMITIVE])
                    )
        return node


def configuration(folder):
    (folder / "streams").mkdir()
    (folder / "schemas/s").mkdir(parents=True)
    (folder / "weir.toml").write_text(
        f'[kafka]\nbrokers = "127.0.0.1:1"\n[lake]\nurl = "file://{folder}/lake"\n'
    )
    (folder / "streams/s.toml").write_text(
        'source = "x"\nobject = "y"\ncategory = "other"\nschema = { subject = "s" }\n'
        'primary_key = ["key"]\n[topics]\nnames = ["t"]\nformat = "json"\n'
    )


def faults(weir, folder):
    command = [weir, "--config", folder / "weir.toml", "--format", "json", "schema", "check"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    return json.loads(ran.stdout)["subjects"][0]["faults"]


def main():
    weir = sys.argv[1]
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    pairs = int(sys.argv[3]) if len(sys.argv) > 3 else 500
    drawing = Drawing(seed)
    compatible = incompatible = refused = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        configuration(folder)
        for _ in range(pairs):
            writer = drawing.root()
            reader = drawing.changed(writer) if drawing.chance(0.8) else drawing.root()
            for version, text in ((1, writer), (2, reader)):
                (folder / f"schemas/s/{version}.avsc").write_text(json.dumps(text))
            found = faults(weir, folder)
            if any(".avsc: " in fault for fault in found):
                refused += 1
                continue
            ours = not any("cannot read data of" in fault for fault in found)
            theirs = ReaderWriterCompatibilityChecker().get_compatibility(
                schema.parse(json.dumps(reader)), schema.parse(json.dumps(writer))
            )
            if ours != (theirs.compatibility == SchemaCompatibilityType.compatible):
                sys.exit(f"seed {seed}: weir {ours}, {found}\n{theirs}\n{writer}\n{reader}")
            compatible += ours
            incompatible += not ours
    print(
        f"seed {seed}: {compatible} pairs compatible, {incompatible} not, by both; "
        f"{refused} with a schema that cannot land"
    )


main()
