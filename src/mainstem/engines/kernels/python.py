"""The kernel of Map: a user's function over Arrow in a child process; a row on which it fails is found and set aside alone."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from mainstem.batch import AT, AT_TYPE, CHILD_SHIFT, DELIVERED, FILTERED, QUARANTINED, Fates, at
from mainstem.engines.contract import RowResult
from mainstem.engines.kernels import child, failing, slot
from mainstem.engines.kernels.made import newborn
from mainstem.engines.kernels.returned import as_declared
from mainstem.engines.law import broken
from mainstem.engines.selection import Selection
from mainstem.errors import UserCodeError
from mainstem.plan.words import Fold, Map, Node

if TYPE_CHECKING:
    from mainstem.engines.site import Site

_DEATHS = 64                          # processes that one batch may cost before the step is given up
_UNCHANGED = "pass the values of `_at` on unchanged"
_HOPELESS = 1000                      # failing rows after which a function that fails on most rows is given up


def run(node: Node, source: str, given: Selection, tables: Mapping[str, pa.Table], site: Site | None = None,  # noqa: ARG001
        ) -> RowResult:
    """Call the function of `node` with the rows; what it returns, under the identities that `rows:` promises.

    `same` gets the columns and returns as many rows in the same order. `fewer` and `any` get one column more, `_at` (int64,
    opaque), and return it: for the rows that they keep, or as the parent of each row that they make. A row on which it
    raises, hangs, dies or needs too much memory is set aside with reason `python`. Raises UserCodeError where the function
    cannot be called, returns something else than declared, or fails on nearly everything.
    """
    word = node.word
    assert isinstance(word, Map)
    rows = given.rows
    if not rows.num_rows:
        return RowResult(Selection(_schema(node).empty_table()))
    path = tuple(site.code) if site is not None else ()
    calls = _Calls(node, word, rows, slot.slot(word.call, path, word.memory), site)
    made, parents, failed = calls.all()
    if made.num_rows != calls.returned:
        raise broken(f"rows of `{word.call}` were lost", node.name, f"it returned {calls.returned}, {made.num_rows} came here")
    order = sorted(failed)
    bad = rows.take(pa.array(order, pa.int64()))
    fates: Fates = failing.fates(bad, node.name, QUARANTINED, "python") if order else Counter()
    left = np.ones(rows.num_rows, bool)
    left[order] = False
    if word.rows == "any":
        identity = _children(rows, parents, node.origin or 0)
        fates.update(failing.fates(rows.filter(pa.array(left)), node.name, DELIVERED, ""))
    else:
        identity = rows.column(AT) if len(parents) == rows.num_rows else rows.column(AT).take(pa.array(parents))
        left[parents] = False            # neither failed nor returned: the function left it out
        if int(left.sum()) != calls.left_out:
            raise broken(f"rows of `{word.call}` were lost", node.name,
                         f"it left {calls.left_out} out, {int(left.sum())} are not among those that it returned")
        if left.any():
            fates.update(failing.fates(rows.filter(pa.array(left)), node.name, FILTERED, "python_filter"))
    aside = failing.set_aside(bad, "python", [failed[index] for index in order]) if order else None
    whole = made.append_column(pa.field(AT, AT_TYPE), identity)
    return RowResult(Selection(newborn(whole) if word.rows == "any" else whole), aside, fates)


def _schema(node: Node) -> pa.Schema:
    return pa.schema([*((column.name, column.type.arrow) for column in node.columns), (AT, AT_TYPE)])


class _Calls:
    """The calls for one batch: whole if it goes well, else in ever smaller pieces until the failing rows are alone."""

    def __init__(self, node: Node, word: Map, rows: pa.Table, where: slot.Slot, site: Site | None) -> None:
        self.node, self.word, self.slot, self.site = node, word, where, site
        self.rows = rows.drop_columns([AT])
        self.failed: dict[int, str] = {}
        self.returned = self.left_out = 0    # rows, as counted in the child
        self.tried = 0
        self.deaths = where.deaths
        self.parentless = rows.num_rows if word.rows == "any" and not _timed(node, site) else 0

    def all(self) -> tuple[pa.Table, np.ndarray, dict[int, str]]:
        """What was made, the number of each made row's parent (rising), and failed row -> what happened."""
        pieces: list[tuple[pa.Table, np.ndarray]] = []
        waiting = [(0, self.rows.num_rows)]
        while waiting:
            low, high = waiting.pop()
            try:
                made, parents, said = self.call(low, high)
                pieces.append((made, parents))
                self.returned += said["returned"]
                self.left_out += said["left_out"]
                self.tried += high - low
            except slot.CallError as error:
                if high - low == 1:
                    self._lost(low, error)
                else:                    # each death costs a new process, so then go down in larger steps
                    step = math.ceil((high - low) / (16 if error.deadly else 4))
                    waiting += [(cut, min(cut + step, high)) for cut in range(low, high, step)][::-1]
        if self.word.rows == "same" and self.word.deterministic and not self.slot.proven:
            self._prove(pieces)
        table = pa.concat_tables([piece for piece, _ in pieces]) if pieces else _schema(self.node).empty_table().drop_columns([AT])
        parents = np.concatenate([parent for _, parent in pieces]) if pieces else np.empty(0, np.int64)
        if (np.diff(parents) < 0).any():
            order = np.argsort(parents, kind="stable")
            table, parents = table.take(pa.array(order)), parents[order]
        return table, parents, self.failed

    def call(self, low: int, high: int) -> tuple[pa.Table, np.ndarray, dict[str, int]]:
        """What the function makes of the rows [low, high), the number of each made row's parent, and what the child counted."""
        given = self.rows.slice(low, high - low)
        if self.word.rows != "same":
            given = given.append_column(AT, pa.array(np.arange(low, high, dtype=np.int64)))
        answer = self.slot(given, self.word.timeout)
        said = json.loads(answer.schema.metadata[child.SAID])
        if self.word.rows == "same":
            if answer.num_rows != high - low:
                raise self._broken("python.rows", f"it got {high - low} rows and returned {answer.num_rows}",
                                   "`rows: same` means as many rows in the same order", "say `rows: fewer` or `rows: any`")
            parents = np.arange(low, high)
            if AT in answer.column_names:
                answer = answer.drop_columns([AT])
        else:
            parents, answer = self._parents(answer, low, high)
        return as_declared(answer, self.node.columns, self._broken), parents, said

    def _parents(self, answer: pa.Table, low: int, high: int) -> tuple[np.ndarray, pa.Table]:
        """The `_at` that came back, checked."""
        if AT not in answer.column_names:
            if self.parentless:          # nobody downstream asks for the time of these rows
                return np.full(answer.num_rows, low), answer
            raise self._broken("python.at", "it returned no column `_at`",
                               f"`rows: {self.word.rows}` must say which row each row comes from",
                               "keep the column `_at` that the function gets, or take it from the row that it makes the new one of")
        try:
            parents = answer.column(AT).cast(pa.int64()).to_numpy()
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
            raise self._broken("python.at", "its `_at` is no longer what it got", str(error), _UNCHANGED) from error
        unknown = (parents < low) | (parents >= high)
        if unknown.any():
            raise self._broken("python.at", f"{int(unknown.sum())} of its rows have an `_at` that it did not get",
                               "every row must come from one of the rows given", _UNCHANGED)
        if self.word.rows == "fewer" and len(np.unique(parents)) < len(parents):
            raise self._broken("python.at", "it returned an `_at` more than once",
                               "`rows: fewer` keeps or leaves out, it does not multiply",
                               "say `rows: any` and declare its `columns:`")
        return parents.astype(np.int64), answer.drop_columns([AT])

    def _prove(self, pieces: list[tuple[pa.Table, np.ndarray]]) -> None:
        """Once per process: the first and the last row alone must give what they gave in company, else order or cut matters."""
        for piece, parents in (pieces[:1] if len(pieces) == 1 and len(pieces[0][1]) > 1 else []):
            for index in (0, len(parents) - 1):
                try:
                    alone, *_ = self.call(int(parents[index]), int(parents[index]) + 1)
                except slot.CallError:
                    continue
                here, there = alone.to_pylist()[0], piece.slice(index, 1).to_pylist()[0]
                if not all(_alike(here[name], there[name]) for name in here):
                    raise self._broken("python.order", f"row {int(parents[index])} alone becomes {here}, among others {there}",
                                       "`rows: same` keeps the order, and f(a + b) must be f(a) + f(b): rows come in any cut",
                                       "look at one row at a time; use a window for what looks across rows, "
                                       "or say `deterministic: false` if its answer differs from call to call")
            self.slot.proven = True

    def _lost(self, row: int, error: slot.CallError) -> None:
        self.failed[row] = error.detail
        self.tried += 1
        if self.slot.deaths - self.deaths > _DEATHS:
            raise self._broken("python.died", f"its process died more than {_DEATHS} times in one batch", error.detail,
                               "mend the function, or filter such rows before it")
        if len(self.failed) > _HOPELESS and 2 * len(self.failed) > self.tried:
            raise self._broken("python.raised", f"it failed on {len(self.failed)} of {self.tried} rows", error.detail,
                               "mend the function")

    def _broken(self, code: str, what: str, why: str, fix: str) -> UserCodeError:
        return UserCodeError(code, f"`{self.word.call}`: {what}", where=f"step {self.node.step}", why=why, fix=fix)


