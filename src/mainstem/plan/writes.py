"""Outputs of the wish as Write nodes: what their connector can do, and what a table can hold."""

from __future__ import annotations

from collections.abc import Iterable

from mainstem import plugs
from mainstem.columns import UNKNOWN, Columns
from mainstem.errors import SpecError
from mainstem.plan.reads import no_column
from mainstem.plan.report import Report
from mainstem.plan.words import Node, Write
from mainstem.spec.pipeline import Output

_UNSTORABLE = {
    "null": "has no type",
    "interval": "is an interval",
    "timestamp_local": "is a timestamp without a zone",
    "time": "is a time of day",
}


def write(output: Output, columns: Columns, others: Iterable[Node], report: Report) -> Node:
    """The node of an output; what stands against it is reported."""
    path = ("outputs", output.name)
    said, key = ("by", output.by) if output.mode == "replace" else ("key", output.key)
    for place, name in enumerate(key):
        no_column(name, columns, (*path, output.place.kind, said, place), report, of=output.input)
    for column in columns:
        if column.type.name in _UNSTORABLE:
            local = column.type.name == "timestamp_local"
            report(
                "output.type",
                f"`{column.name}` {_UNSTORABLE[column.type.name]}, which no table holds",
                (*path, "from"),
                fix=f"convert it before: {column.name} AT TIME ZONE 'UTC'" if local else "cast it in a `sql` step before",
            )
    sure = not any(column.type == UNKNOWN or column.type.name in _UNSTORABLE for column in columns)
    if sure and set(key) <= {column.name for column in columns} and output.place.options is not None:
        _held(output, columns, key, report)
    for other in others:
        if isinstance(other.word, Write) and (other.word.sink, other.word.options) == (output.place.kind, dict(output.place.raw)):
            report(
                "output.twice",
                f"`{output.name}` and `{other.step}` write to the same place",
                path,
                why="each would take the other's rows for its own",
                fix="give one another place, or UNION ALL them before",
            )
    word = Write(
        sink=output.place.kind,
        options=dict(output.place.raw),
        mode=output.mode,
        key=key,
        format=output.format.kind if output.format else None,
        format_options=dict(output.format.raw) if output.format else {},
    )
    return Node(name=f"{output.name}/output", step=output.name, word=word, inputs=(output.input,), columns=columns)



def _held(output: Output, columns: Columns, key: tuple[str, ...], report: Report) -> None:
    """What the connector itself has against these columns."""
    sink = plugs.find("sinks", output.place.kind)
    if not hasattr(sink, "holds"):
        return
    try:
        sink.holds(output.place.options, columns, key)
    except SpecError as error:
        report(error.code, error.what, ("outputs", output.name, "from"), why=error.why, fix=error.fix)
