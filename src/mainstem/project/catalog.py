"""What there is: every plug with its options, every error code with its page. From the registry, never written by hand."""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Callable
from typing import Any

from mainstem import plugs
from mainstem.codes import CODES
from mainstem.errors import SpecError
from mainstem.reasons import REASONS
from mainstem.spec.schema import options_schema


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
                    "about": (sys.modules[plug.__module__].__doc__ or "").strip().splitlines()[0],
                    "options": options_of(plug),
                }
            )
    return rows


def options_of(plug: Any) -> list[dict[str, Any]]:
    """Name, type, default and meaning of each option of a plug, from the schema that editors get."""
    whole = options_schema(plug.Options)
    named = whole.get("definitions", {})

    def at(schema: dict[str, Any]) -> dict[str, Any]:
        behind: dict[str, Any] = named.get(str(schema.get("$ref", "")).rpartition("/")[2], {})
        return behind | schema

    top = at(whole)
    if "properties" not in top:
        return [{"name": "", "type": _type(top, at), "required": True, "default": None, "about": top.get("description", "")}]
    return [
        {
            "name": name,
            "type": _type(at(schema), at),
            "required": name in top.get("required", ()),
            "default": json.dumps(schema["default"]) if "default" in schema else None,
            "about": at(schema).get("description", ""),
        }
        for name, schema in top["properties"].items()
    ]


def _type(schema: dict[str, Any], at: Callable[[dict[str, Any]], dict[str, Any]]) -> str:
    """A schema in a word or two: duration, one of a|b, list of text."""
    if "enum" in schema or "const" in schema:
        return "|".join(str(value) for value in schema.get("enum", [schema.get("const")]))
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return " or ".join(dict.fromkeys(_type(at(choice), at) for choice in choices if choice.get("type") != "null"))
    if isinstance(schema.get("type"), list):
        return " or ".join(_type({"type": kind}, at) for kind in schema["type"] if kind != "null")
    if schema.get("type") == "array":
        return f"list of {_type(at(schema.get('items', {})), at)}"
    words = {"string": "text", "integer": "whole number", "object": "mapping", "boolean": "true|false"}
    if schema.get("type") == "string" and schema.get("title") in ("duration", "size", "share"):
        return str(schema["title"])
    return words.get(str(schema.get("type", "value")), str(schema.get("type", "value")))


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
