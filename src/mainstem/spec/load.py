"""From a pipeline file to its frozen wish, or to every problem in it at once. Bad content never raises."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path as File
from typing import Any

from mainstem.errors import SpecError
from mainstem.spec import names, sections, tree
from mainstem.spec.desk import Desk
from mainstem.spec.interpolate import interpolate
from mainstem.spec.pipeline import Limits, Pipeline, Step
from mainstem.spec.problems import Marks, Path, Problem
from mainstem.spec.written import PipelineWritten

VERSION = 1
_NAMES = ("spec.name", "spec.reserved_name")      # what is called so may be right


@dataclass(frozen=True)
class Loaded:
    """What came out of a file: what can be understood of it, and every problem with how it is written."""

    draft: Pipeline | None                # None: nothing can be understood
    problems: tuple[Problem, ...]
    marks: Marks

    @property
    def pipeline(self) -> Pipeline | None:
        """The pipeline; None if there is any problem."""
        return None if self.problems else self.draft


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
    hurt = {*broken, *(problem.path for problem in found if problem.path and problem.code not in _NAMES)}
    return Loaded(replace(pipeline, broken=frozenset(hurt)) if pipeline else None, found, read.marks)


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
    top = desk.take(PipelineWritten, sent, ())
    name = data.get("pipeline")
    if isinstance(name, str) and name in names.RESERVED:
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
    steps: dict[str, Step] = {}
    before = tuple(sources) if len(sources) == 1 else ()
    for name, value in written["steps"].items():
        steps[name] = sections.step(desk, name, value, before)
        before = (name,)
    outputs = {name: sections.output(desk, name, value) for name, value in written["outputs"].items()}
    limits = Limits(top.limits.quarantine, top.limits.rows, top.limits.then) if top and top.limits else None
    said = {key: str(data.get(key, "")) for key in ("pipeline", "description", "owner")}
    return Pipeline(VERSION, said["pipeline"], said["description"], said["owner"], sources, tables, steps, outputs, limits, file,
                    desk.marks)
