"""The first row of a key passes; those that repeat it within a horizon of event time are counted as duplicates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from mainstem import plugs
from mainstem.columns import Columns
from mainstem.plan.lower import keys, single, timed
from mainstem.plan.words import Dedupe as DedupeBody
from mainstem.plan.words import Fold, Node
from mainstem.quantities import Duration


class DedupeOptions(plugs.Options):
    """The horizon bounds the memory, and lets a sequence number that wraps come again."""

    by: tuple[str, ...] = Field(min_length=1, description="columns that are equal in a row and its repetition")
    within: Duration = Field(description="a repetition is at most so far in event time from the newest row of its key")
    null: Literal["quarantine", "keep"] = Field(default="quarantine", description="a row with a NULL in its key")


class Dedupe:
    """Rows keep their identity; in one partition the same rows survive however the source is cut."""

    kind: ClassVar[str] = "dedupe"
    Options: ClassVar[Any] = DedupeOptions
    siblings: ClassVar[tuple[str, ...]] = ()

    @staticmethod
    def outline(_options: Any, _siblings: Mapping[str, Any], lowering: plugs.Lowering) -> Columns:
        return lowering.inputs[0].columns

    @staticmethod
    def lower(options: DedupeOptions, _siblings: Mapping[str, Any], lowering: plugs.Lowering) -> Sequence[Node]:
        source = single(lowering)
        if source is None:
            return []
        if options.within <= 0:
            lowering.problem("step.duration", "a horizon must last some time", at=("within",), fix="write `within: 10m`")
        by = keys(lowering, source, options.by, "by")
        if not timed(lowering, source) or by is None:
            return []
        word = Fold(
            body=DedupeBody(within=options.within, null=options.null),
            by=tuple(column.name for column in by),
            needs=(tuple(column.name for column in source.columns),),
        )
        return [Node(name=lowering.name, step=lowering.name, word=word, inputs=(source.name,), columns=source.columns)]
