"""Sessions: rows of one key that follow each other closely, closed by a pause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from mainstem import plugs
from mainstem.columns import Column, Columns, Type
from mainstem.plan import lower, sql
from mainstem.plan.lower import keys, single, timed
from mainstem.plan.sql import quote
from mainstem.plan.words import Node
from mainstem.plan.words import Session as SessionBody
from mainstem.quantities import Duration

_FIXED = tuple(Column(name, Type("timestamp")) for name in ("session_start", "session_end", "closes_at"))


class SessionOptions(plugs.Options):
    """Two rows are in one session if less than `gap` lies between them; exactly `gap` parts them."""

    gap: Duration = Field(description="a pause so long ends a session")
    by: tuple[str, ...] = Field(default=(), description="columns: sessions of each of their values")
    late: Literal["quarantine", "drop"] = Field(default="quarantine", description="what becomes of a row whose session has closed")


class Session:
    """Output: by columns, `session_id`, `session_start`, `session_end` (last event), `closes_at` (last event + gap), the select."""

    kind: ClassVar[str] = "session"
    Options: ClassVar[Any] = SessionOptions
    siblings: ClassVar[tuple[str, ...]] = ("select", "where", "having")

    @staticmethod
    def outline(options: SessionOptions, siblings: Mapping[str, Any], lowering: plugs.Lowering) -> Columns:
        return lower.outline(lowering, options.by, siblings, (Column("session_id", Type("string")),), _FIXED)

    @staticmethod
    def lower(options: SessionOptions, siblings: Mapping[str, Any], lowering: plugs.Lowering) -> Sequence[Node]:
        source = single(lowering)
        if source is None:
            return []
        if options.gap <= 0:
            lowering.problem("step.duration", "a gap must last some time", at=("gap",), fix="write `gap: 30s`")
        by = keys(lowering, source, options.by, "by") or ()
        timed(lowering, source)

        def body(made: sql.Query) -> SessionBody:
            return SessionBody(gap=options.gap, query=made.sql, late=options.late)

        return lower.groups(lowering, "session", by, siblings, _FIXED, [("session_id", _identity(by))], body)


def _identity(by: Sequence[Column]) -> str:
    """SQL for the id of a session: a hash of its key and its first event time, the same however rows were cut."""
    parts = [f"coalesce('=' || CAST(rows.{quote(column.name)} AS VARCHAR), '-')" for column in by]
    return f"md5(concat_ws(chr(31), {', '.join([*parts, 'CAST(epoch_us(rows.session_start) AS VARCHAR)'])}))"
