"""A table of the newest row per key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field

from mainstem import plugs
from mainstem.columns import Columns
from mainstem.plan.lower import keys, single
from mainstem.plan.words import Fold, Node
from mainstem.plan.words import Latest as LatestBody


class LatestOptions(plugs.Options):
    """Of equals the one that arrived last."""

    by: tuple[str, ...] = Field(min_length=1, description="the key: one row for each of its values")
    order: tuple[str, ...] = Field(default=(), description="columns by which a row is newer; event time if absent")


class Latest:
    """Makes a row whenever the newest of a key changes: for `mode: upsert`, and for `lookup` (as of the epoch before)."""

    kind: ClassVar[str] = "latest"
    Options: ClassVar[Any] = LatestOptions
    siblings: ClassVar[tuple[str, ...]] = ()

    @staticmethod
    def outline(_options: Any, _siblings: Mapping[str, Any], lowering: plugs.Lowering) -> Columns:
        return lowering.inputs[0].columns

    @staticmethod
    def lower(options: LatestOptions, _siblings: Mapping[str, Any], lowering: plugs.Lowering) -> Sequence[Node]:
        source = single(lowering)
        if source is None:
            return []
        by = keys(lowering, source, options.by, "by")
        order = keys(lowering, source, options.order, "order")
        if by is None or order is None:
            return []
        if not order and not source.timed:
            lowering.problem(
                "latest.order",
                "nothing says which row is newer",
                why=f"`{source.name}` has no event time",
                fix="name the column in `order:`, or add `time:` to the source",
            )
        word = Fold(
            body=LatestBody(order=tuple(column.name for column in order)),
            by=tuple(column.name for column in by),
            needs=(tuple(column.name for column in source.columns),),
        )
        return [Node(name=lowering.name, step=lowering.name, word=word, inputs=(source.name,), columns=source.columns)]
