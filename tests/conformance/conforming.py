"""Runs one of the pipelines beside it through the facade, in a folder of its own, and reads what came out."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mainstem import project

PIPELINES = Path(__file__).parent / "pipelines"

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


def conform(name: str, folder: Path, cut: Mapping[str, Any] | None = None) -> Outcome:
    """Run `pipelines/NAME.yaml` as a project in `folder`; it must have no problem and come to its end."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.yaml"
    shutil.copyfile(PIPELINES / file.name, file)
    pipeline = project.open(file, flags=dict(cut or {}))
    assert not pipeline.check(), "\n".join(map(str, pipeline.check()))
    result = pipeline.run()
    assert (result.why, result.exit_code, result.published) == ("end", 0, True)
    return Outcome(pipeline, result)
