"""Text -> instant: ISO 8601, patterns, epoch numbers, local times of a zone. One value at a time, exact or refused."""

from __future__ import annotations

import datetime as dt
import functools
import re
import zoneinfo
from decimal import Decimal

from mainstem.columns import Column
from mainstem.formats.wrong import Wrong

_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?)? ?(Z|z|[+-]\d\d(?::?\d\d)?)?", re.ASCII
)
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
_UNIX = dt.date(1970, 1, 1).toordinal()
_EPOCHS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}


@functools.cache
def zone_of(name: str) -> zoneinfo.ZoneInfo:
    """The IANA zone of this name; ValueError if there is none."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"there is no time zone {name!r}") from error


def is_epoch(column: Column) -> bool:
    """Whether this column's times are written as numbers."""
    return column.format in _EPOCHS


def unit(column: Column) -> int:
    """Microseconds of one step of an epoch column."""
    return _EPOCHS[column.format or ""]


def days(text: str, column: Column) -> int:
    """Days since 1970-01-01 of a calendar date; `Wrong` if it is none."""
    try:
        if column.format is not None:
            return dt.datetime.strptime(text, column.format).date().toordinal() - _UNIX  # noqa: DTZ007
        match = _DATE.fullmatch(text)
        if match is None:
            raise ValueError("not a date like 2026-01-31")
        return dt.date(int(match[1]), int(match[2]), int(match[3])).toordinal() - _UNIX
    except ValueError as error:
        raise Wrong("bad_timestamp", f"{text!r}: {error}") from None


def micros_of_number(number: Decimal, column: Column) -> int:
    """Microseconds since 1970 of an epoch number, by the column's `format`; `Wrong` where it has none."""
    unit = _EPOCHS.get(column.format or "")
    if unit is None:
        raise Wrong("bad_timestamp", f"{number} is a number; say `format: epoch_s`, epoch_ms or epoch_us if it counts from 1970")
    if number.adjusted() > 20:
        raise Wrong("out_of_range", f"{number} is beyond the years 1 to 9999")
    exact = number * unit
    whole = int(exact // 1)
    if whole != exact and column.precision != "truncate":
        raise Wrong("inexact", f"{number} has digits beyond the microsecond; `precision: truncate` drops them")
    return _in_range(whole, str(number))


def micros(text: str, column: Column) -> int:
    """Microseconds since 1970 UTC of a time as text; `Wrong` if it cannot be read, has no zone or does not exist."""
    if column.format is not None:
        return _by_pattern(text, column)
    match = _ISO.fullmatch(text)
    if match is None:
        raise Wrong("bad_timestamp", f"{text!r} is no ISO 8601 time; declare `format:` if it is written another way")
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    local = _civil(text, int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0))
    local += _fraction(text, fraction or "", column)
    if hour == "24" and (int(minute) or int(second or 0) or int(fraction or 0)):
        raise Wrong("bad_timestamp", f"{text!r}: 24:00:00 is the end of the day, nothing follows it")
    if offset is None:
        return _in_range(utc(local, text, column), text)
    return _in_range(local - _offset(offset, text), text)


def _civil(text: str, year: int, month: int, day: int, hour: int, minute: int, second: int) -> int:
    if second == 60:
        raise Wrong("bad_timestamp", f"{text!r} is a leap second")
    if hour > 24 or minute > 59 or second > 59:
        raise Wrong("bad_timestamp", f"{text!r}: no such time of day")
    try:
        date = dt.date(year, month, day).toordinal() - _UNIX
    except ValueError:
        raise Wrong("bad_timestamp", f"{text!r}: no such day") from None
    return ((date * 24 + hour) * 60 + minute) * 60_000_000 + second * 1_000_000


def _fraction(text: str, digits: str, column: Column) -> int:
    if digits[6:].strip("0") and column.precision != "truncate":
        raise Wrong("inexact", f"{text!r} has digits beyond the microsecond; `precision: truncate` drops them")
    return int(digits[:6].ljust(6, "0"))


def _offset(offset: str, text: str) -> int:
    if offset in "Zz":
        return 0
    hours, minutes = int(offset[1:3]), int(offset[3:].lstrip(":") or 0)
    if hours > 23 or minutes > 59:
        raise Wrong("bad_timestamp", f"{text!r}: no such offset")
    return (-1 if offset[0] == "-" else 1) * (hours * 60 + minutes) * 60_000_000


def utc(local: int, text: str, column: Column) -> int:
    """The instant of a local time (microseconds as if it were UTC), by the zone and the rules of its column."""
    if column.zone is None:
        raise Wrong("bad_timestamp", f"{text!r} has no offset; declare `zone:` on the column")
    zone = zone_of(column.zone)
    try:
        wall = dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=local)  # noqa: DTZ001 a local time, on purpose
        first, second = (_shift(wall, zone, fold) for fold in (0, 1))
    except OverflowError:
        raise Wrong("bad_timestamp", f"{text!r} is beyond the years 1 to 9999") from None
    if first == second:
        return local - first
    if first < second:  # clocks went forward over it: no such time
        if column.nonexistent == "shift_forward":
            return local - first
        raise Wrong("bad_timestamp", f"{text!r} does not exist in {column.zone}; `nonexistent: shift_forward` moves it on")
    if column.ambiguous == "reject":
        raise Wrong("bad_timestamp", f"{text!r} comes twice in {column.zone}; say `ambiguous: earlier` or later")
    return local - (first if column.ambiguous == "earlier" else second)


def _shift(wall: dt.datetime, zone: zoneinfo.ZoneInfo, fold: int) -> int:
    offset = zone.utcoffset(wall.replace(fold=fold))
    return 0 if offset is None else offset // dt.timedelta(microseconds=1)


def _by_pattern(text: str, column: Column) -> int:
    try:
        moment = dt.datetime.strptime(text, column.format or "")  # noqa: DTZ007 the zone is looked at below
    except ValueError as error:
        raise Wrong("bad_timestamp", f"{text!r}: {error}") from None
    offset = moment.utcoffset()
    local = (moment.replace(tzinfo=None) - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1)  # noqa: DTZ001
    if offset is None:
        return _in_range(utc(local, text, column), text)
    return _in_range(local - offset // dt.timedelta(microseconds=1), text)


def _in_range(value: int, text: str) -> int:
    if not -62_135_596_800_000_000 <= value < 253_402_300_800_000_000:
        raise Wrong("out_of_range", f"{text!r} is beyond the years 1 to 9999")
    return value
