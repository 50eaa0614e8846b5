"""Durations, sizes and shares as people write them: `15m`, `64MiB`, `1%`."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

_UNITS_US = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000,
             "d": 86_400_000_000, "w": 604_800_000_000}
_ISO = re.compile(r"^P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$")
_PART = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m|h|d|w)")
_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def parse_duration(text: Any) -> int:
    """Microseconds of `30s`, `1h30m`, `500ms`, `2d` or ISO 8601 `PT15M`; ValueError otherwise.

    >>> parse_duration("1h30m"), parse_duration("PT15M"), parse_duration("500ms")
    (5400000000, 900000000, 500000)
    """
    if isinstance(text, str):
        text = text.strip()
        iso = _ISO.match(text)
        if iso and len(text) > 1 and not text.endswith("T"):
            week, day, hour, minute, second = (float(part or 0) for part in iso.groups())
            return round(((week * 7 + day) * 86_400 + hour * 3600 + minute * 60 + second) * 1_000_000)
        if text and not _PART.sub("", text):
            return round(sum(float(number) * _UNITS_US[unit] for number, unit in _PART.findall(text)))
    raise ValueError(f"{text!r} is not a duration; write a number with a unit, like 30s, 15m, 1h30m or 2d")


def format_duration(us: int) -> str:
    """The shortest way to write a duration: the inverse of `parse_duration`.

    >>> format_duration(5_400_000_000), format_duration(0)
    ('1h30m', '0s')
    """
    parts, rest = [], us
    for unit in ("w", "d", "h", "m", "s", "ms", "us"):
        count, rest = divmod(rest, _UNITS_US[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def parse_size(text: Any) -> int:
    """Bytes of `64MiB`, `1GB` or `512KiB`; ValueError otherwise."""
    match = re.match(r"^\s*(\d+(?:\.\d+)?)\s*([KMG]i?B|B)\s*$", text, re.IGNORECASE) if isinstance(text, str) else None
    if not match:
        raise ValueError(f"{text!r} is not a size; write a number with a unit, like 64MiB or 1GB")
    return round(float(match[1]) * _BYTES[match[2].upper()])


def format_size(size: int) -> str:
    """The shortest exact way to write a size: the inverse of `parse_size`.

    >>> format_size(1 << 30), format_size(64 << 20), format_size(1500)
    ('1GiB', '64MiB', '1500B')
    """
    for unit in ("GiB", "MiB", "KiB"):
        if size and size % _BYTES[unit.upper()] == 0:
            return f"{size // _BYTES[unit.upper()]}{unit}"
    return f"{size}B"


def parse_share(text: Any) -> float:
    """The fraction that `1%` or `0.5%` means; ValueError otherwise."""
    match = re.match(r"^\s*(\d+(?:\.\d+)?)\s*%\s*$", text) if isinstance(text, str) else None
    if not match or float(match[1]) > 100:
        raise ValueError(f"{text!r} is not a share; write a percentage, like 1% or 0.5%")
    return float(match[1]) / 100


def _schema(pattern: str, example: str, title: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "title": title, "pattern": pattern, "examples": [example]})


# In a model these fields hold microseconds, bytes and a fraction; what users write is text with a unit.
Duration = Annotated[
    int, BeforeValidator(parse_duration), _schema(r"^(\d+(\.\d+)?(us|ms|s|m|h|d|w))+$|^P", "15m", "duration")
]
Size = Annotated[int, BeforeValidator(parse_size), _schema(r"^\d+(\.\d+)? ?([KMG]i?)?B$", "64MiB", "size")]
Share = Annotated[float, BeforeValidator(parse_share), _schema(r"^\d+(\.\d+)? ?%$", "1%", "share")]
