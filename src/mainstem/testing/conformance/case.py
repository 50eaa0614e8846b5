"""A case: a pipeline, its input and what it must give; and carrying it out on an engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mainstem import project
from mainstem.plan.words import Fold, Latest, Plan, Read, Write

# of a record that was set aside: what does not depend on when, where and in which epochs the pipeline ran
_ASIDE = ("fate", "node", "reason", "rules", "detail", "origin", "partition", "position", "child", "event_time", "time_mark", "raw",
          "raw_hash", "row")
_TOLD = pa.array(["future_timestamp", "expression"])     # whose detail tells of the clock, or only once an epoch why
_FATES = ("delivered", "filtered", "quarantined", "late", "held")


@dataclass(frozen=True)
class Answer:
    """What a pipeline gives. As an expectation it names what it wants to be compared.

    `tables`: output -> its rows, as a multiset; columns and types count. `quarantine`: rows with any of the quarantine's columns,
    None to leave it out. `account`: leg -> {made, fate ...}, with a fate of 0 left out, and perhaps `reasons`; a leg that is not
    named must not be there, None leaves the account out.
    """

    tables: Mapping[str, pa.Table]
    quarantine: pa.Table | None = None
    account: Mapping[str, Mapping[str, Any]] | None = None
    notes: Mapping[str, Mapping[str, int]] | None = None


@dataclass(frozen=True)
class Case:
    """A pipeline and its input, with what they must give on every engine.

    `pipeline`: text of the pipeline file. `files`: path beside it -> content, or a file that is linked there. `within`:
    `output.column` -> by how much a number of it may differ, for sums of floats; everything else is exact.
    """

    name: str
    pipeline: str
    files: Mapping[str, bytes | Path] = field(default_factory=dict)
    expected: Answer | None = None
    within: Mapping[str, float] = field(default_factory=dict)


def run_case(case: Case, engine: str, folder: Path, flags: Mapping[str, Any] | None = None, *, each: bool = False) -> Answer:
    """What a case gives on an engine, run to its end in an empty folder.

    `flags` are settings (`{"epoch": {"rows": 100}, "tasks": 3}`), `each` publishes every epoch. Raises AssertionError where the
    pipeline has problems, does not come to its end, or a leg does not balance; MainstemError as the run does.
    """
    file = _written(case, folder)
    pipeline = project.open(file, flags=dict(flags or {}))
    problems = pipeline.check()
    assert not problems, f"{case.name} cannot run:\n" + "\n".join(map(str, problems))
    result = pipeline.run(engine=engine, flush=True, each=each)
    assert (result.why, result.exit_code, result.published) == ("end", 0, True), f"{case.name} on {engine} ended with {result.why}"
    plan = pipeline.compiled
    account = {row["leg"]: {key: value for key, value in row.items() if key != "leg"} for row in result.account}
    for leg, row in account.items():
        assert row["made"] + row["held_before"] == sum(row[fate] for fate in _FATES), f"{leg} does not balance: {row}"
        assert row["held"] == 0, f"{leg} still holds rows: {row}"
    tables = {node.step: pipeline.read(node.step) for node in plan.of(Write)}
    return Answer(tables, _aside(pipeline.read("quarantine"), plan), _settled(account, plan), result.notes)


def _written(case: Case, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "pipeline.yaml"
    file.write_text(case.pipeline, encoding="utf-8")
    for name, content in case.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            path.symlink_to(content)
        else:
            path.write_bytes(content)
    return file


def _aside(rows: pa.Table, plan: Plan) -> pa.Table:
    """The quarantine without what depends on the epochs: the position of a row that a step made begins with its epoch."""
    rows = rows.select(_ASIDE)
    read = pc.is_in(rows.column("origin"), pa.array([node.name for node in plan.of(Read)]))
    told = pc.is_in(rows.column("reason"), _TOLD)
    for name, values in (("position", pc.if_else(read, rows.column("position"), 0)),
                         ("detail", pc.if_else(told, None, rows.column("detail")))):
        rows = rows.set_column(rows.schema.get_field_index(name), name, values)
    return rows


def _settled(account: Mapping[str, Mapping[str, Any]], plan: Plan) -> dict[str, dict[str, Any]]:
    """The account without what depends on the epochs: how many changes of a key `latest` makes on the way to the newest."""
    moving = {node.name for node in plan.of(Fold) if isinstance(node.word, Fold) and isinstance(node.word.body, Latest)}
    return {leg: dict(row) for leg, row in account.items() if leg.split(" -> ")[0] not in moving}
