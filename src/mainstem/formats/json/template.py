"""Lines of JSON that are all written alike: same members in the same order with the same blanks, only the values differ.

Machines write like that. The first line of a block shows the form; every other line is held to it, byte by byte around its
values. Lines that do not fit are left to others, and nothing is taken for granted: a line fits only if its grammar is proven.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_QUOTE, _COLON, _COMMA, _OPEN, _CLOSE, _BLANK = b'":,{} '
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
    if len(good) - len(lines) > _FEW * len(starts):
        return None
    if len(lines) < len(starts):
        quotes = quotes[np.repeat(chosen, counts)]
    form = _Form(view, starts[lines], ends[lines], np.ascontiguousarray(quotes.reshape(-1, count).T))
    if not form.members():
        return None
    fits = form.fits
    if fits.all():
        return Alike(lines, tuple(form.found))
    if len(good) - int(np.count_nonzero(fits)) > _FEW * len(starts):
        return None
    return Alike(lines[fits], tuple(Member(m.name, m.text, m.left[fits], m.right[fits]) for m in form.found))


class _Form:
    """Walks over the members of the first line, and over those of all lines at the same time."""

    def __init__(self, view: np.ndarray, starts: np.ndarray, ends: np.ndarray, quotes: np.ndarray) -> None:
        self.view, self.starts, self.ends = view, starts, ends
        self.opens, self.closes = quotes[0::2], quotes[1::2]
        self.fits = np.ones(len(starts), bool)
        self.found: list[Member] = []

    def members(self) -> bool:
        """Find every member; whether the first line has a plain form at all."""
        if not self._sign(self.starts, _OPEN):
            return False
        begin, at = self.starts + 1, 0
        while at < len(self.opens):
            begin = begin + self._blank(begin)
            if not self._same(self.opens[at], begin) or not self._sign(self.closes[at] + 1, _COLON):
                return False
            name = self._name(at)
            value = self.closes[at] + 2
            value = value + self._blank(value)
            at += 1
            if at < len(self.opens) and self.opens[at][0] == value[0]:
                self._same(self.opens[at], value)
                end = self.closes[at] + 1
                self.found.append(Member(name, True, value + 1, end - 1))
                at += 1
                last = at == len(self.opens)
                behind = end + self._blank(end) if last else end
            else:
                last = at == len(self.opens)
                behind = self.ends - 1 if last else self._before(at)
                end = behind - self._blank(behind - 1) if last else behind
                self.fits &= value < end
                self.found.append(Member(name, False, value, end))
            if last:
                return self._same(behind, self.ends - 1) and self._sign(behind, _CLOSE)
            if not self._sign(behind, _COMMA):
                return False
            begin = behind + 1
        return False

    def _before(self, at: int) -> np.ndarray:
        """Where the comma before the text `at` is."""
        place: np.ndarray = self.opens[at] - 1
        return place - self._blank(place)

    def _blank(self, place: np.ndarray) -> int:
        """1 if the first line has a blank here; then all lines must."""
        if self.view[min(place[0], len(self.view) - 1)] != _BLANK:
            return 0
        self.fits &= self.view.take(place, mode="clip") == _BLANK
        return 1

    def _same(self, place: np.ndarray, other: np.ndarray) -> bool:
        self.fits &= place == other
        return bool(self.fits[0])

    def _sign(self, place: np.ndarray, sign: int) -> bool:
        self.fits &= self.view.take(place, mode="clip") == sign
        return bool(self.fits[0])

    def _name(self, at: int) -> bytes:
        """The name of the first line; the other lines must have the same."""
        left, right = self.opens[at] + 1, self.closes[at]
        name = self.view[left[0]:right[0]].tobytes()
        self.fits &= right - left == len(name)
        for offset, byte in enumerate(name):
            self.fits &= self.view.take(left + offset, mode="clip") == byte
        return name
