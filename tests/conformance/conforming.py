"""Runs one of the pipelines beside it through the facade, in a folder of its own, and reads what came out."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mainstem import project

ENGINE = os.environ.get("MAINSTEM_ENGINE", "local")       # the layer `spark` runs the same cases once more
PIPELINES = Path(__file__).parent / "pipelines"
RECOUNT = Path(__file__).parents[2] / "tools" / "recount.py"

# cuts of the input: everything at once, small epochs, tiny epochs in one task
CUTS: dict[str, dict[str, Any]] = {
    "whole": {},
    "500": {"epoch": {"rows": 500}},
    "77x1": {"epoch": {"rows": 77}, "tasks": 1},
    "1234x3": {"epoch": {"rows": 1234}, "tasks": 3},
}


@dataclass
class Outcome:
    """A finished run and its pipeline."""

    pipeline: Any
    result: Any

    def rows(self, output: str) -> list[dict[str, Any]]:
        """The rows of an output."""
        found: list[dict[str, Any]] = self.pipeline.read(output).to_pylist()
        return found

    def reasons(self) -> Counter[tuple[str, str]]:
        """How many records were set aside, by (step, reason), from the quarantine table."""
        return Counter((row["node"], row["reason"]) for row in self.rows("quarantine"))

    def leg(self, name: str) -> Mapping[str, Any]:
        """The account of one leg; every leg is checked to balance, from its numbers alone."""
        for row in self.result.account:
            assert row["made"] + row["held_before"] == sum(
                row[fate] for fate in ("delivered", "filtered", "quarantined", "late", "held")
            ), row
        (found,) = [row for row in self.result.account if row["leg"] == name]
        return found


def recount(folder: Path, file: str) -> tuple[int, str]:
    """(exit code, what it says) of the recount, in a Python that cannot see mainstem even if it wanted to."""
    outside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([sys.executable, str(RECOUNT), str(folder), file], capture_output=True, text=True, check=False, env=outside)
    return done.returncode, done.stdout + done.stderr


def manifests(folder: Path) -> list[Path]:
    """The manifests of a project, the oldest first."""
    return sorted((folder / ".mainstem").rglob("manifest-*.json"))


def forge(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Rewrite a manifest, with a good checksum."""
    record = json.loads(path.read_bytes().rsplit(b"\n", 2)[0])
    change(record)
    body = json.dumps(record).encode()
    path.write_bytes(body + b"\n" + hashlib.sha256(body).hexdigest().encode() + b"\n")


def conform(name: str, folder: Path, cut: Mapping[str, Any] | None = None) -> Outcome:
    """Run `pipelines/NAME.yaml` as a project in `folder`; it must have no problem and come to its end."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.yaml"
    shutil.copyfile(PIPELINES / file.name, file)
    pipeline = project.open(file, flags=dict(cut or {}))
    assert not pipeline.check(), "\n".join(map(str, pipeline.check()))
    result = pipeline.run(engine=ENGINE)
    assert (result.why, result.exit_code, result.published) == ("end", 0, True)
    return Outcome(pipeline, result)
