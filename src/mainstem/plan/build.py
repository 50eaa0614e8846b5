"""From the wish to the meaning: a checked pipeline becomes a plan of the seven words, or a list of all its problems."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mainstem import plugs
from mainstem.columns import ANY
from mainstem.errors import SpecError
from mainstem.plan import legs, sql
from mainstem.plan.assembly import assemble
from mainstem.plan.reads import growing, no_column, read
from mainstem.plan.report import Findings
from mainstem.plan.words import Dedupe, Fold, Latest, Node, Over, Plan, Read, Session, Sql, Whole, Window
from mainstem.plan.writes import write
from mainstem.spec.pipeline import Output, Pipeline, Source, Step, Table
from mainstem.spec.problems import Path, Problem, suggest

_JUDGING = (Window, Session, Dedupe, Over)


@dataclass(frozen=True)
class Built:
    """A plan, or every problem that stands in its way; notes of a plan are in the plan."""

    plan: Plan | None
    problems: tuple[Problem, ...]


def build(pipeline: Pipeline, binder: plugs.Binder) -> Built:
    """The plan of a pipeline. Pure: the same pipeline gives the same plan, byte for byte.

    Of a pipeline with broken parts there is no plan, but every problem that is not a consequence of these parts.
    """
    return _Building(pipeline, sql.OpenBinder(binder), Findings(pipeline.marks, pipeline.broken)).run()


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

    def key(self, table: str) -> tuple[str, ...] | None:
        return self.building.keys[table]

    def sure(self, *keys: str) -> bool:
        return self.building.sure(self.step, keys)

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
        self.building.found.report(code, what, (*start, *at), why=why, fix=fix, spot=spot)


@dataclass
class _Building:
    pipeline: Pipeline
    binder: plugs.Binder
    found: Findings
    nodes: dict[str, Node] = field(default_factory=dict)
    vague: set[str] = field(default_factory=set)  # sources of which it is not known whether they end or tell the time
    keys: dict[str, tuple[str, ...] | None] = field(default_factory=dict)  # None: not known
    looked: dict[str, plugs.Input] = field(default_factory=dict)
    growing: dict[str, bool] = field(default_factory=dict)
    outputs: dict[str, Node] = field(default_factory=dict)

    def run(self) -> Built:
        for source in self.pipeline.sources.values():
            self._source(source)
        for table in self.pipeline.tables.values():
            self._look(table)
        for step in self._ordered():
            self._step(step)
        self._lateness()
        for output in self.pipeline.outputs.values():
            self._output(output)
        problems = tuple(sorted(self.found.problems))
        if problems or self.pipeline.broken:
            return Built(None, problems)
        return Built(assemble(self.pipeline, [*self.nodes.values(), *self.outputs.values()]), ())

    def _source(self, source: Source) -> None:
        columns = self.found.columns(("sources", source.name, "columns"), source.columns)
        vague = self.found.hurt("sources", source.name, but="columns")
        self.growing[source.name] = growing(source)
        known = replace(source, columns=columns, unknown="keep" if vague else source.unknown)
        self.nodes[source.name] = read(known, self.found.report)
        if vague or self.found.hurt("sources", source.name, "time"):
            self.vague.add(source.name)

    def _look(self, table: Table) -> None:
        columns = self.found.columns(("tables", table.name, "columns"), table.columns)
        self.looked[table.name] = plugs.Input(table.name, columns, bounded=True, timed=False)
        for place, name in enumerate(table.key):
            no_column(name, columns, ("tables", table.name, "key", place), self.found.report)
        self.keys[table.name] = None if self.found.hurt("tables", table.name, but="columns") else table.key

    # -------------------------------------------------------------------------------------------------- steps

    def _ordered(self) -> Iterator[Step]:
        """The steps, every one behind those that it reads; a problem for each circle, whose steps come in any order."""
        waiting = dict(self.pipeline.steps)
        wanted = {name: self._wanted(step) for name, step in waiting.items()}
        while waiting:
            ready = [name for name in waiting if not any(other in waiting for other in wanted[name])]
            for name in ready or self._circle(waiting, wanted):
                yield waiting.pop(name)

    def _circle(self, waiting: Mapping[str, Step], wanted: Mapping[str, tuple[str, ...]]) -> list[str]:
        path: list[str] = [next(iter(waiting))]
        while (following := next(name for name in wanted[path[-1]] if name in waiting)) not in path:
            path.append(following)
        circle = path[path.index(following) :]
        first = next(name for name in waiting if name in circle)
        at = circle.index(first)
        circle = [*circle[at:], *circle[:at]]
        self.found.report(
            "plan.cycle",
            f"`{first}` reads itself",
            ("steps", first, "from"),
            why=" reads ".join(f"`{name}`" for name in [*circle, first]),
            fix="let one of them read a source",
        )
        return circle

    def _wanted(self, step: Step) -> tuple[str, ...]:
        kind = self._kind(step)
        looks = tuple(kind.looks(step.options)) if hasattr(kind, "looks") else ()
        return (*self._inputs(step, kind), *(name for name in looks if name in self.pipeline.steps))

    def _kind(self, step: Step) -> Any:
        """The class of a step; None where nothing can be understood of it."""
        return plugs.find("steps", step.kind) if step.options is not None else None

    def _inputs(self, step: Step, kind: Any) -> tuple[str, ...]:
        """The inputs of a step: as written, else those that the step itself can name, else the step before."""
        if hasattr(kind, "reads") and (("steps", step.name, "from") not in self.pipeline.marks.keys or not any(step.inputs)):
            try:
                named = [name for name in kind.reads(step.options) if name in self.pipeline.sources or name in self.pipeline.steps]
            except SpecError:
                named = []  # its own lowering says what is wrong
            if named:
                return tuple(named)
        return step.inputs

    def _step(self, step: Step) -> None:
        kind = self._kind(step)
        names = self._inputs(step, kind)
        here: Path = ("steps", step.name, "from")
        for place, name in enumerate(names):
            self._known(name, (*here, place) if (*here, place) in self.pipeline.marks.values else here)
        if not names and kind is not None and not hasattr(kind, "reads"):
            self._unfed(step)
            names = ("",)
        inputs = tuple(self.input(name) for name in names)
        lowering = _Lowering(self, step, tuple(getattr(kind, "siblings", ())), step.name, inputs, self.looked, self.binder)
        before = len(self.found.problems)
        given = self._lowered(step, kind, lowering)
        sure = len(self.found.problems) == before and not self.found.hurt("steps", step.name)
        if not given or not sure or any(name not in self.nodes for name in names):
            self._guess(step, kind, lowering, given)
            return
        for node in legs.apart(self.nodes, given):
            self.nodes[node.name] = node
        last = self.nodes[step.name]
        if isinstance(last.word, Fold) and isinstance(last.word.body, Latest):
            self._lookable(last, last.word.by)

    def _lowered(self, step: Step, kind: Any, lowering: _Lowering) -> Sequence[Node]:
        try:
            return kind.lower(step.options, step.siblings, lowering) if kind is not None else ()
        except SpecError as error:
            lowering.problem(error.code, error.what, why=error.why, fix=error.fix, spot=getattr(error, "spot", None))
            return ()

    def _guess(self, step: Step, kind: Any, lowering: _Lowering, given: Sequence[Node]) -> None:
        """Stand in for a step with problems, so that what reads it can be judged as far as its columns are known."""
        known = hasattr(kind, "outline") and lowering.inputs
        typed = {column.name: column for node in given[-1:] for column in node.columns}
        named = dict.fromkeys(kind.outline(step.options, step.siblings, lowering)) if known else (ANY,)
        columns = tuple(typed.get(column.name, column) for column in named)
        inputs = tuple(one.name for one in lowering.inputs if one.name in self.nodes)
        self.nodes[step.name] = Node(name=step.name, step=step.name, word=Sql(branches=()), inputs=inputs, columns=columns)
        self._lookable(self.nodes[step.name], None)

    def sure(self, step: Step, keys: Sequence[str]) -> bool:
        """Whether these keys of a step are as the user wants them (`plugs.Lowering.sure`)."""
        siblings = plugs.find("steps", step.kind).siblings
        known = [*siblings, "from", *(field.alias or name for name, field in getattr(type(step.options), "model_fields", {}).items())]
        if any(key in siblings and key not in step.siblings for key in keys):
            return False
        for bad in self.found.within("steps", step.name):
            key = str(bad[3] if bad[2:3] == (step.kind,) and len(bad) > 3 else bad[2] if len(bad) > 2 else step.kind)
            meant = [key] if key in known else difflib.get_close_matches(key, known, 1)
            if not meant or meant[0] in keys:
                return False
        return True

    def _lookable(self, node: Node, key: tuple[str, ...] | None) -> None:
        self.keys[node.name] = key
        self.looked = {**self.looked, node.name: plugs.Input(node.name, node.columns, bounded=False, timed=False)}

    def _unfed(self, step: Step) -> None:
        self.found.report(
            "plan.no_input",
            f"`{step.name}` does not say what it reads",
            ("steps", step.name),
            why=f"there are {len(self.pipeline.sources)} sources: {', '.join(self.pipeline.sources)}",
            fix="add `from: NAME`",
        )

    def _known(self, name: str, path: Path) -> None:
        known = (*self.pipeline.sources, *self.pipeline.steps)
        if name in known or not name:
            return
        if name in self.pipeline.tables:
            what = f"`{name}` is a table: it is looked at, not consumed"
            fix = f"use `lookup: {{table: {name}, ...}}` or a join in SQL, or declare it under `sources:`"
        else:
            what, fix = f"there is no source or step `{name}`", suggest(name, known)
        self.found.report("plan.unknown_input", what, path, fix=fix)

    def input(self, name: str) -> plugs.Input:
        """What a step may know of what it reads; where something is not known, it is as the step wants it."""
        if name not in self.nodes:
            return plugs.Input(name or "input", (ANY,), bounded=True, timed=True)
        times = {one: self._read(one).time for one in self._sources(name) if one not in self.vague}
        return plugs.Input(
            name,
            self.nodes[name].columns,
            bounded=all(not self.growing[one] or (time is not None and time.complete) for one, time in times.items()),
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
            return node.word.time is not None or name in self.vague
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
                self.found.report(
                    "time.lateness",
                    f"`{source}` can grow and does not say how late a row may be",
                    ("sources", source, "time"),
                    why=f"`{node.step}` closes what it makes by time, and nothing would say when",
                    fix="add `lateness: 30s`, or `complete: true` if what is there now is all",
                )

    # ------------------------------------------------------------------------------------------------ outputs

    def _output(self, output: Output) -> None:
        self._known(output.input, ("outputs", output.name, "from"))
        node = self.nodes.get(output.input)
        columns = node.columns if node else (ANY,)
        self.outputs[output.name] = write(output, columns, self.outputs.values(), self.found.report)
