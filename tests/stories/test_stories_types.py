"""What becomes of a table when the types and names behind it change (semantics.md 2-P): nothing is cast or lost in silence."""

from __future__ import annotations

from pathlib import Path

import pytest
from telling import at, edit, lines, opened, rows, write

from mainstem.errors import RefusedError

PIPELINE = """\
version: 1
pipeline: shapes
sources:
  events:
    files: {path: "in/*.jsonl"}
    format: json
    columns: {k: string!, t: timestamp!, v: int32, x: float, d: "decimal(6,2)"}
    time: {column: t, lateness: 5s}
steps:
  plain:
    from: events
    sql: SELECT k, t, v, x, d FROM events
  minutes:
    from: events
    window: {size: 1m, by: [k], late: quarantine}
    select: sum(v) AS total
outputs:
  plain: {from: plain, delta: {table: plain}}
  minutes: {from: minutes, delta: {table: minutes}}
"""


def begun(folder: Path) -> Path:
    file = write(folder, PIPELINE, in___a__jsonl=events(0, 90))
    assert opened(file).run().why == "hold"
    return file


def events(first: int, last: int, **more: object) -> str:
    return lines({"k": "a", "t": at(n), "v": n, "x": 0.5, "d": 1.25, **more} for n in range(first, last))


def test_a_new_nullable_column_leaves_open_windows_alone(tmp_path: Path) -> None:
    """P1."""
    file = begun(tmp_path / "edited")
    edit(file, "d: \"decimal(6,2)\"}", "d: \"decimal(6,2)\", note: string}")
    edit(file, "SELECT k, t, v, x, d FROM", "SELECT k, t, v, x, d, note FROM")
    (file.parent / "in/b.jsonl").write_text(events(90, 150, note="new"))
    opened(file).run(flush=True)
    clean = write(tmp_path / "clean", PIPELINE, in___a__jsonl=events(0, 90), in___b__jsonl=events(90, 150))
    opened(clean).run(flush=True)
    assert rows(file, "minutes") == rows(clean, "minutes")
    assert sum(row["total"] for row in rows(file, "minutes")) == sum(range(150))
    assert [(row["v"], row["note"]) for row in sorted(rows(file, "plain"), key=lambda row: row["v"])] == [
        (n, None if n < 90 else "new") for n in range(150)]


@pytest.mark.parametrize(("shown", "said"), [
    ("k, t, v::BIGINT AS v, x, d", "v is int32 in the table and int64 in the pipeline"),             # P2: wider
    ("k, t, v, x::DOUBLE AS x, d", "x is float in the table and double in the pipeline"),
    ("k, t, v, x, d::DECIMAL(12,2) AS d", "decimal128(12, 2) in the pipeline"),
    ("k, t, v::SMALLINT AS v, x, d", "v is int32 in the table and int16 in the pipeline"),           # narrower
    ("k, t, v::VARCHAR AS v, x, d", "v is int32 in the table and string in the pipeline"),           # another kind
])
def test_another_type_is_never_cast_and_needs_another_table(shown: str, said: str, tmp_path: Path) -> None:
    file = begun(tmp_path)
    before = rows(file, "plain")
    edit(file, "SELECT k, t, v, x, d FROM", f"SELECT {shown} FROM")
    (file.parent / "in/b.jsonl").write_text(events(90, 120))
    assert any(change.kind == "breaking" and change.node == "plain" for change in opened(file).plan().changes)
    for accept, code in ((None, "run.breaking"), ("rebuild", "delta.schema")):
        with pytest.raises(RefusedError) as raised:
            opened(file).run(accept=accept)
        assert raised.value.code == code
        assert rows(file, "plain") == before
    assert said in raised.value.what
    edit(file, "delta: {table: plain}", "delta: {table: plain_2}")
    opened(file).run(accept="rebuild", flush=True)
    assert len(rows(file, "plain")) == 120
    assert sum(row["total"] for row in rows(file, "minutes")) == sum(range(120))


@pytest.mark.parametrize(("shown", "said"), [("k, t, v AS volume, x, d", "`v`"), ("k, t, v, x", "`d`")])
def test_another_name_is_said_by_the_plan_and_done_by_a_rebuild(shown: str, said: str, tmp_path: Path) -> None:
    """P3, P4: a column that is gone or renamed."""
    file = begun(tmp_path)
    edit(file, "SELECT k, t, v, x, d FROM", f"SELECT {shown} FROM")
    (file.parent / "in/b.jsonl").write_text(events(90, 120))
    assert any(change.kind == "breaking" and said in change.what for change in opened(file).plan().changes)
    with pytest.raises(RefusedError) as raised:
        opened(file).run()
    assert raised.value.code == "run.breaking"
    opened(file).run(accept="rebuild")
    found = rows(file, "plain")
    assert len(found) == 120
    gone, kept = ("d", "v") if said == "`d`" else ("v", "volume")
    assert {row[gone] for row in found} == {None}
    assert sorted(row[kept] for row in found) == list(range(120))


def test_columns_in_another_order_go_where_they_belong(tmp_path: Path) -> None:
    """P3: by name."""
    file = begun(tmp_path)
    edit(file, "SELECT k, t, v, x, d FROM", "SELECT d, x, v, t, k FROM")
    (file.parent / "in/b.jsonl").write_text(events(90, 120))
    opened(file).run()
    assert sorted(row["v"] for row in rows(file, "plain")) == list(range(120))
    assert {row["k"] for row in rows(file, "plain")} == {"a"}


@pytest.mark.parametrize(("select", "code"), [
    ("k, t, NULL AS w", "sql.null_type"),                                                            # P5
    ("k, t, v AS \"K\"", "sql.duplicate_name"),                                                      # P6
    ("k, t, v AS _change_type", "sql.hidden"),
    ("k, t, v AS \"select\"", "sql.name"),
    ("k, t, v AS \" v\"", "sql.name"),
])
def test_a_column_that_no_table_should_have_is_refused_at_plan_time(select: str, code: str, tmp_path: Path) -> None:
    text = PIPELINE.replace("SELECT k, t, v, x, d FROM", f"SELECT {select} FROM")
    assert [problem.code for problem in opened(write(tmp_path, text)).check()] == [code]


@pytest.mark.parametrize(("output", "names"), [
    ("delta: {table: plain}", ["a.b", "Größe", "date", "value%", "x/y"]),
    ("files: {path: plain}, format: csv", ["wind speed", "a.b", "Größe", "a,b", "value%"]),
])
def test_strange_names_are_names_like_any_other(output: str, names: list[str], tmp_path: Path) -> None:
    """P6: quoted on their way, or refused at plan time where a table cannot have them."""
    shown = ", ".join(f'v + {n} AS "{name}"' for n, name in enumerate(names))
    text = PIPELINE.replace("SELECT k, t, v, x, d FROM", f"SELECT {shown} FROM").replace("delta: {table: plain}", output)
    file = write(tmp_path, text, in___a__jsonl=events(0, 3))
    assert opened(file).check() == []
    opened(file).run(flush=True)
    assert sorted(tuple(int(row[name]) for name in names) for row in rows(file, "plain")) == [
        tuple(n + k for k in range(len(names))) for n in range(3)]
    edit(file, output, "delta: {table: other}")
    refused = [problem.code for problem in opened(file).check()]
    assert refused == (["delta.columns"] if "wind speed" in names else [])
