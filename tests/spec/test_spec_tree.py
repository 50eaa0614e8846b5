"""YAML 1.2 core schema with places; nothing in a file can build an object, grow without end or be lost in silence."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstem.spec import tree
from mainstem.spec.load import load, loads


@pytest.mark.parametrize(("text", "value"), [
    ("no", "no"), ("yes", "yes"), ("on", "on"), ("off", "off"), ("y", "y"), ("12:30", "12:30"), ("190:20:30", "190:20:30"),
    ("2026-01-01", "2026-01-01"), ("2026-01-01T12:00:00Z", "2026-01-01T12:00:00Z"), ("1_000", "1_000"), ("0b11", "0b11"),
    ("1", 1), ("-7", -7), ("+7", 7), ("007", 7), ("0o17", 15), ("0x1F", 31), ("017", 17), ("1.", 1.0), (".5", 0.5),
    ("-1e3", -1000.0),
    ("1e3", 1000.0), (".inf", math.inf), ("-.inf", -math.inf), ("true", True), ("True", True), ("FALSE", False), ("tRue", "tRue"),
    ("null", None), ("~", None), ("Null", None), ("nil", "nil"), ("NaN", "NaN"), ("'1'", "1"), ('"true"', "true"), ("=", "="),
    ("9" * 5000, "9" * 5000), ("1.2.3", "1.2.3"), ("a#b", "a#b"), ("http://x:80/y", "http://x:80/y"),
])
def test_plain_values_follow_the_core_schema(text: str, value: object) -> None:
    assert tree.read(f"a: {text}\n", "f").data == {"a": value}


def test_places_of_keys_and_values() -> None:
    read = tree.read("# c\nsteps:\n  a:\n    by: [x, y]\n    select: |\n      one,\n        two\n  'b c': {k: \"v\"}\n", "f")
    marks = read.marks

    def at(mark: object) -> tuple[int, int]:
        return mark.line, mark.column  # type: ignore[attr-defined]

    assert at(marks.key(("steps", "a", "by"))) == (4, 5)
    assert at(marks.value(("steps", "a", "by", 1))) == (4, 13)
    assert at(marks.value(("steps", "a"))) == (3, 3)              # a block mapping: its key, not the line below
    assert at(marks.value(("steps", "b c", "k"))) == (8, 14)
    assert at(marks.key(("steps", "a", "nothing", 3))) == (3, 3)  # falls back to the parent
    assert at(marks.within(("steps", "a", "select"), 2, 3)) == (7, 9)
    assert at(marks.within(("steps", "b c", "k"), 1, 1)) == (8, 15)
    assert at(marks.key(("nowhere",))) == (1, 1)


@pytest.mark.parametrize("block", ["|", "|-", "|2", "|+"])
def test_a_place_inside_a_block_text(block: str) -> None:
    read = tree.read(f"a:\n  b: {block}\n\n    x\n      y\n", "f")
    lines = read.data["a"]["b"].split("\n")
    row = next(number for number, line in enumerate(lines, 1) if "y" in line)
    mark = read.marks.within(("a", "b"), row, lines[row - 1].index("y") + 1)
    assert (mark.line, mark.column) == (5, 7)


@pytest.mark.parametrize(("text", "line", "column", "code"), [
    ("", 1, 1, "spec.empty"),
    ("# only a comment\n", 1, 1, "spec.empty"),
    ("---\n", 1, 1, "spec.empty"),
    ("- a\n- b\n", 1, 1, "spec.not_a_mapping"),
    ("hello\n", 1, 1, "spec.not_a_mapping"),
    ("a: 1\n---\nb: 2\n", 2, 1, "spec.documents"),
    ("%YAML 1.1\n---\na: 1\n", 1, 1, "spec.yaml"),
    ("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n", 5, 3, "spec.duplicate_key"),
    ("a: {x: 1, x: 2}\n", 1, 11, "spec.duplicate_key"),
    ("a:\n\tb: 1\n", 2, 1, "spec.tab"),
    ("a:\n  b: 1\n \tc: 2\n", 3, 2, "spec.tab"),
    ("a: !!python/object:os.system x\n", 1, 4, "spec.tag"),
    ("a: !!str 5\n", 1, 4, "spec.tag"),
    ("a: !mine {b: [1, 2]}\nc: 1\n", 1, 4, "spec.tag"),
    ("a: *nowhere\n", 1, 4, "spec.alias"),
    ("a: &x [*x]\n", 1, 8, "spec.alias"),
    ("? [a, b]\n: c\n", 1, 3, "spec.bad_key"),
    ("a: b\x07\n", 1, 5, "spec.encoding"),
    ("a: \"x\\ud800\"\n", 1, 4, "spec.encoding"),
    ("a: [1, 2\nb: 3\n", 1, 4, "spec.yaml"),
    ("a: {b: 1\n", 1, 4, "spec.yaml"),
    ("a: 1\n  b: 2\n", 2, 3, "spec.yaml"),
    ("a:\n    b: 1\n  c: 2\n", 3, 3, "spec.yaml"),
])
def test_bad_files_have_a_code_and_a_place(text: str, line: int, column: int, code: str) -> None:
    problems = loads(text).problems
    assert (line, column, code) in [(problem.line, problem.column, problem.code) for problem in problems], list(map(str, problems))
    assert len({problem.order for problem in problems}) == len(problems)


def test_a_duplicate_key_names_both_lines() -> None:
    problem = next(problem for problem in loads("a: 1\nb: 2\na: 3\n").problems if problem.code == "spec.duplicate_key")
    assert problem.line == 3
    assert "line 1" in problem.why


def test_anchors_are_allowed_and_keep_their_places() -> None:
    read = tree.read("x-d: &d\n  k: [1, 2]\na: *d\nb: {c: *d}\n", "f")
    assert read.data == {"a": {"k": [1, 2]}, "b": {"c": {"k": [1, 2]}}}
    assert not read.problems
    assert read.marks.value(("b", "c", "k", 1)).line == 2


def test_alias_bombs_are_refused_quickly() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    problems = tree.read("\n".join(lines), "f").problems
    assert [problem.code for problem in problems] == ["spec.alias"]


def test_depth_is_limited() -> None:
    assert [problem.code for problem in tree.read("a: " + "[" * 5000 + "]" * 5000, "f").problems] == ["spec.yaml"]
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 80))]
    assert [problem.code for problem in tree.read("\n".join(lines), "f").problems] == ["spec.alias"]


def test_bytes_that_are_no_utf8_have_a_place(tmp_path) -> None:
    (tmp_path / "a.yaml").write_bytes("version: 1\nowner: Müller\n".encode("latin-1"))
    problem, = load(tmp_path / "a.yaml", environ={}).problems
    assert (problem.code, problem.line, problem.column) == ("spec.encoding", 2, 9)
    (tmp_path / "b.yaml").write_bytes("version: 1\n".encode("utf-16"))
    assert load(tmp_path / "b.yaml", environ={}).problems[0].code == "spec.encoding"


def test_a_byte_order_mark_and_windows_line_ends_change_nothing() -> None:
    text = "version: 1\nsteps:\n  a:\n    select: |\n      x,\n      y\n"
    plain = tree.read(text, "f")
    other = tree.read("\ufeff" + text.replace("\n", "\r\n"), "f")
    assert other.data == plain.data
    assert other.marks == plain.marks


def test_own_keys_are_free_at_every_level() -> None:
    assert tree.read("x-a: {b: 1}\nc: {x-d: 2, e: [{x-f: 3, g: 4}]}\n", "f").data == {"c": {"e": [{"g": 4}]}}


json_values = st.recursive(st.none() | st.booleans() | st.integers(-10**15, 10**15) | st.text(st.characters(codec="utf-8",
                           exclude_categories=("Cc", "Cs", "Cn")), max_size=8), lambda inner: st.lists(inner, max_size=4)
                           | st.dictionaries(st.text("abc-_ é", min_size=1, max_size=6), inner, max_size=4), max_leaves=12)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text("abcde", min_size=1, max_size=5), json_values, min_size=1, max_size=4))
def test_json_is_read_as_what_it_is(data: dict) -> None:
    assert tree.read(json.dumps(data), "f").data == data
    assert tree.read(json.dumps(data, ensure_ascii=False, indent=1), "f").data == data


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([
    "a: ", "  b: ", "- ", "{", "}", "[", "]", "'", '"', "|", ">", "#", " #", ": ", ", ", "&x ", "*x", "!t ", "x", "1", "\n", "\n  ",
    "\n    ", "\t", "---\n", "${env:X}", "? ", "%", "@", "sources:\n", "steps:\n"]), max_size=25))
def test_no_text_makes_the_reader_raise(parts: list[str]) -> None:
    loaded = loads("".join(parts))
    assert loaded.problems            # none of these is a pipeline
    assert all(problem.code and problem.line >= 1 and problem.column >= 1 for problem in loaded.problems)
