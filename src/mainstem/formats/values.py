"""One value -> the type its column declares, exactly or not at all. The rules that every format shares.

A value arrives as text (CSV, "7" with `coerce`), as a JSON number token (`Number`, never a double on the way), as bool,
dict, list or None. What comes back is what `pyarrow.array(..., type)` takes without a further cast.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
from decimal import Context, Decimal
from typing import Any

from mainstem.columns import Column, Type
from mainstem.formats import times
from mainstem.formats.jsontext import canonical
from mainstem.formats.wrong import Wrong, brief

_TEXT_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_WIDTHS = (("int8", 8), ("int16", 16), ("int32", 32), ("int64", 64))
BOUNDS = {name: (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for name, bits in _WIDTHS}
BOUNDS |= {name: (0, 2**bits - 1) for name, bits in (("uint8", 8), ("uint16", 16), ("uint32", 32), ("uint64", 64))}
BOUNDS["hugeint"] = (-(10**38) + 1, 10**38 - 1)
_BOOLEANS = {"true": True, "false": False, "t": True, "f": False, "1": True, "0": False}
_WIDE = Context(prec=400)  # digits are compared, never rounded


def whole(token: str, kind: str) -> int:
    """The integer that a number token stands for: `1.0` and `1e3` are integers, `1.5` is not."""
    low, high = BOUNDS[kind]
    if token.lstrip("+-").isdecimal() and len(token) < 50:
        value = int(token)
    else:
        number = _decimal(token)
        if number and number.adjusted() > 50:
            raise Wrong("out_of_range", f"{brief(token)} does not fit {kind}")
        if number != number.to_integral_value(context=_WIDE):
            raise Wrong("inexact", f"{brief(token)} is not a whole number")
        value = int(number)
    if not low <= value <= high:
        raise Wrong("out_of_range", f"{brief(token)} does not fit {kind} ({low} to {high})")
    return value


def real(token: str, kind: str) -> float:
    """The nearest double (for `float`: rounded once more to 32 bits); beyond its range is refused, never infinity."""
    value = float(token)
    if kind == "float" and math.isfinite(value):
        try:
            value = struct.unpack("f", struct.pack("f", value))[0]
        except OverflowError:
            value = math.inf
    if not math.isfinite(value):
        raise Wrong("out_of_range", f"{brief(token)} does not fit {kind}")
    return value


def exact(token: str, kind: Type) -> Decimal:
    """The decimal with the declared scale; no digit is lost."""
    number = _decimal(token)
    if number and number.adjusted() >= kind.precision - kind.scale:
        raise Wrong("out_of_range", f"{brief(token)} does not fit {kind}")
    scaled = number.quantize(Decimal(1).scaleb(-kind.scale), context=_WIDE)
    if scaled != number:
        raise Wrong("inexact", f"{brief(token)} has more than {kind.scale} digits behind the mark")
    return scaled


def _decimal(token: str) -> Decimal:
    try:
        return Decimal(token)
    except ArithmeticError:
        raise Wrong("out_of_range", f"{brief(token)} is beyond any type") from None


def number(token: str, column: Column, kind: Type) -> Any:
    """A number token as a numeric type."""
    if kind.name in BOUNDS:
        return whole(token, kind.name)
    if kind.name in ("double", "float"):
        return real(token, kind.name)
    if kind.name == "decimal":
        return exact(token, kind)
    if kind.name == "timestamp":
        return times.micros_of_number(_decimal(token), column)
    raise Wrong("type", f"{brief(token)} is a number, not a {kind}")


def numeric(kind: Type) -> bool:
    """Whether values of this type are written as numbers."""
    return kind.name in BOUNDS or kind.name in ("double", "float", "decimal")


def from_text(text: str, column: Column, kind: Type) -> Any:
    """A text as the declared type: how CSV cells and (with `coerce`) JSON strings are read."""
    if kind.name == "string":
        return text
    if kind.name == "json":
        return canonical(text)
    text = text.strip(" \t")
    if numeric(kind) or (kind.name == "timestamp" and times.is_epoch(column)):
        token = text if column.decimal == "." else _with_point(text, column.decimal)
        if not _TEXT_NUMBER.fullmatch(token):
            raise Wrong("type" if numeric(kind) else "bad_timestamp", f"{brief(text)} is not a number")
        return number(token, column, kind)
    if kind.name == "boolean":
        if text.lower() not in _BOOLEANS:
            raise Wrong("type", f"{brief(text)} is not true or false")
        return _BOOLEANS[text.lower()]
    return text_only(text, column, kind)


def text_only(text: str, column: Column, kind: Type) -> Any:
    """Types that every format writes as text: string, date, timestamp, binary (base64)."""
    if kind.name == "string":
        return text
    if kind.name == "timestamp":
        return times.micros(text, column)
    if kind.name == "date":
        return times.days(text, column)
    if kind.name == "binary":
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise Wrong("type", f"{brief(text)} is not base64") from None
    raise Wrong("type", f"{brief(text)} is a text, not a {kind}")


def _with_point(text: str, mark: str) -> str:
    return text.replace(".", "?").replace(mark, ".")
