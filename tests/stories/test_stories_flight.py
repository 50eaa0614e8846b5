"""Thirty edits of a pipeline with state and an epoch in flight (2-S 12): the class is as predicted, and the epoch in flight ends
under the release that planned it, or nothing happens until somebody says how."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from telling import at, balances, edit, lines, opened, write

from mainstem.engines import journal
from mainstem.errors import MainstemError
from mainstem.testing import Crash, crash_at

PIPELINE = """\
version: 1
pipeline: edited
description: none
sources:
  readings:
    files: {path: "inbox/*.jsonl"}
    format: json
    columns:
      sensor: string!
      at: timestamp!
      value: double
      seq: int64
    time: {column: at, lateness: 10s}
tables:
  sensors:
    files: {path: sensors.csv}
    format: csv
    key: [sensor]
    columns: {sensor: string!, house: string!, floor: string}
steps:
  checked:
    from: readings
    check:
      - {name: small, that: value < 95}
      - {name: positive, that: seq >= 0, else: flag}
  fresh: {from: checked, dedupe: {by: [sensor, seq], within: 20s}}
  located: {from: fresh, lookup: {table: sensors, on: [sensor], take: [house], unmatched: quarantine}}
  minutes:
    from: located
    window: {size: 1m, by: [house], late: quarantine}
    select: count(*) AS n, max(value) AS top
  cold:
    from: minutes
    alert: {when: top > 50, for: 2m, clear: top < 20, by: [house], severity: critical}
  visits: {from: located, session: {gap: 40s, by: [sensor]}, select: count(*) AS n}
outputs:
  minutes: {from: minutes, delta: {table: minutes, mode: append}}
  cold: {from: cold, delta: {table: cold, mode: append}}
  visits: {from: visits, delta: {table: visits, mode: append}}
