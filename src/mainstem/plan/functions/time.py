"""Functions of time. The zone of every session is UTC; another one is named: `AT TIME ZONE`, or an argument."""

from __future__ import annotations

from mainstem.plan.functions.entry import entry

_FIELD = "(timestamp) -> int64; (date) -> int64; (timestamp_local) -> int64"
_CLOCK = "(timestamp) -> int64; (timestamp_local) -> int64"
_PARTS = "('hour', timestamp, timestamp) -> int64; ('month', date, date) -> int64"
_NOON = "TIMESTAMPTZ '2026-03-29 12:34:56.789012Z'"
_SUM = "TIMESTAMPTZ '2026-01-01 00:00:00Z' + {}"

TIME = [
    *entry("date_trunc", "part, timestamp", "('hour', timestamp) -> timestamp; ('month', date) -> timestamp_local;"
           " ('day', timestamp_local) -> timestamp_local", f"date_trunc('hour', {_NOON})",
           "2026-03-29 12:00:00+00", "in UTC; of a date a timestamp without a zone"),
    *entry("date_part datepart", "part, timestamp", "('hour', timestamp) -> int64; ('year', date) -> int64;"
           " ('epoch', timestamp) -> double", f"date_part('hour', {_NOON})", "12", "in UTC"),
    *entry("extract", "part FROM timestamp", "extract(hour FROM timestamp) -> int64; extract(year FROM date) -> int64;"
           " extract(epoch FROM timestamp) -> double", f"extract(minute FROM {_NOON})", "34", "in UTC"),
    *entry("date_diff datediff", "part, from, to", _PARTS,
           "date_diff('hour', TIMESTAMPTZ '2026-03-29 00:59:00Z', TIMESTAMPTZ '2026-03-29 01:01:00Z')", "1", "boundaries crossed"),
    *entry("date_sub datesub", "part, from, to", _PARTS,
           "date_sub('hour', TIMESTAMPTZ '2026-03-29 00:59:00Z', TIMESTAMPTZ '2026-03-29 01:01:00Z')", "0", "whole units"),
    *entry("date_add", "date or timestamp, interval", "(timestamp, INTERVAL '1 hour') -> timestamp;"
           " (date, INTERVAL '1 month') -> timestamp_local", "date_add(DATE '2026-01-31', INTERVAL '1 month')", "2026-02-28 00:00:00",
           "the last day of the month where there is no such day"),
    *entry("time_bucket", "width, timestamp [, origin or zone]", "(INTERVAL '15 minutes', timestamp) -> timestamp;"
           " (INTERVAL '1 day', timestamp, 'Europe/Berlin') -> timestamp; (INTERVAL '7 days', date) -> date",
           f"time_bucket(INTERVAL '15 minutes', {_NOON})", "2026-03-29 12:30:00+00"),
    *entry("epoch", "timestamp", "(timestamp) -> double; (date) -> double", "epoch(TIMESTAMPTZ '1970-01-01 00:00:01.5Z')", "1.5",
           "seconds"),
    *entry("epoch_ms", "timestamp or int64", "(timestamp) -> int64; (int64) -> timestamp_local",
           "epoch_ms(TIMESTAMPTZ '1970-01-01 00:00:01.5Z')", "1500", "milliseconds; of a number the moment without a zone"),
    *entry("epoch_us", "timestamp", "(timestamp) -> int64", "epoch_us(TIMESTAMPTZ '1970-01-01 00:00:01.5Z')", "1500000", "microseconds"),
    *entry("epoch_ns", "timestamp", "(timestamp) -> int64", "epoch_ns(TIMESTAMPTZ '1970-01-01 00:00:01.5Z')", "1500000000",
           "nanoseconds; fails beyond 1677 to 2262"),
    *entry("to_timestamp", "seconds", "(double) -> timestamp; (int32) -> timestamp", "to_timestamp(1.5)", "1970-01-01 00:00:01.5+00"),
    *entry("make_timestamptz", "year, month, day, hour, minute, second [, zone], or microseconds",
           "(2026, int32, 1, 0, 0, 0.0) -> timestamp; (2026, 3, int32, 2, 30, 0.0, 'Europe/Berlin') -> timestamp;"
           " (int64) -> timestamp", "make_timestamptz(2026, 7, 1, 12, 0, 0, 'Europe/Berlin')", "2026-07-01 10:00:00+00"),
    *entry("make_timestamp", "year, month, day, hour, minute, second", "(2026, int32, 1, 0, 0, 0.0) -> timestamp_local",
           "make_timestamp(2026, 7, 1, 12, 0, 0.5)", "2026-07-01 12:00:00.5", "without a zone: add AT TIME ZONE"),
    *entry("make_date", "year, month, day", "(2026, int32, 1) -> date", "make_date(2026, 2, 28)", "2026-02-28"),
    *entry("timezone", "zone, timestamp", "('Europe/Berlin', timestamp) -> timestamp_local;"
           " ('Europe/Berlin', timestamp_local) -> timestamp; (string, timestamp) -> timestamp_local",
           f"timezone('Europe/Berlin', {_NOON})", "2026-03-29 14:34:56.789012", "as AT TIME ZONE"),
    *entry("strftime", "timestamp, pattern", "(timestamp, '%H:%M') -> string; (date, '%d.%m.%Y') -> string",
           f"strftime({_NOON}, '%d.%m.%Y %H:%M')", "29.03.2026 12:34", "in UTC"),
    *entry("strptime", "text, pattern", "(string, '%Y') -> timestamp_local; (string, '%Y-%m-%d %H:%M%z') -> timestamp",
           "strptime('29.03.2026', '%d.%m.%Y')", "2026-03-29 00:00:00", "without a zone unless %z; fails where it cannot be read"),
    *entry("try_strptime", "text, pattern", "(string, '%Y') -> timestamp_local", "try_strptime('yesterday', '%Y-%m-%d')", "NULL",
           "NULL where it cannot be read"),
    *entry("year", "date or timestamp", _FIELD, f"year({_NOON})", "2026", "in UTC"),
    *entry("isoyear", "date or timestamp", _FIELD, "isoyear(DATE '2027-01-01')", "2026", "of the ISO week"),
    *entry("quarter", "date or timestamp", _FIELD, f"quarter({_NOON})", "1"),
    *entry("month", "date or timestamp", _FIELD, f"month({_NOON})", "3", "in UTC"),
    *entry("week weekofyear", "date or timestamp", _FIELD, "week(DATE '2027-01-01')", "53", "ISO"),
    *entry("yearweek", "date or timestamp", _FIELD, "yearweek(DATE '2027-01-01')", "202653", "ISO"),
    *entry("day dayofmonth", "date or timestamp", _FIELD, f"day({_NOON})", "29", "in UTC"),
    *entry("dayofweek weekday", "date or timestamp", _FIELD, "dayofweek(DATE '2026-03-29')", "0", "0 is Sunday"),
    *entry("isodow", "date or timestamp", _FIELD, "isodow(DATE '2026-03-29')", "7", "1 is Monday"),
    *entry("dayofyear", "date or timestamp", _FIELD, "dayofyear(DATE '2026-03-29')", "88"),
    *entry("hour", "timestamp", _CLOCK, f"hour({_NOON})", "12", "in UTC"),
    *entry("minute", "timestamp", _CLOCK, f"minute({_NOON})", "34"),
    *entry("second", "timestamp", _CLOCK, f"second({_NOON})", "56", "whole seconds"),
    *entry("millisecond", "timestamp", _CLOCK, f"millisecond({_NOON})", "56789", "with the seconds"),
    *entry("microsecond", "timestamp", _CLOCK, f"microsecond({_NOON})", "56789012", "with the seconds"),
    *entry("last_day", "date or timestamp", "(date) -> date; (timestamp) -> date", "last_day(DATE '2028-02-10')", "2028-02-29"),
    *entry("dayname", "date or timestamp", "(date) -> string; (timestamp) -> string", "dayname(DATE '2026-03-29')", "Sunday", "English"),
    *entry("monthname", "date or timestamp", "(date) -> string; (timestamp) -> string", "monthname(DATE '2026-03-29')", "March", "English"),
    *(made for name, count, after in (
        ("to_microseconds", 1, "2026-01-01 00:00:00.000001+00"), ("to_milliseconds", 1, "2026-01-01 00:00:00.001+00"),
        ("to_seconds", 1, "2026-01-01 00:00:01+00"), ("to_minutes", 1, "2026-01-01 00:01:00+00"),
        ("to_hours", 1, "2026-01-01 01:00:00+00"), ("to_days", 1, "2026-01-02 00:00:00+00"), ("to_weeks", 1, "2026-01-08 00:00:00+00"),
        ("to_months", 1, "2026-02-01 00:00:00+00"), ("to_years", 1, "2027-01-01 00:00:00+00"))
      for made in entry(name, "count", f"timestamp + {name}(int32) -> timestamp", _SUM.format(f"{name}({count})"), after,
                        "an interval")),
]
