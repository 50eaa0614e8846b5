"""The sections of a pipeline file, one entry at a time: sources, tables, steps, outputs, and the columns they declare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mainstem import plugs
from mainstem.columns import Column, Columns, parse_type
from mainstem.spec import names
from mainstem.spec.desk import Desk, entry, fields, left_over, part, plug, plugged, shape
from mainstem.spec.pipeline import Output, Plugged, Source, Step, Table, Time
from mainstem.spec.problems import Path, suggest
from mainstem.spec.tree import Broken
from mainstem.spec.written import ColumnWritten, ModeWritten, OutputWritten, SourceWritten, StepWritten, TableWritten


def columns(desk: Desk, data: Mapping[str, Any], path: Path) -> Columns:
    """The declared columns; those that are wrong are told and left out."""
    desk.problems += names.clashing(data, path, desk.marks)
    found = []
    for name, written in data.items():
        here = (*path, name)
        if problem := names.column(name, here, desk.marks):
            desk.problems.append(problem)
        if isinstance(written, str):
            text = written.strip()
            try:
                found.append(Column(name, parse_type(text.removesuffix("!")), required=text.endswith("!")))
            except ValueError as error:
                what, _, fix = str(error).partition("; ")
                desk.tell("spec.value", f"`{name}`: {what}", here, fix=fix)
        elif isinstance(written, dict):
            if long := desk.take(ColumnWritten, written, here):
                said = long.model_dump(exclude={"type", "null"})
                found.append(Column(name, parse_type(long.type), null=tuple(long.null), **said))
        elif not isinstance(written, Broken):
            desk.tell("spec.value", f"`{name}` has no type", here, fix=f"write `{name}: string`, or `{{type: string, ...}}`")
    return tuple(found)


def known_columns(desk: Desk, wanted: Sequence[str], declared: Mapping[str, Any], path: Path, what: str) -> None:
    """Every one of `wanted` must be declared."""
    for place, name in enumerate(wanted):
        if name not in declared:
            desk.tell("spec.column", f"`{name}` is not a column", (*path, place), why=f"{what} names it",
                      fix=suggest(name, declared))


def source(desk: Desk, name: str, data: Any) -> Source | None:
    """One source."""
    path: Path = ("sources", name)
    written, kind, beside = entry(desk, SourceWritten, "sources", data, path)
    left_over(desk, beside, (*fields(SourceWritten), *plugs.kinds("sources")), path)
    place = plugged(desk, "sources", kind, data[kind], (*path, kind)) if kind else None
    declared = columns(desk, part(data, "columns"), (*path, "columns"))
    event_time(desk, part(data, "time").get("column"), declared, part(data, "columns"), path)
    form = needed_format(desk, data, place, path)
    if written is None or place is None:
        return None
    return Source(name, place, form, declared, _time(written), written.unknown, written.missing)


def needed_format(desk: Desk, data: Any, place: Plugged | None, path: Path) -> Plugged | None:
    """The format of what is read."""
    if isinstance(data, dict) and data.get("format") is not None:
        return shape(desk, data["format"], (*path, "format"))
    if place is not None and not any(problem.path[:-1] == path and "`format`" in problem.fix for problem in desk.problems):
        desk.tell("spec.format", f"`{path[-1]}` does not say how its bytes are written", path, at_key=True,
                  why=f"formats are: {', '.join(plugs.kinds('formats'))}", fix="add `format: ...`")
    return None


def event_time(desk: Desk, name: Any, declared: Columns, written: Mapping[str, Any], path: Path) -> None:
    """The column of the event time is declared, as a timestamp."""
    known = {column.name: column for column in declared}
    if not isinstance(name, str):
        return
    if name not in written:
        desk.tell("spec.column", f"`{name}` is not a column of `{path[-1]}`", (*path, "time", "column"), fix=suggest(name, written))
    elif name in known and known[name].type.name != "timestamp":
        desk.tell("spec.column", f"`{name}` is a {known[name].type}, event time must be a timestamp", (*path, "time", "column"),
                  fix=f"declare `{name}: timestamp!`")


def _time(written: SourceWritten) -> Time | None:
    time = written.time
    if time is None:
        return None
    idle = time.idle
    return Time(time.column, time.lateness, time.max_future, idle.after if idle else None, idle.then if idle else "hold",
                time.complete, time.partition)


def table(desk: Desk, name: str, data: Any) -> Table | None:
    """One table."""
    path: Path = ("tables", name)
    written, kind, beside = entry(desk, TableWritten, "sources", data, path)
    left_over(desk, beside, (*fields(TableWritten), *plugs.kinds("sources")), path)
    place = plugged(desk, "sources", kind, data[kind], (*path, kind)) if kind else None
    declared = columns(desk, part(data, "columns"), (*path, "columns"))
    if written is not None:
        known_columns(desk, written.key, written.columns, (*path, "key"), "`key`")
    form = needed_format(desk, data, place, path)
    if written is None or place is None:
        return None
    return Table(name, place, form, tuple(written.key), declared, written.refresh)


def step(desk: Desk, name: str, data: Any) -> tuple[Step | None, tuple[str, ...] | None]:
    """One step and the inputs it names (None: it names none)."""
    path: Path = ("steps", name)
    written, kind, beside = entry(desk, StepWritten, "steps", data, path)
    inputs = tuple(written.from_) if written is not None and written.from_ is not None else None
    if kind is None:
        return None, inputs
    found = plug(desk, "steps", kind, (*path, kind))
    if found is None:
        return None, inputs
    siblings = tuple(getattr(found, "siblings", ()))
    left_over(desk, {key: value for key, value in beside.items() if key not in siblings},
              (*fields(StepWritten), *siblings, *plugs.kinds("steps")), path)
    said = {key: beside[key] for key in siblings if key in beside}
    for key, value in said.items():
        desk.take(str, value, (*path, key))
    raw = data[kind]
    bare = raw is None and isinstance(found.Options, type)        # `latest:` with nothing behind it: all defaults
    before = len(desk.problems)
    options = desk.take(found.Options, {} if bare else raw, (*path, kind))
    if len(desk.problems) > before or written is None:
        return None, inputs
    return Step(name, inputs or (), kind, options, {} if bare else raw, said), inputs


def output(desk: Desk, name: str, data: Any) -> Output | None:
    """One output. `mode`, `key` and `by` are cut out of the connector's mapping."""
    path: Path = ("outputs", name)
    written, kind, beside = entry(desk, OutputWritten, "sinks", data, path)
    misplaced = [key for key in beside if key in fields(ModeWritten)]
    for key in misplaced:
        desk.tell("spec.unknown_key", f"`{key}` stands among the options of the connector", (*path, key), at_key=True,
                  fix=f"write `{kind}: {{..., {key}: ...}}`")
    left_over(desk, {key: value for key, value in beside.items() if key not in misplaced},
              (*fields(OutputWritten), *plugs.kinds("sinks")), path)
    if kind is None:
        return None
    raw = {} if data[kind] is None else data[kind]
    here = (*path, kind)
    sink = plug(desk, "sinks", kind, here)
    if sink is None or not isinstance(raw, dict):
        return desk.take(sink.Options, raw, here) and None if sink else None
    own = {key: value for key, value in raw.items() if key not in fields(ModeWritten) or key in fields(sink.Options)}
    mode = desk.take(ModeWritten, {key: raw[key] for key in fields(ModeWritten) if key in raw}, here)
    options = desk.take(sink.Options, own, here)
    if mode is not None:
        _mode(desk, sink, mode, here)
    if written is None:
        return None
    form = _output_format(desk, sink, written, path)
    if options is None or mode is None:
        return None
    return Output(name, written.from_, Plugged(kind, options, own), mode.mode, tuple(mode.key), tuple(mode.by), form)


