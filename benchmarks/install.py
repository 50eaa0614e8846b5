"""The core install in a fresh environment: how many packages, how many MiB on disk."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import measure


def bench(cache: Path, rows: int | None, times: int) -> list[measure.Row]:  # noqa: ARG001 (nothing to scale)
    """Installs mainstem alone, without what its developers need."""
    folder, root = cache / "install", Path(__file__).resolve().parents[1]
    shutil.rmtree(folder, ignore_errors=True)
    uv = measure.BIN / "uv"
    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    for command in ([uv, "venv", "-q", "--python", measure.BIN / "python", folder],
                    [uv, "pip", "install", "-q", "--python", folder / "bin" / "python", root]):
        subprocess.run(list(map(str, command)), check=True, env=environment)
    packages = len(list(folder.glob("lib/python*/site-packages/*.dist-info")))
    size = sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink()) / 2**20
    return [measure.Row("install: packages", float(packages), "packages", 39), measure.Row("install: size", size, "MiB", 450)]
