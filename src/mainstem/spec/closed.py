"""Validate what a user wrote against a closed model, and turn every finding into a problem with a place and a remedy."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mainstem.spec.problems import Marks, Path, Problem, suggest
from mainstem.spec.written import NAME

_SHAPES = {"string_type": "a text", "dict_type": "a mapping", "model_type": "a mapping", "model_attributes_type": "a mapping",
           "list_type": "a list", "tuple_type": "a list", "set_type": "a list", "int_type": "a whole number",
           "int_parsing": "a whole number", "int_from_float": "a whole number", "float_type": "a number",
           "float_parsing": "a number", "bool_type": "true or false", "bool_parsing": "true or false"}
_WORD = re.compile(r"[\w-]+")


@functools.lru_cache(maxsize=256)
def adapter(kind: Any) -> TypeAdapter[Any]:
    """The validator of a model or type, made once."""
    return TypeAdapter(kind)


def validate(kind: Any, data: Any, path: Path, marks: Marks) -> tuple[Any, list[Problem]]:
    """`data` as `kind` (a model or any type pydantic knows), or None and everything that is wrong with it.

    `path` is where `data` stands in the file. Unknown keys get a suggestion, members of unions are judged by shape.
    """
    try:
        return adapter(kind).validate_python(data), []
    except ValidationError as error:
        return None, _problems(kind, data, path, marks, error.errors(include_url=False))


def meant(kind: Any, data: Any, path: Path, marks: Marks) -> Any:
    """The data with the word `null` where it was written without quotes and is a word: one of a few, or a text in a list."""
    try:
        adapter(kind).validate_python(data)
    except ValidationError as error:
        for one in error.errors(include_url=False):
            where = locate(data, one["loc"])
            mark = marks.values.get((*path, *where))
            if one["input"] is not None or mark is None or not mark.word or not where:
                continue
            if one["type"] == "literal_error" and "'null'" in str(one.get("ctx", {}).get("expected", "")):
                data = _put(data, where, "null")
            elif one["type"] == "string_type" and isinstance(where[-1], int):
                data = _put(data, where, mark.word)
    return data


def _put(data: Any, where: Path, value: Any) -> Any:
    """A copy of the data with this value at a path."""
    if not where:
        return value
    copy: Any = dict(data) if isinstance(data, dict) else list(data)
    copy[where[0]] = _put(data[where[0]], where[1:], value)
    return copy


def _problems(kind: Any, data: Any, path: Path, marks: Marks, errors: Sequence[Mapping[str, Any]]) -> list[Problem]:
    found: dict[tuple[Path, str], Problem] = {}
    wrong_shape: dict[Path, list[str]] = {}
    for error in errors:
        where = locate(data, error["loc"], absent=error["type"] == "missing")
        if error["type"] in _SHAPES:
            wrong_shape.setdefault(where, []).append(_SHAPES[error["type"]])
            continue
        problem = _one(kind, path, where, marks, error)
        found.setdefault(((*path, *where), problem.what), problem)
    for where, shapes in wrong_shape.items():
        # of a union, the members that the value was never meant for are silent if another one had something to say
        if any((*path, *where) == place[:len(path) + len(where)] for place, _ in found):
            continue
        here = at(data, where)
        what = f"{_name(path, where)} must be {' or '.join(dict.fromkeys(shapes))}, not {_shown(here)}"
        problem = _mapping_by_colon(here, (*path, *where), marks) or marks.problem("spec.value", what, (*path, *where))
        found[(*path, *where), what] = problem
    # a missing key is no second problem where a colon made another key, or where that key is there with a typing error
    colons = {problem.path[:-1] for problem in found.values() if problem.code == "spec.colon"}
    typed = {(problem.path[:-1], problem.fix) for problem in found.values() if problem.code == "spec.unknown_key"}
    return [problem for problem in found.values() if problem.code != "spec.missing_key" or not (
        problem.path[:-1] in colons or (problem.path[:-1], f"did you mean `{problem.path[-1]}`?") in typed)]


def _one(kind: Any, path: Path, where: Path, marks: Marks, error: Mapping[str, Any]) -> Problem:
    place, name = (*path, *where), _name(path, where)
    context = error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            return unknown(str(where[-1]), _keys(kind, where[:-1]), place, marks)
        case "missing":
            return marks.problem("spec.missing_key", f"`{where[-1]}` is missing", place, at_key=True,
                                 why=_about(kind, where), fix=_example(kind, where))
        case "literal_error" | "enum":
            known = re.findall(r"'([^']*)'", str(context.get("expected", "")))
            return marks.problem("spec.value", f"{name} cannot be {_shown(error['input'])}", place,
                                 why=f"it is one of {', '.join(known)}" if known else "",
                                 fix=suggest(str(error["input"]), known, " ").strip())
        case "string_pattern_mismatch":
            return marks.problem("spec.value", f"{name} cannot be {_shown(error['input'])}", place, why=_about(kind, where),
                                 fix=_example(kind, where, "write") if context.get("pattern") != NAME else
                                 "write lower case letters, digits and _, beginning with a letter")
        case "value_error" | "assertion_error":
            said = str(context.get("error", error["msg"]))
            what, _, fix = said.partition("; ")
            return marks.problem("spec.value", what if name.strip("`") in what else f"{name}: {what}", place, fix=fix)
        case "union_tag_invalid" | "union_tag_not_found":
            return marks.problem("spec.value", f"{name}: {error['msg']}", place)
    said = error["msg"][0].lower() + error["msg"][1:]
    return marks.problem("spec.value", f"{name}: {said}, not {_shown(error['input'])}", place)


def unknown(key: str, known: Sequence[str], place: Path, marks: Marks) -> Problem:
    """The problem of a key that may not stand there."""
    if key == "<<":
        return marks.problem("spec.unknown_key", "`<<` merges nothing: YAML 1.2 has no merge keys", place, at_key=True,
                             fix="write the keys out")
    if not _WORD.fullmatch(key) and key not in known:
        return marks.problem("spec.colon", f"`: ` made a key of `{key}`", place, at_key=True,
                             why="a colon followed by a space separates key and value",
                             fix="put the whole value in quotes, or write it in block style after `|`")
    return marks.problem("spec.unknown_key", f"unknown key `{key}`", place, at_key=True, fix=suggest(key, known))


def _mapping_by_colon(value: Any, place: Path, marks: Marks) -> Problem | None:
    """A mapping where a text was due, with a key that is no word: a rule with `: ` in it."""
    if isinstance(value, dict) and len(value) == 1 and not _WORD.fullmatch(key := str(next(iter(value)))):
        return unknown(key, (), (*place, key), marks)
    return None


def locate(data: Any, loc: Sequence[Any], *, absent: bool = False) -> Path:
    """The path in the data that a pydantic location means: tags of unions and validators are left out.

    `absent`: its last part is a key that the data does not have.

    >>> locate({"rules": [{"that": 1}]}, ("rules", "list[Rule]", 0, "that")), locate({}, ("str",)), locate({}, ("a",), absent=True)
    (('rules', 0, 'that'), (), ('a',))
    """
    path: list[str | int] = []
    here = data
    for number, part in enumerate(loc):
        if (isinstance(here, dict) and part in here) or (isinstance(here, list) and isinstance(part, int) and part < len(here)):
            path.append(part)
            here = here[part]
        elif absent and number == len(loc) - 1:
            path.append(part)
    return tuple(path)


def at(data: Any, where: Path) -> Any:
    """The value at a path, None where there is none."""
    for part in where:
        there = (isinstance(data, dict) and part in data) or (isinstance(data, list) and isinstance(part, int) and part < len(data))
        data = data[part] if there else None
    return data


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _name(path: Path, where: Path) -> str:
    named = next((str(part) for part in reversed((*path, *where)) if isinstance(part, str)), "")
    return f"`{named}`" if named else "the value"


# What may stand at a place is asked of the JSON schema: it is made on the way of an error only, and knows unions and lists.


@functools.lru_cache(maxsize=256)
def _whole(kind: Any) -> dict[str, Any]:
    return adapter(kind).json_schema(by_alias=True)


def schemas(kind: Any, where: Path) -> list[dict[str, Any]]:
    """The schemas that may apply at a path."""
    whole = _whole(kind)
    definitions = whole.get("$defs", {})

    def unfold(schema: dict[str, Any]) -> list[dict[str, Any]]:
        if "$ref" in schema:
            return unfold(definitions.get(schema["$ref"].rpartition("/")[2], {}))
        members = [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())]
        return [found for member in members for found in unfold(member)] or [schema]

    here = unfold(whole)
    for part in where:
        if isinstance(part, int):
            here = [found for schema in here if isinstance(schema.get("items"), dict) for found in unfold(schema["items"])]
        else:
            below = [schema["properties"].get(part) or schema.get("additionalProperties") for schema in here
                     if "properties" in schema or "additionalProperties" in schema]
            below += [schema.get("additionalProperties") for schema in here if "properties" not in schema]
            here = [found for schema in below if isinstance(schema, dict) for found in unfold(schema)]
    return here


def _keys(kind: Any, where: Path) -> list[str]:
    return sorted({key for schema in schemas(kind, where) for key in schema.get("properties", {})})


def _about(kind: Any, where: Path) -> str:
    return next((str(schema["description"]) for schema in properties(kind, where) if "description" in schema), "")


def _example(kind: Any, where: Path, verb: str = "add") -> str:
    """What may be written, taken from the model: its few words, its example, else the key alone."""
    for schema in properties(kind, where):
        words = [f"`{where[-1]}: {word}`" for word in (*schema.get("enum", ()), *schema.get("examples", ())[:1])
                 if isinstance(word, str | int)]
        if words:
            return f"{verb} {' or '.join(words)}"
    return f"{verb} `{where[-1]}: ...`"


def properties(kind: Any, where: Path) -> list[dict[str, Any]]:
    """What the models say of the key at the end of a path."""
    return [schema["properties"][where[-1]] for schema in schemas(kind, where[:-1]) if where[-1] in schema.get("properties", {})]
