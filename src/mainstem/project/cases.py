"""YAML cases beside a pipeline: given rows, expected rows.

    # tests/frost.yaml
    pipeline: ../greenhouse.yaml            # may be left out where there is only one
    cases:
      - name: three cold minutes raise the alarm
        given:
          readings:                         # a source: mappings are records, texts are records as they stand
            - {sensor_id: s1, observed_at: 2026-01-01T00:00:10Z, temperature: 1.5, seq: 1}
            - '{"sensor_id": "s1", "obser'
        tables:                             # lookup tables; those not named are read as the pipeline says
          sensors: [{sensor_id: s1, house: north}]
        expect:
          climate: [{house: north, temperature: 1.5}]     # only the columns named are compared
          quarantine: [{reason: not_json}]
          frost: []

Further keys of a case: `ordered: true` (rows in this order), `exact: true` (no other columns), `tolerance: 1e-6` (floats),
`clock: 2026-01-01T00:00:00Z` (when the records arrive), `flush: false` (leave windows open at the end of the rows given).
A case says nothing about outputs that it does not name.
"""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mainstem.clock import Clock, SystemClock
from mainstem.errors import MainstemError, SpecError
from mainstem.project.compare import differences
from mainstem.spec import tree
from mainstem.spec.problems import Marks, Problem, suggest

if TYPE_CHECKING:
    from mainstem.project.place import Opened

_KEYS: dict[str, tuple[tuple[type, ...], str]] = {
    "name": ((str,), "a text"), "given": ((dict,), "a mapping"), "expect": ((dict,), "a mapping"), "tables": ((dict,), "a mapping"),
    "ordered": ((bool,), "true or false"), "exact": ((bool,), "true or false"), "flush": ((bool,), "true or false"),
    "tolerance": ((int, float), "a number"), "clock": ((str,), "a text")}


@dataclass(frozen=True)
class Case:
    """One case, as written. `given` and `tables`: records as mappings, or as text where they are to stand as they are."""

    name: str
    file: str
    line: int
    pipeline: str | None                  # path of its pipeline file, None: the one beside it
    given: Mapping[str, Sequence[Any]]
    expect: Mapping[str, Sequence[Mapping[str, Any]]]
    tables: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    ordered: bool = False
    exact: bool = False
    tolerance: float = 1e-9
    clock: int | None = None              # microseconds UTC
    flush: bool = True
    lines: Mapping[str, int] = field(default_factory=dict)      # output -> line of its expectation


@dataclass(frozen=True)
class CaseResult:
    """How one case went: `diff` tells for a person what was not as expected."""

    name: str
    file: str
    ok: bool
    seconds: float
    diff: str = ""


@dataclass(frozen=True)
class CaseReport:
    """How all went. Exit code 0: all are right; 1: one is not; 2: there was none, which proves nothing."""

    cases: tuple[CaseResult, ...]

    @property
    def exit_code(self) -> int:
        return 2 if not self.cases else 0 if all(case.ok for case in self.cases) else 1


_TOLD = ("node", "reason", "rules", "detail", "raw")      # of a record that was not expected in the quarantine

Runner = Callable[[Case], Mapping[str, Any]]      # output -> rows, as a list of mappings or as a table with `to_pylist`


def find(paths: Iterable[str | Path], beside: str | Path) -> list[Path]:
    """The case files at these paths (folders are searched), or in `tests/` beside a pipeline file. SpecError for a wrong path."""
    given = [Path(path) for path in paths]
    if not given:
        folder = Path(beside).parent / "tests"
        given = [folder] if folder.is_dir() else []
    found: list[Path] = []
    for path in given:
        if path.is_dir():
            found += sorted(entry for entry in path.rglob("*.y*ml") if entry.suffix in (".yaml", ".yml"))
        elif path.is_file():
            found.append(path)
        else:
            raise SpecError("case.no_file", f"there is no case file {path}", where=str(path),
                            why="it is neither a file nor a folder", fix="cases lie in tests/ beside the pipeline")
    return list(dict.fromkeys(found))


