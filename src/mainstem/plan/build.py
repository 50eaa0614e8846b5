"""From the wish to the meaning: a checked pipeline becomes a plan of the seven words, or a list of all its problems."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from mainstem import plugs
from mainstem.errors import SpecError
from mainstem.plan import legs, notes
from mainstem.plan.fingerprint import fingerprints
from mainstem.plan.reads import growing, plain, read
from mainstem.plan.words import Dedupe, Fold, Latest, Limits, Node, Over, Plan, Read, Session, Table, Whole, Window, Write
from mainstem.plan.writes import write
from mainstem.spec.pipeline import Output, Pipeline, Step
from mainstem.spec.problems import Problem, suggest

_JUDGING = (Window, Session, Dedupe, Over)


@dataclass(frozen=True)
class Built:
    """A plan, or every problem that stands in its way; notes of a plan are in the plan."""

    plan: Plan | None
    problems: tuple[Problem, ...]


def build(pipeline: Pipeline, binder: plugs.Binder) -> Built:
    """The plan of a pipeline. Pure: the same pipeline gives the same plan, byte for byte."""
    return _Building(pipeline, binder).run()


@dataclass
class _Lowering:
    """What a step may know and say while it lowers itself (`plugs.Lowering`)."""

    building: _Building
    step: Step
    siblings: tuple[str, ...]
    name: str
    inputs: tuple[plugs.Input, ...]
    tables: Mapping[str, plugs.Input]
    binder: plugs.Binder

    def key(self, table: str) -> tuple[str, ...]:
        return self.building.keys[table]

    def problem(
        self,
        code: str,
        what: str,
        *,
        at: Sequence[str | int] = (),
        why: str = "",
        fix: str = "",
        spot: tuple[int, int] | None = None,
    ) -> None:
        start: tuple[str | int, ...] = ("steps", self.step.name)
        if not at or at[0] not in self.siblings:
            start = (*start, self.step.kind)
        self.building.problem(code, what, (*start, *at), why=why, fix=fix, spot=spot)


@dataclass
class _Building:
    pipeline: Pipeline
    binder: plugs.Binder
    nodes: dict[str, Node] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)  # steps that have problems: what reads them is not judged
    keys: dict[str, tuple[str, ...]] = field(default_factory=dict)
    looked: dict[str, plugs.Input] = field(default_factory=dict)
    growing: dict[str, bool] = field(default_factory=dict)
    outputs: dict[str, Node] = field(default_factory=dict)

    def problem(
        self,
        code: str,
        what: str,
        path: tuple[str | int, ...],
        *,
        why: str = "",
        fix: str = "",
        spot: tuple[int, int] | None = None,
    ) -> None:
        marks = self.pipeline.marks
        mark = marks.within(path, *spot) if spot else marks.value(path)
        self.problems.append(Problem(code, what, marks.file, mark.line, mark.column, why, fix, path))

    def run(self) -> Built:
        for source in self.pipeline.sources.values():
            self.growing[source.name] = growing(source)
            self.nodes[source.name] = read(source, self.problem)
        for table in self.pipeline.tables.values():
            self.keys[table.name] = table.key
            self.looked[table.name] = plugs.Input(table.name, table.columns, bounded=True, judged=False, timed=False)
            self._key(table.name, table.key, [column.name for column in table.columns])
        for step in self._ordered():
            self._step(step)
        self._lateness()
        for output in self.pipeline.outputs.values():
            self._output(output)
        if not self.pipeline.outputs:
            self.problem("plan.no_output", "nothing is written", ("pipeline",), fix="add `outputs:` with the step to be stored")
        problems = tuple(sorted(self.problems, key=lambda one: one.order))
        return Built(None if problems else self._plan(), problems)

    def _key(self, table: str, key: Sequence[str], columns: Sequence[str]) -> None:
        for place, name in enumerate(key):
            if name not in columns:
                what = f"there is no column `{name}`"
                self.problem("plan.no_column", what, ("tables", table, "key", place), fix=suggest(name, columns))

    # -------------------------------------------------------------------------------------------------- steps

    def _ordered(self) -> Iterator[Step]:
        """The steps, every one behind those that it reads; a problem for unknown names and for cycles."""
        steps = self.pipeline.steps
        wanted = {name: self._wanted(step) for name, step in steps.items()}
        done: set[str] = set()
        waiting = dict(steps)
        while waiting:
            ready = [name for name in waiting if all(other in done or other not in waiting for other in wanted[name])]
            if not ready:
                circle = self._circle(waiting, wanted)
                for name in circle:
                    self.problem(
                        "plan.cycle",
                        f"`{name}` reads itself: {' -> '.join([*circle, circle[0]])}",
                        ("steps", name, "from"),
                        why="rows would go round for ever",
                        fix="let one of them read something else",
                    )
                self.failed |= set(waiting)
                return
            for name in ready:
                done.add(name)
                yield waiting.pop(name)

    def _wanted(self, step: Step) -> tuple[str, ...]:
        kind = plugs.find("steps", step.kind)
        looks = tuple(kind.looks(step.options)) if hasattr(kind, "looks") else ()
        return (*self._inputs(step, kind), *(name for name in looks if name in self.pipeline.steps))

    def _inputs(self, step: Step, kind: Any) -> tuple[str, ...]:
        """The inputs of a step: as written, else those that the step itself can name, else the step before."""
        if hasattr(kind, "reads") and ("steps", step.name, "from") not in self.pipeline.marks.keys:
            try:
                named = [name for name in kind.reads(step.options) if name in self.pipeline.sources or name in self.pipeline.steps]
            except SpecError:
                named = []  # its own lowering says what is wrong
            if named:
                return tuple(named)
        return step.inputs

    def _circle(self, waiting: Mapping[str, Step], wanted: Mapping[str, tuple[str, ...]]) -> list[str]:
        path: list[str] = [next(iter(waiting))]
        while True:
            following = next(name for name in wanted[path[-1]] if name in waiting)
            if following in path:
                return path[path.index(following) :]
            path.append(following)

    def _step(self, step: Step) -> None:
        kind = plugs.find("steps", step.kind)
        names = self._inputs(step, kind)
        known = {**self.pipeline.sources, **self.pipeline.steps}
        for name in names:
            if name not in known:
                table = (
                    f"`{name}` is a table: look it up with `lookup: {{table: {name}, ...}}`" if name in self.pipeline.tables else ""
                )
                self.problem(
                    "plan.unknown_input",
                    f"there is no source or step `{name}`",
                    ("steps", step.name, "from"),
                    fix=table or suggest(name, known),
                )
                self.failed.add(step.name)
        if step.name in self.failed or any(name in self.failed for name in names):
            self.failed.add(step.name)
            return
        before = len(self.problems)
        lowering = _Lowering(
            self, step, tuple(kind.siblings), step.name, tuple(self.input(name) for name in names), self.looked, self.binder
        )
        try:
            given = kind.lower(step.options, step.siblings, lowering)
        except SpecError as error:
            lowering.problem(error.code, error.what, why=error.why, fix=error.fix, spot=getattr(error, "spot", None))
            given = []
        if len(self.problems) > before or not given:
            self.failed.add(step.name)
            return
        for node in legs.apart(self.nodes, given):
            self.nodes[node.name] = node
        last = self.nodes[step.name]
        if isinstance(last.word, Fold) and isinstance(last.word.body, Latest):
            self.keys[step.name] = last.word.by
            self.looked = {**self.looked, step.name: plugs.Input(step.name, last.columns, bounded=False, judged=False, timed=False)}

    def input(self, name: str) -> plugs.Input:
        """What a step may know of what it reads."""
        sources = list(self._sources(name))
        return plugs.Input(
            name,
            self.nodes[name].columns,
            bounded=all(not self.growing[one] or ((time := self._read(one).time) is not None and time.complete) for one in sources),
            judged=all((time := self._read(one).time) is not None and time.lateness is not None for one in sources),
            timed=self._timed(name),
        )

    def _read(self, source: str) -> Read:
        word = self.nodes[source].word
        assert isinstance(word, Read)
        return word

    def _sources(self, name: str) -> Iterator[str]:
        node = self.nodes[name]
        if isinstance(node.word, Read):
            yield name
        for parent in node.inputs:
            yield from self._sources(parent)

    def _timed(self, name: str) -> bool:
        node = self.nodes[name]
        if isinstance(node.word, Read):
            return node.word.time is not None
        if isinstance(node.word, Fold) and isinstance(node.word.body, Whole):
            return False
        return all(self._timed(parent) for parent in node.inputs)

    def _lateness(self) -> None:
        """A growing source that feeds a step which judges time must say how late a row may be, or that it is complete."""
        told: set[str] = set()
        for node in self.nodes.values():
            if not isinstance(node.word, Fold) or not isinstance(node.word.body, _JUDGING):
                continue
            for source in self._sources(node.name):
                time = self._read(source).time
                if source in told or not self.growing[source] or time is None or time.lateness is not None or time.complete:
                    continue
                told.add(source)
                self.problem(
                    "time.lateness",
                    f"`{source}` can grow and does not say how late a row may be",
                    ("sources", source, "time"),
                    why=f"`{node.step}` closes what it makes by time, and nothing would say when",
                    fix="add `lateness: 30s`, or `complete: true` if what is there now is all",
                )

    # ------------------------------------------------------------------------------------------------ outputs

    def _output(self, output: Output) -> None:
        known = (*self.pipeline.sources, *self.pipeline.steps)
        if output.input not in known:
            path = ("outputs", output.name, "from")
            self.problem(
                "plan.unknown_input", f"there is no source or step `{output.input}`", path, fix=suggest(output.input, known)
            )
        elif output.input not in self.failed:
            columns = self.nodes[output.input].columns
            self.outputs[output.name] = write(output, columns, self.outputs.values(), self.problem)

    # --------------------------------------------------------------------------------------------------- plan

    def _plan(self) -> Plan:
        every = [*self.nodes.values(), *self.outputs.values()]
        used, looked = self._used(every)
        nodes, origins = legs.numbered([node for node in every if node.name in used])
        tables = tuple(self._table(name) for name in self.looked if name in looked)
        limits = self.pipeline.limits
        unread = [name for name in (*self.pipeline.sources, *self.pipeline.steps) if name not in used]
        unread += [name for name in self.pipeline.tables if name not in looked]
        plan = Plan(
            pipeline=self.pipeline.name,
            nodes=tuple(nodes),
            tables=tables,
            origins=origins,
            legs=legs.legs(nodes, origins),
            limits=Limits(share=limits.share, rows=limits.rows, then=limits.then) if limits else Limits(),
            description=self.pipeline.description,
            owner=self.pipeline.owner,
            prints=fingerprints(nodes, tables),
        )
        return msgspec.structs.replace(
            plan, notes=(*(f"nobody reads `{name}`: it is not run" for name in unread), *notes.notes(plan))
        )

    def _used(self, nodes: Sequence[Node]) -> tuple[set[str], set[str]]:
        """The nodes from which an output can be reached, and the tables that they look at."""
        known = {node.name: node for node in nodes}
        used: set[str] = set()
        looked: set[str] = set()
        waiting = [node.name for node in nodes if isinstance(node.word, Write)]
        while waiting:
            name = waiting.pop()
            if name in used:
                continue
            used.add(name)
            waiting += known[name].inputs
            for table in notes.tables_of(known[name]):
                looked.add(table)
                if table in self.nodes:
                    waiting.append(table)
        return used, looked

    def _table(self, name: str) -> Table:
        if name not in self.pipeline.tables:
            return Table(
                name=name,
                source="",
                options={},
                format="",
                format_options={},
                key=self.keys[name],
                columns=plain(self.looked[name].columns),
                latest=name,
            )
        table = self.pipeline.tables[name]
        return Table(
            name=name,
            source=table.place.kind,
            options=dict(table.place.raw),
            format=table.format.kind if table.format else "",
            format_options=dict(table.format.raw) if table.format else {},
            key=table.key,
            columns=table.columns,
            refresh=table.refresh,
        )
