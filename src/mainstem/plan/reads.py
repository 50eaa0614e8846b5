"""Sources of the wish as Read nodes: declared columns, event time, and whether more may come."""

from __future__ import annotations

from mainstem.columns import ANY, UNKNOWN, Column, Columns, Type
from mainstem.plan.report import Report
from mainstem.plan.words import Node, Read, Time
from mainstem.spec.pipeline import Source
from mainstem.spec.problems import Path, suggest

EXTRA = Column("_extra", Type("json"))


def growing(source: Source) -> bool:
    """Whether more may come than is there now: the connector's options say so; one that does not say may grow."""
    return bool(getattr(source.place.options, "growing", True))


def read(source: Source, report: Report) -> Node:
    """The node of a source; problems of its event time are reported."""
    time = None
    if source.time is not None:
        given = source.time
        _check_time(source, given.column, report)
        time = Time(
            column=given.column,
            lateness=given.lateness,
            max_future=given.max_future,
            idle_after=given.idle,
            idle_then=given.then,
            complete=given.complete,
            partition=given.partition,
        )
    word = Read(
        source=source.place.kind,
        options=dict(source.place.raw),
        format=source.format.kind if source.format else "",
        format_options=dict(source.format.raw) if source.format else {},
        declared=source.columns,
        time=time,
        unknown=source.unknown,
        missing=source.missing,
    )
    columns = (*source.columns, EXTRA) if source.unknown == "keep" else source.columns
    return Node(name=source.name, step=source.name, word=word, columns=plain(columns))


def plain(columns: Columns) -> Columns:
    """Columns as they come out of a node: name, type, and what is known of their meaning, without how their text is read."""
    return tuple(Column(column.name, column.type, column.required, column.unit, column.description) for column in columns)


def no_column(name: str, columns: Columns, path: Path, report: Report, code: str = "plan.no_column", of: str = "") -> None:
    """A problem if the columns do not have this one."""
    known = [column.name for column in columns]
    if name not in known and ANY not in columns:
        report(code, f"there is no column `{name}`" + (f" in `{of}`" if of else ""), path, fix=suggest(name, known))


def _check_time(source: Source, name: str, report: Report) -> None:
    path = ("sources", source.name, "time", "column")
    found = next((column for column in source.columns if column.name == name), None)
    if found is None:
        no_column(name, source.columns, path, report, "time.no_column")
    elif found.type.name != "timestamp" and found.type != UNKNOWN:
        what = f"`{name}` is {found.type}, and event time is a timestamp"
        report("time.type", what, path, fix=f"declare it `{name}: timestamp!`, with `format:` or `zone:` if its text needs them")