def load(path: str | Path) -> list[Case]:
    """The cases of a file. Raises SpecError `case.invalid` with every problem, each with its line and column."""
    text, problems = tree.decode(_bytes(Path(path)), str(path))
    if not problems:
        read = tree.read(text, str(path))
        problems = read.problems
        if not problems:
            reader = _Reader(path=Path(path), marks=read.marks)
            cases = reader.file(read.data)
            problems = tuple(sorted(reader.problems))
            if not problems:
                return cases
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    raise SpecError("case.invalid", f"{count} in the case file", where=problems[0].where,
                    why="\n".join(str(problem) for problem in problems), fix=problems[0].fix)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SpecError("case.no_file", f"{path.name} cannot be read", where=str(path), why=error.strerror or str(error),
                        fix="make it readable for the user who runs the tests") from error


def run(cases: Iterable[Case], runner: Runner, clock: Clock | None = None, told: Callable[[CaseResult], None] = lambda _: None,
        ) -> CaseReport:
    """Let `runner` run each case and compare. An error of mainstem is a failed case; a Bug in the runner goes through."""
    clock, results = clock or SystemClock(), []
    for case in cases:
        began = clock.monotonic()
        try:
            lines = _compared(case, runner(case))
        except MainstemError as error:
            lines = [f"it did not run: {error}"]
        results.append(CaseResult(case.name, case.file, not lines, clock.monotonic() - began, "\n".join(lines)))
        told(results[-1])
    return CaseReport(tuple(results))


def _compared(case: Case, tables: Mapping[str, Any]) -> list[str]:
    lines = []
    for output, expected in case.expect.items():
        place = f"{output} ({case.file}:{case.lines.get(output, case.line)})"
        if output not in tables:
            close = difflib.get_close_matches(output, tables, 1)
            hint = f"did you mean `{close[0]}`?" if close else f"there are {', '.join(tables)}"
            lines.append(f"{place}: the pipeline has no such output; {hint}")
            continue
        rows = tables[output] if isinstance(tables[output], list) else tables[output].to_pylist()
        if output == "quarantine":            # the rest of such a record explains nothing here
            named = {name for row in expected for name in row}
            rows = [{name: row[name] for name in row if name in named or name in _TOLD} for row in rows]
        found = differences(expected, rows, ordered=case.ordered, tolerance=case.tolerance, exact=case.exact)
        if found:
            lines += [f"{place}: expected {len(expected)} rows, got {len(rows)}", *(f"  {line}" for line in found)]
    return lines


