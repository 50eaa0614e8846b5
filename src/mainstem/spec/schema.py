"""The JSON Schema (draft-07, the newest that editors' YAML servers know) of the files, made from the models and the registry."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mainstem import plugs
from mainstem.errors import MainstemError
from mainstem.quantities import format_duration, format_size
from mainstem.spec import closed
from mainstem.spec.project import ProjectWritten
from mainstem.spec.written import (
    NAME,
    ColumnWritten,
    ModeWritten,
    OutputWritten,
    PipelineWritten,
    SourceWritten,
    StepWritten,
    TableWritten,
)

VERSION = 1
DRAFT = "http://json-schema.org/draft-07/schema#"
_FREE = {"^x-": {"description": "free for you: mainstem does not read it"}}
_ENV = r"^\$\{"                    # an environment variable may stand for a value of any type
_WRITE: dict[str, Callable[[Any], str]] = {
    "duration": format_duration, "size": format_size, "share": lambda value: f"{value * 100:g}%"}
_PLACES = (("sources", SourceWritten, "sources"), ("tables", TableWritten, "sources"), ("steps", StepWritten, "steps"),
           ("outputs", OutputWritten, "sinks"))


def pipeline_schema() -> dict[str, Any]:
    """The schema of a pipeline file, with the options of every connector, format and step that is installed."""
    definitions: dict[str, Any] = {}
    whole = _model(PipelineWritten, "pipeline", definitions)
    column = _model(ColumnWritten, "column", definitions)
    short = {"type": "string", "description": "its type; a `!` behind it: required", "examples": ["string!", "double"]}
    for section, written, group in _PLACES:
        entry = _model(written, section, definitions)
        if "columns" in entry["properties"]:
            entry["properties"]["columns"] |= {"patternProperties": _FREE, "additionalProperties": {"anyOf": [short, column]}}
        if "format" in entry["properties"]:
            formats = _choice("formats", definitions)
            bare = {"type": "string", "enum": sorted(formats), "description": "a format with its defaults"}
            entry["properties"]["format"] |= {"anyOf": [bare, _closed(formats, exactly=1)]}
        options = _choice(group, definitions)
        if section == "outputs":
            mode = _model(ModeWritten, "mode", definitions)["properties"]
            for name, option in options.items():
                options[name] = _with(option, mode, definitions)
        if group == "steps":
            entry["properties"] |= _siblings()
        entry["properties"] |= options
        entry["oneOf"] = [{"required": [kind]} for kind in options]
        definitions[section] = entry
        whole["properties"][section] |= {
            "type": "object", "patternProperties": _FREE, "propertyNames": {"pattern": f"{NAME}|^x-"},
            "additionalProperties": {"$ref": f"#/definitions/{section}"}}
    return {"$schema": DRAFT, "$id": f"urn:mainstem:schema:pipeline:{VERSION}", "title": "mainstem pipeline", **whole,
            "definitions": definitions}


def project_schema() -> dict[str, Any]:
    """The schema of mainstem.yaml."""
    definitions: dict[str, Any] = {}
    whole = _model(ProjectWritten, "project", definitions)
    return {"$schema": DRAFT, "$id": f"urn:mainstem:schema:project:{VERSION}", "title": "mainstem project", **whole,
            "definitions": definitions}


def options_schema(kind: Any) -> dict[str, Any]:
    """The schema of one model or type, complete in itself: for the catalogue and the manual."""
    definitions: dict[str, Any] = {}
    whole = _model(kind, "options", definitions)
    return {**whole, "definitions": definitions} if definitions else whole


def _choice(group: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """kind -> schema of its options, of every plug of a group that can be loaded."""
    found = {}
    for kind in plugs.kinds(group):
        try:
            plug = plugs.find(group, kind)
        except (ImportError, AttributeError, MainstemError):
            continue                       # `check` says so to whoever uses it; the others need a schema all the same
        schema = _model(plug.Options, f"{group}.{kind}", definitions)
        schema["description"] = _first(plug.__doc__) or schema.get("description", kind)
        if schema.get("type") == "object" and not schema.get("required"):
            schema["type"] = ["object", "null"]           # `latest:` with nothing behind it
        found[kind] = schema
    return found


def _siblings() -> dict[str, Any]:
    """The keys that may stand beside the kinds of steps."""
    users: dict[str, list[str]] = {}
    for kind in plugs.kinds("steps"):
        try:
            for key in plugs.find("steps", kind).siblings:
                users.setdefault(key, []).append(kind)
        except (ImportError, AttributeError, MainstemError):
            continue
    return {key: {"type": "string", "description": f"SQL of the steps {', '.join(kinds)}"} for key, kinds in users.items()}


def _with(schema: dict[str, Any], more: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a sink together with those that every sink takes."""
    if "$ref" in schema:
        schema = dict(definitions[schema["$ref"].rpartition("/")[2]])
    return {**schema, "properties": {**schema.get("properties", {}), **more}}


