"""Lines of JSON that are all written alike: same members in the same order with the same blanks, only the values differ.

Machines write like that. The first line of a block shows the form; every other line is held to it, byte by byte around its
values. Lines that do not fit are left to others, and nothing is taken for granted: a line fits only if its grammar is proven.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mainstem.formats import framing

_QUOTE, _END_OF_NAME = ord('"'), b'":'
_FEW = 0.02                           # share of other lines up to which reading these singly is quicker than looking at them twice


@dataclass(frozen=True)
class Member:
    """A member of every line: its name, and where its value lies: [left, right), without the quotes of a text."""

    name: bytes
    text: bool
    left: np.ndarray
    right: np.ndarray


@dataclass(frozen=True)
class Alike:
    """The lines that fit, rising, and their members; the values of line i lie at place i of each array."""

    lines: np.ndarray
    members: tuple[Member, ...]


def alike(view: np.ndarray, starts: np.ndarray, ends: np.ndarray, bad: np.ndarray) -> Alike | None:
    """The lines that are written like the first good one; None where more than a few of the good lines are not.

    `bad`: lines with bytes that need a closer look; in the others a quote is the sign of a text and nothing else.
    """
    quotes = np.flatnonzero(view == _QUOTE)
    counts = np.diff(np.append(np.searchsorted(quotes, starts), len(quotes)))
    good = np.flatnonzero(~bad)
    if not len(good) or not (count := int(counts[good[0]])) or count % 2:
        return None
    chosen = ~bad & (counts == count)
    lines = np.flatnonzero(chosen)
    few = _FEW * len(starts)
    if len(good) - len(lines) > few:
        return None
    if len(lines) < len(starts):
        quotes, starts, ends = quotes[np.repeat(chosen, counts)], starts[lines], ends[lines]
    columns = np.ascontiguousarray(quotes.reshape(-1, count).T)
    begin = int(starts[0])
    form = _form(view[begin:ends[0]].tobytes(), [int(place) - begin for place in columns[:, 0]])
    if form is None:
        return None
    members, wrong = _held_to(form, view, starts, ends, columns)
    if not wrong.any():
        return Alike(lines, members)
    fits = np.flatnonzero(~wrong)
    if len(good) - len(fits) > few:
        return None
    return Alike(lines[fits], tuple(Member(m.name, m.text, m.left[fits], m.right[fits]) for m in members))


@dataclass(frozen=True)
class _Plain:
    """A member of the first line: its name, whether its value is a text, and the bytes between the value before it and its own."""

    name: bytes
    text: bool
    before: bytes


def _form(line: bytes, quotes: list[int]) -> tuple[list[_Plain], bytes] | None:
    """The members of a line and what stands behind the last value; None if it is no object in the plain form."""
    opens, closes = quotes[0::2], quotes[1::2]
    found: list[_Plain] = []
    behind, at = 0, 0                     # behind the value before, with its quote

    def blank(place: int) -> int:
        return line[place:place + 1] == b" "

    if line[:1] != b"{":
        return None
    begin = 1
    while at < len(opens):
        begin += blank(begin)
        if opens[at] != begin or line[closes[at] + 1:closes[at] + 2] != b":":
            return None
        name = line[opens[at] + 1:closes[at]]
        value = closes[at] + 2
        value += blank(value)
        at += 1
        text = at < len(opens) and opens[at] == value
        found.append(_Plain(name, text, line[behind:value + text]))
        if text:
            behind, comma = closes[at], closes[at] + 1
            at += 1
        if at < len(opens):
            if not text:
                behind = comma = opens[at] - 1 - blank(opens[at] - 1)
        else:
            comma = len(line) - 1
            if not text:
                behind = comma - blank(comma - 1)
            elif comma - closes[at - 1] - 1 - blank(closes[at - 1] + 1):
                return None
        if not text and behind <= value:
            return None
        if line[comma:comma + 1] != (b"," if at < len(opens) else b"}"):
            return None
        begin = comma + 1
    return found, line[behind:]


def _held_to(form: tuple[list[_Plain], bytes], view: np.ndarray, starts: np.ndarray, ends: np.ndarray, quotes: np.ndarray,
             ) -> tuple[tuple[Member, ...], np.ndarray]:
    """Where the values lie if the lines have this form, and which lines have not: bool[lines].

    `quotes`: int64[quotes of a line, lines]. What stands between the values is compared as one piece of a line.
    """
    plain, tail = form
    wrong = np.zeros(len(starts), bool)
    members: list[Member] = []
    pieces: list[tuple[np.ndarray, np.ndarray]] = []
    behind, at = starts, 0                # where the value before ends
    for number, member in enumerate(plain):
        at += 2
        left = quotes[at] + 1 if member.text else quotes[at - 1] + (len(member.before) - member.before.rindex(_END_OF_NAME))
        wrong |= left - behind != len(member.before)
        pieces.append((behind, left))
        if member.text:
            behind = quotes[at + 1]
            at += 2
        else:
            last = number == len(plain) - 1
            behind = ends - len(tail) if last else quotes[at] - plain[number + 1].before.index(b'"')
            wrong |= behind <= left
        members.append(Member(member.name, member.text, left, behind))
    wrong |= ends - behind != len(tail)
    pieces.append((behind, ends))
    right = np.flatnonzero(~wrong) if wrong.any() else slice(None)
    count = len(starts[right])
    offsets = np.empty(2 * count * len(pieces) + 1, np.int32)
    table = offsets[:-1].reshape(count, 2 * len(pieces))
    for number, (begin, end) in enumerate(pieces):
        table[:, 2 * number], table[:, 2 * number + 1] = begin[right], end[right]
    expected = b"".join(member.before for member in plain) + tail
    texts = framing.every_other(view, offsets, pa.binary())
    wrong[right] |= np.frombuffer(texts.buffers()[2] or b"", f"S{len(expected)}", count) != expected
    return tuple(members), wrong
