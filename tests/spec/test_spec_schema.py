"""The JSON Schema accepts what the loader accepts, describes every option, and speaks draft-07."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from mainstem import codes
from mainstem.errors import SpecError
from mainstem.spec import schema, tree
from mainstem.spec.load import loads

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def objections(value: Any, rule: Any, root: dict[str, Any], path: str = "") -> list[str]:
    """What a draft-07 validator would say: only the words that our schemas use."""
    if "$ref" in rule:
        return objections(value, root["definitions"][rule["$ref"].rpartition("/")[2]], root, path)
    found: list[str] = []
    kinds = rule.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        return [f"{path}: {value!r} is no {kinds}"]
    if "enum" in rule and value not in rule["enum"]:
        found.append(f"{path}: {value!r} not in {rule['enum']}")
    if isinstance(value, str) and "pattern" in rule and not re.search(rule["pattern"], value):
        found.append(f"{path}: {value!r} does not match {rule['pattern']}")
    if isinstance(value, dict):
        found += _object(value, rule, root, path)
    if isinstance(value, list) and isinstance(rule.get("items"), dict):
        found += [said for number, item in enumerate(value) for said in objections(item, rule["items"], root, f"{path}/{number}")]
    for member in rule.get("allOf", ()):
        found += objections(value, member, root, path)
    for word, right in (("anyOf", lambda count: count >= 1), ("oneOf", lambda count: count == 1)):
        if word in rule:
            results = [objections(value, member, root, path) for member in rule[word]]
            if not right(sum(not result for result in results)):
                found.append(f"{path}: {word}: {results}")
    return found


def _is(value: Any, kind: str) -> bool:
    if kind in ("integer", "number"):
        return isinstance(value, int if kind == "integer" else int | float) and not isinstance(value, bool)
    return isinstance(value, TYPES[kind])


def _object(value: dict[str, Any], rule: Any, root: dict[str, Any], path: str) -> list[str]:
    found = [f"{path}: `{key}` is missing" for key in rule.get("required", ()) if key not in value]
    for key, item in value.items():
        if not re.search(rule.get("propertyNames", {}).get("pattern", ""), key):
            found.append(f"{path}: `{key}` is no name")
        if key in rule.get("properties", {}):
            found += objections(item, rule["properties"][key], root, f"{path}/{key}")
        elif not any(re.search(pattern, key) for pattern in rule.get("patternProperties", {})):
            more = rule.get("additionalProperties", True)
            if more is False:
                found.append(f"{path}: unknown `{key}`")
            elif isinstance(more, dict):
                found += objections(item, more, root, f"{path}/{key}")
    return found


GREENHOUSE = """\
version: 1
pipeline: greenhouse
x-note: free
sources:
  readings:
    generator: {rows: 1000}
    format: json
    columns:
      sensor_id: string!
      observed_at: timestamp!
      temperature: {type: double, unit: Cel}
    time: {column: observed_at, lateness: 30s, idle: {after: 1m, then: hold}}
    missing: null
tables:
  sensors: {files: {path: data/sensors.csv}, format: {csv: {header: true}}, key: sensor_id, columns: {sensor_id: string!}}
steps:
  checked:
    check:
      - that: temperature BETWEEN -40 AND 60
      - {that: temperature > 0, else: flag, x-why: cold}
  climate:
    from: [checked]
    window: {size: 1m, by: [sensor_id], late: quarantine}
    select: |
      avg(temperature) AS temperature
  newest:
    latest:
outputs:
  climate: {from: climate, delta: {table: climate, mode: upsert, key: [sensor_id]}}
  copies: {from: checked, files: {folder: "${env:OUT}"}, format: csv}
limits: {quarantine: 1%}
"""


def test_the_greenhouse_fits_the_schema() -> None:
    rules = schema.pipeline_schema()
    assert objections(tree.read(GREENHOUSE, "g").data, rules, rules) == []
    assert loads(GREENHOUSE, environ={"OUT": "x"}).problems == ()


@pytest.mark.parametrize(("old", "new"), [
    ("version: 1", "versoin: 1"), ("rows: 1000", "rowz: 5"), ("format: json", "format: jsn"), ("lateness: 30s", "lateness: 30"),
    ("then: hold", "then: hodl"), ("late: quarantine", "late: quarantin"), ("window: {", "windw: {"), ("mode: upsert", "mode: up"),
    ("table: climate", "tabel: climate"), ("generator: {rows: 1000}", "generator: {}\n    files: {path: x}"),
    ("  newest:", "  New:"),
])
def test_what_the_loader_refuses_the_schema_refuses(old: str, new: str) -> None:
    rules = schema.pipeline_schema()
    text = GREENHOUSE.replace(old, new, 1)
    assert loads(text, environ={"OUT": "x"}).problems
    assert objections(tree.read(text, "g").data, rules, rules)


def test_it_is_draft_7_with_a_version() -> None:
    rules = schema.pipeline_schema()
    text = json.dumps(rules)
    assert rules["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert rules["$id"].endswith(":1")
    assert "$defs" not in text
    assert "prefixItems" not in text
    assert rules["definitions"]["sources.TimeWritten"]["properties"]["max_future"]["default"] == "5m"


def test_a_plug_that_cannot_be_loaded_is_left_out() -> None:
    assert "broken" not in schema.pipeline_schema()["definitions"]["sources"]["properties"]


def test_every_option_has_a_description() -> None:
    assert list(schema.undescribed(schema.pipeline_schema())) == []
    assert list(schema.undescribed(schema.project_schema())) == []


def test_every_option_of_the_real_plugs_has_a_description() -> None:
    code = "from mainstem.spec import schema; print(list(schema.undescribed(schema.pipeline_schema())))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_reading_a_file_needs_nothing_heavy() -> None:
    code = ("import sys, mainstem.spec.load, mainstem.spec.project\n"
            "print([name for name in ('pyarrow', 'duckdb', 'sqlglot', 'sqlalchemy', 'numpy', 'deltalake') if name in sys.modules])")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_codes_have_pages_and_a_suggestion() -> None:
    for name, code in codes.CODES.items():
        assert re.fullmatch(r"[a-z_]+\.[a-z0-9_]+", name)
        assert all(text.strip() for text in (code.title, code.meaning, code.fix)), name
    assert codes.explain("spec.tab").title
    with pytest.raises(SpecError, match=r"spec\.unknown_key"):
        codes.explain("spec.unknown_keys")


def test_every_code_of_this_room_has_a_page() -> None:
    from pathlib import Path

    import mainstem.spec

    room = Path(mainstem.spec.__file__).parent
    used = {code for file in room.glob("*.py") for code in re.findall(r'"((?:spec|project)\.[a-z_]+)"', file.read_text())}
    assert len(used) > 30
    assert used <= set(codes.CODES)
