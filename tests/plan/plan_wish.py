"""Pipelines for tests, written as Python data: what `spec.load` would make of the same words in YAML."""

from __future__ import annotations

import types
from typing import Any
from unittest import mock

from pydantic import TypeAdapter

from mainstem import plugs
from mainstem.columns import Column, Columns, parse_type
from mainstem.engines.kernels.binder import DuckBinder
from mainstem.plan.build import Built, build
from mainstem.plan.words import Plan
from mainstem.quantities import parse_duration
from mainstem.spec.pipeline import Limits, Output, Pipeline, Plugged, Source, Step, Table, Time
from mainstem.spec.problems import Mark, Marks

BINDER = DuckBinder()

READINGS = {"sensor_id": "string!", "observed_at": "timestamp!", "temperature": "double", "humidity": "double", "seq": "int64"}
SENSORS = {"sensor_id": "string!", "house": "string!"}


def columns(given: dict[str, str]) -> Columns:
    return tuple(Column(name, parse_type(kind.removesuffix("!")), kind.endswith("!")) for name, kind in given.items())


def source(
    name: str,
    given: dict[str, str],
    *,
    time: str | None = "observed_at",
    lateness: str | None = "30s",
    growing: bool = True,
    complete: bool = False,
    path: str = "",
    unknown: str = "ignore",
) -> Source:
    place = Plugged("files", types.SimpleNamespace(growing=growing), {"path": path or f"data/{name}"})
    when = Time(time, parse_duration(lateness) if lateness else None, complete=complete) if time else None
    return Source(name, place, Plugged("json", None, {}), columns(given), when, unknown)


def table(name: str, given: dict[str, str], key: tuple[str, ...], refresh: str = "on_change") -> Table:
    return Table(
        name,
        Plugged("files", types.SimpleNamespace(growing=False), {"path": f"{name}.csv"}),
        Plugged("csv", None, {}),
        key,
        columns(given),
        refresh,
    )


def step(name: str, inputs: str | tuple[str, ...], kind: str, options: Any, **siblings: str) -> Step:
    given = TypeAdapter(plugs.find("steps", kind).Options).validate_python(options)
    return Step(name, (inputs,) if isinstance(inputs, str) else inputs, kind, given, options, siblings)


def output(name: str, of: str, mode: str = "append", **more: Any) -> Output:
    return Output(name, of, Plugged("delta", None, {"table": name}), mode, **more)


def pipeline(
    *parts: Source | Table | Step | Output,
    name: str = "greenhouse",
    marks: Marks | None = None,
    description: str = "",
    limits: Limits | None = None,
) -> Pipeline:
    """A pipeline of these parts; every step and source is given a mark of its own line unless `marks` are given."""

    def of(kind: type) -> dict[str, Any]:
        return {part.name: part for part in parts if isinstance(part, kind)}

    keys: dict[tuple[str | int, ...], Mark] = {}
    for line, part in enumerate(parts, 1):
        room = {Source: "sources", Table: "tables", Step: "steps", Output: "outputs"}[type(part)]
        keys[(room, part.name)] = Mark(line, 1)
        if isinstance(part, Step):
            keys[(room, part.name, "from")] = Mark(line, 1)
    return Pipeline(
        1, name, description, "", of(Source), of(Table), of(Step), of(Output), limits, "p.yaml", marks or Marks("p.yaml", keys)
    )


FAKE = {
    "sinks": types.SimpleNamespace(modes=("append", "upsert", "replace"), commits_with_epoch=True, fixed_format="parquet"),
    "sources": types.SimpleNamespace(resumes=True, replays=True),
}
_find = plugs.find


def find(group: str, kind: str) -> Any:
    """The registry, with connectors that only have abilities: a plan needs no more of them."""
    return FAKE.get(group) or _find(group, kind)


def built(*parts: Source | Table | Step | Output, **more: Any) -> Built:
    with mock.patch.object(plugs, "find", find):
        return build(pipeline(*parts, **more), BINDER)


def plan(*parts: Source | Table | Step | Output) -> Plan:
    """The plan of these parts, which must be without problems."""
    made = built(*parts)
    assert made.plan is not None, [str(problem) for problem in made.problems]
    return made.plan


def greenhouse(**changes: Any) -> tuple[Source | Table | Step | Output, ...]:
    """The pipeline of design.md section 3; `changes` replace its parts by name, None takes one out."""
    parts: dict[str, Any] = {
        "readings": source("readings", READINGS),
        "sensors": table("sensors", SENSORS, ("sensor_id",)),
        "checked": step(
            "checked",
            "readings",
            "check",
            [
                {"that": "temperature BETWEEN -40 AND 60"},
                {"name": "humidity_range", "that": "humidity BETWEEN 0 AND 100", "else": "flag"},
            ],
        ),
        "fresh": step("fresh", "checked", "dedupe", {"by": ["sensor_id", "seq"], "within": "10m"}),
        "located": step(
            "located", "fresh", "lookup", {"table": "sensors", "on": ["sensor_id"], "take": ["house"], "unmatched": "quarantine"}
        ),
        "climate": step(
            "climate",
            "located",
            "window",
            {"size": "1m", "by": ["house"], "late": "quarantine"},
            select="avg(temperature) AS temperature,\nquantile_cont(temperature, 0.95) AS p95,\ncount(*) AS readings\n",
        ),
        "frost": step(
            "frost",
            "climate",
            "alert",
            {
                "when": "temperature < 2",
                "for": "3m",
                "clear": "temperature > 4",
                "by": ["house"],
                "severity": "critical",
                "notify": ["ops"],
            },
        ),
        "climate_out": output("climate", "climate"),
        "frost_out": output("frost", "frost"),
    }
    parts.update(changes)
    return tuple(part for part in parts.values() if part is not None)
