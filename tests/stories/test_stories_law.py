"""A fault planted in a real run, wherever rows pass: the epoch is refused, nobody sees any of it, and it goes on once it is gone."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from telling import at, balances, lines, opened, rows, write

from mainstem.connectors.delta import datafile, merge
from mainstem.connectors.files.source import Files
from mainstem.engines import aside, staging
from mainstem.engines.kernels import made, slot
from mainstem.engines.local import engine
from mainstem.errors import Bug
from mainstem.formats.csv import Csv
from mainstem.formats.json import Json

PIPELINE = """\
version: 1
pipeline: planted
sources:
  readings:
    files: {path: "inbox/*.jsonl", complete: true}
    format: json
    columns: {sensor: string!, at: timestamp!, value: double!, n: int64!}
    time: {column: at, lateness: 10s}
steps:
  checked: {from: readings, check: [{name: in_range, that: value <= 90}]}
  mine: {from: checked, python: {call: "mine:kept", rows: fewer}}
  newest: {from: mine, latest: {by: [sensor]}}
  minutes: {from: mine, window: {size: 1m, by: [sensor], late: quarantine}, select: "count(*) AS count, sum(n) AS total"}
outputs:
  kept: {from: mine, delta: {table: kept}}
  newest: {from: newest, delta: {table: newest, mode: upsert, key: [sensor]}}
  minutes: {from: minutes, files: {path: out/minutes}, format: csv}
"""
MINE = "import pyarrow.compute as pc\n\ndef kept(rows):\n    return rows.filter(pc.not_equal(rows['n'], 13))\n"
OUTPUTS = ("kept", "newest", "minutes", "quarantine")


def records(part: int) -> str:
    """Readings of nine sensors, later of five, some broken, some out of range, some late."""
    rng = random.Random(part)
    made_: list[Any] = []
    for number in range(part * 300, part * 300 + 300):
        late = 200 if rng.random() < 0.03 else 0
        record: Any = {"sensor": f"s{number % (5 if part else 9)}", "at": at(number - late), "value": float(rng.randrange(100)), "n": number}
        made_.append(json.dumps(record)[:30] if rng.random() < 0.03 else record)
    return lines(made_)


def project_in(folder: Path) -> Path:
    """A project that has published a first part of its input, and has a second one before it."""
    file = write(folder, PIPELINE, mine__py=MINE, inbox___0__jsonl=records(0))
    assert balances(run(file).account)
    (folder / "inbox" / "1.jsonl").write_text(records(1))
    return file


def run(file: Path) -> Any:
    return opened(file, epoch={"rows": 100}, tasks=2).run()


def content(file: Path) -> dict[str, list[str]]:
    """What anybody can see, without what differs from run to run."""
    hidden = ("incarnation", "release", "epoch", "clock")
    return {name: sorted(str({key: value for key, value in row.items() if key not in hidden}) for row in rows(file, name))
            for name in OUTPUTS}


@pytest.fixture(scope="module")
def unfailed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What a run leaves that nothing was planted in."""
    file = project_in(tmp_path_factory.mktemp("unfailed"))
    run(file)
    found = content(file)
    assert [len(found[name]) > count for name, count in zip(OUTPUTS, (400, 4, 40, 60))] == [True] * 4
    return found


def drop(rows_: pa.Table) -> pa.Table:
    return rows_.slice(1)


def double(rows_: pa.Table) -> pa.Table:
    return pa.concat_tables([rows_, rows_.slice(0, 1)])


def overlooked(decoded: Any) -> Any:
    """A decoder that never saw its third record."""
    import dataclasses

    keep = np.arange(len(decoded.position)) != 2
    if len(keep) < 9 or 2 not in decoded.record:
        return None
    row = np.asarray(decoded.record) != 2
    record, refused = np.asarray(decoded.record)[row], decoded.rejects.column("record").to_numpy()
    rejects = decoded.rejects.set_column(0, "record", pa.array(refused - (refused > 2)))
    return dataclasses.replace(decoded, rows=decoded.rows.filter(pa.array(row)), record=record - (record > 2), rejects=rejects,
                               position=decoded.position[keep], raw=decoded.raw.filter(pa.array(keep)))


