"""The sections of a pipeline file, one entry at a time: fixed keys, one plug key, its options; columns; inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mainstem import plugs
from mainstem.columns import Column, Columns, parse_type
from mainstem.errors import MainstemError, SpecError
from mainstem.spec import closed, names
from mainstem.spec.pipeline import Output, Plugged, Source, Step, Table, Time
from mainstem.spec.problems import Marks, Path, Problem, suggest
from mainstem.spec.tree import Broken
from mainstem.spec.written import ColumnWritten, ModeWritten, OutputWritten, SourceWritten, StepWritten, TableWritten

_WHAT = {"sources": "connector", "sinks": "connector", "steps": "step", "formats": "format"}


@dataclass
class Desk:
    """What the reading of one file has at hand: its marks, and the list of problems that grows."""

    marks: Marks
    problems: list[Problem] = field(default_factory=list)

    def tell(self, code: str, what: str, path: Path, *, why: str = "", fix: str = "", at_key: bool = False) -> None:
        self.problems.append(self.marks.problem(code, what, path, why=why, fix=fix, at_key=at_key))

    def take(self, kind: Any, data: Any, path: Path) -> Any:
        """`data` as `kind`, None after telling what is wrong."""
        value, problems = closed.validate(kind, data, path, self.marks)
        self.problems += problems
        return value


def fields(model: Any) -> tuple[str, ...]:
    """The keys of a model as they are written."""
    return tuple(entry.alias or name for name, entry in model.model_fields.items())


def entry(desk: Desk, written: Any, group: str, data: Any, path: Path) -> tuple[Any, str | None, dict[str, Any]]:
    """One entry of a section cut in its fixed part (a `written`, None if wrong), its plug's kind, and the keys beside it."""
    if not isinstance(data, dict):
        if not isinstance(data, Broken):
            desk.tell("spec.value", f"`{path[-1]}` must be a mapping", path,
                      fix=f"write one of {', '.join(plugs.kinds(group))} under it")
        return None, None, {}
    own, kinds = fields(written), plugs.kinds(group)
    chosen = [key for key in data if key in kinds and key not in own]
    beside = {key: value for key, value in data.items() if key not in own and key not in chosen}
    if len(chosen) > 1:
        desk.tell("spec.many_connectors", f"`{path[-1]}` has {' and '.join(f'`{key}`' for key in chosen)}", (*path, chosen[1]),
                  at_key=True, why=f"it takes exactly one {_WHAT[group]}", fix="make two of it")
    if not chosen:
        no_kind(desk, group, beside, own, path)
        beside = {}
    fixed = desk.take(written, {key: data[key] for key in own if key in data}, path)
    return fixed, chosen[0] if chosen else None, beside


def no_kind(desk: Desk, group: str, beside: Mapping[str, Any], own: Sequence[str], path: Path) -> None:
    """Nothing says which plug: the strange keys are it if there are any."""
    kinds, code = plugs.kinds(group), "spec.no_step" if group == "steps" else "spec.no_connector"
    if not beside:
        desk.tell(code, f"`{path[-1]}` has no {_WHAT[group]}", path, at_key=True, why=f"one of: {', '.join(kinds)}",
                  fix=f"add one of them under `{path[-1]}`")
    for key in beside:
        if key.replace("_", "").isalnum():
            desk.tell("spec.unknown_kind", f"`{key}` is no {_WHAT[group]}", (*path, key), at_key=True,
                      why=f"known: {', '.join(kinds)}", fix=suggest(key, [*kinds, *own], "see `mainstem catalog`"))
        else:
            desk.problems.append(closed.unknown(key, [*kinds, *own], (*path, key), desk.marks))


def left_over(desk: Desk, beside: Mapping[str, Any], known: Sequence[str], path: Path) -> None:
    """Keys that belong to nothing."""
    for key in beside:
        desk.problems.append(closed.unknown(key, known, (*path, key), desk.marks))


