"""What there is: every plug with its options, every error code with its page. From the registry, never written by hand."""

from __future__ import annotations

import difflib
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mainstem import plugs
from mainstem.codes import CODES
from mainstem.errors import SpecError
from mainstem.reasons import REASONS

_OWN_NAME = re.compile(r"^The (source|sink|format|step) `\w+`[.:]?\s*")
_WORDS = {"string": "text", "integer": "integer", "number": "number", "boolean": "true | false"}


def catalog() -> list[dict[str, Any]]:
    """One row per plug: what it is, what it is for, what more there is to know, its options."""
    rows = []
    for group in plugs.GROUPS:
        for kind in plugs.kinds(group):
            plug = plugs.find(group, kind)
            about, more = _told(plug)
            rows.append({"what": group[:-1], "kind": kind, "about": about, "more": more, "options": options_of(plug),
                         "beside": list(getattr(plug, "siblings", ()))})
    return rows


def _told(plug: Any) -> tuple[str, str]:
    """What a plug is for (the first line of its file), and what is said of it (its own docstring)."""
    own = " ".join((plug.__doc__ or "").split())
    lines = (getattr(inspect.getmodule(plug), "__doc__", None) or own).strip().splitlines()
    about = _OWN_NAME.sub("", lines[0]) if lines else ""
    return about[:1].upper() + about[1:], "" if _OWN_NAME.match(own) or own == about else own


def options_of(plug: Any) -> list[dict[str, Any]]:
    """Name, type, default and meaning of each option of a plug, those of options within options too, as people write them."""
    from mainstem.spec.schema import options_schema

    whole = options_schema(plug.Options)
    return list(_options(whole, whole.get("definitions", {}), ""))


def _options(schema: Mapping[str, Any], definitions: Mapping[str, Any], prefix: str) -> Iterator[dict[str, Any]]:
    """The options of every mapping that may stand here; of a list, those of its entries."""
    for member in _members(schema, definitions):
        if member.get("type") == "array" and not prefix:
            yield from _options(member["items"], definitions, "")
        for name, option in member.get("properties", {}).items():
            yield {"name": prefix + name, "type": _type(option, definitions), "required": name in member.get("required", ()),
                   "default": _written(option["default"]) if option.get("default") not in (None, "", [], ()) else None,
                   "about": option.get("description", "")}
            yield from _options(option, definitions, f"{prefix}{name}.")


def _members(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What may stand here, one after the other: references followed, unions opened."""
    if "$ref" in schema:
        return _members(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    union = [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())]
    return [found for member in union for found in _members(member, definitions)] or [schema]


def _type(option: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """The type of an option in a word or two."""
    found = []
    for member in _members(option, definitions):
        kind = member.get("type")
        kind = next((one for one in kind if one != "string"), "string") if isinstance(kind, list) else kind
        if "enum" in member:
            found += [str(word) for word in member["enum"] if word is not None]
        elif "title" in member:
            found.append(member["title"])                 # duration, size, share
        elif kind == "array":
            found.append(f"list of {_type(member.get('items', {}), definitions)}s")
        elif kind == "object":
            found.append("mapping")
        elif member.get("format") == "date-time":
            found.append("instant")
        elif kind in _WORDS:
            found.append(_WORDS[kind])
    return " | ".join(dict.fromkeys(found)) or "any"


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


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
        fix=f"did you mean {close[0]!r}?" if close else "codes stand at the end of every error, and in `quarantine list` as the reason",
    )
