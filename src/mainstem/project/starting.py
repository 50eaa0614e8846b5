"""`init`: a working project into a folder, without questions; what is there already is never touched."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from mainstem import durable
from mainstem.errors import RefusedError

_NAMES = {"gitignore": ".gitignore"}      # files that would act in our own repository carry another name there


_OURS_TOO = (".gitignore", "README.md")   # every repository has them: theirs stay, and the project works without ours


def init(folder: str | os.PathLike[str]) -> tuple[list[str], list[str]]:
    """Write the starter project; the files made and those of the user's that were kept, in order.

    RefusedError `init.exists` if one that the project needs is there already, TransientError `disk...` if it cannot be written.
    """
    target = Path(folder)
    if target.is_file():
        raise RefusedError("init.exists", f"{target} is a file", where=str(target.absolute()), fix="name a folder: `mainstem init NAME`")
    wanted = _content()
    there = [name for name in wanted if (target / name).exists()]
    needed = [name for name in there if name not in _OURS_TOO]
    if needed:
        raise RefusedError("init.exists", f"{needed[0]} is there already", where=str(target.absolute()),
                           why="init writes over nothing", fix="choose an empty folder: `mainstem init NAME`")
    made = [name for name in wanted if name not in there]
    for name in made:
        path = target / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(wanted[name])
        except OSError as error:
            raise durable.disk(error, path) from error
    return [str(target / name) for name in made], [str(target / name) for name in there]


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
