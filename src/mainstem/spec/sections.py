"""The sections of a pipeline file, one entry at a time: sources, tables, steps, outputs, and the columns they declare.

Of an entry with mistakes comes what can be understood. A name that is not known is empty, as is the kind of a plug.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mainstem import plugs
from mainstem.columns import ANY, UNKNOWN, Column, Columns, parse_type
from mainstem.spec import names
from mainstem.spec.desk import Desk, entry, fields, left_over, part, plug, plugged, shape
from mainstem.spec.pipeline import Output, Plugged, Source, Step, Table, Time
from mainstem.spec.problems import Path
from mainstem.spec.tree import Broken
from mainstem.spec.written import ColumnWritten, ModeWritten, OutputWritten, SourceWritten, StepWritten, TableWritten

NO_PLUG = Plugged("", None, {})


def columns(desk: Desk, data: Mapping[str, Any], path: Path) -> Columns:
    """The declared columns; those that are wrong are told and have an unknown type. Without a declaration: any."""
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
                found.append(Column(name, UNKNOWN))
        elif isinstance(written, dict):
            if long := desk.take(ColumnWritten, written, here):
                said = long.model_dump(exclude={"type", "null"})
                found.append(Column(name, parse_type(long.type), null=tuple(long.null), **said))
        else:
            if not isinstance(written, Broken):
                desk.tell("spec.value", f"`{name}` has no type", here, fix=f"write `{name}: string`, or `{{type: string, ...}}`")
            found.append(Column(name, UNKNOWN))
    return tuple(found) or (ANY,)


def source(desk: Desk, name: str, data: Any) -> Source:
    """One source."""
    path: Path = ("sources", name)
    written, kind, beside = entry(desk, SourceWritten, "sources", data, path)
    left_over(desk, beside, (*fields(SourceWritten), *plugs.kinds("sources")), path)
    place = plugged(desk, "sources", kind, data[kind], (*path, kind)) if kind else None
    declared = columns(desk, part(data, "columns"), (*path, "columns"))
    form = needed_format(desk, data, place, path)
    if written is None:
        return Source(name, place or NO_PLUG, form, declared)
    return Source(name, place or NO_PLUG, form, declared, _time(written), written.unknown, written.missing)


def needed_format(desk: Desk, data: Any, place: Plugged | None, path: Path) -> Plugged | None:
    """The format of what is read."""
    if isinstance(data, dict) and data.get("format") is not None:
        return shape(desk, data["format"], (*path, "format"))
    if place is not None and not any(problem.path[:-1] == path and "`format`" in problem.fix for problem in desk.problems):
        desk.tell("spec.format", f"`{path[-1]}` does not say how its bytes are written", path, at_key=True,
                  why=f"formats are: {', '.join(plugs.kinds('formats'))}", fix="add `format: ...`")
    return None


def _time(written: SourceWritten) -> Time | None:
    time = written.time
    if time is None:
        return None
    idle = time.idle
    return Time(time.column, time.lateness, time.max_future, idle.after if idle else None, idle.then if idle else "hold",
                time.complete, time.partition)


def table(desk: Desk, name: str, data: Any) -> Table:
    """One table."""
    path: Path = ("tables", name)
    written, kind, beside = entry(desk, TableWritten, "sources", data, path)
    left_over(desk, beside, (*fields(TableWritten), *plugs.kinds("sources")), path)
    place = plugged(desk, "sources", kind, data[kind], (*path, kind)) if kind else None
    declared = columns(desk, part(data, "columns"), (*path, "columns"))
    form = needed_format(desk, data, place, path)
    if written is None:
        return Table(name, place or NO_PLUG, form, (), declared)
    return Table(name, place or NO_PLUG, form, tuple(written.key), declared, written.refresh)


def step(desk: Desk, name: str, data: Any, before: tuple[str, ...]) -> Step:
    """One step; it reads what was `before` if it does not say what."""
    path: Path = ("steps", name)
    written, kind, beside = entry(desk, StepWritten, "steps", data, path)
    found = plug(desk, "steps", kind, (*path, kind)) if kind is not None else None
    siblings = tuple(getattr(found, "siblings", ()))
    strange = {key: value for key, value in beside.items() if key not in siblings}
    inputs: tuple[str, ...] = before
    if written is not None and written.from_ is not None:
        inputs = tuple(written.from_)
    elif strange or not isinstance(data, dict) or "from" in data:
        inputs = ("",)
    if found is None or kind is None:
        return Step(name, inputs, "", None, None)
    left_over(desk, strange, (*fields(StepWritten), *siblings, *plugs.kinds("steps")), path)
    said = {key: desk.take(str, beside[key], (*path, key)) for key in siblings if key in beside}
    raw = data[kind]
    bare = raw is None and isinstance(found.Options, type)        # `latest:` with nothing behind it: all defaults
    options = desk.take(found.Options, {} if bare else raw, (*path, kind))
    return Step(name, inputs, kind, options, {} if bare else raw, {key: text for key, text in said.items() if text is not None})


def output(desk: Desk, name: str, data: Any) -> Output:
    """One output. `mode`, `key` and `by` are cut out of the connector's mapping."""
    path: Path = ("outputs", name)
    written, kind, beside = entry(desk, OutputWritten, "sinks", data, path)
    misplaced = [key for key in beside if key in fields(ModeWritten)]
    for key in misplaced:
        desk.tell("spec.unknown_key", f"`{key}` stands among the options of the connector", (*path, key), at_key=True,
                  fix=f"write `{kind}: {{..., {key}: ...}}`")
    left_over(desk, {key: value for key, value in beside.items() if key not in misplaced},
              (*fields(OutputWritten), *plugs.kinds("sinks")), path)
    given = written.from_ if written is not None else ""
    if kind is None or (sink := plug(desk, "sinks", kind, (*path, kind))) is None:
        form = shape(desk, written.format, (*path, "format")) if written is not None and written.format is not None else None
        return Output(name, given, NO_PLUG, format=form)
    raw = {} if data[kind] is None else data[kind]
    here = (*path, kind)
    if not isinstance(raw, dict):
        return Output(name, given, Plugged(kind, desk.take(sink.Options, raw, here), {}))
    own = {key: value for key, value in raw.items() if key not in fields(ModeWritten) or key in fields(sink.Options)}
    before = len(desk.problems)
    mode = desk.take(ModeWritten, {key: raw[key] for key in fields(ModeWritten) if key in raw}, here)
    if len(desk.problems) == before:
        _mode(desk, sink, mode, here)
    options = desk.take(sink.Options, own, here)
    form = _output_format(desk, sink, written, path) if written is not None else None
    return Output(name, given, Plugged(kind, options, own), mode.mode, tuple(mode.key), tuple(mode.by), form)


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

