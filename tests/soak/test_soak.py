"""Three thousand epochs (`make soak`): as quick and as small at the end as at the beginning."""

from __future__ import annotations

from pathlib import Path

import pytest
from telling import CLOCK, at, lines, opened, rows, write

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
def test_three_thousand_epochs_stay_small_and_quick(tmp_path: Path) -> None:
    file = write(tmp_path, PIPELINE, inbox___a=readings(0, ROWS))
    (tmp_path / "mainstem.yaml").write_text("tasks: 1\nretention: {manifests: 10, versions: 0s, staged: 0s}\n")
    clock, done, took, counts = HandClock(2_000_000_000_000_000), 0, list[float](), list[int]()
    began = CLOCK.monotonic()

    def more(name: str, _: object) -> None:
        nonlocal done, began
        if name == "run.progress":
            done += 1
            took.append(CLOCK.monotonic() - began)
            with (tmp_path / "inbox/a").open("a") as inbox:
                inbox.write(readings(done * ROWS, (done + 1) * ROWS))
            began = CLOCK.monotonic()

    with signals.listening(more):
        for _ in range(EPOCHS // A_TIME):
            began = CLOCK.monotonic()
            run(locate(file, None, {}), follow=True, clock=clock, max_epochs=A_TIME)
            opened(file).maintain()
            counts.append(sum(1 for path in tmp_path.rglob("*") if path.is_file()))
    assert max(counts[4:]) <= max(counts[:4]) * 1.3 + 20, counts
    first, last = sorted(took[:300])[285], sorted(took[-300:])[285]
    assert last <= 2 * first, f"p95 of the first 300 epochs {first:.3f} s, of the last 300 {last:.3f} s"
    assert len(rows(file, "checked")) == EPOCHS * ROWS * 9 // 10
