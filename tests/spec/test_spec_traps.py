"""The traps of YAML around SQL: commas, ` #`, `: `, quotes and first signs. Each is told at its line, with a way to write it."""

from __future__ import annotations

import pytest

from mainstem.spec.load import loads

HEAD = """\
version: 1
pipeline: p
sources:
  s: {generator: {rows: 1}, format: json, columns: {x: int64, name: string}}
outputs:
  o: {from: last, delta: {table: t}}
steps:
"""
LINES = HEAD.count("\n")

# (steps, line counted from the first one under `steps:`, column, code)
CORPUS = [
    # commas
    ("  last:\n    check:\n      - {that: x IN (1, 2)}\n", 3, 16, "spec.comma"),
    ("  last:\n    check:\n      - {that: x IN (1, 2, 3), else: flag}\n", 3, 16, "spec.comma"),
    ("  last:\n    check:\n      - {name: n, that: coalesce(x, 0) > 1}\n", 3, 25, "spec.comma"),
    ("  last:\n    check:\n      - {that: name = 'a, b'}\n", 3, 16, "spec.comma"),
    ("  last:\n    check: [coalesce(x, 0) > 1]\n", 2, 13, "spec.comma"),
    ("  last: {alert: {when: greatest(x, 1) > 3, severity: bad}}\n", 1, 24, "spec.comma"),
    ("  last: {window: {size: 1m, late: drop}, select: sum(x) AS a, max(x) AS b}\n", 1, 50, "spec.comma"),
    ("  last: {window: {size: 1m, late: drop}, select: avg(x) AS a, count(*)}\n", 1, 50, "spec.comma"),
    # comments
    ("  last:\n    check:\n      - that: name <> 'room #1'\n", 3, 15, "spec.comment"),
    ("  last:\n    check:\n      - name <> 'room #1'\n", 3, 9, "spec.comment"),
    ("  last:\n    check:\n      - that: x > #limit\n", 3, 15, "spec.comment"),
    ("  last:\n    check:\n      - that: x = 1 AND #2 = 3\n", 3, 15, "spec.comment"),
    ("  last:\n    sql: SELECT x FROM s ORDER BY #1\n", 2, 10, "spec.comment"),
    ("  last:\n    sql: SELECT count( # all\n", 2, 10, "spec.comment"),
    ("  last:\n    alert:\n      when: # x > 5\n", 3, 7, "spec.comment"),
    ("  last:\n    sql: SELECT x\n      FROM s   # the source\n      WHERE x > 1\n", 3, 16, "spec.comment"),
    # colons
    ("  last:\n    check:\n      - that: name = 'a: b'\n", 3, 15, "spec.colon"),
    ("  last:\n    check:\n      - name = 'a: b'\n", 3, 9, "spec.colon"),
    ("  last:\n    check:\n      - {that: name = 'a: b'}\n", 3, 16, "spec.colon"),
    ("  last:\n    sql: SELECT {'a': x} AS y FROM s\n", 2, 10, "spec.colon"),
    ("  last:\n    check:\n      - that: x > 1: no\n", 3, 15, "spec.colon"),
    # quotes
    ("  last:\n    check:\n      - that: 'a' = name\n", 3, 15, "spec.quote"),
    ("  last:\n    check:\n      - that: \"Name\" IS NOT NULL\n", 3, 15, "spec.quote"),
    ("  last:\n    check:\n      - \"Name\" IS NOT NULL\n", 3, 9, "spec.quote"),
    ("  last:\n    check:\n      - {that: 'a' = name}\n", 3, 16, "spec.quote"),
    ("  last:\n    check:\n      - {that: 'a' = name, else: flag}\n", 3, 16, "spec.quote"),
    ("  last:\n    check:\n      - that: 'it''s' <> name\n", 3, 15, "spec.quote"),
    ("  last:\n    check:\n      - that: 'x > 1\n", 3, 15, "spec.quote"),
    ("  last:\n    check:\n      - that: \"regexp_matches(name, '\\d')\"\n", 3, 39, "spec.quote"),
    # braces and brackets
    ("  last: {alert: {when: name[1] = 'a'}}\n", 1, 28, "spec.braces"),
    ("  last: {alert: {when: x > ${env:LIMIT}}}\n", 1, 28, "spec.braces"),
    # first signs
    ("  last:\n    sql: * EXCLUDE (x)\n", 2, 10, "spec.sign"),
    ("  last:\n    sql: *\n", 2, 10, "spec.sign"),
    ("  last:\n    alert:\n      when: > 5\n", 3, 13, "spec.sign"),
    ("  last:\n    alert:\n      when: |x| > 5\n", 3, 13, "spec.sign"),
    ("  last:\n    alert:\n      when: @x > 5\n", 3, 13, "spec.sign"),
    ("  last:\n    alert:\n      when: `x` > 5\n", 3, 13, "spec.sign"),
    ("  last:\n    alert:\n      when: %x\n", 3, 13, "spec.sign"),
    ("  last:\n    alert:\n      when: - 5 < x\n", 3, 13, "spec.sign"),
    ("  last:\n    alert:\n      when: !x\n", 3, 13, "spec.tag"),
    ("  last:\n    alert:\n      when: *x\n", 3, 13, "spec.alias"),
]


