"""Three thousand epochs (`make soak`): as many files at the end as at the beginning; benchmarks/epochs.py has the times."""

from __future__ import annotations

from pathlib import Path

import pytest
from telling import at, lines, opened, rows, write

from mainstem import signals
from mainstem.clock import HandClock
from mainstem.project.place import locate
from mainstem.project.run import run

PIPELINE = """\
version: 1
pipeline: long
sources:
  readings:
    files: {path: "inbox/*"}
    format: json
    columns: {sensor: string!, at: timestamp!, value: double!}
    time: {column: at, lateness: 10s}
steps:
  checked: {from: readings, check: [{that: value < 9}]}
  minutes:
    from: checked
    window: {size: 1m, by: [sensor], late: quarantine}
    select: count(*) AS n
outputs:
  checked: {from: checked, delta: {table: checked, mode: append}}
  minutes: {from: minutes, delta: {table: minutes, mode: append}}
"""
EPOCHS, A_TIME, ROWS = 3000, 250, 20


def readings(first: int, last: int) -> str:
    return lines({"sensor": f"s{n % 3}", "at": at(n), "value": float(n % 10)} for n in range(first, last))


@pytest.mark.timeout(3600)
def test_three_thousand_epochs_stay_small(tmp_path: Path) -> None:
    file = write(tmp_path, PIPELINE, inbox___a=readings(0, ROWS))
    (tmp_path / "mainstem.yaml").write_text("tasks: 1\nretention: {manifests: 10, versions: 0s, staged: 0s}\n")
    clock, done, counts = HandClock(2_000_000_000_000_000), 0, list[int]()

    def more(name: str, _: object) -> None:
        nonlocal done
        if name == "run.progress":
            done += 1
            with (tmp_path / "inbox/a").open("a") as inbox:
                inbox.write(readings(done * ROWS, (done + 1) * ROWS))

    with signals.listening(more):
        for _ in range(EPOCHS // A_TIME):
            run(locate(file, None, {}), follow=True, clock=clock, max_epochs=A_TIME)
            opened(file).maintain()
            counts.append(sum(1 for path in tmp_path.rglob("*") if path.is_file()))
    assert max(counts[4:]) <= max(counts[:4]) * 1.3 + 20, counts
    assert len(rows(file, "checked")) == EPOCHS * ROWS * 9 // 10
