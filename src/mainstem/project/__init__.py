"""The one facade: everything a face (command line, web, tests, `import mainstem`) may ask of the house.

`open` finds a pipeline; its `Pipeline` answers check, plan, run, sql, runs, quarantine, replay, test, build, maintain, reset.
Nothing heavy is imported before it is needed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mainstem.project.place import Opened, locate

if TYPE_CHECKING:
    import pyarrow as pa

    from mainstem.plan.explain import Explained
    from mainstem.plan.words import Plan
    from mainstem.project.cases import CaseReport
    from mainstem.project.run import RunResult
    from mainstem.spec.problems import Problem


class Pipeline:
    """One pipeline, opened. Every method reads what is on disk now."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return self._opened.name

    def check(self) -> list[Problem]:
        """Every problem of the pipeline file, in the order of its lines, then of what it calls; empty if it can run."""
        from mainstem.project.calls import unfound

        return [*self._opened.problems, *unfound(self._opened)]

    def remarks(self) -> list[Problem]:
        """What the file and the settings ask for that is accepted and not carried out yet, with its place."""
        from mainstem.project.remarks import remarks

        return remarks(self._opened)

    @property
    def compiled(self) -> Plan:
        """The frozen plan; SpecError if the file has problems."""
        return self._opened.plan

    def plan(self, engine: str | None = None) -> Explained:
        """The graph, legs, column types, guarantees, and what running it would do to the state that is there.

        With an engine that places tasks on a cluster also its stages: tasks, shuffles, what runs in one task only and why.
        """
        from mainstem.project.explaining import explain_plan

        return explain_plan(self._opened, engine)

    def run(
        self,
        *,
        follow: bool = False,
        flush: bool = False,
        accept: str | None = None,
        takeover: bool = False,
        engine: str | None = None,
        each: bool = False,
        max_epochs: int | None = None,
    ) -> RunResult:
        """Run to the end of the input, or on and on with `follow`; see `RunResult`.

        A run that ends publishes all of its epochs in one commit per output, or each of them with `each`. `max_epochs`
        ends it early, resumable.
        """
        from mainstem.project import run

        return run.run(self._opened, follow=follow, flush=flush, accept=accept, takeover=takeover, each=each, max_epochs=max_epochs,
                       engine=engine)

    def look(self, step: str, limit: int = 20) -> pa.Table:
        """Some rows of a step, without writing anything anywhere (`run --limit N --show STEP`)."""
        from mainstem.project.looking import look

        return look(self._opened, step, limit)

    def read(self, name: str, at: str | None = None) -> pa.Table:
        """An output, the `quarantine` or a table as of the last complete epoch."""
        from mainstem.project.reading import read

        return read(self._opened, name, at)

    def sql(self, text: str, at: str | None = None) -> pa.Table:
        """A query over outputs, quarantine, tables and run facts, all of the last complete epoch."""
        from mainstem.project.reading import sql

        return sql(self._opened, text, at)

    def runs(self, limit: int = 50) -> list[dict[str, Any]]:
        """What ran, the newest first."""
        from mainstem.project.records import runs

        return runs(self._opened, limit)

    def show_run(self, run_id: str) -> dict[str, Any]:
        """One run: its account per leg, durations, release and why it ended."""
        from mainstem.project.records import show_run

        return show_run(self._opened, run_id)

    def quarantine(
        self, *, step: str | None = None, reason: str | None = None, rule: str | None = None, limit: int | None = 100
    ) -> pa.Table:
        """What was set aside and is still open, the newest first; all of it if `limit` is None."""
        from mainstem.project.aside import listing

        return listing(self._opened, step=step, reason=reason, rule=rule, limit=limit)

    def quarantine_show(self, id: str) -> dict[str, Any]:
        """One record: raw bytes, position, every violated rule."""
        from mainstem.project.aside import show

        return show(self._opened, id)

    def replay(self, ids: Sequence[str] = (), **filters: Any) -> dict[str, Any]:
        """Send quarantined records through the present rules; repeating it changes nothing."""
        from mainstem.project.aside import replay

        return replay(self._opened, ids, **filters)

    def discard(self, ids: Sequence[str] = (), **filters: Any) -> dict[str, Any]:
        """Say that quarantined records need no further care; they stay on record as discarded."""
        from mainstem.project.aside import discard

        return discard(self._opened, ids, **filters)

    def test(self, paths: Sequence[str] = ()) -> CaseReport:
        """Run the YAML cases beside the pipeline."""
        from mainstem.project.cases import run_beside

        return run_beside(self._opened, paths)

    def build(self) -> dict[str, Any]:
        """Make a release of the present plan and code."""
        from mainstem.project import release

        name = release.build(self._opened)
        return {"release": name, "folder": str(self._opened.work / "releases" / name)}

    def config(self) -> list[tuple[str, Any, str]]:
        """Every setting with its value and where it comes from."""
        return list(self._opened.settings.rows())

    def maintain(self, dry_run: bool = False) -> dict[str, Any]:
        """Compact, vacuum, and drop what no reader and no recovery needs."""
        from mainstem.project.upkeep import maintain

        return maintain(self._opened, dry_run)

    def reset(self, dry_run: bool = False) -> dict[str, Any]:
        """Close the present incarnation, so that the next run begins anew from the start of its input."""
        from mainstem.project.reset import reset

        return reset(self._opened, dry_run)


def open(  # noqa: A001
    path: str | os.PathLike[str] | None = None,
    environment: str | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Pipeline:
    """The pipeline at a file, or the only one in a folder (the present one if None)."""
    return Pipeline(locate(path, environment, flags or {}))


def schema() -> dict[str, Any]:
    """The JSON Schema (draft-07) of the pipeline file."""
    from mainstem.spec.schema import pipeline_schema

    return pipeline_schema()


def catalog() -> list[dict[str, Any]]:
    """Every step, connector and format with its options, from the registry."""
    from mainstem.project.catalogue import catalog as listing

    return listing()


def explain(code: str) -> dict[str, Any]:
    """What an error code means and what to do."""
    from mainstem.project.catalogue import explain_code

    return explain_code(code)


def init(folder: str | os.PathLike[str]) -> tuple[list[str], list[str]]:
    """Write a working project into a folder; the files that were made, and those that were there and kept."""
    from mainstem.project.starting import init as start

    return start(folder)
