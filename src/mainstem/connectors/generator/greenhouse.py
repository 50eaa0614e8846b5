"""The synthetic greenhouse: what each sensor says in each time slot, and which faults are put in. Pure functions.

Everything about slot k of partition p follows from (options, p, k): blocks of BLOCK slots are drawn from a counter-based
generator keyed by (seed, partition, block), so any process can make any block, in any order, with the same bytes.

A *slot* is one line. Slots of a partition are in arrival order, `interval / sensors of the partition` apart; the sensors
take turns. Every 8th slot is clean whatever the shares of dirt are, so that a late row always has a punctual one close
before it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

BLOCK = 32_768                        # slots that are made together
POSITION_SHIFT = 24                   # position = block << 24 | byte offset of the line in its block
HOUSES = ("north", "east", "south", "west")
AHEAD_SENSOR, STRANGER = "th-clock", "zz-99"
_DAY = 86_400_000_000
_MINUTE = 60_000_000
# What is put into a line, in the order in which the shares are laid side by side; 0 is a clean line.
FAULTS = ("", "cut", "type", "missing", "range", "duplicate", "late", "ahead", "unknown")
# What the pipeline of `init` and of the demo does with such a line: fate and reason.
FATES = {"": ("delivered", ""), "cut": ("quarantined", "not_json"), "type": ("quarantined", "type"),
         "missing": ("quarantined", "missing"), "range": ("quarantined", "rule"), "duplicate": ("filtered", "duplicate"),
         "late": ("late", "late"), "ahead": ("quarantined", "future_timestamp"), "unknown": ("quarantined", "unmatched")}
# Frost: (house, first after the start, again every, drop, for). A dip falls and rises over a fifth of its length.
_DIPS = ((0, 10 * _MINUTE, 12 * 60 * _MINUTE, 12 * _MINUTE), (3, 180 * _MINUTE, 9 * 60 * _MINUTE, 25 * _MINUTE))


@dataclass(frozen=True)
class Scene:
    """Everything that the lines depend on. Times in microseconds; shares are fractions of all lines."""

    seed: int
    start: int
    sensors: int
    interval: int
    partitions: int
    shares: tuple[float, ...]         # of FAULTS[1:]

    def sensors_of(self, partition: int) -> int:
        """How many sensors send through this partition."""
        return len(range(partition, self.sensors, self.partitions))

    def spacing(self, partition: int) -> int:
        """Microseconds from one slot to the next."""
        return max(self.interval // self.sensors_of(partition), 1)


@dataclass(frozen=True)
class Block:
    """BLOCK lines of one partition."""

    lines: pa.Array                   # string[BLOCK], each with its newline
    offsets: np.ndarray               # int64[BLOCK + 1]: where each line begins in the joined bytes
    clock: np.ndarray                 # int64[BLOCK]: arrival, rising
    time: np.ndarray                  # int64[BLOCK]: event time as the sensor meant it (cut lines have one too)
    fault: np.ndarray                 # uint8[BLOCK]: index into FAULTS
    sensor: np.ndarray                # int64[BLOCK]: number of the sensor, -1 ahead, -2 the stranger
    seq: np.ndarray                   # int64[BLOCK]
    original: np.ndarray              # int64[BLOCK]: slot that a duplicate repeats, -1 for every other line

    def bytes(self, first: int, last: int) -> memoryview:
        """The lines [first, last) as they lie on the wire."""
        data = memoryview(self.lines.buffers()[2])
        return data[int(self.offsets[first]):int(self.offsets[last])]


@dataclass(frozen=True)
class _Values:
    """The numbers of a block before they become text, and before faults are put in."""

    slot: np.ndarray
    clock: np.ndarray
    time: np.ndarray
    sensor: np.ndarray
    seq: np.ndarray
    temperature: np.ndarray           # hundredths of a degree
    humidity: np.ndarray              # tenths of a percent
    fault: np.ndarray
    original: np.ndarray
    luck: np.ndarray                  # uint32: further randomness of each slot


def pieces(first: int, last: int) -> Iterator[tuple[int, int, int]]:
    """(block, first, last) within each block that [first, last) touches."""
    for block in range(first // BLOCK, -(-last // BLOCK)):
        yield block, max(first - block * BLOCK, 0), min(last - block * BLOCK, BLOCK)


def house_of(sensor: int) -> str:
    """The house in which a sensor of the table stands."""
    return HOUSES[sensor % len(HOUSES)]


def name_of(sensor: int) -> str:
    """The id of a sensor: `th-001`."""
    return {-1: AHEAD_SENSOR, -2: STRANGER}.get(sensor) or f"th-{sensor + 1:03d}"


def table(sensors: int) -> list[tuple[str, str]]:
    """The sensors table, (sensor_id, house): everybody but the stranger."""
    return [*((name_of(number), house_of(number)) for number in range(sensors)), (AHEAD_SENSOR, HOUSES[0])]


def make(scene: Scene, partition: int, block: int) -> Block:
    """One block of one partition."""
    import numpy as np
    import pyarrow as pa

    values = _values(scene, partition, block)
    values = _repeat(scene, partition, block, values)
    lines = _texts(values)
    changed = np.flatnonzero((values.fault > 0) & (values.fault < 4))
    if len(changed):
        clean = lines.take(pa.array(changed)).to_pylist()
        dirty = [_spoil(FAULTS[values.fault[i]], text, int(values.luck[i])) for i, text in zip(changed.tolist(), clean)]
        mask = np.zeros(BLOCK, bool)
        mask[changed] = True
        lines = pa.compute.replace_with_mask(lines, pa.array(mask), pa.array(dirty, pa.string()))
    offsets = np.frombuffer(lines.buffers()[1], np.int32)[: BLOCK + 1].astype(np.int64)
    return Block(lines, offsets, values.clock, values.time, values.fault, values.sensor, values.seq, values.original)


def _values(scene: Scene, partition: int, block: int) -> _Values:
    import numpy as np

    random = np.random.Generator(np.random.Philox(key=[scene.seed & (2**64 - 1), (partition << 40) | block]))
    slot = np.arange(block * BLOCK, (block + 1) * BLOCK, dtype=np.int64)
    many, spacing = scene.sensors_of(partition), scene.spacing(partition)
    clock = scene.start + slot * spacing + 3_000_000
    fault = _faults(scene, slot, random.random(BLOCK))
    delay = random.integers(0, 3000, BLOCK) * 1000
    luck = random.integers(0, 2**32, BLOCK, dtype=np.uint32)
    noise = random.standard_normal((2, BLOCK))
    late = FAULTS.index("late")
    held_up = 180 * 1_000_000 + 8 * spacing + (luck.astype(np.int64) % 120_000) * 1000
    time = clock - delay - np.where(fault == late, held_up, 0)
    sensor = (slot % many) * scene.partitions + partition
    seq = slot // many
    temperature, humidity = climate(scene, sensor % len(HOUSES), time, noise)
    wild = np.where(luck & 1, 7000 + luck % 5000, -5000 - (luck % 4000).astype(np.int64))
    temperature = np.where(fault == FAULTS.index("range"), wild, temperature)
    for name, number in (("ahead", -1), ("unknown", -2)):
        own = fault == FAULTS.index(name)
        sensor, seq = np.where(own, number, sensor), np.where(own, slot * scene.partitions + partition, seq)
    time = (time + np.where(fault == FAULTS.index("ahead"), _DAY, 0)) // 1000 * 1000      # sensors speak in milliseconds
    return _Values(slot, clock, time, sensor, seq, temperature, humidity, fault, np.full(BLOCK, -1, np.int64), luck)


def _faults(scene: Scene, slot: np.ndarray, draw: np.ndarray) -> np.ndarray:
    import numpy as np

    edges = np.cumsum(scene.shares)
    fault = np.searchsorted(edges, draw, side="right") + 1
    fault[fault >= len(FAULTS)] = 0
    fault[slot % 8 == 0] = 0
    return fault.astype(np.uint8)


def climate(scene: Scene, house: np.ndarray, time: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Temperature (hundredths of a degree) and humidity (tenths of a percent): a daily curve, noise, and frosts."""
    import numpy as np

    day = np.sin((time % _DAY) / _DAY * 2 * np.pi - 2.356)        # warmest at three in the afternoon
    degrees = 15.0 + house + 6.0 * day + 0.15 * noise[0]
    for where, first, every, length in _DIPS:
        into = (time - scene.start - first) % every
        held = (house == where) & (time >= scene.start + first) & (into < length)
        depth = np.clip(np.minimum(into, length - into) / (length / 5), 0, 1)
        degrees = np.where(held, degrees + depth * (-1.0 + 0.15 * noise[0] - degrees), degrees)
    moist = np.clip(85.0 - 1.6 * degrees + 2.0 * noise[1], 5.0, 99.0)
    return np.round(degrees * 100).astype(np.int64), np.round(moist * 10).astype(np.int64)