"""
SENSORS = "sensor,house,floor\ns0,north,1\ns1,south,1\ns2,north,2\n"

# what is written instead of what -> what it does to the state that is there
EDITS: dict[str, tuple[str, str, str]] = {
    "nothing": ("description: none", "description: none", "same"),
    "a description": ("description: none", "description: more", "same"),
    "a comment": ("  checked:\n", "  checked:                # asks\n", "same"),
    "rules in another order": ("      - {name: small, that: value < 95}\n      - {name: positive, that: seq >= 0, else: flag}\n",
                               "      - {name: positive, that: seq >= 0, else: flag}\n      - {name: small, that: value < 95}\n", "same"),
    "a unit": ("value: double", "value: {type: double, unit: Cel}", "same"),
    "other spaces in SQL": ("count(*) AS n, max(value) AS top", "count(*)  AS n,   max(value) AS top", "same"),
    "a stricter rule": ("value < 95", "value < 90", "compatible"),
    "a new rule": ("      - {name: small", "      - {name: known, that: seq IS NOT NULL}\n      - {name: small", "compatible"),
    "a rule is gone": ("      - {name: positive, that: seq >= 0, else: flag}\n", "", "compatible"),
    "another fate of a rule": ("that: value < 95}", "that: value < 95, else: drop}", "compatible"),
    "a new column of the source": ("      seq: int64\n", "      seq: int64\n      battery: double\n", "compatible"),
    "more lateness": ("lateness: 10s", "lateness: 20s", "compatible"),
    "less lateness": ("lateness: 10s", "lateness: 5s", "compatible"),
    "unknown columns set aside": ("    time:", "    unknown: quarantine\n    time:", "compatible"),
    "a longer horizon": ("within: 20s", "within: 40s", "compatible"),
    "a shorter horizon": ("within: 20s", "within: 10s", "compatible"),
    "unmatched rows pass": ("unmatched: quarantine", "unmatched: keep", "compatible"),
    "a pinned table": ("    key: [sensor]\n", "    key: [sensor]\n    refresh: pinned\n", "compatible"),
    "late rows are dropped": ("by: [house], late: quarantine", "by: [house], late: drop", "compatible"),
    "another severity": ("severity: critical", "severity: warning", "compatible"),
    "another aggregate of what is kept": ("max(value) AS top", "max(value) AS top, min(value) AS low", "compatible"),
    "a longer alert": ("for: 2m", "for: 3m", "compatible"),
    "a new output": ("outputs:\n", "outputs:\n  every: {from: located, delta: {table: every, mode: append}}\n", "compatible"),
    "another key of the dedupe": ("by: [sensor, seq]", "by: [sensor]", "breaking"),
    "a larger window": ("size: 1m", "size: 2m", "breaking"),
    "a hopping window": ("size: 1m", "size: 1m, every: 30s", "breaking"),
    "another key of the window": ("size: 1m, by: [house]", "size: 1m, by: [house, sensor]", "breaking"),
    "an aggregate of what is not kept": ("max(value) AS top", "max(value) AS top, min(seq) AS first", "breaking"),
    "an output of a step with state is gone": ("  visits: {from: visits, delta: {table: visits, mode: append}}\n", "", "breaking"),
    "a longer gap": ("gap: 40s", "gap: 50s", "breaking"),
    "another place of the source": ("inbox/*.jsonl", "other/*.jsonl", "breaking"),
    "another time column": ("      seq: int64\n    time: {column: at",
                            "      seq: int64\n      sent: timestamp\n    time: {column: sent", "breaking"),
}
SMALL = {"epoch": {"rows": 100}}


def readings(first: int, last: int) -> str:
    return lines({"sensor": f"s{n % 3}", "at": at(n), "sent": at(n), "value": float(n % 97), "seq": n} for n in range(first, last))


@pytest.fixture(scope="module")
def flying(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, str]:
    """A project that died with an epoch planned, beside much state; the number of that epoch and its release."""
    file = write(tmp_path_factory.mktemp("flying") / "p", PIPELINE, inbox___a__jsonl=readings(0, 300), sensors__csv=SENSORS)
    result = opened(file, **SMALL).run(each=True)
    held = {leg["leg"]: leg["held"] for leg in result.account}
    assert sum(held.values()) > 10
    (file.parent / "inbox/b.jsonl").write_text(readings(300, 380))
    with pytest.raises(Crash), crash_at("epoch.planned") as reached:
        opened(file, **SMALL).run(each=True)
    assert reached.fired
    (file.parent / "inbox/c.jsonl").write_text(readings(380, 420))
    return file.parent, reached.facts["epoch"], result.release


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_with_an_epoch_in_flight(name: str, flying: tuple[Path, int, str], tmp_path: Path) -> None:
    origin, epoch, release = flying
    file = Path(shutil.copytree(origin, tmp_path / "p")) / "pipeline.yaml"
    old, new, kind = EDITS[name]
    edit(file, old, new)
    shown = [change.kind for change in opened(file).plan().changes]
    assert max(shown, key=("same", "compatible", "breaking").index, default="same") == kind
    home = journal.current(file.parent / ".mainstem/default/edited")
    assert home is not None
    if kind == "breaking":
        for _ in range(2):
            with pytest.raises(MainstemError) as caught:
                opened(file, **SMALL).run(each=True)
            assert caught.value.code == "run.breaking"
        assert home.epochs("prepared")[-1] == epoch - 1                # nothing was touched
        result = opened(file, **SMALL).run(each=True, accept="reset")
        assert balances(result.account) if name != "another place of the source" else result.rows == 0
        return
    result = opened(file, **SMALL).run(each=True)
    assert result.rows == 120
    assert balances(result.account)
    assert home.prepared(epoch).release == release
    assert home.prepared(home.epochs("prepared")[-1]).release == result.release
    assert (result.release == release) == (name in ("nothing", "a comment", "other spaces in SQL"))


def test_the_table_has_thirty_edits_of_every_class() -> None:
    kinds = [kind for _, _, kind in EDITS.values()]
    assert len(kinds) >= 30
    assert min(kinds.count(kind) for kind in ("same", "compatible", "breaking")) >= 6
