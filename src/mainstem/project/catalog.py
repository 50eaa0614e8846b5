"""What there is: every plug with its options, every error code with its page. From the registry, never written by hand."""

from __future__ import annotations

import difflib
from typing import Any

from pydantic import BaseModel, TypeAdapter

from mainstem import plugs
from mainstem.codes import CODES
from mainstem.errors import SpecError
from mainstem.reasons import REASONS


def catalog() -> list[dict[str, Any]]:
    """One row per plug: what it is, its first line of documentation, its options."""
    rows = []
    for group in plugs.GROUPS:
        for kind in plugs.kinds(group):
            plug = plugs.find(group, kind)
            rows.append(
                {
                    "what": group[:-1],
                    "kind": kind,
                    "about": (plug.__doc__ or "").strip().splitlines()[0],
                    "options": options_of(plug),
                }
            )
    return rows


def options_of(plug: Any) -> list[dict[str, Any]]:
    """Name, type, default and meaning of each option of a plug."""
    model = plug.Options
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return [{"name": "", "type": TypeAdapter(model).json_schema().get("type", "value"), "default": None, "about": ""}]
    rows = []
    for name, field in model.model_fields.items():
        rows.append(
            {
                "name": field.alias or name,
                "type": str(field.annotation).replace("typing.", ""),
                "required": field.is_required(),
                "default": None if field.is_required() else repr(field.get_default(call_default_factory=True)),
                "about": field.description or "",
            }
        )
    return rows


def explain_code(code: str) -> dict[str, Any]:
    """The page of an error code or of a reason for setting rows aside."""
    if code in CODES:
        page = CODES[code]
        return {"code": code, "title": page.title, "meaning": page.meaning, "fix": page.fix}
    if code in REASONS:
        return {
            "code": code,
            "title": "why a row was set aside",
            "meaning": REASONS[code],
            "fix": "look at it with `mainstem quarantine show`, mend the source or the rule, then replay",
        }
    close = difflib.get_close_matches(code, [*CODES, *REASONS], 1)
    raise SpecError(
        "explain.unknown",
        f"there is no code {code!r}",
        fix=f"did you mean {close[0]!r}?" if close else "codes stand in square brackets in every error message",
    )