def plug(desk: Desk, group: str, kind: str, path: Path) -> Any:
    """The plug class, None after telling why it cannot be had."""
    try:
        return plugs.find(group, kind)
    except SpecError as error:
        desk.tell(error.code, error.what, path, why=error.why, fix=error.fix, at_key=True)
    except (ImportError, AttributeError, MainstemError) as error:
        desk.tell("spec.broken_plug", f"the {_WHAT[group]} `{kind}` cannot be loaded", path, at_key=True, why=str(error),
                  fix=f"install what is missing; for an extra: pip install 'mainstem[{kind}]'")
    return None


def plugged(desk: Desk, group: str, kind: str, raw: Any, path: Path) -> Plugged | None:
    """A connector or format with validated options."""
    found = plug(desk, group, kind, path)
    raw = {} if raw is None else raw
    options = desk.take(found.Options, raw, path) if found else None
    return Plugged(kind, options, raw) if options is not None else None


def shape(desk: Desk, data: Any, path: Path) -> Plugged | None:
    """A format: `json`, or `{csv: {delimiter: ";"}}`."""
    kinds = plugs.kinds("formats")
    raw: Any = {}
    if isinstance(data, dict) and len(data) == 1:
        (data, raw), = data.items()
        path = (*path, data)
    if isinstance(data, Broken):
        return None
    if not isinstance(data, str):
        desk.tell("spec.value", "`format` must be a name, or one name with its options", path,
                  fix="write `json`, or `{csv: {header: true}}`")
        return None
    if data not in kinds:
        desk.tell("spec.unknown_kind", f"`{data}` is no format", path, why=f"known: {', '.join(kinds)}",
                  fix=suggest(data, kinds, "see `mainstem catalog`"))
        return None
    return plugged(desk, "formats", data, raw, path)


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
    if written is None:
        return None
    declared = columns(desk, written.columns, (*path, "columns"))
    form = needed_format(desk, written, place, "sources", path)
    time = _time(desk, written, declared, path)
    if place is None:
        return None
    return Source(name, place, form, declared, time, written.unknown, written.missing)


def needed_format(desk: Desk, written: Any, place: Plugged | None, group: str, path: Path) -> Plugged | None:
    """The format of what is read."""
    if written.format is not None:
        return shape(desk, written.format, (*path, "format"))
    if place is not None and getattr(plugs.find(group, place.kind), "fixed_format", None) is None:
        desk.tell("spec.format", f"`{path[-1]}` does not say how its bytes are written", path, at_key=True,
                  why=f"formats are: {', '.join(plugs.kinds('formats'))}", fix="add `format: ...`")
    return None


def _time(desk: Desk, written: SourceWritten, declared: Columns, path: Path) -> Time | None:
    time = written.time
    if time is None:
        return None
    known = {column.name: column for column in declared}
    if time.column not in written.columns:
        desk.tell("spec.column", f"`{time.column}` is not a column of `{path[-1]}`", (*path, "time", "column"),
                  fix=suggest(time.column, written.columns))
    elif time.column in known and known[time.column].type.name != "timestamp":
        desk.tell("spec.column", f"`{time.column}` is a {known[time.column].type}, event time must be a timestamp",
                  (*path, "time", "column"), fix=f"declare `{time.column}: timestamp!`")
    idle = time.idle
    return Time(time.column, time.lateness, time.max_future, idle.after if idle else None, idle.then if idle else "hold",
                time.complete, time.partition)


def table(desk: Desk, name: str, data: Any) -> Table | None:
    """One table."""
    path: Path = ("tables", name)
    written, kind, beside = entry(desk, TableWritten, "sources", data, path)
    left_over(desk, beside, (*fields(TableWritten), *plugs.kinds("sources")), path)
    place = plugged(desk, "sources", kind, data[kind], (*path, kind)) if kind else None
    if written is None:
        return None
    declared = columns(desk, written.columns, (*path, "columns"))
    known_columns(desk, written.key, written.columns, (*path, "key"), "`key`")
    form = needed_format(desk, written, place, "sources", path)
    if place is None:
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

