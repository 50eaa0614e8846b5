"""`${env:NAME}`, `${env:NAME:-default}` and `${secret:NAME}` in values. Nothing is ever evaluated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mainstem.spec.problems import Marks, Path, Problem

_PLACE = re.compile(r"\$\$\{|\$\{([^}\n]*)(\}?)")
_ENV = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?")
_SECRET = re.compile(r"secret:[A-Za-z_][A-Za-z0-9_]*")


def interpolate(data: Any, environ: Mapping[str, str], marks: Marks, path: Path = ()) -> tuple[Any, list[Problem]]:
    """The same values with their environment variables in them, and every problem with one.

    A variable that is unset or empty takes its default. `$${` stands for `${`; a secret is checked by its form and stays as
    it is: it is resolved where it is used, and never written to disk.
    """
    problems: list[Problem] = []

    def text(value: str, path: Path) -> str:
        if "${" not in value:
            return value

        def one(match: re.Match[str]) -> str:
            found, problem = _replacement(match, environ)
            if problem:
                line, column = value.count("\n", 0, match.start()) + 1, match.start() - value.rfind("\n", 0, match.start())
                mark = marks.within(path, line, column)
                problems.append(Problem(problem[0], problem[1], marks.file, mark.line, mark.column, fix=problem[2], path=path))
            return found

        return _PLACE.sub(one, value)

    def walk(value: Any, path: Path) -> Any:
        if isinstance(value, str):
            return text(value, path)
        if isinstance(value, dict):
            return {key: walk(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [walk(item, (*path, number)) for number, item in enumerate(value)]
        return value

    return walk(data, path), problems


def _replacement(match: re.Match[str], environ: Mapping[str, str]) -> tuple[str, tuple[str, str, str] | None]:
    if match[0] == "$${":
        if match.string.startswith("secret:", match.end()):
            return match[0], ("spec.placeholder", "`${secret:` cannot be written as text", "a secret is put in wherever it stands")
        return "${", None
    inside = match[1]
    if not match[2]:
        return match[0], ("spec.placeholder", f"`{match[0]}` is not closed",
                          "close it with `}`, or write `$${` for the signs themselves")
    if _SECRET.fullmatch(inside):
        return match[0], None
    found = _ENV.fullmatch(inside)
    if not found:
        return match[0], ("spec.placeholder", f"`{match[0]}` is not a placeholder",
                          "write ${env:NAME}, ${env:NAME:-default} or ${secret:NAME}; `$${` for the signs themselves")
    name, default = found[1], found[2]
    if default is not None:
        return environ.get(name) or default, None
    if name in environ:
        return environ[name], None
    return match[0], ("spec.env", f"the environment variable {name} is not set", f"set it, or write ${{env:{name}:-default}}")
