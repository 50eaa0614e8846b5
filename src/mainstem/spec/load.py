"""From a pipeline file to its frozen wish, or to every problem in it at once. Bad content never raises."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path as File
from typing import Any

from mainstem.errors import SpecError
from mainstem.spec import closed, names, sections, tree
from mainstem.spec.desk import Desk
from mainstem.spec.interpolate import interpolate
from mainstem.spec.pipeline import Limits, Pipeline, Step
from mainstem.spec.problems import Marks, Path, Problem, suggest
from mainstem.spec.written import PipelineWritten

VERSION = 1


@dataclass(frozen=True)
class Loaded:
    """What came out of a file: the pipeline, or the problems why there is none."""

    pipeline: Pipeline | None
    problems: tuple[Problem, ...]
    marks: Marks


def load(path: str | os.PathLike[str], *, environ: Mapping[str, str]) -> Loaded:
    """Read a pipeline file. `environ` is where `${env:NAME}` looks.

    Raises SpecError `spec.no_file` if there is no such file; everything else is in `Loaded.problems`.
    """
    text, problems = tree.decode(read_file(path), os.fspath(path))
    if problems:
        return Loaded(None, problems, Marks(os.fspath(path)))
    return loads(text, file=os.fspath(path), environ=environ)


def read_file(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file; SpecError with the names that are near if it cannot be had."""
    file = File(path)
    try:
        return file.read_bytes()
    except OSError as error:
        if file.exists():
            raise SpecError("spec.no_file", f"{file.name} cannot be read", where=str(path), why=str(error.strerror or error),
                            fix="make it readable for the user who runs this") from error
        there = sorted(entry.name for entry in file.parent.glob("*.y*ml")) if file.parent.is_dir() else []
        close = difflib.get_close_matches(file.name, there, 1)
        raise SpecError("spec.no_file", f"there is no file {file.name}", where=str(path),
                        why=f"files there: {', '.join(there)}" if there else str(error.strerror or error),
                        fix=f"did you mean `{close[0]}`?" if close else "`mainstem init` makes a project to start from") from error


def loads(text: str, *, file: str = "<text>", environ: Mapping[str, str] | None = None) -> Loaded:
    """The same for a text.

    >>> loads("version: 1\\npipeline: x\\nsurces: {}\\n").problems[-1].fix
    'did you mean `sources`?'
    """
    read = tree.read(text, file)
    if not isinstance(read.data, dict):
        return Loaded(None, tuple(sorted(read.problems)), read.marks)
    data, missing = interpolate(read.data, environ or {}, read.marks)
    desk = Desk(read.marks, [*read.problems, *missing])
    broken = {*read.broken, *(problem.path for problem in missing)}
    before = len(desk.problems)
    pipeline = _pipeline(desk, data, file)
    problems = [*desk.problems[:before], *(found for found in desk.problems[before:] if not _follows(found.path, broken))]
    found = tuple(sorted(dict.fromkeys(problems)))
    return Loaded(None if found else pipeline, found, read.marks)


def _follows(path: Path, broken: Iterable[Path]) -> bool:
    """Whether a problem at this path is only the consequence of a value that could not be read."""
    return any(path[:len(bad)] == bad or (path == bad[:-1] and path) for bad in broken)


