"""What can be understood of a value with mistakes, so that one mistake hides no other."""

from __future__ import annotations

import copy
from typing import Any

from pydantic import ValidationError

from mainstem.spec import closed
from mainstem.spec.problems import Path

MOST_ROUNDS = 8
_BLANK: dict[str, Any] = {"string": "", "array": [], "object": {}, "integer": 0, "number": 0, "boolean": False}
_ABSENT = object()


def salvage(kind: Any, data: Any) -> Any:
    """`data` as `kind` without what is wrong in it; what cannot be left out has an example as its value. None if nothing is left.

    >>> from mainstem.spec.written import TimeWritten
    >>> salvage(TimeWritten, {"column": "at", "latenes": "30s", "max_future": 5}).max_future
    300000000
    """
    data = copy.deepcopy(data)
    tried: set[Path] = set()
    for _ in range(MOST_ROUNDS):
        try:
            return closed.adapter(kind).validate_python(data)
        except ValidationError as error:
            wrong = {closed.locate(data, one["loc"], absent=one["type"] == "missing") for one in error.errors(include_url=False)}
        innermost = [place for place in wrong if not any(place == other[:len(place)] != other for other in wrong)]
        mended = [_mend(kind, data, place, tried) for place in innermost]
        if not all(mended):
            return None
    return None


def _mend(kind: Any, data: Any, place: Path, tried: set[Path]) -> bool:
    """Take away what is wrong, or put an example where something is missing; False if that leaves nothing."""
    for size in range(len(place), 0, -1):
        here, key = place[:size], place[size - 1]
        around = closed.at(data, here[:-1])
        if not isinstance(around, dict) or here in tried:        # entries of a list keep their places
            continue
        if around.pop(key, _ABSENT) is _ABSENT:
            tried.add(here)
            around[key] = _example(kind, here)
        return True
    return False


def _example(kind: Any, place: Path) -> Any:
    """A value that may stand there, as far as the model tells one."""
    known = [*closed.properties(kind, place), *closed.schemas(kind, place)]
    for schema in known:
        for value in (*schema.get("enum", ()), *schema.get("examples", ())):
            return copy.deepcopy(value)
    return next((copy.deepcopy(_BLANK[one["type"]]) for one in known if one.get("type") in _BLANK), None)
