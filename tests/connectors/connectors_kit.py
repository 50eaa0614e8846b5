"""What the connector tests share: a format of plain lines, a project in a temporary folder, readers and columns."""

from __future__ import annotations

import datetime as dt
import decimal
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from mainstem.columns import Column, parse_type
from mainstem.connectors.delta import Delta, DeltaOptions
from mainstem.connectors.delta.datafile import DataFile
from mainstem.connectors.delta.log import files_of
from mainstem.connectors.files import Files, FilesOptions
from mainstem.errors import DataError
from mainstem.plugs import Budget, Chunk, Discovery, Keep, Range, Scope, Transaction

PLENTY = Budget(300_000, 32 << 20)

EVERY_TYPE = (("id", "int64"), ("small", "uint8"), ("big", "uint64"), ("ratio", "float"), ("value", "double"), ("name", "string"),
              ("ok", "boolean"), ("day", "date"), ("at", "timestamp"), ("money", "decimal(18,2)"), ("raw", "binary"),
              ("tags", "list<string>"), ("spot", "struct<x: int32, y: double>"), ("extra", "json"))


class Lines:
    """Lines of text; a file that begins with `!` is bad as a whole."""

    kind = "lines"
    encodes = True

    def __init__(self, cut_by: str = "bytes", skip: int = 0) -> None:
        self.cut_by, self.skip = cut_by, skip

    def open(self, path: str, head: bytes) -> Mapping[str, Any]:
        if head.startswith(b"!"):
            raise DataError("format.bad", "this is no file of lines", where=path)
        return {"skip": self.skip}

    def cut(self, data: memoryview, facts: Mapping[str, Any], final: bool) -> int:
        return len(data) if final else bytes(data).rfind(b"\n") + 1

    def decode(self, chunk: Chunk, query: Any) -> None:
        if self.cut_by == "whole" and bytes(chunk.data).startswith(b"?"):
            raise DataError("format.bad", "this document is broken")

    def encode(self, rows: pa.Table) -> bytes:
        return "".join(json.dumps(row) + "\n" for row in rows.to_pylist()).encode()


class Rows(Lines):
    """A format that is cut by rows: files of equal records, four bytes each, in groups of ten."""

    def __init__(self) -> None:
        super().__init__("rows")

    def open(self, path: str, head: bytes) -> Mapping[str, Any]:
        count = Path(path).stat().st_size // 4
        return {"skip": 0, "rows": count, "groups": [min(10, count - at) for at in range(0, count, 10)]}


class Reader:
    """A source as an engine uses it: every plan and progress goes through JSON, and a new object reads every time."""

    def __init__(self, project: Path, format: Any = None, partition: str = "source", complete: bool = False,
                 **options: Any) -> None:
        self.project, self.format, self.options = project, format or Lines(), options
        self.scope = Scope(str(project), str(project / "lake"), str(project / "work"), "p", "test", "src", partition, complete)
        self.progress: dict[str, Any] | None = None
        self.notes: list[tuple[str, str]] = []
        self.ranges: list[Range] = []
        self.seen: Discovery | None = None

    def source(self) -> Files:
        return Files(FilesOptions.model_validate(self.options), self.format, self.scope)

    def look(self, budget: Budget = PLENTY) -> list[Chunk]:
        """One epoch: discover, then read exactly what was planned."""
        self.seen = self.source().discover(self.progress, budget)
        self.progress = json.loads(json.dumps(dict(self.seen.progress)))
        self.notes += [(note["file"], note["outcome"]) for note in self.seen.notes]
        planned = [Range(**json.loads(json.dumps(asdict(one)))) for one in self.seen.ranges]
        self.ranges += planned
        return [chunk for one in planned for chunk in self.source().read(one)]

    def all(self, budget: Budget = PLENTY) -> list[Chunk]:
        """Epochs until there is nothing more now."""
        chunks: list[Chunk] = []
        while True:
            found = self.look(budget)
            chunks += found
            assert self.seen is not None
            if not self.seen.ranges:
                return chunks

    def text(self, budget: Budget = PLENTY) -> bytes:
        return b"".join(bytes(chunk.data) for chunk in self.all(budget))

    def outcomes(self) -> dict[str, str]:
        """The named outcomes since the last time."""
        found = dict(self.notes)
        self.notes.clear()
        return found


COLUMNS = (("id", "int64"), ("name", "string"), ("value", "double"), ("at", "timestamp"))


def columns(*pairs: tuple[str, str]) -> tuple[Column, ...]:
    return tuple(Column(name, parse_type(kind)) for name, kind in pairs or COLUMNS)


def table(first: int, count: int, name: str = "a") -> pa.Table:
    numbers = range(first, first + count)
    return pa.table({"id": pa.array(numbers, pa.int64()), "name": pa.array([name] * count, pa.string()),
                     "value": pa.array([number / 2 for number in numbers], pa.float64()),
                     "at": pa.array(numbers, pa.timestamp("us", "UTC"))})


def everything() -> pa.Table:
    """A row for each end of every type, and one of NULLs."""
    kinds = {column.name: column.type.arrow for column in columns(*EVERY_TYPE)}
    rows: list[dict[str, Any]] = [
        {"id": 2**53 + 1, "small": 255, "big": 2**64 - 1, "ratio": 1.5, "value": float("nan"), "name": "", "ok": True,
         "day": dt.date(1, 1, 1), "at": dt.datetime(1, 1, 1, tzinfo=dt.UTC), "money": decimal.Decimal("9999999999999999.99"),
         "raw": b"\x00\xff", "tags": ["a", None, ""], "spot": {"x": 1, "y": None}, "extra": '{"a":1}'},
        {"id": -2**63, "small": 0, "big": 0, "ratio": float("-inf"), "value": -0.0, "name": "é\u0000/ =%", "ok": False,
         "day": dt.date(9999, 12, 31), "at": dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC),
         "money": decimal.Decimal("-0.01"), "raw": b"", "tags": [], "spot": None, "extra": "null"},
        dict.fromkeys(kinds)]
    return pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in kinds.items()})


def delta(lake: Path, mode: str = "append", key: Sequence[str] = (), pairs: Sequence[tuple[str, str]] = (),
          **options: Any) -> Delta:
    scope = Scope(str(lake.parent), str(lake), str(lake.parent / "work"), "p", "test", "out")
    return Delta(DeltaOptions.model_validate({"table": "t"} | options), columns(*pairs), mode, tuple(key), None, scope)


def files(out: Delta, version: int | None = None) -> list[DataFile]:
    """The data files of a version of the table, the newest if None."""
    return files_of(out.log.open(version))


def epoch(number: int, app: str = "p/i/out", first: int | None = None, fresh: bool = False) -> Transaction:
    return Transaction(app, number, "release-1", first or number, {"incarnation": "i"}, fresh)


def ids(rows: pa.Table) -> list[int]:
    return sorted(rows.column("id").to_pylist())


def keep(versions: Sequence[int], ago_us: int, now_us: int, paths: Sequence[str] = ()) -> Keep:
    """What upkeep leaves when nothing is kept for longer than `ago_us`."""
    return Keep(versions, now_us - ago_us, now_us - ago_us, paths)