def _model(kind: Any, prefix: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """The draft-07 schema of a model; what it refers to goes to `definitions` under names of its own."""
    whole = closed.adapter(kind).json_schema(by_alias=True, ref_template=f"#/definitions/{prefix}.{{model}}")
    for name, schema in whole.pop("$defs", {}).items():
        definitions[f"{prefix}.{name}"] = _draft7(schema)
    made: dict[str, Any] = _draft7(whole)
    return made


def _draft7(schema: Any) -> Any:
    """pydantic's newer dialect in the words of draft-07, with defaults as people write them."""
    if isinstance(schema, list):
        return [_draft7(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made: dict[str, Any] = {}
    for key, value in schema.items():
        if key in ("default", "examples", "enum", "const"):
            made[key] = value
        elif key in ("properties", "patternProperties"):
            made[key] = {name: _draft7(item) for name, item in value.items()}
        else:
            made[key] = _draft7(value)
    _defaults(made)
    _keywords(made)
    return made


def _defaults(made: dict[str, Any]) -> None:
    """Defaults as people write them: `5m`, not microseconds."""
    if made.get("title") in _WRITE and isinstance(made.get("default"), int | float):
        made["default"] = _WRITE[made["title"]](made["default"])
    elif "default" in made:
        _nested_default(made)
    if made.get("title") not in _WRITE:
        made.pop("title", None)


def _keywords(made: dict[str, Any]) -> None:
    """What draft-07 says with other words, keys of the user's own, and variables in place of values."""
    if "prefixItems" in made:
        made["items"], made["additionalItems"] = made.pop("prefixItems"), False
    if "$ref" in made and len(made) > 1:                  # draft-07 does not see anything beside a $ref
        made["allOf"] = [{"$ref": made.pop("$ref")}]
    if made.get("additionalProperties") is False:
        made["patternProperties"] = {**made.get("patternProperties", {}), **_FREE}
    if made.get("type") in ("integer", "number", "boolean") and "const" not in made:
        made |= {"type": [made["type"], "string"], "pattern": _ENV}
    elif made.get("type") == "string" and "pattern" in made and made["pattern"] not in (NAME, _ENV):
        made["pattern"] = f"{made['pattern']}|{_ENV}"
    if "null" in made.get("enum", ()):                    # the word, without quotes
        made |= {"enum": [*made["enum"], None], "type": ["string", "null"]}
    if "description" in made:
        made["description"] = re.sub(r"\s+", " ", made["description"]).strip()


def _nested_default(schema: dict[str, Any]) -> None:
    """The default of an option that may be NULL or is a model of its own."""
    kinds = [member.get("title") for member in schema.get("anyOf", ())]
    title = next((kind for kind in kinds if kind in _WRITE), None)
    if title and isinstance(schema["default"], int | float):
        schema["default"] = _WRITE[title](schema["default"])
    elif schema["default"] is None or isinstance(schema["default"], dict):
        del schema["default"]              # nothing said; or the defaults of its own fields, that are said there


def _closed(properties: Mapping[str, Any], exactly: int) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "additionalProperties": False, "minProperties": exactly,
            "maxProperties": exactly}


def _first(text: str | None) -> str:
    return re.sub(r"\s+", " ", (text or "").strip().split("\n\n")[0])


def undescribed(schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Every option without a description: for the test that there is none."""
    for name, option in schema.get("properties", {}).items():
        if not option.get("description"):
            yield f"{path}/{name}"
        yield from undescribed(option, f"{path}/{name}")
    for name, definition in schema.get("definitions", {}).items():
        yield from undescribed(definition, f"{path}#{name}")
    for key in ("anyOf", "allOf", "oneOf"):
        for member in schema.get(key, ()):
            yield from undescribed(member, path)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), Mapping):
            yield from undescribed(schema[key], f"{path}[]")
