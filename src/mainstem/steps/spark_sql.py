"""A SELECT for Spark itself, over bounded input: its dialect, its functions, its optimizer. It runs on the engine `spark` only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field

from mainstem import plugs
from mainstem.columns import Column, Columns, parse_type
from mainstem.errors import SpecError
from mainstem.plan.lower import reporting
from mainstem.plan.words import Fold, Node, Whole

_REASON = "Spark's own SQL answers once over all of it"


class SparkSqlOptions(plugs.Options):
    """Spark is asked once, when all input is there; what it answers is not known before, so its columns are declared."""

    query: str = Field(min_length=1, description="SELECT in Spark's dialect; it reads the steps named in `from`, under their names")
    columns: dict[str, str] = Field(min_length=1, description="what it answers, `name: type`; each column is cast to its type")


class SparkSql:
    """Not portable: the embedded engine refuses it. What it reads is held to the end of the input, as for other SQL over all rows."""

    kind: ClassVar[str] = "spark_sql"
    Options: ClassVar[Any] = SparkSqlOptions
    siblings: ClassVar[tuple[str, ...]] = ()

    @staticmethod
    def lower(options: SparkSqlOptions, _siblings: Mapping[str, Any], lowering: plugs.Lowering) -> Sequence[Node]:
        made = _columns(options.columns, lowering)
        for one in lowering.inputs:
            if not one.bounded:
                lowering.problem(
                    "spark_sql.unbounded",
                    f"`{one.name}` has no end, and Spark is asked at the end of the input",
                    why="a statement of Spark's own sees whole tables",
                    fix="read complete input (`complete: true`), or use `sql`, `window` and the other steps on a stream",
                )
                return []
        if lowering.tables:
            lowering.problem("spark_sql.table", "Spark cannot be handed a lookup table", fix="join it in a `lookup` or `sql` step before")
            return []
        if made is None or not lowering.inputs:
            return []
        word = Fold(
            body=Whole(query=options.query, reason=_REASON, engine="spark"),
            by=(),
            needs=tuple(tuple(column.name for column in one.columns) for one in lowering.inputs),
        )
        return [Node(name=lowering.name, step=lowering.name, word=word, inputs=tuple(one.name for one in lowering.inputs), columns=made)]


def _columns(written: Mapping[str, str], lowering: plugs.Lowering) -> Columns | None:
    made = []
    for name, kind in written.items():
        with reporting(lowering, "columns", name):
            try:
                made.append(Column(name, parse_type(kind.removesuffix("!"))))
            except ValueError as error:
                raise SpecError("spec.value", str(error)) from error
    return tuple(made) if len(made) == len(written) else None
