"""Ten million rows on Spark with a driver that has 512 MB of heap: rows never go to the driver (`make soak`)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROWS = int(os.environ.get("MAINSTEM_SOAK_ROWS", "10000000"))
EXAMPLE = Path(__file__).parents[2] / "examples" / "greenhouse"
SETTINGS = 'version: 1\nengine: {spark: {master: "local[2]", conf: {spark.driver.memory: 512m}}}\n'


@pytest.mark.timeout(3600)
def test_ten_million_rows_pass_with_a_small_driver(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "p", ignore=shutil.ignore_patterns("lake", ".mainstem", "report"))
    file = tmp_path / "p" / "greenhouse.yaml"
    text = file.read_text()
    assert "rows: 200000" in text
    file.write_text(text.replace("rows: 200000", f"rows: {ROWS}"))
    (tmp_path / "p" / "mainstem.yaml").write_text(SETTINGS)
    done = subprocess.run([sys.executable, "-m", "mainstem.cli", "run", "--engine", "spark", "--quiet", "--output", "json", file.name],
                          cwd=tmp_path / "p", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    (leg,) = [one for one in json.loads(done.stdout)["data"]["account"] if one["leg"] == "readings -> climate"]
    assert leg["made"] == ROWS == sum(leg[fate] for fate in ("delivered", "filtered", "quarantined", "late", "held"))
    assert leg["delivered"] > 0.9 * ROWS
