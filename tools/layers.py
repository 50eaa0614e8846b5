"""The test command: every layer, the cheap ones first, one line each (`make test`).

A layer is a check of the whole tree (lint, types, imports) or a set of test files. Two jobs run at a time. A layer fails if a
test fails, if it holds fewer tests than its floor (tests do not vanish unseen), or if CI skips one for want of data.

    python tools/layers.py [LAYER ...]
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
JOBS = int(os.environ.get("MAINSTEM_TEST_JOBS", "2"))
TREES = ["src", "tests", "tools", "benchmarks", "examples"]


@dataclass(frozen=True)
class Layer:
    """One line of the output: a command over the whole tree, or the test files that match."""

    name: str
    command: tuple[str, ...] = ()         # a static check ...
    counted: str = ""                     # ... and the words of its output that say how much it looked at
    files: tuple[str, ...] = ()           # patterns of test files; the first layer that matches has the file
    again: tuple[str, ...] = ()           # and files of other layers that it runs once more, in its own environment
    environ: tuple[tuple[str, str], ...] = ()
    extra: str = ""                       # the extra of mainstem that it needs installed
    needs: str = ""                       # a program without which it cannot run
    alone: bool = False                   # all of its files in one process
    least: int = 0                        # fewer tests than this is a failure
    asked: bool = False                   # runs only when it is named


# The one table of layers. `unit` has what no other layer takes.
LAYERS = (
    Layer("lint", ("ruff", "check", *(tree for tree in TREES if (ROOT / tree).is_dir()))),
    Layer("types", ("mypy",), r"in (\d+) source files?"),
    Layer("imports", ("lint-imports", "--no-cache", "--no-logo"), r"Contracts: (\d+) kept"),
    Layer("spark", files=("tests/spark/*",), again=("tests/conformance/test_conformance_arroyo.py",
          "tests/conformance/test_conformance_batch.py", "tests/conformance/test_conformance_sensor.py",
          "tests/conformance/test_conformance_tpch.py", "tests/conformance/test_conformance_random.py"),
          environ=(("MAINSTEM_ENGINE", "spark"),), extra="spark", needs="java", alone=True, least=95),
    Layer("soak", files=("tests/soak/*", "tests/*/test_*_soak.py"), asked=True),
    Layer("crash", files=("tests/crash/*", "tests/*/test_*_crash.py"), least=130),
    Layer("input", files=("tests/input/*", "tests/*/test_*_input.py", "tests/conformance/test_conformance_arroyo.py",
                          "tests/conformance/test_conformance_batch.py", "tests/conformance/test_conformance_sensor.py"), least=60),
    Layer("conformance", files=("tests/conformance/*", "tests/*/test_*_conformance.py"), least=80),
    Layer("property", files=("tests/property/*", "tests/*/test_*_property.py", "tests/*/test_*_properties.py"), least=230),
    Layer("examples", files=("src/mainstem/*.py", "src/mainstem/**/*.py"), least=26),
    Layer("unit", files=("tests/*",), least=5000),
)
ORDER = ("lint", "types", "imports", "examples", "unit", "property", "conformance", "input", "crash", "spark", "soak")


@dataclass
class Outcome:
    """What a job, or a layer as the sum of its jobs, came to."""

    passed: int = 0
    failed: int = 0
    skipped: list[str] = field(default_factory=list)
    count: str = ""
    began: float = 0.0
    ended: float = 0.0
    output: str = ""
    told: list[str] = field(default_factory=list)        # what tests want to be seen: `seed 12345`


def main(names: list[str]) -> int:
    """Run the named layers, or all but the asked ones; 0 if everything holds."""
    known = {layer.name: layer for layer in LAYERS}
    if unknown := [name for name in names if name not in known]:
        print(f"no layer {unknown[0]!r}; there are: {', '.join(ORDER)}")
        return 2
    chosen = [known[name] for name in ORDER if name in names or (not names and not known[name].asked)]
    cut = share_out()
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(JOBS) as pool:
        running = [(layer, [pool.submit(job, layer, files, Path(folder, f"{layer.name}-{number}.xml"))
                            for number, files in enumerate(cut[layer.name])]) for layer in chosen]
        for layer, jobs in running:
            outcome = close(layer, jobs)
            passed, failed = passed + outcome.passed, failed + outcome.failed
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def share_out() -> dict[str, list[list[str]]]:
    """Layer -> the file lists of its jobs: about equal in size, so that two run side by side."""
    taken: dict[str, list[Path]] = {layer.name: [] for layer in LAYERS}
    tests = sorted(path for path in (ROOT / "tests").rglob("test_*.py"))
    for path in [*tests, ROOT / "src/mainstem/__init__.py"]:
        name = path.relative_to(ROOT).as_posix()
        layer = next(layer for layer in LAYERS if any(fnmatch(name, pattern) for pattern in layer.files))
        for user in (layer, *(other for other in LAYERS if any(fnmatch(name, pattern) for pattern in other.again))):
            taken[user.name].append(path)
    jobs: dict[str, list[list[str]]] = {}
    for layer in LAYERS:
        if layer.command:
            jobs[layer.name] = [[]]
        elif layer.name == "examples":
            apart = ["--ignore=src/mainstem/ledger/migrations", "--ignore=src/mainstem/engines/spark"]
            jobs[layer.name] = [["--doctest-modules", *apart, "src/mainstem"]]
        else:
            shares: list[list[Path]] = [[] for _ in range(1 if layer.alone else JOBS)]
            for path in sorted(taken[layer.name], key=lambda path: -path.stat().st_size):
                min(shares, key=lambda share: sum(file.stat().st_size for file in share)).append(path)
            jobs[layer.name] = [sorted(str(path.relative_to(ROOT)) for path in share) for share in shares if share]
    return jobs


def job(layer: Layer, files: list[str], report: Path) -> Outcome:
    """Run one command to its end."""
    command = [str(BIN / layer.command[0]), *layer.command[1:]] if layer.command else [
        sys.executable, "-m", "pytest", "-q", "--no-header", "--tb=short", f"--junitxml={report}", *files]
    began = time.monotonic()
    if missing := lacking(layer):
        return Outcome(began=began, ended=began, skipped=[missing])
    done = subprocess.run(command, cwd=ROOT, env=os.environ | dict(layer.environ), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    outcome = Outcome(began=began, ended=time.monotonic(), output=done.stdout)
    if layer.command:
        outcome.passed, outcome.failed = (1, 0) if done.returncode == 0 else (0, 1)
        found = re.search(layer.counted, done.stdout) if layer.counted else None
        outcome.count = found[1] if found else str(len([path for tree in TREES for path in (ROOT / tree).rglob("*.py")]))
    elif report.is_file():
        read(report, outcome)
    if done.returncode not in (0, 5) and not outcome.failed:
        outcome.failed = 1                # pytest itself broke: a collection error, a crash, an interrupt
    return outcome


def lacking(layer: Layer) -> str:
    """What this machine lacks for a layer, empty if nothing; an extra that is not installed is installed first."""
    if layer.needs and shutil.which(layer.needs) is None:
        return f"no {layer.needs} here"
    if layer.extra:
        sync = [str(BIN / "uv"), "sync", "--locked", "--inexact", "-q", "--extra", layer.extra]
        done = subprocess.run(sync, cwd=ROOT, env=os.environ | {"UV_COMPILE_BYTECODE": "1"}, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"the extra {layer.extra!r} cannot be installed: {done.stderr.strip().splitlines()[-1:]}"
    return ""


def read(report: Path, outcome: Outcome) -> None:
    """Add up what pytest's own report says."""
    for case in ET.parse(report).getroot().iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            outcome.failed += 1
        elif (skip := case.find("skipped")) is not None:
            outcome.skipped.append(skip.get("message", ""))
        else:
            outcome.passed += 1
        outcome.told += [f"{said.get('name')} {said.get('value')}" for said in case.iter("property")]


