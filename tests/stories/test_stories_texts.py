"""Texts that look alike stay apart, as rows, keys and matches, whatever the format they come in (semantics J6)."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from pathlib import Path

import pytest
from telling import at, balances, opened, rows, write

PIPELINE = """\
version: 1
pipeline: alike
sources:
  readings:
    files: {path: SOURCE}
    format: FORMAT
    columns: {name: string!, at: timestamp!}
    time: {column: at, lateness: 1h}
tables:
  known: {files: {path: known.json}, format: json, key: [name], columns: {name: string!, number: int64!}}
steps:
  found: {from: readings, lookup: {table: known, on: [name], take: [number], unmatched: quarantine}}
  once: {dedupe: {by: [name], within: 1h}}
  counted: {from: found, window: {size: 1d, by: [name], late: quarantine}, select: "count(*) AS n, min(number) AS number"}
outputs:
  once: {from: once, delta: {table: once, mode: append}}
  counted: {from: counted, files: {path: out}, format: json}
"""
ALIKE = ["\u00e9", "e\u0301", "E\u0301", "a", "a\0", "a\0b", "A", "\u0430", "\uff41", "ﬁ", "fi", "K", "\u212a", "\u00a0a", "a ", " a", "ß",
         "ss", "İ", "i\u0307", "\u200ba", "\ufeffa", "\U0001f600", "\U0001f600\ufe0f"]


@pytest.mark.parametrize("form", ["json", "csv"])
def test_texts_are_compared_by_their_code_points(form: str, tmp_path: Path) -> None:
    records = [{"name": name, "at": at(n)} for n, name in enumerate(ALIKE * 2)]
    if form == "json":
        text = "".join(json.dumps(record, ensure_ascii=n % 2 == 0) + "\n" for n, record in enumerate(records))
    else:
        made = io.StringIO(newline="")
        writer = csv.DictWriter(made, ["name", "at"], quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(records)
        text = made.getvalue()
    known = "".join(json.dumps({"name": name, "number": n}) + "\n" for n, name in enumerate(ALIKE) if n % 2 == 0)
    file = write(tmp_path, PIPELINE.replace("SOURCE", f"in.{form}").replace("FORMAT", form), known__json=known)
    (tmp_path / f"in.{form}").write_text(text, encoding="utf-8", newline="")
    result = opened(file).run()
    assert balances(result.account)
    assert Counter(row["name"] for row in rows(file, "once")) == Counter(ALIKE[::2])
    assert {row["name"]: (row["n"], row["number"]) for row in rows(file, "counted")} == {
        name: (2, n) for n, name in enumerate(ALIKE) if n % 2 == 0}
    assert [row["reason"] for row in opened(file).quarantine().to_pylist()] == ["unmatched"] * len(ALIKE[1::2]) * 2
    asked = opened(file).sql("SELECT count(DISTINCT name) AS n FROM once").to_pylist()
    assert asked == [{"n": len(ALIKE[::2])}]
