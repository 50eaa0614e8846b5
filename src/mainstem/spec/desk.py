"""The desk where one file is read: its marks, its list of problems, and what every entry has: fixed keys and one plug."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mainstem import plugs
from mainstem.errors import MainstemError, SpecError
from mainstem.spec import closed
from mainstem.spec.pipeline import Plugged
from mainstem.spec.problems import Marks, Path, Problem, suggest
from mainstem.spec.salvage import salvage
from mainstem.spec.tree import Broken

_WHAT = {"sources": "connector", "sinks": "connector", "steps": "step", "formats": "format"}


@dataclass
class Desk:
    """What the reading of one file has at hand: its marks, and the list of problems that grows."""

    marks: Marks
    problems: list[Problem] = field(default_factory=list)

    def tell(self, code: str, what: str, path: Path, *, why: str = "", fix: str = "", at_key: bool = False) -> None:
        self.problems.append(self.marks.problem(code, what, path, why=why, fix=fix, at_key=at_key))

    def take(self, kind: Any, data: Any, path: Path) -> Any:
        """`data` as `kind`; after telling what is wrong, as much of it as can be understood, or None."""
        data = closed.meant(kind, data, path, self.marks)
        value, problems = closed.validate(kind, data, path, self.marks)
        self.problems += problems
        return salvage(kind, data) if problems else value


def fields(model: Any) -> tuple[str, ...]:
    """The keys of a model as they are written."""
    return tuple(entry.alias or name for name, entry in model.model_fields.items())


def entry(desk: Desk, written: Any, group: str, data: Any, path: Path) -> tuple[Any, str | None, dict[str, Any]]:
    """One entry of a section cut in its fixed part (a `written`, None if hopeless), its plug's kind, and the keys beside it."""
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
                  at_key=True, why=f"it takes exactly one {_WHAT[group]}", fix=f"make two {_WHAT[group]}s of it")
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


def plugged(desk: Desk, group: str, kind: str, raw: Any, path: Path) -> Plugged:
    """A connector or format with validated options."""
    found = plug(desk, group, kind, path)
    raw = {} if raw is None else closed.meant(found.Options, raw, path, desk.marks) if found else raw
    return Plugged(kind, desk.take(found.Options, raw, path) if found else None, raw if isinstance(raw, dict) else {})


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


def part(data: Any, key: str) -> dict[str, Any]:
    """A mapping in what was written, empty where there is none: mistakes beside it must not hide those in it."""
    found = data.get(key) if isinstance(data, dict) else None
    return found if isinstance(found, dict) else {}
