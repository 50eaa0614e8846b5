"""Opening a pipeline: where its project is, its settings, its checked spec and its plan."""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mainstem.errors import RefusedError, SpecError
from mainstem.spec import load as spec
from mainstem.spec.problems import Problem

if TYPE_CHECKING:
    from mainstem.clock import Clock
    from mainstem.engines.lease import Lease
    from mainstem.engines.site import Place, Site
    from mainstem.plan.build import Built
    from mainstem.plan.words import Plan
    from mainstem.spec.load import Loaded
    from mainstem.spec.project import Settings


@dataclass(frozen=True)
class Opened:
    """One pipeline file in its project and environment."""

    file: Path
    folder: Path
    environment: str
    flags: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def settings(self) -> Settings:
        """The project's settings, layer over layer."""
        from mainstem.spec.project import settings

        return settings(self.folder, self.environment, os.environ, self.flags)

    @cached_property
    def loaded(self) -> Loaded:
        """The pipeline file as it was read, with what is wrong about how it is written."""
        return spec.load(self.file, environ=os.environ)

    @cached_property
    def _built(self) -> Built | None:
        """What became of it; None where nothing of the file can be understood."""
        if self.loaded.draft is None:
            return None
        from mainstem.engines.kernels.binder import DuckBinder
        from mainstem.plan.build import build

        return build(self.loaded.draft, DuckBinder())

    @cached_property
    def problems(self) -> tuple[Problem, ...]:
        """Every problem of the file, in the order of its lines."""
        found = [*self.loaded.problems, *(self._built.problems if self._built is not None else ())]
        return tuple(sorted(found, key=lambda problem: (problem.line, problem.column, problem.code)))

    @cached_property
    def plan(self) -> Plan:
        """The plan; SpecError with all problems if the file has any."""
        if self._built is None or self._built.plan is None or self.problems:
            raise SpecError(
                "spec.problems",
                f"{self.file.name} has {len(self.problems)} problem{'' if len(self.problems) == 1 else 's'}",
                where=str(self.file),
                why="\n".join(str(problem) for problem in self.problems),
                fix="see `mainstem check`",
            )
        return _carried(self._built.plan, self.work)

    @cached_property
    def name(self) -> str:
        """The pipeline's name."""
        return str(self.loaded.pipeline.name) if self.loaded.pipeline is not None else self.file.stem

    @property
    def work(self) -> Path:
        """The state folder of this pipeline in this environment."""
        return Path(self.settings.state_folder) / self.environment / self.name

    @cached_property
    def place(self) -> Place:
        from mainstem.engines.site import Place

        return Place(
            project=str(self.folder),
            lake=str(self.settings.lake_folder),
            work=str(self.work),
            pipeline=self.name,
            environment=self.environment,
            secrets=secrets(os.environ),
        )

    def lease(self, clock: Clock, takeover: bool = False) -> Lease:
        """The right to run this pipeline in this environment, whatever its incarnation."""
        from mainstem import durable
        from mainstem.engines.lease import Lease

        return Lease(durable.folder(self.work / "lease"), clock, takeover)

    def site(self, plan: Plan | None = None, code: tuple[str, ...] = ()) -> Site:
        """The place where a plan's epochs run."""
        from mainstem.engines.site import Site

        return Site(plan or self.plan, self.place, code=code or tuple(self.settings.python_folders))


def _carried(plan: Plan, work: Path) -> Plan:
    """The plan with the origin numbers of the one that made the running state, so that its rows still say who made them."""
    if not (work / "incarnations").is_dir():
        return plan
    from mainstem.engines import journal
    from mainstem.plan.legs import carried
    from mainstem.project import release

    try:
        home = journal.current(work)
        numbers = home.epochs("prepared") if home else []
    except RefusedError:
        return plan                                       # damaged: `run` says so, with its remedy
    if home is None or not numbers:
        return plan
    return carried(plan, release.plan_of(work, home.prepared(numbers[-1]).release).origins)


def secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """`${secret:NAME}` comes from MAINSTEM_SECRET_NAME, or from the file that MAINSTEM_SECRET_NAME_FILE names."""
    prefix, found = "MAINSTEM_SECRET_", {}
    for name, value in environ.items():
        if name.startswith(prefix) and name.endswith("_FILE"):
            found[name.removeprefix(prefix).removesuffix("_FILE")] = Path(value).read_text().strip()
        elif name.startswith(prefix):
            found[name.removeprefix(prefix)] = value
    return found


def locate(path: str | os.PathLike[str] | None, environment: str | None, flags: Mapping[str, Any]) -> Opened:
    """The pipeline at a file or in a folder: with one pipeline file there, no name is needed."""
    start = Path(path or ".").absolute()
    file = _pipeline_file(start) if start.is_dir() else start
    if not file.is_file():
        if os.path.lexists(file):
            raise SpecError("spec.no_file", f"{file.name} cannot be read", where=str(file), why="it is no file, or a link that leads to none",
                            fix="name a pipeline file, or a folder that has one")
        there = sorted(entry.name for entry in file.parent.glob("*.y*ml")) if file.parent.is_dir() else []
        close = difflib.get_close_matches(file.name, there, 1) or [name for name in there if name.startswith(f"{file.name}.")]
        raise SpecError(
            "spec.no_file",
            f"there is no file {file.name}",
            where=str(file.parent),
            why=f"files there: {', '.join(there)}" if there else "",
            fix=f"did you mean {close[0]}?" if close else "`mainstem init` makes a project to start from",
        )
    folder = next((parent for parent in file.parents if (parent / "mainstem.yaml").is_file()), file.parent)
    return Opened(file, folder, environment or os.environ.get("MAINSTEM_ENV", "default"), dict(flags))


def _may_be_pipeline(file: Path) -> bool:
    """One that cannot be read may be one: who opens it says why."""
    try:
        return file.is_file() and "pipeline:" in file.read_text(errors="replace")
    except OSError:
        return True


def _pipeline_file(folder: Path) -> Path:
    found = [
        entry
        for entry in sorted(folder.glob("*.y*ml"))
        if not entry.name.startswith("mainstem.") and _may_be_pipeline(entry)
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        raise SpecError(
            "spec.no_file",
            "there is no pipeline file here",
            where=str(folder),
            fix="name one, or make a project with `mainstem init`",
        )
    raise SpecError(
        "spec.many_files",
        f"there are {len(found)} pipeline files here",
        where=str(folder),
        why=", ".join(entry.name for entry in found),
        fix="say which one: `mainstem run FILE`, `mainstem sql -f FILE`",
    )


def scratch(what: str) -> tempfile.TemporaryDirectory[str]:
    """A throw-away folder, in memory where the system has such a place: nothing in it needs to survive anything."""
    memory = Path("/dev/shm")
    return tempfile.TemporaryDirectory(prefix=f"mainstem-{what}-", dir=memory if os.access(memory, os.W_OK) else None)