def _repeat(scene: Scene, partition: int, block: int, mine: _Values) -> _Values:
    """Let the duplicates say what a clean line up to four minutes before them said; without one they stay clean."""
    import numpy as np

    again = np.flatnonzero(mine.fault == FAULTS.index("duplicate"))
    if not len(again):
        return mine
    before = _values(scene, partition, block - 1) if block else None
    parts = {field.name: getattr(mine, field.name).copy() for field in dataclasses.fields(mine)}
    reach = int(np.clip(240_000_000 // scene.spacing(partition), 1, BLOCK - 9))
    for index in again.tolist():
        back = 1 + int(mine.luck[index]) % reach
        source, place = _clean(mine, before, index, back)
        if source is None:
            parts["fault"][index] = 0
            continue
        for name in ("time", "sensor", "seq", "temperature", "humidity"):
            parts[name][index] = getattr(source, name)[place]
        parts["original"][index] = source.slot[place]
    return _Values(**parts)


def _clean(mine: _Values, before: _Values | None, index: int, back: int) -> tuple[_Values | None, int]:
    """The nearest clean line at `back` slots before `index` or earlier; every 8th slot is clean, so it is near."""
    for place in range(index - back, index - back - 9, -1):
        source = mine if place >= 0 else before
        if source is not None and source.fault[place] == 0:
            return source, place
    return None, 0


def _texts(values: _Values) -> pa.Array:
    """The lines as JSON text, made by Arrow in one pass per field."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    millis = values.time // 1000
    dates = pa.array(millis // 86_400_000, pa.int64()).cast(pa.int32()).cast(pa.date32()).cast(pa.string())
    clocks = pa.array((millis % 86_400_000).astype(np.int32), pa.int32()).cast(pa.time32("ms")).cast(pa.string())
    names, places = np.unique(values.sensor, return_inverse=True)
    sensors = pa.array([name_of(int(number)) for number in names]).take(pa.array(places))
    return pc.binary_join_element_wise(
        '{"sensor_id":"', sensors, '","observed_at":"', dates, "T", clocks, 'Z","temperature":', _decimal(values.temperature, 2),
        ',"humidity":', _decimal(values.humidity, 1), ',"seq":', pa.array(values.seq).cast(pa.string()), "}\n", "")


def _decimal(units: np.ndarray, scale: int) -> pa.Array:
    """Integers as decimal texts, exactly: 1234 of scale 2 is 12.34."""
    import numpy as np
    import pyarrow as pa

    seen, places = np.unique(units, return_inverse=True)
    base = 10**scale
    texts = [f"{'-' if unit < 0 else ''}{abs(unit) // base}.{abs(unit) % base:0{scale}d}" for unit in seen.tolist()]
    return pa.array(texts, pa.string()).take(pa.array(places))


def _spoil(fault: str, line: str, luck: int) -> str:
    """A clean line with this fault put in; a cut line still has its line end, and never is JSON."""
    if fault == "cut":
        return line[: 8 + luck % (len(line) - 12)] + "\n"
    if fault == "missing":
        start, end = line.index('"observed_at"'), line.index('"temperature"')
        return ("{" + line[start:], line[:start] + line[end:], '{"sensor_id":null,' + line[start:])[luck % 3]
    value = line[line.index('"temperature":') + 14:line.index(',"humidity"')]
    old, new = ((f'"temperature":{value}', f'"temperature":"{value}"'), (f'"temperature":{value}', '"temperature":true'),
                ('"humidity":', '"humidity":"wet","was":'), ('"seq":', '"seq":"x"'))[luck % 4]
    if luck % 4 == 3:
        return line[: line.index('"seq":')] + '"seq":"x"}\n'
    if luck % 4 == 2:
        start, end = line.index('"humidity":'), line.index(',"seq"')
        return line[:start] + '"humidity":"wet"' + line[end:]
    return line.replace(old, new)
