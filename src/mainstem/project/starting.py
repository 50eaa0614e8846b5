"""`init`: a working project into a folder, without questions; what is there already is never touched."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from mainstem.errors import RefusedError

_NAMES = {"gitignore": ".gitignore"}      # files that would act in our own repository carry another name there


def init(folder: str | os.PathLike[str]) -> list[str]:
    """Write the starter project; the files made, in order. RefusedError `init.exists` if one of them is there already."""
    target = Path(folder)
    wanted = _content()
    there = [name for name in wanted if (target / name).exists()]
    if there:
        raise RefusedError("init.exists", f"{there[0]} is there already", where=str(target.absolute()),
                           why="init writes over nothing", fix="choose an empty folder: `mainstem init NAME`")
    for name, content in wanted.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return [str(target / name) for name in wanted]


def _content() -> Mapping[str, bytes]:
    from mainstem.spec.schema import pipeline_schema, project_schema

    starter = dict(_walk(files("mainstem.project") / "starter", ""))
    schemas = {"schema/pipeline.schema.json": pipeline_schema(), "schema/project.schema.json": project_schema()}
    return dict(sorted(starter.items())) | {name: json.dumps(made, indent=1).encode() + b"\n" for name, made in schemas.items()}


def _walk(place: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in place.iterdir():
        name = prefix + _NAMES.get(entry.name, entry.name)
        if entry.is_dir():
            if entry.name != "__pycache__":
                yield from _walk(entry, name + "/")
        else:
            yield name, entry.read_bytes()
