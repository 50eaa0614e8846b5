"""Every example of every `--help`, typed as it stands into the project that `init` makes."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mainstem import signals
from mainstem.cli.command import invoke

# in an order in which one can lead to the next
VERBS = ["init", "check", "plan", "run", "runs list", "runs show", "sql", "test", "build", "quarantine list", "quarantine show",
         "quarantine replay", "quarantine discard", "maintain", "config show", "catalog", "schema", "explain", "reset"]


def lines(told: str) -> Iterator[str]:
    """The commands under `Examples:`."""
    for line in told.split("Examples:\n")[1].splitlines():
        if line.strip():
            yield line.strip()


def typed(line: str, folder: Path) -> int:
    """The exit code of one line; by a shell where it needs one."""
    if any(sign in line for sign in ("&&", ">")) or line == "mainstem init":
        here = folder / "empty" if "init" in line else folder
        here.mkdir(exist_ok=True)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(["sh", "-ec", line], cwd=here, env=os.environ | {"PATH": path}, capture_output=True, check=False).returncode
    if "--follow" in line:
        def stop(name: str, _: dict[str, object]) -> None:
            if name == "run.started":
                threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()

        with signals.listening(stop):
            return invoke(shlex.split(line)[1:])
    return invoke(shlex.split(line)[1:])


def test_every_example_of_the_help_works_as_it_stands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert invoke(["init", str(tmp_path / "p")]) == 0
    monkeypatch.chdir(tmp_path / "p")
    count = 0
    for verb in VERBS:
        capsys.readouterr()
        assert invoke([*verb.split(), "--help"]) == 0
        for line in lines(capsys.readouterr().out):
            code = typed(line, tmp_path / "p")
            told = capsys.readouterr()
            assert code == 0, f"{line}\n{told.out[-500:]}{told.err[-1500:]}"
            count += 1
    assert count > 35


def test_no_verb_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    named = set()
    assert invoke(["--help"]) == 0
    for line in capsys.readouterr().out.split("Commands:\n")[1].split("\n\n")[0].splitlines():
        verb = line.split()[0] if line.startswith("  ") and not line.startswith("   ") else ""
        if verb in ("runs", "quarantine", "config"):
            assert invoke([verb, "--help"]) == 0
            told = capsys.readouterr().out.split("Commands:\n")[1]
            named |= {f"{verb} {inner.split()[0]}" for inner in told.splitlines() if inner.startswith("  ") and not inner.startswith("   ")}
        elif verb:
            named.add(verb)
    assert named == set(VERBS)
