"""Rolling columns: each row with aggregates over the rows of its key in the time before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from mainstem import plugs
from mainstem.columns import ANY, Columns
from mainstem.errors import SpecError
from mainstem.plan import sql
from mainstem.plan.lower import keys, reporting, single, timed
from mainstem.plan.words import Fold, Node
from mainstem.plan.words import Over as OverBody
from mainstem.quantities import Duration


class OverOptions(plugs.Options):
    """A row waits until the watermark has passed it, so that none before it is missing."""

    by: tuple[str, ...] = Field(default=(), description="columns: rows count only for rows with the same values")
    range: Duration = Field(description="how far back a row looks, in event time; rows of its own moment count")
    late: Literal["quarantine", "drop"] = Field(
        default="quarantine", description="what becomes of a row that came too late to be placed"
    )


class Over:
    """Output: the columns of its input, then the select, in which aggregates run over the rows before."""

    kind: ClassVar[str] = "over"
    Options: ClassVar[Any] = OverOptions
    siblings: ClassVar[tuple[str, ...]] = ("select",)

    @staticmethod
    def outline(_options: OverOptions, siblings: Mapping[str, Any], lowering: plugs.Lowering) -> Columns:
        rows = sql.Relation("rows", lowering.inputs[0].columns)
        made = sql.outline(f"SELECT {siblings['select']}", rows, lowering.binder) if lowering.sure("select") else (ANY,)
        return (*rows.columns, *made)

    @staticmethod
    def lower(options: OverOptions, siblings: Mapping[str, Any], lowering: plugs.Lowering) -> Sequence[Node]:
        source = single(lowering)
        if source is None:
            return []
        if options.range <= 0:
            lowering.problem("step.duration", "a range must last some time", at=("range",), fix="write `range: 24h`")
        by = keys(lowering, source, options.by, "by") or ()
        timed(lowering, source)
        names = tuple(column.name for column in by)
        with reporting(lowering, "select"):
            if not siblings.get("select"):
                raise SpecError("step.select", "an `over` step needs a `select`", fix="write `select: avg(x) AS x_mean`")
            made = sql.rolling(siblings["select"], names, options.range, source.columns, lowering.binder)
            word = Fold(
                body=OverBody(range=options.range, query=made.sql, late=options.late),
                by=names,
                needs=(tuple(column.name for column in source.columns),),
            )
            columns = (*source.columns, *made.columns)
            return [Node(name=lowering.name, step=lowering.name, word=word, inputs=(source.name,), columns=columns)]
        return []
