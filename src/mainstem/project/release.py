"""A release: the plan and the user's code under the hash of their content; every run and commit names one."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mainstem import durable, signals
from mainstem.engines import journal
from mainstem.errors import ConcurrencyError, SpecError
from mainstem.plan.words import Map, Plan, decode, encode
from mainstem.project import modules
from mainstem.project.modules import Code

if TYPE_CHECKING:
    from mainstem.project.place import Opened

_INSTALLED = "installed.json"         # module -> distribution and version that it came from; only where there is code


def code_of_plan(opened: Opened, plan: Plan) -> Code | None:
    """What the functions of a plan are made of; None if it calls none. Raises UserCodeError as `modules.gather` does."""
    calls = {node.word.call: node.step for node in plan.of(Map) if isinstance(node.word, Map)}
    return modules.gather(calls, opened.settings.python_folders) if calls else None


def content_hash(plan: Plan, code: Code | None) -> str:
    """The name of a release: equal content, equal name."""
    digest = hashlib.sha256(encode(plan))
    if code is not None:
        for name, content in sorted(code.files.items()):
            _add(digest, name, content)
        digest.update(_installed(code))
    return digest.hexdigest()[:16]


def build(opened: Opened) -> str:
    """Make the release of the present plan and code, if it is not there yet; its hash."""
    code = code_of_plan(opened, opened.plan)
    name = content_hash(opened.plan, code)
    folder = opened.work / "releases" / name
    if _name_of(folder) != name or not durable.touched(folder):       # not there, or damaged: what belongs in it is known
        durable.folder(folder / "code")
        if code is not None:
            for place in code.unseen:
                signals.tell("log", level="warning", message=f"{place} imports by a computed name; a release has only what is imported by name")
            for relative, content in sorted(code.files.items()):
                target = folder / "code" / relative
                durable.folder(target.parent)
                _put(target, content)
            _put(folder / _INSTALLED, _installed(code))
        _put(folder / "plan.json", encode(opened.plan))
    return name


def _name_of(folder: Path) -> str:
    """The hash of what a release's folder holds."""
    try:
        digest = hashlib.sha256((folder / "plan.json").read_bytes())
        if (folder / _INSTALLED).is_file():
            code = folder / "code"
            there = {path.relative_to(code).as_posix(): path for path in code.rglob("*") if path.is_file()}
            for name, path in sorted(there.items()):
                if path.parent.name != "__pycache__" and path.suffix != ".tmp":       # made by Python, left by a killed writer
                    _add(digest, name, path.read_bytes())
            digest.update((folder / _INSTALLED).read_bytes())
    except FileNotFoundError:
        return ""
    return digest.hexdigest()[:16]


def _add(digest: Any, name: str, content: bytes) -> None:
    digest.update(f"{name}\0{len(content)}\0".encode() + content)


def _put(target: Path, content: bytes) -> None:
    """Who makes the same release at the same time writes the same."""
    if target.exists() and target.read_bytes() != content:
        target.unlink()
    if not target.exists():
        with contextlib.suppress(ConcurrencyError):
            durable.publish(target, content)


def _installed(code: Code) -> bytes:
    return json.dumps(dict(sorted(code.versions.items())), indent=1).encode()


def plan_of(work: Path, release: str) -> Plan:
    """The plan of a release; RefusedError `state.damaged` if the release is not what its name says."""
    path = work / "releases" / release / "plan.json"
    if not path.is_file():
        raise SpecError(
            "release.unknown",
            f"release {release} is not here",
            where=str(path.parent),
            fix="the state folder is incomplete; restore it",
        )
    if _name_of(path.parent) != release:
        raise journal.damaged(path.parent, "its content does not give the hash that is its name")
    return decode(path.read_bytes())


def code_of(work: Path, release: str) -> tuple[str, ...]:
    """Where the user's code of a release is imported from; a warning where what is installed is not what it was made with."""
    folder = work / "releases" / release
    if (folder / _INSTALLED).is_file():
        changes = modules.changed(json.loads((folder / _INSTALLED).read_bytes()))
        if changes:
            signals.tell("log", level="warning", message=f"release {release} was made with other versions: {'; '.join(changes)}")
    return (str(folder / "code"),)
