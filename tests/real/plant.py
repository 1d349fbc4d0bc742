"""Breaks a lake in one way, as a disk, an operator or a bug would. It knows Delta's log only.

plant.py FOLDER STREAM PLANTING

Prints one JSON object: what a proof has to name (any of `file`, `partition`, `from`, `to`).
"""

import json
import pathlib
import sys

folder, stream, planting = sys.argv[1:]
lake = pathlib.Path(folder)
DATA, REJECTS = f"{stream}__dll", f"{stream}__rejects"


def commits(table):
    log = lake / table / "_delta_log"
    return sorted(p for p in log.glob("*.json") if len(p.stem) == 20)


def read(commit):
    return [json.loads(line) for line in commit.read_text().splitlines()]


def write(commit, actions):
    commit.write_text("".join(json.dumps(a) + "\n" for a in actions))


def added(table):
    """(commit, add) of every file of the table, oldest first."""
    return [(c, a) for c in commits(table) for a in read(c) if "add" in a]


def one(table, name):
    """A commit of the middle with such an action, and the action."""
    found = [(c, a) for c in commits(table) for a in read(c) if name in a]
    return found[len(found) // 2]


def record(action):
    weir = action["commitInfo"]["weir"]
    return json.loads(weir) if isinstance(weir, str) else weir


def data_file_deleted():
    _, add = one(DATA, "add")
    (lake / DATA / add["add"]["path"]).unlink()
    return {"file": add["add"]["path"]}


def add_doubled():
    commit, add = one(DATA, "add")
    later = commits(DATA)[-1]
    assert later > commit
    write(later, read(later) + [add])
    return {"file": add["add"]["path"]}


def range_left_out():
    # Not the starting points, and not what the log ends with.
    for commit in commits(DATA)[len(commits(DATA)) // 2 :]:
        actions = read(commit)
        info = next(a for a in actions if "commitInfo" in a)
        weir = record(info)
        moved = [r for r in weir["ranges"] if r["from"] < r["to"]]
        if moved:
            gone = moved[0]
            weir["ranges"].remove(gone)
            as_text = isinstance(info["commitInfo"]["weir"], str)
            info["commitInfo"]["weir"] = json.dumps(weir) if as_text else weir
            write(commit, actions)
            return {k: gone[k] for k in ("partition", "from", "to")}


def rejects_file_removed():
    _, add = one(REJECTS, "add")
    (lake / REJECTS / add["add"]["path"]).unlink()
    return {"file": add["add"]["path"]}


def last_rejects_commit_emptied():
    commit, add = added(REJECTS)[-1]
    assert commit == commits(REJECTS)[-1]
    write(commit, [a for a in read(commit) if "add" not in a])
    return {"file": add["add"]["path"]}


def position_moved_back():
    commit = commits(DATA)[-1]
    actions = read(commit)
    txn = next(a["txn"] for a in actions if "txn" in a and a["txn"]["appId"].startswith("kafka:"))
    txn["version"] -= 10
    write(commit, actions)
    return {"partition": int(txn["appId"].rsplit(":", 1)[1]), "from": txn["version"]}


print(json.dumps(globals()[planting]()))