def _mode(desk: Desk, sink: Any, mode: ModeWritten, path: Path) -> None:
    modes = tuple(getattr(sink, "modes", ("append",)))
    if mode.mode not in modes:
        desk.tell("spec.mode", f"`{path[-1]}` cannot {mode.mode}", (*path, "mode"), fix=f"write one of: {', '.join(modes)}")
    for key, belongs in (("key", "upsert"), ("by", "replace")):
        given = getattr(mode, key)
        if mode.mode == belongs and not given:
            desk.tell("spec.mode", f"`mode: {belongs}` needs `{key}`", (*path, "mode"), fix=f"add `{key}: [column, ...]`")
        if mode.mode != belongs and given:
            desk.tell("spec.mode", f"`{key}` belongs to `mode: {belongs}`, this is `{mode.mode}`", (*path, key), at_key=True,
                      fix=f"write `mode: {belongs}`, or remove `{key}`")


def _output_format(desk: Desk, sink: Any, written: OutputWritten, path: Path) -> Plugged | None:
    fixed, takes = getattr(sink, "fixed_format", None), getattr(sink, "takes_format", None)
    if written.format is None:
        if takes:
            desk.tell("spec.format", f"`{path[-1]}` does not say how its rows are written", path, at_key=True,
                      why=f"formats are: {', '.join(plugs.kinds('formats'))}", fix="add `format: ...`")
        return None
    if fixed is not None or takes is False:
        desk.tell("spec.format", f"`{sink.kind}` decides itself how rows are written", (*path, "format"), fix="remove `format`",
                  at_key=True)
        return None
    form = shape(desk, written.format, (*path, "format"))
    if form is not None and not getattr(plugs.find("formats", form.kind), "encodes", False):
        desk.tell("spec.format", f"`{form.kind}` can be read only, not written", (*path, "format"))
    return form