def _children(rows: pa.Table, parents: np.ndarray, origin: int) -> pa.StructArray:
    """The identity of rows made out of rows: the parent's, with the number of the node and an ordinal among its children.

    The parent's own origin goes into the partition, so that equal positions of two origins stay apart.
    """
    count = len(parents)
    first = np.ones(count, bool)
    first[1:] = parents[1:] != parents[:-1]
    starts = np.flatnonzero(first)
    ordinal = np.arange(count) - np.repeat(starts, np.diff(np.append(starts, count)))
    if count and ordinal.max() >= 1 << CHILD_SHIFT:
        raise UserCodeError("python.rows", f"one row became more than {1 << CHILD_SHIFT} rows", where=f"origin {origin}",
                            why="their ordinals would not fit", fix="cut the input into smaller records")
    values = {name: at(rows, name)[parents] for name in AT_TYPE.names}
    values["p"] = values["p"] + (values["o"].astype(np.int32) << 16)
    values["c"] = (values["c"] << CHILD_SHIFT) + ordinal
    values["o"] = np.full(count, origin, np.int16)
    return pa.StructArray.from_arrays([pa.array(values[field.name], field.type) for field in AT_TYPE], fields=list(AT_TYPE))


def _timed(node: Node, site: Site | None) -> bool:
    """Whether a fold asks for the time of what this node makes."""
    if site is None:
        return True
    waiting = [node.name]
    while waiting:
        for reader in site.plan.readers(waiting.pop()):
            if isinstance(reader.word, Fold):
                return True
            waiting.append(reader.name)
    return False


def _alike(a: Any, b: Any) -> bool:
    """Equal, but for the last digits of floats; NaN is NaN."""
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-9) or (math.isnan(a) and math.isnan(b))
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_alike, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_alike(a[name], b[name]) for name in a)
    return bool(a == b)
