"""Episodes of a condition: one row when it fires and one when it is over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from mainstem import plugs
from mainstem.columns import ANY, Column, Columns, Type
from mainstem.plan import sql
from mainstem.plan.lower import kept, keys, project, relation, reporting, single, timed
from mainstem.plan.words import Alert as AlertBody
from mainstem.plan.words import Branch, Fold, Node
from mainstem.plan.words import Sql as SqlWord
from mainstem.quantities import Duration

_MADE = tuple(
    Column(name, Type(kind))
    for name, kind in (
        ("episode", "string"),
        ("state", "string"),
        ("severity", "string"),
        ("started_at", "timestamp"),
        ("changed_at", "timestamp"),
        ("rule", "string"),
    )
)
_BOOLEAN = Type("boolean")


class AlertOptions(plugs.Options):
    """A condition that is NULL is neither true nor over: nothing changes."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    when: str = Field(description="the condition, in SQL over the row: `temperature < 2`")
    hold: Duration = Field(default=0, alias="for", description="it must be true so long, in event time, before it fires")
    clear: str = Field(default="", description="when it is over; as soon as `when` is false if absent")
    by: tuple[str, ...] = Field(default=(), description="columns: an episode for each of their values")
    severity: Literal["info", "warning", "critical"] = Field(default="warning", description="how bad it is")
    notify: tuple[str, ...] = Field(default=(), description="channels of the project that are told; episodes are stored and not sent yet")
    values: tuple[str, ...] = Field(default=(), description="columns of the row that are copied into the episode")


class Alert:
    """Output: by columns, `episode`, `state` (firing | resolved), `severity`, `started_at`, `changed_at`, `rule`, then `values`."""

    kind: ClassVar[str] = "alert"
    Options: ClassVar[Any] = AlertOptions
    siblings: ClassVar[tuple[str, ...]] = ()

    @staticmethod
    def outline(options: AlertOptions, _siblings: Mapping[str, Any], lowering: plugs.Lowering) -> Columns:
        if not lowering.sure("by", "values"):
            return (ANY,)
        columns = lowering.inputs[0].columns
        by, values = ([sql.key_column(name, columns) for name in names] for names in (options.by, options.values))
        return (*by, *_MADE, *values)

    @staticmethod
    def lower(options: AlertOptions, _siblings: Mapping[str, Any], lowering: plugs.Lowering) -> Sequence[Node]:
        source = single(lowering)
        if source is None:
            return []
        by = keys(lowering, source, options.by, "by") or ()
        values = keys(lowering, source, options.values, "values") or ()
        timed(lowering, source)
        name = lowering.name
        made = {column.name.lower() for column in _MADE}
        for column in (*by, *values):
            if column.name.lower() in made:
                lowering.problem(
                    "step.clash",
                    f"`{column.name}` is a column that the alert makes itself",
                    at=("by",),
                    fix="rename it in a `sql` step before",
                )
                return []
        fires = over = ""
        with reporting(lowering, "when"):
            ((_, fires, _),) = sql.computed([("when", options.when)], relation(source), lowering.binder, "boolean")
        with reporting(lowering, "clear"):
            over = f"NOT ({fires})"
            if options.clear:
                ((_, over, _),) = sql.computed([("clear", options.clear)], relation(source), lowering.binder, "boolean")
        if not fires:
            return []
        carried = (*by, *(column for column in values if column not in by))
        items = [*kept(carried), ("_when", f"CAST(({fires}) AS BOOLEAN)"), ("_clear", f"CAST(({over}) AS BOOLEAN)")]
        asked = Node(
            name=f"{name}/conditions",
            step=name,
            inputs=(source.name,),
            columns=(*carried, Column("_when", _BOOLEAN), Column("_clear", _BOOLEAN)),
            word=SqlWord(branches=(Branch(input=source.name, query=project(source.name, items)),)),
        )
        body = AlertBody(
            rule=name,
            hold=options.hold,
            severity=options.severity,
            notify=options.notify,
            values=tuple(column.name for column in values),
        )
        needs = (tuple(column.name for column in asked.columns),)
        fold = Node(
            name=name,
            step=name,
            inputs=(asked.name,),
            columns=(*by, *_MADE, *(column for column in values if column not in by)),
            word=Fold(body=body, by=tuple(column.name for column in by), needs=needs),
        )
        return [asked, fold]
