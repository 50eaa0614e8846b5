"""JSON text <-> values, exactly: what the format `json` and every column of type `json` stand on.

The scanner is that of the standard library with hooks: numbers stay text until their type is known, a key that comes twice
is seen, NaN is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from json.encoder import encode_basestring as quoted
from typing import Any

from mainstem.formats.wrong import Wrong, brief

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', re.DOTALL)
_BLANKS = " \t\n\r"


class Number(str):
    """A number as it was written: its digits are not rounded before its type is known."""

    __slots__ = ()


class Parser:
    """Reads JSON values; deeper than `max_depth` is refused."""

    def __init__(self, max_depth: int) -> None:
        self.max_depth = max_depth
        self.fault: Wrong | None = None       # of the value read last, if it was read leniently
        self._doubled: str | None = None
        decoder: Any = json.JSONDecoder(object_pairs_hook=self._members, parse_float=Number, parse_int=Number,
                                        parse_constant=_constant)
        self._scan = decoder.scan_once

    def parse(self, text: str) -> Any:
        """The value that the whole text stands for."""
        self.check_depth(text)
        start = len(text) - len(text.lstrip(_BLANKS))
        value, end = self.value(text, start)
        if text[end:].strip(_BLANKS):
            raise Wrong("not_json", f"after the value comes {brief(text[end:])}")
        return value

    def value(self, text: str, start: int, lenient: bool = False) -> tuple[Any, int]:
        """The value that begins at `start`, and where it ends.

        `lenient`: a fault that leaves the text readable (a doubled key, half a surrogate pair) is put in `fault`.
        """
        self._doubled = self.fault = None
        try:
            value, end = self._scan(text, start)
        except StopIteration as stop:
            raise Wrong("not_json", f"no value at character {stop.value}") from None
        except RecursionError:
            raise Wrong("too_deep", "nested deeper than the reader can follow") from None
        except ValueError as error:
            raise Wrong("not_json", str(error)) from None
        if self._doubled is not None:
            self.fault = Wrong("duplicate_key", f"the key {brief(self._doubled)} stands twice in one object")
        elif _SURROGATE.search(text, start, end) and _lone(value):
            self.fault = Wrong("bad_escape", "a string holds half of a surrogate pair")
        if self.fault is not None and not lenient:
            raise self.fault
        return value, end

    def check_depth(self, text: str) -> None:
        """`too_deep` where brackets nest beyond `max_depth`; those in strings do not count."""
        if text.count("[") + text.count("{") <= self.max_depth:
            return
        depth = 0
        for match in _TOKENS.finditer(text):
            sign = text[match.start()]
            if sign in "[{":
                depth += 1
                if depth > self.max_depth:
                    raise Wrong("too_deep", f"nested deeper than {self.max_depth}; `max_depth` sets the limit")
            elif sign in "]}":
                depth -= 1

    def _members(self, pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            seen: set[str] = set()
            self._doubled = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        return members


def canonical(text: str) -> str:
    """A text that is JSON, without the blanks between its parts; `Wrong` (type) if it is none."""
    try:
        return dump(Parser(64).parse(text))
    except Wrong as wrong:
        raise Wrong("type", f"{brief(text)} is not JSON: {wrong.detail}") from None


def dump(value: Any) -> str:
    """A parsed value as JSON text again; numbers keep their digits."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{quoted(name)}:{dump(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(dump, value)) + "]"
    return quoted(value) if isinstance(value, str) else json.dumps(value)


def kind_of(value: Any) -> str:
    """What a parsed value is, in a sentence."""
    names = {dict: "an object", list: "an array", bool: "a boolean", type(None): "null", Number: "a number"}
    return names.get(type(value), "a text")


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _lone(value: Any) -> bool:
    if isinstance(value, str):
        return any("\ud800" <= sign <= "\udfff" for sign in value)
    if isinstance(value, dict):
        return any(_lone(name) or _lone(item) for name, item in value.items())
    return isinstance(value, list) and any(map(_lone, value))
