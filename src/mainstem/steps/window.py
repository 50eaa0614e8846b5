"""Fixed windows of event time: one row per key and window, once the watermark has passed its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from mainstem import plugs
from mainstem.columns import Column, Columns, Type
from mainstem.plan import lower, sql
from mainstem.plan.lower import keys, single, timed
from mainstem.plan.words import Node
from mainstem.plan.words import Window as WindowBody
from mainstem.quantities import Duration, format_duration

_DAY = 86_400_000_000
_FIXED = (Column("window_start", Type("timestamp")), Column("window_end", Type("timestamp")))


class WindowOptions(plugs.Options):
    """Windows are half-open, [start, end), and counted from 1970-01-01T00:00Z, so every engine cuts alike."""

    size: Duration = Field(description="how long a window is")
    every: Duration | None = Field(default=None, description="a window begins so often (hopping); as long as `size` if absent")
    by: tuple[str, ...] = Field(default=(), description="columns: one window for each of their values")
    late: Literal["quarantine", "drop"] = Field(
        description="what becomes of a row whose window has closed; it has no default, because it decides what the numbers mean"
    )
    offset: Duration = Field(default=0, description="windows begin so much later than whole multiples of `every`")
    zone: str | None = Field(
        default=None, description="IANA zone of calendar days: a day has then 23, 24 or 25 hours; `size` in whole days"
    )
    fill: bool = Field(default=False, description="also make windows without rows, for keys that had some")

    @field_validator("zone")
    @classmethod
    def _known(cls, zone: str | None) -> str | None:
        if zone is not None:
            import zoneinfo

            try:
                zoneinfo.ZoneInfo(zone)
            except (ValueError, zoneinfo.ZoneInfoNotFoundError, OSError) as error:
                raise ValueError(f"{zone!r} is no time zone; names are like Europe/Berlin") from error
        return zone


class Window:
    """Output: by columns, `window_start`, `window_end`, the select. Its event time is `window_end` less 1 us."""

    kind: ClassVar[str] = "window"
    Options: ClassVar[Any] = WindowOptions
    siblings: ClassVar[tuple[str, ...]] = ("select", "where", "having")

    @staticmethod
    def outline(options: WindowOptions, siblings: Mapping[str, Any], lowering: plugs.Lowering) -> Columns:
        return lower.outline(lowering, options.by, siblings, (), _FIXED)

    @staticmethod
    def lower(options: WindowOptions, siblings: Mapping[str, Any], lowering: plugs.Lowering) -> Sequence[Node]:
        source = single(lowering)
        if source is None:
            return []
        every = options.every or options.size
        _sizes(options, every, lowering)
        by = keys(lowering, source, options.by, "by") or ()
        timed(lowering, source)

        def body(made: sql.Query) -> WindowBody:
            return WindowBody(
                size=options.size,
                every=every,
                offset=options.offset,
                zone=options.zone,
                query=made.sql,
                late=options.late,
                fill=options.fill,
                blank=made.blank if options.fill else "",
            )

        return lower.groups(lowering, "window", by, siblings, _FIXED, (), body)


def _sizes(options: WindowOptions, every: int, lowering: plugs.Lowering) -> None:
    if options.size <= 0 or every <= 0:
        lowering.problem("step.duration", "a window must last some time", at=("size",), fix="write `size: 1m`")
    elif every > options.size:
        lowering.problem(
            "window.every",
            f"a window of {format_duration(options.size)} every {format_duration(every)} leaves gaps",
            at=("every",),
            why="rows between two windows would be in none",
            fix=f"write `every: {format_duration(options.size)}` or less",
        )
    elif options.size / every > 1000:
        lowering.problem(
            "window.every",
            f"every row would be in {options.size // every} windows",
            at=("every",),
            fix="let windows begin less often, or use an `over` step",
        )
    if options.zone and (options.size % _DAY or every != options.size):
        lowering.problem(
            "window.zone",
            "calendar windows are whole days and do not overlap",
            at=("size",),
            fix="write `size: 1d`, or leave `zone` out",
        )
