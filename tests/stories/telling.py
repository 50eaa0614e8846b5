"""What the stories share: a project in a folder, its pipeline, its input, and the books that must balance at the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from mainstem import project
from mainstem.clock import SystemClock, iso
from mainstem.project import Pipeline

CLOCK = SystemClock()
BEGIN = 1_767_225_600                                       # 2026-01-01T00:00:00Z
COUNTS = ("delivered", "filtered", "quarantined", "late", "held")


def write(folder: Path, text: str, **files: str | bytes) -> Path:
    """A project with one pipeline; further files by name, `__` for a dot and `___` for a slash."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mainstem.yaml").write_text("tasks: 1\n")
    for name, content in files.items():
        path = folder / name.replace("___", "/").replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    (folder / "pipeline.yaml").write_text(text)
    return folder / "pipeline.yaml"


def edit(file: Path, old: str, new: str) -> None:
    """Change the pipeline file; the text must be there."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def at(seconds: float) -> str:
    """So many seconds after the beginning, as a timestamp."""
    return iso(BEGIN * 1_000_000 + round(seconds * 1_000_000))


def lines(records: Iterable[Mapping[str, Any] | str]) -> str:
    """JSON lines; texts stand as they are."""
    return "".join((record if isinstance(record, str) else json.dumps(record)) + "\n" for record in records)


def opened(file: Path, **flags: Any) -> Pipeline:
    return project.open(file, flags=flags)


def rows(file: Path, name: str) -> list[dict[str, Any]]:
    """An output as it is published now, in a fixed order."""
    return sorted(opened(file).read(name).to_pylist(), key=lambda row: json.dumps(row, default=str, sort_keys=True))


def balances(account: Iterable[Mapping[str, Any]]) -> bool:
    """Whether every leg accounts for each of its rows, and there is a row at all."""
    legs = list(account)
    assert legs
    assert sum(leg["made"] for leg in legs) > 0
    return all(leg["made"] + leg["held_before"] == sum(leg[fate] for fate in COUNTS) for leg in legs)


def states(file: Path) -> dict[str, int]:
    """How many rows of the quarantine are in which state."""
    from mainstem.project.aside import everything
    from mainstem.project.place import locate

    found: dict[str, int] = {}
    for state in everything(locate(file, None, {})).column("state").to_pylist():
        found[state] = found.get(state, 0) + 1
    return found


def settled(file: Path) -> bool:
    """quarantined + stored late = open + replayed + discarded, with no order left over."""
    found = states(file)
    stored = opened(file).read("quarantine").num_rows
    return stored == sum(found.get(state, 0) for state in ("open", "replayed", "discarded"))


def command(file: Path, *arguments: str, **environ: str) -> subprocess.Popen[str]:
    """`mainstem VERB pipeline.yaml ...` as a process of its own."""
    verb, *rest = arguments
    return subprocess.Popen([sys.executable, "-m", "mainstem.cli", verb, str(file), *rest], cwd=file.parent, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "NO_COLOR": "1", **environ})


def script(file: Path, code: str, *arguments: str) -> subprocess.Popen[str]:
    """Python of a test's own in a process of its own; `sys.argv[1]` is the pipeline file."""
    return subprocess.Popen([sys.executable, "-c", code, str(file), *arguments], cwd=file.parent, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ))


def until(what: Callable[[], Any], seconds: float = 15.0, step: float = 0.05) -> Any:
    """Wait for something to be true; what it was."""
    end = CLOCK.monotonic() + seconds
    while not (found := what()):
        assert CLOCK.monotonic() < end, f"waited {seconds} s in vain"
        CLOCK.sleep(step)
    return found


def ended(process: subprocess.Popen[str], seconds: float = 20.0) -> tuple[int, str, str]:
    """Exit code, stdout, stderr; a process that does not end is killed and fails the test."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"it did not end within {seconds} s: {err[-2000:]}") from None
    return process.returncode, out, err


def quiet_end(process: subprocess.Popen[str]) -> None:
    """Make sure that nothing outlives a test that failed."""
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.communicate()
