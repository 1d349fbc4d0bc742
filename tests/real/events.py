"""The events of the tests: what they look like, and what weir has to say of each.

An event has 8 fields and about 230 bytes. A poisoned one is wrong in one of twelve ways, each of
which has one reject code. The expectation travels as the message's header `expect`.
"""

import random

CATEGORIES = [
    "book", "cinema", "coffee", "flight", "food", "fuel",
    "game", "hotel", "music", "rent", "tool", "train",
]
COUNTRIES = ["AUT", "BEL", "CHE", "DEU", "ESP", "FRA", "ITA", "NLD", "POL", "SWE"]
WORDS = "the river runs past a low stone dam and rests a while in the lake behind it".split()
TEXTS = [
    " ".join(random.Random(n).choices(WORDS, k=24))[: 60 + n % 41] for n in range(512)
]
# A tombstone is a skip, and no poison.
ACCEPTED, TOMBSTONE = "accepted", "skip:tombstone"


def fields(number, rng):
    """The fields of event `number`, each as JSON text."""
    return {
        "id": f'"event-{number:010d}"',
        "number": str(rng.getrandbits(62) - 2**61),
        "category": f'"{CATEGORIES[number % 12]}"',
        "amount": f"{rng.random() * 1e4:.2f}",
        "country": f'"{COUNTRIES[number % 10]}"',
        "created_at": f'"2026-03-{1 + number % 28:02d}T{number % 24:02d}:{number % 60:02d}:00.{number % 10**6:06d}Z"',
        "active": "true" if number % 3 else "false",
        "note": f'"{TEXTS[number % 512]}"',
    }


def text(fields):
    return ("{" + ",".join(f'"{k}":{v}' for k, v in fields.items()) + "}").encode()


def _with(**changes):
    return lambda fields: text(fields | changes)


def _without(name):
    return lambda fields: text({k: v for k, v in fields.items() if k != name})


POISONS = [
    ("invalid_json", lambda fields: text(fields)[:-30]),
    ("invalid_utf8", lambda fields: text(fields).replace(b'"note":"', b'"note":"\xc3\x28')),
    ("duplicate_field", lambda fields: text(fields)[:-1] + b',"id":"again"}'),
    ("unknown_field", _with(colour='"blue"')),
    ("missing_field", _without("amount")),
    ("null_value", _with(country="null")),
    ("null_key", _with(id="null")),
    ("wrong_type", _with(number='"17"')),
    ("out_of_range", _with(amount="1e400")),
    ("invalid_format", _with(created_at='"2026-03-01T10:00:00"')),
    ("inexact", _with(created_at='"2026-03-01T10:00:00.1234567Z"')),
    ("unknown_symbol", _with(category='"zeppelin"')),
]


def event(number, rng, poison_share, version=1):
    """The value of event `number` as of a schema version, and the expectation. Each version from the
    second on adds a field, `added_<version>`."""
    good = fields(number, rng)
    for added in range(2, version + 1):
        good[f"added_{added}"] = f'"{added}-{number}"'
    if rng.random() >= poison_share:
        return text(good), ACCEPTED
    code, make = POISONS[rng.randrange(len(POISONS))]
    return make(good), code
