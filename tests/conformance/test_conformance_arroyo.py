"""Two event streams, and what another stream engine answered: equal as multisets under every cut of the input."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from conforming import CUTS, ENGINE, conform


@pytest.fixture(autouse=True)
def _environment(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAINSTEM_TEST_DATA", str(data))


def golden(data: Path, name: str) -> list[dict[str, Any]]:
    text = (data / "streaming/arroyo/golden_outputs" / f"{name}.json").read_text()
    return [json.loads(line) for line in text.splitlines() if line]


def moment(value: Any) -> str:
    """A timestamp as the golden files write it: no zone, milliseconds only where there are some."""
    text = value.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{value.microsecond // 1000:03d}" if value.microsecond else text


@pytest.mark.parametrize("cut", CUTS)
def test_hourly_by_event_type(cut: str, data: Path, tmp_path: Path) -> None:
    ran = conform("arroyo_hourly_by_event_type", tmp_path, CUTS[cut])
    wanted = Counter((row["event_type"], row["hour"], row["count"]) for row in golden(data, "hourly_by_event_type"))
    assert Counter((row["event_type"], moment(row["window_start"]), row["count"]) for row in ran.rows("hourly")) == wanted
    assert len(wanted) == 51
    assert not ran.reasons()
    assert ran.leg("cars -> hourly")["delivered"] == ran.leg("cars -> hourly")["made"] == 7932
    least = 1 if cut == "whole" or ENGINE != "local" else 7932 / CUTS[cut]["epoch"]["rows"] / 2     # a cluster takes larger epochs
    assert ran.result.epochs > least


@pytest.mark.parametrize("cut", CUTS)
def test_tight_watermark_drops_nothing(cut: str, data: Path, tmp_path: Path) -> None:
    ran = conform("arroyo_tight_watermark", tmp_path, CUTS[cut])
    wanted = Counter((row["timestamp"], row["count"]) for row in golden(data, "tight_watermark"))
    assert Counter((moment(row["window_end"]), row["count"]) for row in ran.rows("hourly")) == wanted
    assert sum(row["count"] for row in ran.rows("hourly")) == 7932
    assert len(wanted) == 26
    assert ran.leg("cars -> hourly")["late"] == 0


@pytest.mark.parametrize("cut", ["whole", "77x1", "7"])
def test_session_window(cut: str, data: Path, tmp_path: Path) -> None:
    ran = conform("arroyo_session_window", tmp_path, {"epoch": {"rows": 7}} if cut == "7" else CUTS[cut])
    wanted = Counter((row["user_id"], row["start"], row["end"], row["rows"]) for row in golden(data, "session_window"))
    assert (
        Counter(
            (row["user_id"], moment(row["session_start"]), moment(row["closes_at"]), row["count"]) for row in ran.rows("sessions")
        )
        == wanted
    )
    assert len(wanted) == 91


@pytest.mark.parametrize("cut", ["whole", "77x1", "7"])
def test_global_session_window(cut: str, data: Path, tmp_path: Path) -> None:
    ran = conform("arroyo_global_session_window", tmp_path, {"epoch": {"rows": 7}} if cut == "7" else CUTS[cut])
    ((row,), (wanted,)) = ran.rows("sessions"), golden(data, "global_session_window")
    assert (moment(row["session_start"]), moment(row["closes_at"]), row["count"]) == (
        wanted["start"],
        wanted["end"],
        wanted["rows"],
    )


@pytest.mark.parametrize("cut", ["whole", "77x1", "7"])
def test_sliding_window_end(cut: str, data: Path, tmp_path: Path) -> None:
    ran = conform("arroyo_sliding_window_end", tmp_path, {"epoch": {"rows": 7}} if cut == "7" else CUTS[cut])
    wanted = Counter((row["start"], row["end"], row["count"], row["min"], row["max"]) for row in golden(data, "sliding_window_end"))
    assert (
        Counter(
            (moment(row["window_start"]), moment(row["window_end"]), row["count"], row["least"], row["greatest"])
            for row in ran.rows("sliding")
        )
        == wanted
    )
    assert len(wanted) == 14
    assert ran.leg("impulse -> sliding")["delivered"] == 100, "a row is delivered once, however many windows it was in"


@pytest.mark.parametrize("cut", ["whole", "77x1", "7"])
def test_grouped_aggregates(cut: str, data: Path, tmp_path: Path) -> None:
    ran = conform("arroyo_grouped_aggregates", tmp_path, {"epoch": {"rows": 7}} if cut == "7" else CUTS[cut])
    last = {row["after"]["counter_mod"]: row["after"] for row in golden(data, "grouped_aggregates")}
    wanted = Counter((key, row["min"], row["max"], row["sum"], row["count"], row["avg"]) for key, row in last.items())
    assert (
        Counter(
            (row["counter_mod"], row["least"], row["greatest"], row["total"], row["count"], row["mean"])
            for row in ran.rows("grouped")
        )
        == wanted
    )
    assert len(wanted) == 5


@pytest.mark.parametrize("cut", ["whole", "500", "1234x3"])
def test_windowed_inner_join(cut: str, data: Path, tmp_path: Path) -> None:
    ran = conform("arroyo_windowed_inner_join", tmp_path, CUTS[cut])
    wanted = Counter((row["hour"], row["drivers"], row["pickups"]) for row in golden(data, "windowed_inner_join"))
    assert Counter((moment(row["hour"]), row["drivers"], row["pickups"]) for row in ran.rows("hours")) == wanted
    assert len(wanted) == 25
