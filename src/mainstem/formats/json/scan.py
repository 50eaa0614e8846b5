"""Many flat JSON objects, one a line, at once: numpy finds every key and value, Arrow parses the values.

A line is taken here only if its whole grammar is verified: `{`, then `"key":` and a value, parted by commas, then `}`, at
most one blank after a colon, a comma or the braces; every value one string without escapes, or a number or word. Whatever
else a line may be (nested, escaped, oddly spaced, broken) is left to `exact`, which is the measure for both.

In a line without backslashes quotes come in pairs, so the n-th pair of quotes is a string, and a string with a colon right
behind it is a key; what lies between two keys is then the value of the first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mainstem.columns import Column, Columns
from mainstem.formats import casts, framing, times, values
from mainstem.formats.assembly import schema
from mainstem.formats.json.template import Alike, alike

_QUOTE, _BACKSLASH, _COLON, _COMMA, _OPEN, _CLOSE, _BLANK, _HIGH = b'"'[0], b"\\"[0], b":"[0], b","[0], b"{"[0], b"}"[0], 32, 128
_NAMES = 256                          # undeclared names told apart in one block; lines with further ones are read singly
_SCALAR = r"^(null|true|false|-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?)$"


@dataclass(frozen=True)
class Scanned:
    """The lines that were understood: their rows, the index of each line, first lines with what is strange or lacking."""

    rows: pa.Table
    lines: np.ndarray
    unknown: dict[str, int]
    absent: dict[str, int]


@dataclass(frozen=True)
class Keys:
    """Every key of the lines looked at, in order: its line, its text [left, right) and that of its value."""

    line: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray
    end: np.ndarray
    text: np.ndarray                  # whether the value is a string (value and end include its quotes)


def fit(columns: Columns) -> bool:
    """Whether records of these columns can be flat."""
    return bool(columns) and all(c.type.name not in ("list", "struct") and "." not in (c.path or "") for c in columns)


class Scan:
    """One block of lines: bytes and [start, end) of each line."""

    def __init__(self, view: np.ndarray, starts: np.ndarray, ends: np.ndarray, columns: Columns, unknown: str, missing: str,
                 max_bytes: int, known: frozenset[str]) -> None:
        self.view = view
        self.starts = starts
        self.ends = ends
        self.columns = columns
        self.unknown = unknown
        self.missing = missing
        self.known = known
        self.bad = ends - starts > max_bytes              # bool[lines]: left to the reader of single records

    def run(self) -> Scanned:
        """Understand what can be."""
        self._odd_bytes()
        same = alike(self.view, self.starts, self.ends, self.bad)
        if same is not None and (found := self._alike(same)) is not None:
            return found
        keys = self._keys()
        spots = self._names(keys)
        for at in spots.values():                         # a name twice in one line
            line = keys.line[at]
            self.bad[line[1:][line[1:] == line[:-1]]] = True
        read = {c.path or c.name for c in self.columns}
        self._scalars(keys, [at for name, at in spots.items() if name not in read])
        right = ~self.bad                                 # the grammar of these lines is right; values may still be wrong
        spots = {name: at[right[keys.line[at]]] for name, at in spots.items()}
        strange = {name: at for name, at in spots.items() if name not in read | self.known and len(at)}
        if self.unknown == "quarantine":
            for at in strange.values():
                self.bad[keys.line[at]] = True
        lacking: dict[str, np.ndarray] = {}
        arrays = [self._column(column, keys, spots[column.path or column.name], right, lacking) for column in self.columns]
        if self.unknown == "keep":
            arrays.append(self._extra(keys, list(strange.values()), right))
        fine = np.flatnonzero(right)
        good = ~self.bad[fine]
        rows = pa.Table.from_arrays(arrays, schema=schema(self.columns, self.unknown))
        return Scanned(rows if good.all() else rows.filter(pa.array(good)), fine[good],
                       self._first({name: keys.line[at] for name, at in strange.items()}), self._first(lacking))

    def _alike(self, same: Alike) -> Scanned | None:
        """Read lines that are written alike; None where something about their members wants a closer look."""
        members = {member.name: member for member in same.members}
        read = {(column.path or column.name).encode() for column in self.columns}
        strange = members.keys() - read - {name.encode() for name in self.known}
        if len(members) < len(same.members) or read - members.keys() or (strange and self.unknown != "ignore"):
            return None
        good = np.ones(len(same.lines), bool)
        for name in members.keys() - read:
            if not members[name].text:
                texts = framing.slices(self.view, members[name].left, members[name].right, pa.string())
                good &= pc.match_substring_regex(texts, _SCALAR).to_numpy(zero_copy_only=False)
        arrays = []
        for column in self.columns:
            member = members[(column.path or column.name).encode()]
            text = np.full(len(good), member.text)
            array, wrong = self._values(column, member.left - text, member.right + text, text)
            good &= ~wrong
            if column.required and array.null_count:
                good &= array.is_valid().to_numpy(zero_copy_only=False)
            arrays.append(array)
        if self.unknown == "keep":
            arrays.append(pa.nulls(len(good), pa.string()))
        rows = pa.Table.from_arrays(arrays, schema=schema(self.columns, self.unknown))
        lines = same.lines
        if not good.all():
            rows, lines = rows.filter(pa.array(good)), lines[good]
        self.bad[:] = True
        self.bad[lines] = False
        seen = {name.decode(): int(lines[0]) for name in strange} if len(lines) else {}
        return Scanned(rows, lines, seen, {})

    def _first(self, lines: dict[str, np.ndarray]) -> dict[str, int]:
        """The first of the lines under each name that is taken here; the reader of single records notes the others."""
        kept = ((name, found[~self.bad[found]]) for name, found in lines.items())
        return {name: int(found[0]) for name, found in kept if len(found)}

    def _flag(self, places: np.ndarray) -> None:
        """The lines in which these bytes lie are left to the exact reader; bytes between lines do not count."""
        if len(places):
            line = np.searchsorted(self.starts, places, "right") - 1
            self.bad[line[places < self.ends[line]]] = True

    def _odd_bytes(self) -> None:
        low = self.view < _BLANK
        low &= self.view != framing.NEWLINE
        low |= self.view == _BACKSLASH
        self._flag(np.flatnonzero(low))
        high = self.view >= _HIGH
        if high.any() and not framing.valid_utf8(self.view.tobytes()):
            self._flag(np.flatnonzero(high))

    def _keys(self) -> Keys:
        """Keys and the extent of their values; flags every line whose structure is not the plain one."""
        view, last = self.view, len(self.view) - 1
        quotes = np.flatnonzero(view == _QUOTE)
        counts = np.diff(np.append(np.searchsorted(quotes, self.starts), len(quotes)))
        self.bad |= (counts & 1 == 1) | (counts == 0)
        if self.bad.any():
            quotes = quotes[np.repeat(~self.bad, counts)]
            counts = np.where(self.bad, 0, counts)
        opens, closes = quotes[0::2], quotes[1::2]
        pairs = counts >> 1
        line_of = np.repeat(np.arange(len(pairs)), pairs)
        at = np.flatnonzero(view[np.minimum(closes + 1, last)] == _COLON)
        line, left, right = line_of[at], opens[at], closes[at]
        count = np.bincount(line, minlength=len(pairs))
        self.bad |= count == 0
        final = np.ones(len(at), bool)                    # the last key of its line
        final[:-1] = line[1:] != line[:-1]
        first = np.ones(len(at), bool)
        first[1:] = final[:-1]
        value = right + 2
        value += view[np.minimum(value, last)] == _BLANK
        end = np.empty_like(value)
        end[:-1] = left[1:] - 1
        end[final] = self.ends[line[final]] - 1
        spaced = (view[end] == _BLANK) & ~final
        end -= spaced
        right_sign = view[end] == np.where(final, _CLOSE, _COMMA)
        end -= final & (view[end - 1] == _BLANK)
        before = self.starts[line] + 1
        begins = (view[before - 1] == _OPEN) & ((left == before) | ((left == before + 1) & (view[before] == _BLANK)))
        nested = np.cumsum(pairs)[line]                   # index behind the last pair of the line
        following = np.append(at[1:], 0)
        inside = np.where(final, nested, following) - at - 1
        text = inside == 1
        string = np.minimum(at + 1, len(opens) - 1)
        whole = (inside == 0) | (text & (opens[string] == value) & (closes[string] == end - 1))
        wrong = ~(right_sign & whole & (value < end) & (begins | ~first))
        self.bad[line[wrong]] = True
        keep = ~self.bad[line]
        return Keys(line[keep], left[keep] + 1, right[keep], value[keep], end[keep], text[keep])

    def _names(self, keys: Keys) -> dict[str, np.ndarray]:
        """The keys of each name, rising: of every declared one, and of those that were found besides."""
        size = keys.right - keys.left
        spots = {name: self._named(keys, size, name.encode()) for name in dict.fromkeys(c.path or c.name for c in self.columns)}
        if sum(map(len, spots.values())) == len(size):
            return spots
        nameless = np.ones(len(size), bool)
        for at in spots.values():
            nameless[at] = False
        rest = np.flatnonzero(nameless)
        while len(rest) and len(spots) < _NAMES:
            found = self.view[keys.left[rest[0]]:keys.right[rest[0]]].tobytes()
            at = spots[found.decode()] = self._named(keys, size, found)
            nameless[at] = False
            rest = rest[nameless[rest]]
        self.bad[keys.line[rest]] = True
        return spots

    def _named(self, keys: Keys, size: np.ndarray, name: bytes) -> np.ndarray:
        at = np.flatnonzero(size == len(name))
        left = keys.left[at]
        same = np.ones(len(at), bool)
        for offset, byte in enumerate(name):
            same &= self.view[left + offset] == byte
        return at[same]

    def _scalars(self, keys: Keys, unread: list[np.ndarray]) -> None:
        """Values that no column reads must still be JSON."""
        at = np.sort(np.concatenate(unread)) if unread else np.empty(0, np.int64)
        at = at[~keys.text[at]]
        if len(at):
            match = pc.match_substring_regex(framing.slices(self.view, keys.value[at], keys.end[at], pa.string()), _SCALAR)
            self.bad[keys.line[at[~match.to_numpy(zero_copy_only=False)]]] = True

    def _column(self, column: Column, keys: Keys, at: np.ndarray, right: np.ndarray, lacking: dict[str, np.ndarray]) -> pa.Array:
        """The values of one column over the lines that are `right`; `at` are its keys in them."""
        line, count = keys.line[at], int(np.count_nonzero(right))
        if len(at) < count:
            lacks = right.copy()
            lacks[line] = False
            lacking[column.name] = np.flatnonzero(lacks)
            if column.required or self.missing == "quarantine":
                self.bad[lacks] = True
        array, wrong = self._values(column, keys.value[at], keys.end[at], keys.text[at])
        self.bad[line[wrong]] = True
        if column.required and array.null_count:
            self.bad[line[array.is_null().to_numpy(zero_copy_only=False)]] = True
        if len(at) == count:
            return array
        place = np.zeros(len(right), np.int64)
        place[line] = np.arange(len(at))
        return array.take(pa.array(place[right], mask=lacks[right]))

    def _values(self, column: Column, left: np.ndarray, right: np.ndarray, text: np.ndarray) -> tuple[pa.Array, np.ndarray]:
        """Values at [left, right) as the column's type, and which could not be taken."""
        view, kind = self.view, column.type
        null = ~text & (right - left == 4) & (view[left] == b"n"[0])
        if null.any():
            for offset, byte in enumerate(b"null"):
                null &= view[np.minimum(left + offset, len(view) - 1)] == byte
        if kind.name == "json":
            texts = framing.slices(view, left, right, pa.string())
            match = pc.match_substring_regex(texts, _SCALAR).to_numpy(zero_copy_only=False)
            return _masked(texts, null), ~(text | match)
        if values.numeric(kind) or kind.name == "boolean" or times.is_epoch(column):
            wrong, texts = text, framing.slices(view, left, right, pa.string())
        else:
            wrong, texts = ~(text | null), framing.slices(view, left + text, right - text, pa.string())
            if column.null:
                null = null | (text & pc.is_in(texts, pa.array(column.null, pa.string())).to_numpy(zero_copy_only=False))
        result = casts.cast(_masked(texts, null | wrong), column, json=True)
        return result.array, wrong if result.failed is None else wrong | result.failed

    def _extra(self, keys: Keys, strange: list[np.ndarray], right: np.ndarray) -> pa.Array:
        """Undeclared members as JSON text, NULL where there are none."""
        if not strange:
            return pa.nulls(int(np.count_nonzero(right)), pa.string())
        at = np.sort(np.concatenate(strange))
        name = framing.slices(self.view, keys.left[at] - 1, keys.right[at] + 1, pa.string())
        member = pc.binary_join_element_wise(name, framing.slices(self.view, keys.value[at], keys.end[at], pa.string()), ":")
        count = np.bincount(keys.line[at], minlength=len(right))[right]
        lists = pa.ListArray.from_arrays(pa.array(np.concatenate([[0], np.cumsum(count)]).astype(np.int32)), member)
        joined = pc.binary_join_element_wise("{", pc.binary_join(lists, ","), "}", "")
        return _masked(joined, count == 0)


def _masked(texts: pa.Array, null: np.ndarray) -> pa.Array:
    return pc.if_else(pa.array(null), pa.scalar(None, texts.type), texts) if null.any() else texts