def _pipeline(desk: Desk, data: dict[str, Any], file: str) -> Pipeline | None:
    version = data.get("version")
    if isinstance(version, int) and version != VERSION:
        desk.tell("spec.version", f"version {version} of the language is not known here", ("version",),
                  why=f"this is version {VERSION}", fix=f"write `version: {VERSION}`")
        return None
    sent = {key: {} if value is None and key in ("tables", "steps") else value for key, value in data.items()}
    top, problems = closed.validate(PipelineWritten, sent, (), desk.marks)
    desk.problems += problems
    name = data.get("pipeline")
    if isinstance(name, str) and not any(problem.path == ("pipeline",) for problem in problems) and name in names.RESERVED:
        desk.problems += filter(None, [names.thing(name, ("pipeline",), desk.marks)])

    def section(key: str) -> dict[str, Any]:
        found = data.get(key)
        found = found if isinstance(found, dict) else {}
        desk.problems += filter(None, (names.thing(name, (key, name), desk.marks) for name in found))
        return found

    written = {key: section(key) for key in ("sources", "tables", "steps", "outputs")}
    desk.problems += names.shared({key: written[key] for key in ("sources", "tables", "steps")}, desk.marks)
    sources = {name: sections.source(desk, name, value) for name, value in written["sources"].items()}
    tables = {name: sections.table(desk, name, value) for name, value in written["tables"].items()}
    steps = _steps(desk, written)
    outputs = {name: sections.output(desk, name, value) for name, value in written["outputs"].items()}
    for name, value in written["outputs"].items():
        if isinstance(value, dict) and isinstance(value.get("from"), str):
            _known_input(desk, value["from"], written, ("outputs", name, "from"))
    if top is None or desk.problems:
        return None
    limits = Limits(top.limits.quarantine, top.limits.rows, top.limits.then) if top.limits else None
    return Pipeline(top.version, top.pipeline, top.description, top.owner, sources, tables, steps, outputs,  # type: ignore[arg-type]
                    limits, file, desk.marks)


def _steps(desk: Desk, written: Mapping[str, dict[str, Any]]) -> dict[str, Step | None]:
    """All steps with their inputs: those named, or the one that is clear."""
    found: dict[str, Step | None] = {}
    inputs: dict[str, tuple[str, ...]] = {}
    before: str | None = next(iter(written["sources"])) if len(written["sources"]) == 1 else None
    for name, value in written["steps"].items():
        path: Path = ("steps", name)
        step, named = sections.step(desk, name, value)
        if named is None and before is None and isinstance(value, dict) and "from" not in value and written["sources"]:
            desk.tell("spec.from", f"`{name}` does not say what it reads", path, at_key=True,
                      why=f"there are {len(written['sources'])} sources: {', '.join(written['sources'])}", fix="add `from: NAME`")
        for place, wanted in enumerate(named or ()):
            one = isinstance(value["from"], str)
            _known_input(desk, wanted, written, (*path, "from") if one else (*path, "from", place))
        if named is not None and not named:
            desk.tell("spec.from", f"`{name}` reads nothing", (*path, "from"), fix="name a source or a step")
        inputs[name] = named if named is not None else ((before,) if before else ())
        found[name] = replace(step, inputs=inputs[name]) if step else None
        before = name
    _cycles(desk, inputs)
    return found


def _known_input(desk: Desk, name: str, written: Mapping[str, dict[str, Any]], path: Path) -> None:
    known = [*written["sources"], *written["steps"]]
    if name in known:
        return
    if name in written["tables"]:
        desk.tell("spec.from", f"`{name}` is a table: it is looked at, not consumed", path,
                  fix=f"use `lookup: {{table: {name}, ...}}` or a join in SQL, or declare it under `sources:`")
    else:
        desk.tell("spec.from", f"there is no source or step `{name}`", path, fix=suggest(name, known))


def _cycles(desk: Desk, inputs: Mapping[str, tuple[str, ...]]) -> None:
    """Tell each circle once, at the first of its steps."""
    done: set[str] = set()
    for start in inputs:
        trail = [start]
        stack = [iter(inputs[start])]
        while stack:
            name = next(stack[-1], None)
            if name is None:
                done.add(trail.pop())
                stack.pop()
            elif name in trail:
                circle = trail[trail.index(name):]
                first = next(step for step in inputs if step in circle)
                at = circle.index(first)
                circle = [*circle[at:], *circle[:at]]
                desk.tell("spec.cycle", f"`{first}` reads itself", ("steps", first, "from"), at_key=True,
                          why=" reads ".join(f"`{step}`" for step in [*circle, first]), fix="let one of them read a source")
            elif name in inputs and name not in done:
                trail.append(name)
                stack.append(iter(inputs[name]))
