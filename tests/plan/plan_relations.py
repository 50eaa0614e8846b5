"""A stream and two tables for SQL tests, with rows of every awkward kind."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pyarrow as pa

from mainstem.batch import AT, identity
from mainstem.columns import Column, Columns, parse_type
from mainstem.plan import sql


def columns(**given: str) -> Columns:
    return tuple(Column(name, parse_type(kind)) for name, kind in given.items())


READINGS = sql.Relation(
    "readings",
    columns(
        sensor_id="string",
        t="timestamp",
        temperature="double",
        humidity="double",
        seq="int64",
        small="int32",
        price="decimal(10,2)",
        ok="boolean",
        note="string",
        xs="list<double>",
        tags="list<string>",
        place="struct<lat: double, lon: double>",
        payload="json",
    ),
)
OTHER = sql.Relation("other", columns(sensor_id="string", seq="int64", temperature="float"))
SENSORS = sql.Relation("sensors", columns(sensor_id="string", house="string", floor="int32"), True, ("sensor_id",))
PAIRS = sql.Relation("pairs", columns(sensor_id="string", seq="int64", label="string"), True, ("sensor_id", "seq"))
LOOSE = sql.Relation("loose", columns(sensor_id="string", w="double"), True, ())
TABLES = {one.name: one for one in (SENSORS, PAIRS, LOOSE)}


def readings(count: int, seed: int, start: int = 0, origin: int = 0) -> pa.Table:
    """Rows of READINGS with NULL, NaN, infinity, zero, empty lists and unknown sensors among them."""
    luck = random.Random(seed)

    def one(place: int) -> dict[str, Any]:
        return {
            "sensor_id": luck.choice(["a", "b", "c", "x", None]),
            "t": 1_770_000_000_000_000 + place * 1_000_000,
            "temperature": luck.choice([None, 0.0, -0.0, math.nan, math.inf, luck.uniform(-50, 80)]),
            "humidity": luck.choice([None, 0.0, luck.uniform(0, 100)]),
            "seq": luck.choice([None, 0, 1, 2, luck.randint(-9, 2**40)]),
            "small": luck.choice([None, 0, luck.randint(-5, 5)]),
            "price": luck.choice([None, 0, luck.randint(-99, 99)]),
            "ok": luck.choice([None, True, False]),
            "note": luck.choice([None, "", "Ärger", "a-1", "12", "b,c"]),
            "xs": luck.choice([None, [], [1.5], [1.0, None, 3.0]]),
            "tags": luck.choice([None, [], ["u", "v"], ["w"]]),
            "place": luck.choice([None, {"lat": 1.0, "lon": None}, {"lat": 2.0, "lon": 3.0}]),
            "payload": luck.choice([None, '{"a": 1, "b": {"c": "d"}}', '{"a": null}', "[1,2]"]),
        }

    made = [one(place) for place in range(count)]
    table = pa.table({column.name: pa.array([row[column.name] for row in made], _type(column)) for column in READINGS.columns})
    positions = np.arange(start, start + count, dtype=np.int64)
    return table.append_column(AT, identity(origin, 0, positions, table.column("t").cast(pa.int64()).to_numpy(),
                                             record=np.arange(len(positions))))


def _type(column: Column) -> pa.DataType:
    return column.type.arrow


def tables() -> dict[str, pa.Table]:
    return {
        "sensors": pa.table({"sensor_id": ["a", "b", "c"], "house": ["n", "s", None], "floor": pa.array([1, 2, 3], pa.int32())}),
        "pairs": pa.table({"sensor_id": ["a", "a", "b"], "seq": [1, 2, 1], "label": ["one", "two", "three"]}),
        "loose": pa.table({"sensor_id": ["a", "a"], "w": [1.0, 2.0]}),
    }


def multiset(table: pa.Table) -> list[str]:
    """The rows as text, sorted: equal for equal rows, NaN included."""
    return sorted(repr(row) for row in table.to_pylist())
