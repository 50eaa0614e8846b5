"""A release: the plan and the user's code under the hash of their content; every run and commit names one."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from mainstem import durable
from mainstem.errors import SpecError, UserCodeError
from mainstem.plan.words import Map, Plan, decode, encode

if TYPE_CHECKING:
    from mainstem.project.place import Opened


def code_files(opened: Opened, plan: Plan) -> dict[str, Path]:
    """The user's modules that the plan calls, by the path that they are imported under."""
    found: dict[str, Path] = {}
    for node in plan.of(Map):
        assert isinstance(node.word, Map)
        module = node.word.call.split(":")[0]
        path = Path(*module.split("."))
        for root in map(Path, opened.settings.python_folders):
            for candidate in (root / path.with_suffix(".py"), root / path / "__init__.py"):
                if candidate.is_file():
                    base = candidate.parent if candidate.name == "__init__.py" or len(path.parts) > 1 else None
                    files = sorted(base.rglob("*.py")) if base else [candidate]
                    found |= {str(file.relative_to(root)): file for file in files}
                    break
            else:
                continue
            break
        else:
            raise UserCodeError(
                "python.not_found",
                f"there is no module {module!r}",
                where=f"step {node.step}",
                why=f"looked in {', '.join(map(str, opened.settings.python_folders))}",
                fix="write it there, or correct `call:`",
            )
    return found


def content_hash(plan: Plan, code: dict[str, Path]) -> str:
    """The name of a release: equal content, equal name."""
    digest = hashlib.sha256(encode(plan))
    for name, path in sorted(code.items()):
        digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def build(opened: Opened) -> str:
    """Make the release of the present plan and code, if it is not there yet; its hash."""
    code = code_files(opened, opened.plan)
    name = content_hash(opened.plan, code)
    folder = opened.work / "releases" / name
    if not (folder / "plan.json").is_file():
        durable.folder(folder / "code")
        for relative, path in sorted(code.items()):
            target = folder / "code" / relative
            durable.folder(target.parent)
            if not target.exists():
                durable.publish(target, path.read_bytes())
        durable.publish(folder / "plan.json", encode(opened.plan))
    return name


def plan_of(work: Path, release: str) -> Plan:
    """The plan of a release."""
    path = work / "releases" / release / "plan.json"
    if not path.is_file():
        raise SpecError(
            "release.unknown",
            f"release {release} is not here",
            where=str(path.parent),
            fix="the state folder is incomplete; restore it",
        )
    return decode(path.read_bytes())


def code_of(work: Path, release: str) -> tuple[str, ...]:
    """Where the user's code of a release is imported from."""
    return (str(work / "releases" / release / "code"),)
