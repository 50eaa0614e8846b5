"""What a user waits for before anything happens: each command in a fresh process, with compiled bytecode."""

from __future__ import annotations

import compileall
import shutil
from pathlib import Path

import measure

MAINSTEM = measure.BIN / "mainstem"
COMMANDS: dict[str, tuple[float, list[str]]] = {
    "--version": (0.4, ["--version"]), "--help": (0.4, ["--help"]), "init": (0.4, ["init", "new"]), "schema": (0.4, ["schema"]),
    "explain": (0.4, ["explain", "spec.problems"]), "check": (1.0, ["check"]), "runs list": (1.0, ["runs", "list"]),
}


def bench(cache: Path, rows: int | None, times: int) -> list[measure.Row]:  # noqa: ARG001 (nothing to scale)
    """Every command in a project that has run once, and the bare import."""
    compileall.compile_dir(str(Path(__file__).resolve().parents[1] / "src"), quiet=2)
    folder = cache / "startup"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    measure.run([MAINSTEM, "init", "."], folder)
    measure.run([MAINSTEM, "run", "--quiet"], folder)
    found = []
    for name, (limit, arguments) in COMMANDS.items():
        found.append(_timed(name, limit, [MAINSTEM, *arguments], folder, times))
    found.append(_timed("import", 0.2, [measure.BIN / "python", "-c", "import mainstem"], folder, times))
    return found


def _timed(name: str, limit: float, command: list[str | Path], folder: Path, times: int) -> measure.Row:
    figures = []
    for _ in range(max(times, 3)):
        shutil.rmtree(folder / "new", ignore_errors=True)
        figures.append(measure.run(command, folder))
    best = min(figures, key=lambda one: one.wall)              # what others do at the same time only ever adds
    return measure.Row(f"start {name}", best.wall, "s", limit, ours=best)
