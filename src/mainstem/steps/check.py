"""Rules about rows: all asked in one pass, and what breaks one is set aside, flagged, dropped, or stops the run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from mainstem import plugs
from mainstem.columns import Column, Columns, Type
from mainstem.errors import SpecError
from mainstem.plan import sql
from mainstem.plan.lower import relation, reporting, single
from mainstem.plan.words import Check as CheckWord
from mainstem.plan.words import Node, Rule

FLAGS = Column("_flags", Type("list", item=Type("string")))
_SIGNS = {
    "<=": " le ",
    ">=": " ge ",
    "<>": " ne ",
    "!=": " ne ",
    "<": " lt ",
    ">": " gt ",
    "=": " eq ",
    "+": " plus ",
    "%": " mod ",
}


class RuleOptions(plugs.Options):
    """One rule. NULL is "not evaluated": it passes and is counted apart; presence is what `!` on a column is for."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    that: str = Field(description="what must be true of a row, in SQL: `temperature BETWEEN -40 AND 60`")
    name: str = Field(
        default="",
        pattern=r"^[A-Za-z][A-Za-z0-9_.-]*$|^$",
        description="how the account calls the rule; made of its text if absent",
    )
    otherwise: Literal["quarantine", "flag", "drop", "stop"] = Field(
        default="quarantine", alias="else", description="what becomes of a row that breaks it; `flag` adds the name to `_flags`"
    )


class Check:
    """Splits rows by rules. Every rule is asked of every row, so the quarantine shows all that a row breaks."""

    kind: ClassVar[str] = "check"
    Options: ClassVar[Any] = list[str | RuleOptions]
    siblings: ClassVar[tuple[str, ...]] = ()

    @staticmethod
    def outline(_options: Any, _siblings: Mapping[str, Any], lowering: plugs.Lowering) -> Columns:
        return (*lowering.inputs[0].columns, FLAGS)

    @staticmethod
    def lower(options: Any, _siblings: Mapping[str, Any], lowering: plugs.Lowering) -> Sequence[Node]:
        source = single(lowering)
        if source is None:
            return []
        if not options:
            lowering.problem("step.empty", "this check has no rule", fix="write `- that: ...`")
            return []
        given = [RuleOptions(that=one) if isinstance(one, str) else one for one in options]
        columns = source.columns
        names: list[str] = []
        for place, one in enumerate(given):
            name = one.name or _free(slug(one.that), set(names))
            if name in names:
                with reporting(lowering, place, *_where(options[place])):
                    raise SpecError("step.name_twice", f"two rules are called `{name}`", fix="give one another name")
            names.append(name)
        asked = [(name, one.that) for name, one in zip(names, given)]
        try:
            found = sql.computed(asked, relation(source), lowering.binder, "boolean")      # all at once: fifty take a tenth of a second
        except SpecError:
            found = []
            for place, rule in enumerate(asked):
                with reporting(lowering, place, *_where(options[place])):
                    found += sql.computed([rule], relation(source), lowering.binder, "boolean")
        if len(found) < len(given) or len(set(names)) < len(given):
            return []
        rules = [Rule(name=name, that=that, action=one.otherwise) for (name, that, _), one in zip(found, given)]
        if any(rule.action == "flag" for rule in rules) and all(column.name != FLAGS.name for column in columns):
            columns = (*columns, FLAGS)
        return [
            Node(name=lowering.name, step=lowering.name, word=CheckWord(rules=tuple(rules)), inputs=(source.name,), columns=columns)
        ]


def _where(option: Any) -> list[str]:
    return [] if isinstance(option, str) else ["that"]


def slug(text: str) -> str:
    """A name for a rule out of its text, stable when rules are added or moved.

    >>> slug("temperature BETWEEN -40 AND 60"), slug("a <= b")
    ('temperature_between_minus_40_and_60', 'a_le_b')
    """
    text = re.sub(r"(?<![\w)])\s*-\s*(?=[\d.])", " minus ", text)
    for sign, word in _SIGNS.items():
        text = text.replace(sign, word)
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    return name[:60].rstrip("_") if name and name[0].isalpha() else f"rule_{name[:50]}".rstrip("_")


def _free(name: str, taken: set[str]) -> str:
    number = 2
    free = name
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    return free
