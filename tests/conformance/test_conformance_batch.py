"""The one billion row challenge: exact minimum, mean and maximum, as text."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conforming import conform

INPUTS = [
    "measurements-1",
    "measurements-2",
    "measurements-3",
    "measurements-10",
    "measurements-20",
    "measurements-dot",
    "measurements-short",
]


@pytest.mark.parametrize("cut", [{}, {"epoch": {"rows": 2}}], ids=["whole", "2"])
@pytest.mark.parametrize("name", INPUTS)
def test_one_billion_rows(name: str, cut: dict[str, Any], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAINSTEM_TEST_DATA", str(data))
    monkeypatch.setenv("BRC_INPUT", f"{name}.txt")
    ran = conform("batch_1brc", tmp_path, cut)
    parts = [
        f"{row['station']}={row['least']}/{Decimal(row['mean_tenths']) / 10:.1f}/{row['greatest']}"
        for row in sorted(ran.rows("stations"), key=lambda row: row["station"])
    ]
    assert "{" + ", ".join(parts) + "}" == (data / f"batch/1brc/{name}.out").read_text().strip()
    assert not ran.reasons()


def test_the_rounding_is_half_up() -> None:
    """-0.05 becomes 0.0 and 0.25 becomes 0.3, which half to even or away from zero would not give for both."""

    def mean(tenths: list[int]) -> int:
        return (2 * sum(tenths) + len(tenths)) // (2 * len(tenths))

    assert mean([-1, 0]) == 0
    assert mean([2, 3]) == 3
