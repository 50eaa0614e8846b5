"""One record read again by its position: what replaying and looking at a row that left after a shuffle stand on."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from mainstem.columns import Column, Type
from mainstem.connectors.files import Files, FilesOptions
from mainstem.connectors.generator import Generator, GeneratorOptions
from mainstem.formats.csv import Csv
from mainstem.formats.json import Json
from mainstem.plugs import Budget, Scope

COLUMNS = (Column("a", Type("int64")), Column("b", Type("string")))
ALL = Budget(10**9, 10**9)


def scope(folder: Path) -> Scope:
    return Scope(str(folder), str(folder / "lake"), str(folder / "work"), "p", "default", "readings")


def files(folder: Path, form: Any, **options: Any) -> Files:
    return Files(FilesOptions(path="in/*", complete=True, **options), form(form.Options(), COLUMNS, "ignore", "null"), scope(folder))


def records(source: Any, progress: Any) -> dict[int, bytes]:
    """Position and bytes of every record, as reading gives them."""
    found = {}
    for range_ in source.discover(None, ALL).ranges:
        for chunk in source.read(range_):
            decoded = source.format.decode(chunk, None)
            found |= dict(zip(decoded.position.tolist(), decoded.raw.to_pylist(), strict=True))
    assert len(found) > 3
    return found


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("form", [Json, Csv])
def test_every_record_alone_with_the_facts_of_its_file(form: Any, packed: bool, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("x", "y"):
        if form is Csv:
            text = "b,a\n" + "".join(f'"{name} ""{n}""\nand on",{n}\n' for n in range(40)) + f"{name},99"
        else:
            text = "".join(json.dumps({"a": n, "b": name}) + "\r\n" for n in range(40)) + json.dumps({"a": 99, "b": name})
        content = text.encode()
        (tmp_path / "in" / name).write_bytes(gzip.compress(content) if packed else content)
    source = files(tmp_path, form)
    progress = source.discover(None, ALL).progress
    wanted = records(source, progress)
    source.acknowledge(progress)                              # unpacked content is forgotten
    again = files(tmp_path, form)
    for position, raw in wanted.items():
        chunk = again.fetch(progress, 0, position)
        assert chunk is not None
        assert bytes(chunk.data).rstrip(b"\r\n") == raw
        decoded = again.format.decode(chunk, None)
        assert decoded.rows.num_rows == 1
        assert decoded.position.tolist() == [position]
        assert again.place({"partition": 0, "position": position, "progress": progress}).startswith(("in/x:", "in/y:"))


def test_a_file_that_is_another_one_or_gone_gives_nothing(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in/x"
    path.write_text('{"a": 1}\n{"a": 2}\n')
    source = files(tmp_path, Json)
    progress = source.discover(None, ALL).progress
    assert bytes(source.fetch(progress, 0, 9).data) == b'{"a": 2}\n'
    path.write_text('{"a": 7}\n{"a": 8}\n')
    assert files(tmp_path, Json).fetch(progress, 0, 9) is None
    path.write_text('{"a": 1}\n{"a": 2}\n{"a": 3}\n')          # grown: what was read is still there
    assert bytes(files(tmp_path, Json).fetch(progress, 0, 9).data) == b'{"a": 2}\n'
    path.unlink()
    assert files(tmp_path, Json).fetch(progress, 0, 9) is None
    assert files(tmp_path, Json).fetch(progress, 0, 5 << 40) is None


def test_the_generator_makes_a_line_once_more(tmp_path: Path) -> None:
    source = Generator(GeneratorOptions(rows=5000), Json(Json.Options(), COLUMNS, "ignore", "null"), scope(tmp_path))
    discovery = source.discover(None, ALL)
    for range_ in discovery.ranges:
        for chunk in source.read(range_):
            at = chunk.start
            for number, line in enumerate(bytes(chunk.data).splitlines(keepends=True)):
                if number % 97 == 0:
                    found = source.fetch(discovery.progress, range_.partition, at)
                    assert found is not None
                    assert bytes(found.data) == line
                    assert found.clock.tolist() == [chunk.clock[number]]
                    assert source.fetch(discovery.progress, range_.partition, at + 1) is None
                at += len(line)
    assert source.fetch(discovery.progress, 9, 0) is None
