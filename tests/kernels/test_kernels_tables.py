"""Tables: read whole, keys checked, bad rows refused by place, one file per content, read again only when changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mainstem import plugs
from mainstem.columns import Column, parse_type
from mainstem.engines.kernels import tables
from mainstem.errors import DataError, RefusedError
from mainstem.plan.words import Table


class Memory:
    """A source of some byte chunks, one range each; `stamp` is the identity of its content."""

    def __init__(self, *texts: str, stamp: str = "v1") -> None:
        self.texts, self.stamp, self.reads = texts, stamp, 0

    def discover(self, progress: Mapping[str, Any] | None, budget: plugs.Budget) -> plugs.Discovery:
        at = (progress or {}).get("next", 0)
        ranges = tuple(plugs.Range(0, i << 40, (i << 40) + 1, {"file": f"f{i}.txt", "stamp": self.stamp})
                       for i in range(at, min(at + 1, len(self.texts))))
        return plugs.Discovery(ranges, {"next": at + len(ranges)}, {0: "all"}, frozenset(), not ranges)

    def read(self, range_: plugs.Range) -> Sequence[plugs.Chunk]:
        self.reads += 1
        return [plugs.Chunk(self.texts[range_.start >> 40].encode(), range_.start)]

    def place(self, what: Mapping[str, Any]) -> str:
        return f"{what['ref']['file']}:{what['position'] & (2**40 - 1)}"


class Pairs:
    """Lines `key=number`; what has no `=` is a reject."""

    def decode(self, chunk: plugs.Chunk, query: plugs.Query) -> plugs.Decoded:
        lines = bytes(chunk.data).decode().split()
        good = [i for i, line in enumerate(lines) if "=" in line]
        bad = [i for i in range(len(lines)) if i not in good]
        split = [lines[i].split("=") for i in good]
        rejects = pa.table({"record": pa.array(bad, pa.int64()), "reason": pa.array(["type"] * len(bad), pa.string()),
                            "detail": pa.array(["no equals sign"] * len(bad), pa.string()),
                            "column": pa.array([None] * len(bad), pa.string())})
        rows = pa.table({"k": pa.array([k or None for k, _ in split], pa.string()),
                         "v": pa.array([int(v) for _, v in split], pa.int64())})
        return plugs.Decoded(rows, np.array(good, np.int64), rejects, chunk.start + np.arange(len(lines)),
                             pa.array([line.encode() for line in lines], pa.binary()))


def table(refresh: str = "on_change", key: tuple[str, ...] = ("k",)) -> Table:
    return Table(name="sensors", source="memory", options={}, format="pairs", format_options={}, key=key, refresh=refresh,
                 columns=(Column("k", parse_type("string")), Column("v", parse_type("int64"))))


def pin(source: Memory, folder: Path, previous: dict[str, Any] | None = None, now: int = 0, **how: Any) -> dict[str, Any]:
    return tables.pin(table(**how), source, Pairs(), folder, previous, now)  # type: ignore[arg-type]


def test_everything_is_read_and_kept_under_its_content(tmp_path: Path) -> None:
    pinned = pin(Memory("a=1 b=2", "c=3"), tmp_path)
    assert tables.open_pinned(pinned["path"]).to_pydict() == {"k": ["a", "b", "c"], "v": [1, 2, 3]}
    again = pin(Memory("a=1 b=2 c=3", stamp="moved"), tmp_path)
    assert (again["path"], again["hash"]) == (pinned["path"], pinned["hash"])
    assert len(list(tmp_path.iterdir())) == 1


def test_it_is_read_again_only_when_its_input_changed(tmp_path: Path) -> None:
    source = Memory("a=1")
    first = pin(source, tmp_path)
    assert pin(source, tmp_path, first, 5)["path"] == first["path"]
    assert source.reads == 1
    changed = Memory("a=2", stamp="v2")
    second = pin(changed, tmp_path, first, 6)
    assert second["hash"] != first["hash"]
    assert pin(changed, tmp_path, first, 6, refresh="pinned") == first
    assert pin(changed, tmp_path, first, 59_000_000, refresh="every:1m") == first
    assert pin(changed, tmp_path, first, 60_000_000, refresh="every:1m")["hash"] == second["hash"]


def test_a_key_that_comes_twice_is_named_with_both_places(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        pin(Memory("a=1 b=2", "c=3 b=4 b=5"), tmp_path)
    assert caught.value.code == "table.duplicate_key"
    assert "k = 'b'" in caught.value.what
    assert caught.value.where == "f0.txt:1 and f1.txt:1"
    assert not list(tmp_path.iterdir())


def test_null_keys_may_repeat_and_no_key_is_not_checked(tmp_path: Path) -> None:
    assert pin(Memory("=1 =2 a=3"), tmp_path)["rows"] == 3
    assert pin(Memory("a=1 a=2"), tmp_path, key=())["rows"] == 2


def test_a_row_that_cannot_be_read_stops_with_its_place_and_text(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        pin(Memory("a=1", "b=2 oops c=3 no"), tmp_path)
    error = caught.value
    assert (error.code, error.where) == ("table.bad_row", "f1.txt:1")
    assert "'oops'" in error.what
    assert "1 more" in error.what


def test_an_empty_table_has_its_columns(tmp_path: Path) -> None:
    assert tables.open_pinned(pin(Memory(), tmp_path)["path"]).column_names == ["k", "v"]


def test_a_lost_or_damaged_version_is_a_clear_stop(tmp_path: Path) -> None:
    path = Path(pin(Memory("a=1"), tmp_path)["path"])
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(RefusedError) as caught:
        tables.open_pinned(str(path))
    assert caught.value.code == "table.damaged"
    path.unlink()
    with pytest.raises(RefusedError) as caught:
        tables.open_pinned(str(path))
    assert caught.value.code == "table.lost"