@pytest.mark.parametrize(("steps", "line", "column", "code"), CORPUS, ids=[steps.strip()[-40:] for steps, *_ in CORPUS])
def test_each_trap_is_told_once_at_its_place(steps: str, line: int, column: int, code: str) -> None:
    problems = loads(HEAD + steps).problems
    assert [(p.line - LINES, p.column, p.code) for p in problems] == [(line, column, code)], list(map(str, problems))
    assert problems[0].fix


GOOD = [
    "  last:\n    check:\n      - that: x > 1   # from the data sheet\n",
    "  last:\n    check:\n      - x BETWEEN -40 AND 60\n",
    "  last:\n    check:\n      - {that: \"x IN (1, 2)\", else: flag}\n",
    "  last:\n    check:\n      - {that: x > 1, else: flag}\n",
    "  last:\n    check:\n      - that: |\n          name = 'a: b #1' AND x IN (1, 2)\n",
    "  last:\n    check:\n      - that: \"'a' = name\"\n",
    "  last:\n    check:\n      - that: name = 'it''s'\n",
    "  last:\n    check:\n      - that: x::int64 > 1 AND name <> '#1'\n",
    "  last:\n    sql: |\n      SELECT *, {'a': x} AS y   -- no # comment\n      FROM s\n",
    "  last:\n    sql: >\n      SELECT x\n      FROM s\n",
    "  last:\n    sql: SELECT x\n      FROM s\n",
    "  last: {alert: {when: \"x > ${env:LIMIT:-5}\"}}\n",
    "  last:   # the last step\n    latest:\n",
    "  last: {lookup: {table: t, on: {name: who}}}\n",
]


@pytest.mark.parametrize("steps", GOOD, ids=[steps.strip()[-40:] for steps in GOOD])
def test_what_is_written_well_is_not_accused(steps: str) -> None:
    assert [str(problem) for problem in loads(HEAD + steps).problems] == []


def test_one_broken_value_does_not_hide_the_others() -> None:
    text = HEAD + ("  a:\n    check:\n      - that: 'a' = name\n      - that: name = 'b: c'\n"
                   "  b:\n    window: {szie: 1m, late: drop}\n    select: count(*) AS n\n"
                   "  last:\n    alert: {when: x IN (1, 2)}\n    frm: b\n")
    problems = loads(text).problems
    assert [(p.line - LINES, p.code) for p in problems] == [
        (3, "spec.quote"), (4, "spec.colon"), (6, "spec.unknown_key"), (9, "spec.comma"),
        (10, "spec.unknown_key")]


def test_many_broken_values_end() -> None:
    text = HEAD + "".join(f"  s{n}:\n    sql: 'a' = x\n" for n in range(40))
    assert 1 < len(loads(text).problems) <= 40


def test_the_word_null_needs_no_quotes() -> None:
    text = HEAD.replace("format: json, columns: {x: int64, name: string}",
                        "format: {csv: {nan: null}}, missing: null, columns: {x: int64, name: {type: string, null: [NA, NULL, ~]}}")
    loaded = loads(text + "  last: {sql: SELECT x FROM s}\n")
    assert loaded.problems == ()
    source = loaded.pipeline.sources["s"]
    assert (source.missing, source.columns[1].null) == ("null", ("NA", "NULL", "~"))
    assert (source.format.options.nan, source.format.raw) == ("null", {"nan": "null"})


@pytest.mark.parametrize("written", ["missing: nothing", "missing: 5", "unknown: null", "missing:"])
def test_other_words_stay_what_they_are(written: str) -> None:
    text = HEAD.replace("{generator: {rows: 1}, format: json,", f"{{{written}, generator: {{rows: 1}}, format: json,")
    (problem,) = loads(text + "  last: {sql: SELECT x FROM s}\n").problems
    assert problem.code in ("spec.value", "spec.comma")