def close(layer: Layer, jobs: list[Future[Outcome]]) -> Outcome:
    """Wait for a layer's jobs, judge them together and print the layer's line."""
    parts = [job.result() for job in jobs]
    total = Outcome(sum(part.passed for part in parts), sum(part.failed for part in parts),
                    [reason for part in parts for reason in part.skipped], "".join(part.count for part in parts))
    seconds = max((part.ended for part in parts), default=0.0) - min((part.began for part in parts), default=0.0)
    notes = []
    if not layer.command:
        total.count = str(total.passed + total.failed)
        lacks = layer.needs and not int(total.count) and total.skipped
        if lacks and os.environ.get("CI"):
            total.failed += 1
            notes.append("in CI nothing may be lacking")
        if int(total.count) < layer.least and not lacks:
            total.failed += 1
            notes.append(f"only {total.count} tests, its floor is {layer.least} (tools/layers.py)")
        missing = [reason for reason in total.skipped if "data" in reason]
        if missing and os.environ.get("CI"):
            total.failed += 1
            notes.append(f"{len(missing)} tests had no data: {missing[0]}")
    what = {"lint": "files", "types": "files", "imports": "contracts"}.get(layer.name, "tests")
    line = f"{'FAIL' if total.failed else 'ok':4}  {layer.name:12} {total.count:>5} {what:9} {seconds:6.1f} s"
    if total.skipped:
        line += f"   {len(total.skipped)} skipped: {', '.join(sorted(set(total.skipped)))[:150]}"
    line += "".join(f"   {said}" for part in parts for said in part.told)
    if total.failed:
        for part in parts:
            if part.failed:
                print(part.output.rstrip())
    print("; ".join([line, *notes]), flush=True)
    return total


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
