"""SELECT over the rows of other steps: row by row on a stream, free over bounded input read whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field

from mainstem import plugs
from mainstem.columns import ANY, Columns
from mainstem.plan import sql
from mainstem.plan.lower import reporting
from mainstem.plan.words import Fold, Node, Whole
from mainstem.plan.words import Sql as SqlWord


class SqlOptions(plugs.Options):
    """The long form, for a query over bounded input that looks across rows."""

    query: str = Field(description="SELECT in DuckDB's dialect; it reads the steps named in `from`, and tables by their name")
    partition_by: tuple[str, ...] = Field(
        default=(),
        description="columns, present in every input, by which the work may be cut: rows that belong together agree in them",
    )


class Sql:
    """Project, filter, cast, `unnest`, `UNION ALL` and joins to tables; everything else only over bounded input."""

    kind: ClassVar[str] = "sql"
    Options: ClassVar[Any] = str | SqlOptions
    siblings: ClassVar[tuple[str, ...]] = ()

    @staticmethod
    def reads(options: Any) -> tuple[str, ...]:
        """The relations that the query names: its inputs where `from` is not written."""
        return sql.relations(options if isinstance(options, str) else options.query)

    @staticmethod
    def outline(options: Any, _siblings: Mapping[str, Any], lowering: plugs.Lowering) -> Columns:
        if not lowering.sure("query"):
            return (ANY,)
        first = lowering.inputs[0]
        rows = sql.Relation(first.name, first.columns if len(lowering.inputs) == 1 else (ANY,))
        return sql.outline(options if isinstance(options, str) else options.query, rows, lowering.binder)

    @staticmethod
    def lower(options: Any, _siblings: Mapping[str, Any], lowering: plugs.Lowering) -> Sequence[Node]:
        text = options if isinstance(options, str) else options.query
        cut = () if isinstance(options, str) else options.partition_by
        at = () if isinstance(options, str) else ("query",)
        name = lowering.name
        inputs = [sql.Relation(one.name, one.columns) for one in lowering.inputs]
        tables = {table: sql.Relation(table, one.columns, True, lowering.key(table)) for table, one in lowering.tables.items()}
        with reporting(lowering, *at):
            try:
                rows = sql.row_local(text, inputs, tables, lowering.binder, f"{name}/where")
            except sql.Across as across:
                if not all(one.bounded for one in lowering.inputs):
                    raise across from None
                held = sql.whole(text, inputs, tables, cut, lowering.binder)
                word = Fold(body=Whole(query=held.sql, counted=held.counted, reason=held.reason), by=held.by, needs=held.needs)
                return [
                    Node(name=name, step=name, word=word, inputs=tuple(one.name for one in lowering.inputs), columns=held.columns)
                ]
            nodes = []
            if rows.before is not None:
                nodes.append(
                    Node(
                        name=f"{name}/where",
                        step=name,
                        word=SqlWord(branches=(rows.before,)),
                        inputs=(rows.before.input,),
                        columns=rows.before_columns,
                    )
                )
            nodes.append(
                Node(
                    name=name,
                    step=name,
                    word=SqlWord(branches=rows.branches, remakes=rows.remakes),
                    inputs=tuple(dict.fromkeys(branch.input for branch in rows.branches)),
                    columns=rows.columns,
                )
            )
            return nodes
        return []
