"""A small registry of plugs, so that the language is tested without connectors, formats and steps."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Literal

import pytest
from pydantic import ConfigDict, Field

from mainstem import plugs
from mainstem.errors import SpecError
from mainstem.quantities import Duration


class FilesOptions(plugs.Options):
    path: str = Field(description="where")
    watch: bool = Field(False, description="go on")


class GeneratorOptions(plugs.Options):
    rows: int | None = Field(None, ge=0, description="how many")


class DeltaOptions(plugs.Options):
    table: str = Field(description="name")


class FolderOptions(plugs.Options):
    folder: str = Field(description="where")


class CsvOptions(plugs.Options):
    delimiter: str = Field(",", description="sign between fields", min_length=1, max_length=1)
    header: bool = Field(True, description="first line has the names")
    nan: Literal["null", "string"] = Field("string", description="what NaN becomes")


class Rule(plugs.Options):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    that: str = Field(description="condition")
    name: str = Field("", description="its name")
    otherwise: Literal["quarantine", "flag", "drop", "stop"] = Field("quarantine", alias="else", description="fate")


class WindowOptions(plugs.Options):
    size: Duration = Field(description="length")
    every: Duration | None = Field(None, description="hop")
    by: tuple[str, ...] = Field((), description="keys")
    late: Literal["quarantine", "drop"] = Field(description="fate of late rows")


class LookupOptions(plugs.Options):
    table: str = Field(description="name")
    on: tuple[str, ...] | dict[str, str] = Field(description="keys")


class LatestOptions(plugs.Options):
    by: tuple[str, ...] = Field((), description="keys")


class AlertOptions(plugs.Options):
    when: str = Field(description="condition")
    severity: str = Field("warning", description="how bad")


def plug(kind: str, options: Any, **facts: Any) -> Any:
    return SimpleNamespace(kind=kind, Options=options, __doc__=f"The plug {kind}.", **facts)


PLUGS = {
    "sources": [plug("files", FilesOptions), plug("generator", GeneratorOptions), plug("broken", None)],
    "sinks": [plug("delta", DeltaOptions, modes=("append", "upsert", "replace"), fixed_format=None, takes_format=False),
              plug("files", FolderOptions, modes=("append",), fixed_format=None, takes_format=True)],
    "formats": [plug("json", plugs.Options, encodes=True), plug("csv", CsvOptions, encodes=True),
                plug("xml", plugs.Options, encodes=False)],
    "steps": [plug("check", list[str | Rule], siblings=()), plug("window", WindowOptions, siblings=("select", "where", "having")),
              plug("sql", str, siblings=()), plug("lookup", LookupOptions, siblings=()), plug("latest", LatestOptions, siblings=()),
              plug("alert", AlertOptions, siblings=())],
}


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(group: str, kind: str) -> Any:
        if kind == "broken":
            raise ImportError("No module named 'broker_client'")
        for one in PLUGS[group]:
            if one.kind == kind:
                return one
        raise SpecError("spec.unknown_kind", kind)

    monkeypatch.setattr(plugs, "find", find)
    monkeypatch.setattr(plugs, "kinds", lambda group: tuple(one.kind for one in PLUGS[group]))