@dataclass
class _Reader:
    """Checks what a file says; gathers every problem before it gives up."""

    path: Path
    marks: Marks
    problems: list[Problem] = field(default_factory=list)

    def tell(self, what: str, *path: str | int, fix: str = "", at_key: bool = False) -> None:
        self.problems.append(self.marks.problem("case.invalid", what, path, fix=fix, at_key=at_key))

    def file(self, data: Any) -> list[Case]:
        if data is None:
            return []
        if not isinstance(data, Mapping):
            self.tell("a case file is a mapping with the key `cases`", fix="write `cases:` and a list under it")
            return []
        if "cases" not in data and {"sources", "steps", "outputs"} & set(data):
            self.tell("this is a pipeline file, not one of cases", fix=f"write `mainstem test -f {self.path.name}`")
            return []
        for key in data:
            if key not in ("cases", "pipeline", "version") and not str(key).startswith("x-"):
                self.tell(f"unknown key `{key}`", key, fix=suggest(str(key), ["cases", "pipeline"]), at_key=True)
        pipeline, written = data.get("pipeline"), data.get("cases")
        if pipeline is not None and not isinstance(pipeline, str):
            self.tell("`pipeline` is the path of a pipeline file", "pipeline", fix="write `pipeline: ../name.yaml`")
            pipeline = None
        if not isinstance(written or [], list):
            self.tell("`cases` is a list", "cases", fix="begin each case with `- name: ...`")
            return []
        resolved = str((self.path.parent / pipeline).resolve()) if pipeline else None
        cases = [self.case(entry, number, resolved) for number, entry in enumerate(written or [])]
        seen: set[str] = set()
        for number, case in enumerate(cases):
            if case is not None and case.name in seen:
                self.tell(f"a second case is called {case.name!r}", "cases", number, "name", fix="give it another name")
            seen.add(case.name if case else "")
        return [case for case in cases if case is not None]

    def case(self, entry: Any, number: int, pipeline: str | None) -> Case | None:
        here = ("cases", number)
        if not isinstance(entry, Mapping):
            self.tell("a case is a mapping with `name`, `given` and `expect`", *here, fix="begin it with `- name: ...`")
            return None
        before = len(self.problems)
        for key, value in entry.items():
            kinds, word = _KEYS.get(str(key), ((), ""))
            if not kinds:
                if not str(key).startswith("x-"):
                    self.tell(f"unknown key `{key}`", *here, key, fix=suggest(str(key), _KEYS), at_key=True)
            elif not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
                self.tell(f"`{key}` is {word}", *here, key, fix="see `mainstem test --help`")
        for key in ("name", "given", "expect"):
            if key not in entry:
                self.tell(f"the case has no `{key}`", *here, fix=f"add `{key}:`")
        clock = self.clock(entry.get("clock"), *here, "clock")
        if len(self.problems) > before:
            return None
        for part in ("given", "tables", "expect"):
            self.rows(entry.get(part, {}), *here, part, texts=part != "expect")
        if len(self.problems) > before:
            return None
        lines = {output: self.marks.key((*here, "expect", output)).line for output in entry["expect"]}
        return Case(name=entry["name"], file=str(self.path), line=self.marks.key(here).line, pipeline=pipeline,
                    given=entry["given"], expect=entry["expect"], tables=entry.get("tables", {}), clock=clock, lines=lines,
                    tolerance=float(entry.get("tolerance", 1e-9)),
                    **{key: entry[key] for key in ("ordered", "exact", "flush") if key in entry})

    def rows(self, value: Mapping[str, Any], *path: str | int, texts: bool) -> None:
        """Every entry is a list of mappings (or texts, where records may stand as they are)."""
        for name, rows in value.items():
            if not isinstance(rows, list):
                self.tell(f"`{name}` is a list of rows", *path, name, fix="write `[]` for none")
                continue
            for number, row in enumerate(rows):
                if not isinstance(row, Mapping) and not (texts and isinstance(row, str)):
                    self.tell("a row is a mapping" + (" or a text" if texts else ""), *path, name, number,
                              fix="write `{column: value}`")

    def clock(self, text: Any, *path: str | int) -> int | None:
        if not isinstance(text, str):
            return None
        try:
            moment = dt.datetime.fromisoformat(text)
            return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)
        except (ValueError, TypeError):
            self.tell(f"{text!r} is not an instant", *path, fix="write it like 2026-01-01T00:00:00Z")
            return None


def run_beside(opened: Opened, paths: Sequence[str]) -> CaseReport:
    """The cases at these paths, or in `tests/` beside the pipeline; each runs in a throw-away place."""
    from mainstem.project import release
    from mainstem.project.place import locate
    from mainstem.project.trial import trial

    found = [case for path in find(paths, opened.file) for case in load(path)]
    seen: dict[str, Opened] = {}

    def runner(case: Case) -> Mapping[str, Any]:
        file = str((Path(case.file).parent / case.pipeline).resolve()) if case.pipeline else str(opened.file.resolve())
        if file not in seen:
            here = opened if file == str(opened.file.resolve()) else locate(file, opened.environment, opened.flags)
            release.code_of_plan(here, here.plan)        # what no release could take is no good here either
            seen[file] = here
        return trial(seen[file], case.given, case.tables, case.clock, case.flush)

    return run(found, runner)
