"""Recorded sensor and weather data with known defects; the numbers are those of the data's README and of a recount in Python."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import itertools
import zipfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from conforming import CUTS, conform

from mainstem.clock import iso


@pytest.fixture(autouse=True)
def _environment(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAINSTEM_TEST_DATA", str(data))


# ------------------------------------------------------------------------------------------------------ NAB

NAB = {
    "machine_temperature_system_failure": (22_695, 12),
    "ambient_temperature_system_failure": (7_267, 0),
    "cpu_utilization_asg_misconfiguration": (18_050, 0),
    "nyc_taxi": (10_320, 0),
    "rogue_agent_key_hold": (1_882, 0),
    "art_flatline": (4_032, 0),
}


def series(path: Path) -> list[tuple[str, float]]:
    with path.open(newline="") as file:
        return [(row["timestamp"], float(row["value"])) for row in csv.DictReader(file)]


@pytest.mark.parametrize("name", NAB)
def test_nab_rows_and_duplicate_timestamps(name: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, doubles = NAB[name]
    monkeypatch.setenv("NAB_FILE", f"{name}.csv")
    ran = conform("sensor_nab", tmp_path, {"epoch": {"rows": 2000}})
    recorded = series(data / f"sensor/nab/{name}.csv")
    days: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for stamp, value in recorded:
        days[stamp[:10]].append((stamp, value))
    wanted = {(day, len(mine), len({stamp for stamp, _ in mine}), max(value for _, value in mine)) for day, mine in days.items()}
    assert {
        (row["window_start"].strftime("%Y-%m-%d"), row["count"], row["moments"], row["greatest"]) for row in ran.rows("days")
    } == wanted
    leg = ran.leg("series -> once/output")
    assert (leg["made"], leg["filtered"], leg["delivered"]) == (rows, doubles, rows - doubles)
    assert len(recorded) == rows
    first = {}
    for stamp, value in recorded:
        first.setdefault(stamp, value)
    kept = {row["timestamp"].strftime("%Y-%m-%d %H:%M:%S"): row["value"] for row in ran.rows("once")}
    assert kept == first, "of two values for a timestamp the first one stays"


@pytest.mark.parametrize("cut", [{}, {"epoch": {"rows": 5000}}], ids=["whole", "5000"])
def test_nab_six_files_of_different_months_are_partitions_of_their_own(cut: dict[str, Any], data: Path, tmp_path: Path) -> None:
    ran = conform("sensor_nab_all", tmp_path, cut)
    wanted: Counter[str] = Counter()
    for path in (data / "sensor/nab").glob("*.csv"):
        wanted.update(stamp[:10] for stamp, _ in series(path))
    assert ran.leg("series -> days")["made"] == sum(rows for rows, _ in NAB.values()) == 64_246
    assert Counter({row["window_start"].strftime("%Y-%m-%d"): row["count"] for row in ran.rows("days")}) == wanted
    assert not ran.reasons()


# ------------------------------------------------------------------------------------------------ occupancy


@pytest.mark.parametrize(
    ("name", "rows", "occupied", "accuracy"), [("datatraining", 8_143, 1_729, 0.988), ("datatest", 2_665, 972, 0.979)]
)
def test_occupancy(name: str, rows: int, occupied: int, accuracy: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCCUPANCY_FILE", f"{name}.txt")
    ran = conform("sensor_occupancy", tmp_path, CUTS["500"])
    days = ran.rows("days")
    assert sum(row["count"] for row in days) == rows
    assert sum(row["occupied"] for row in days) == occupied
    assert round(sum(row["hits"] for row in days) / rows, 3) == accuracy
    assert not ran.reasons()


def test_occupancy_by_its_own_header_sets_every_row_aside_with_its_bytes(data: Path, tmp_path: Path) -> None:
    ran = conform("sensor_occupancy_by_header", tmp_path)
    lines = (data / "sensor/occupancy/datatest.txt").read_bytes().splitlines()[1:]
    assert ran.reasons() == {("rooms", "field_count"): 2_665}
    assert Counter(row["raw"] for row in ran.rows("quarantine")) == Counter(lines)
    assert ran.rows("rooms") == []


# ---------------------------------------------------------------------------------------------- air quality

MISSING = {"nmhc": 8_443, "co": 1_683, "no2": 1_642, "nox": 1_639} | dict.fromkeys(
    ("pt08_s1", "c6h6", "pt08_s2", "pt08_s3", "pt08_s4", "pt08_s5", "t", "rh", "ah"), 366
)


@pytest.mark.parametrize("cut", ["whole", "1234x3"])
def test_air_quality(cut: str, data: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(data / "sensor/air-quality/AirQualityUCI.zip") as archive:
        content = archive.read("AirQualityUCI.csv")
    (tmp_path / "AirQualityUCI.csv").write_bytes(content)
    ran = conform("sensor_air_quality", tmp_path, CUTS[cut])
    hours, aside = ran.rows("hours"), ran.rows("quarantine")

    recorded = list(csv.reader(io.StringIO(content.decode()), delimiter=";"))[1:]
    whole = [row for row in recorded if row[0]]
    assert (len(recorded), len(whole)) == (9_357 + 114, 9_357)
    wanted = {}
    for row in whole:
        hour = dt.datetime.strptime(f"{row[0]} {row[1]}", "%d/%m/%Y %H.%M.%S").replace(tzinfo=dt.UTC)
        wanted[hour] = [None if float(text.replace(",", ".")) == -200 else float(text.replace(",", ".")) for text in row[2:15]]
    names = [name for name in hours[0] if name != "hour"]
    assert len(wanted) == 9_357
    assert {row["hour"]: [row[name] for name in names] for row in hours} == wanted
    assert len(hours) == 9_357

    assert {name: sum(row[name] is None for row in hours) for name in names} == MISSING
    changes = [row["change"] for row in ran.rows("ledger")]
    assert Counter(change["column"] for change in changes) == Counter(MISSING)
    assert {(change["rule"], change["was"], change["is"]) for change in changes} == {
        (f"clean_{name}", "-200.0", None) for name in MISSING
    }

    assert ran.reasons() == {("hours", "missing"): 114}
    assert {bytes(row["raw"]) for row in aside} == {b";" * 16}
    assert len({row["position"] for row in aside}) == 114


# ---------------------------------------------------------------------------------------------------- power


@pytest.mark.parametrize("cut", ["whole", "1234x3"])
def test_power_with_its_last_line_cut_off(cut: str, data: Path, tmp_path: Path) -> None:
    ran = conform("sensor_power", tmp_path, CUTS[cut])
    content = (data / "sensor/power/household_power_consumption.txt").read_bytes()
    *lines, cut_line = content.decode().split("\r\n")
    recorded = [line.split(";") for line in lines[1:]]
    assert len(recorded) == 15_922
    rows = ran.rows("readings")

    def number(text: str) -> float | None:
        return None if text in ("?", "") else float(text)

    wanted = Counter(
        (
            dt.datetime.strptime(f"{row[0]} {row[1]}", "%d/%m/%Y %H:%M:%S").replace(tzinfo=dt.UTC),
            number(row[2]),
            number(row[4]),
            number(row[8]),
        )
        for row in recorded
    )
    assert Counter((row["minute"], row["power"], row["voltage"], row["heater"]) for row in rows) == wanted
    minutes = sorted(row["minute"] for row in rows)
    assert minutes[0].isoformat() == "2006-12-16T17:24:00+00:00"
    assert minutes[-1].isoformat() == "2006-12-27T18:45:00+00:00"
    assert all(b - a == dt.timedelta(minutes=1) for a, b in itertools.pairwise(minutes))
    assert [row["minute"].strftime("%m-%d %H:%M") for row in rows if row["power"] is None] == ["12-21 11:23", "12-21 11:24"]

    (broken,) = ran.rows("quarantine")
    assert broken["reason"] == "cut_off"
    assert broken["raw"].decode() == cut_line
    assert broken["raw_hash"] == hashlib.sha256(cut_line.encode()).hexdigest()
    assert content[broken["position"] % 2**40 :].decode() == cut_line, "its position is where it begins in the file"


# ---------------------------------------------------------------------------------------------------- weather


@pytest.mark.parametrize("cut", ["whole", "1234x3"])
def test_weather_of_three_airports(cut: str, data: Path, tmp_path: Path) -> None:
    ran = conform("weather_hourly", tmp_path, CUTS[cut])
    with (data / "weather/hourly/nycflights13-weather.csv").open(newline="") as file:
        recorded = list(csv.DictReader(file))
    assert Counter(row["origin"] for row in recorded) == {"EWR": 8_703, "JFK": 8_706, "LGA": 8_706}
    impossible = [row for row in recorded if row["wind_speed"] != "NA" and float(row["wind_speed"]) >= 250]
    assert [row["wind_speed"] for row in impossible] == ["1048.36058"]

    (aside,) = ran.rows("quarantine")
    assert (aside["node"], aside["reason"], aside["rules"]) == ("possible", "rule", ["wind_possible"])
    assert "1048.36058" in aside["raw"].decode()
    nulls = ran.result.notes["possible"]
    assert nulls["rule.wind_possible.null"] == sum(row["wind_speed"] == "NA" for row in recorded) > 0, (
        "NULL is not evaluated, and counted"
    )

    possible = [row for row in recorded if row not in impossible]
    rows = ran.rows("once")
    assert Counter(
        (row["origin"], iso(round(row["time_hour"].timestamp()) * 1_000_000), str(row["temp"])) for row in rows
    ) == Counter((row["origin"], row["time_hour"], "None" if row["temp"] == "NA" else str(float(row["temp"]))) for row in possible)
    assert (
        sum(row["wind_gust"] is not None for row in rows)
        == sum(row["wind_gust"] != "NA" for row in possible)
        == 5_337 - (impossible[0]["wind_gust"] != "NA")
    )
    assert ran.leg("observations -> once/output")["filtered"] == 0, "a local hour comes twice, a moment does not"
    twice = [
        key for key, many in Counter((row["origin"], row["month"], row["day"], row["hour"]) for row in rows).items() if many > 1
    ]
    assert sorted(twice) == [("EWR", 11, 3, 1), ("JFK", 11, 3, 1), ("LGA", 11, 3, 1)]

    local = Counter((row["origin"], f"{int(row['year'])}-{int(row['month']):02d}-{int(row['day']):02d}") for row in possible)
    days = {
        (row["origin"], (row["window_start"] + dt.timedelta(hours=12)).strftime("%Y-%m-%d")): row["hours"]
        for row in ran.rows("days")
    }
    assert Counter(days) == local, "calendar days of New York, as the file itself names them"
    assert [local[airport, "2013-11-03"] for airport in ("EWR", "JFK", "LGA")] == [24, 24, 24], "25 hours, one of them a hole"
    assert {row["window_end"] - row["window_start"] for row in ran.rows("days")} == {
        dt.timedelta(hours=hours) for hours in (23, 24, 25)
    }
