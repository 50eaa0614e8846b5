"""The stages of a cluster engine give what the embedded engine gives, however messages are shuffled and tasks repeated (2-S 8, 10)."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path

import pytest
from drawing import cut, events
from scripted import BEGIN, DAY, Bench, HandClock, Scripted, compiled, play, seeds, source
from staged import Staged
from test_property_plans import FILES, draft, keyed, tables


@pytest.mark.parametrize("seed", seeds(10))
def test_staged_equals_embedded(seed: int, tmp_path: Path) -> None:
    text, rng = draft(500 + seed), random.Random(2000 + seed)
    plan, partitions = compiled(text, FILES), keyed(rng)
    looked = tables(sorted({row["k"] for rows in partitions.values() for row in rows}))
    moves = cut(rng, partitions, 6)
    wanted = play(plan, tmp_path, partitions, moves, tasks=2, tables=looked)
    for tasks in (1, 2, 3):
        ran = play(plan, tmp_path, partitions, moves, tasks=tasks, tables=looked, engine=partial(Staged, seed=seed))
        here = f"seed {seed}, {tasks} tasks: {moves}\n{text}"
        for name in wanted.outputs:
            assert ran.content(name) == wanted.content(name), f"{name}: {here}"
        assert ran.set_aside() == wanted.set_aside(), here
        assert ran.account == wanted.account, here
        assert ran.marks == wanted.marks, here


@pytest.mark.parametrize("seed", seeds(4))
def test_engine_and_number_of_tasks_may_change_between_any_two_epochs(seed: int, tmp_path: Path) -> None:
    text, rng = draft(700 + seed), random.Random(3000 + seed)
    plan, partitions = compiled(text, FILES), keyed(rng)
    looked = tables(sorted({row["k"] for rows in partitions.values() for row in rows}))
    moves = cut(rng, partitions, 8)
    wanted = play(plan, tmp_path, partitions, moves, tasks=2, tables=looked)
    made = []

    def another(_: int) -> object:
        from mainstem.engines.local.engine import Local

        made.append((Local, Staged)[len(made) % 2](rng.randrange(1, 5)))
        return made[-1]

    ran = play(plan, tmp_path, partitions, moves, restart=rng, tables=looked, engine=another)
    assert len({(type(engine), engine.tasks) for engine in made}) > 1
    for name in wanted.outputs:
        assert ran.content(name) == wanted.content(name), f"{name}: seed {seed}: {text}"
    assert ran.set_aside() == wanted.set_aside()
    assert ran.legs() == wanted.legs()


DICE = source("1d") + """
steps:
  thrown:
    from: events
    python: {call: "dice:throw", rows: same, deterministic: false, columns: {t: timestamp, k: string, die: int64}}
  minutes:
    from: thrown
    window: {size: 1m, by: [k], late: quarantine}
    select: sum(die) AS total, count(*) AS n
  hours:
    from: thrown
    window: {size: 1h, late: quarantine}
    select: sum(die) AS total, count(*) AS n
outputs:
  thrown: {from: thrown, delta: {table: thrown, mode: append}}
  minutes: {from: minutes, delta: {table: minutes, mode: append}}
  hours: {from: hours, delta: {table: hours, mode: append}}
"""


def test_a_step_that_is_not_deterministic_is_kept_before_anyone_reads_it(tmp_path: Path) -> None:
    """Tasks are repeated at random: without the files the sums of two readers would differ from the rows that were delivered."""
    (tmp_path / "dice.py").write_text(
        "import random\nimport pyarrow as pa\n\n\ndef throw(rows):\n    dice = [random.randrange(10**9) for _ in range(rows.num_rows)]\n"
        "    return rows.select(['t', 'k']).append_column('die', pa.array(dice, pa.int64()))\n"
    )
    rng, clock, staged = random.Random(5), HandClock(BEGIN + 30 * DAY), Staged(3, seed=3)
    partitions = events(rng, 2, 60, keys=3)
    plan = compiled(DICE, {"dice.py": (tmp_path / "dice.py").read_text()})
    script = Scripted(partitions, cut(rng, partitions, 4), True, clock, None)
    ran = Bench(plan, tmp_path, {"events": script}, 3, clock, engine=lambda _: staged).run()
    thrown = sum(row["die"] for row in ran.outputs["thrown"])
    late = [row for row in ran.aside if row["fate"] == "late"]
    assert not late
    assert sum(row["total"] for row in ran.outputs["minutes"]) == thrown == sum(row["total"] for row in ran.outputs["hours"])
    assert staged.repeated
    assert staged.kept