def table(change: Callable[[pa.Table], pa.Table]) -> Callable[[Any], Any]:
    """Change a table that has rows to lose, and keep what is written on it."""
    return lambda found: change(found).replace_schema_metadata(found.schema.metadata) if found.num_rows > 2 else None


def kept_rows(change: Callable[[pa.Table], pa.Table]) -> Callable[[Any], Any]:
    return lambda found: (found[0], change(found[1]), *found[2:]) if found[1].num_rows else None


# where rows pass -> (whose function, which, what becomes of its answer)
PLANTED: dict[str, tuple[Any, str, Callable[[Any], Any]]] = {
    "the decoder": (Json, "decode", overlooked),
    "the source": (Files, "read", lambda chunks: chunks[:-1]),
    "a read task": (engine, "read_calls", lambda calls: [*calls, *calls] or None),
    "the pipe to the user's function": (slot.Slot, "__call__", table(drop)),
    "the shuffle": (engine, "scatter", lambda parts: [(parts[0][0], drop(parts[0][1])), *parts[1:]] if parts else None),
    "the group by": (made, "ask", table(drop)),
    "the merge of an upsert": (merge, "rewritten", lambda added: added[1:]),
    "what an upsert keeps": (merge, "outdated", kept_rows(double)),
    "the records set aside": (aside, "from_rejects", lambda rows_: drop(rows_) if rows_.num_rows else None),
    "the file of an output": (Csv, "encode", lambda text: text.rstrip(b"\n").rpartition(b"\n")[0] + b"\n" if text.count(b"\n") > 2 else None),
}
GIVEN = {                                  # ... and where what goes in is changed
    "a table's data file": (datafile, "write", 1, double),
    "the state of a window": (staging, "write_state", 3, drop),
}


@contextlib.contextmanager
def planted(place: str) -> Any:
    """One fault, the first time that there is something to spoil; yields whether it has come to that."""
    with pytest.MonkeyPatch.context() as patch:
        owner, name = (PLANTED[place] if place in PLANTED else GIVEN[place])[:2]
        true, done = getattr(owner, name), []

        def spoilt(*args: Any, **more: Any) -> Any:
            if place in GIVEN:
                _, _, index, change = GIVEN[place]
                if not done and args[index].num_rows > 2:
                    done.append(1)
                    args = (*args[:index], change(args[index]), *args[index + 1:])
                return true(*args, **more)
            answer = true(*args, **more)
            changed = None if done else PLANTED[place][2](answer)
            if changed is None:
                return answer
            done.append(1)
            return changed

        patch.setattr(Files, "_try", lambda *_: None)      # a look at the file before it is read, whose rows nobody takes
        patch.setattr(owner, name, spoilt)
        yield done


@pytest.mark.parametrize("place", [*PLANTED, *GIVEN])
def test_a_row_that_gets_lost_or_doubled_is_published_to_nobody(place: str, tmp_path: Path, unfailed: Any) -> None:
    file = project_in(tmp_path)
    before = content(file)
    versions = {name: opened(file).read(name).num_rows for name in OUTPUTS}
    manifests = sorted(path.name for path in tmp_path.rglob("manifest-*.json"))
    with planted(place) as done, pytest.raises(Bug) as caught:
        run(file)
    assert done, "the fault found nothing to spoil"
    assert caught.value.code == "law.broken", str(caught.value)
    assert content(file) == before
    assert {name: opened(file).read(name).num_rows for name in OUTPUTS} == versions
    assert sorted(path.name for path in tmp_path.rglob("manifest-*.json")) == manifests
    run(file)
    assert content(file) == unfailed
