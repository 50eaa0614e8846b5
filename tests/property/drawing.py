"""Random inputs, random ways to hand them out, and what the design's words make of a row's time mark."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator

from scripted import BEGIN, SECOND, Move, Partitions, Row, line


def events(
    rng: random.Random, partitions: int, rows: int, *, disorder: int = 20, step: int = 3, keys: int = 4
) -> dict[int, list[Row]]:
    """Random partitions of events: mostly rising times, some of them `disorder` seconds and more behind."""
    found: dict[int, list[Row]] = {}
    number = itertools.count()
    for part in range(partitions):
        now, mine = BEGIN + rng.randrange(10) * SECOND, []
        for _ in range(rng.randrange(rows // 2, rows + 1)):
            now += rng.randrange(step * 2) * SECOND
            back = rng.randrange(disorder) * SECOND if rng.random() < 0.5 else 0
            if rng.random() < 0.05:
                back += 3 * disorder * SECOND
            seq = next(number)
            mine.append(
                {
                    "t": now - back,
                    "k": f"k{rng.randrange(keys)}",
                    "v": rng.randrange(-50, 50),
                    "seq": seq,
                    "x": rng.randrange(1000) / 4,
                }
            )
        found[part] = mine
    return found


def cut(rng: random.Random, partitions: Partitions, most: int = 6) -> list[Move]:
    """One random way to hand the input out: uneven, interleaved, sometimes nothing of a partition for a while."""
    left = {part: len(rows) for part, rows in partitions.items()}
    looks = rng.randrange(1, most + 1)
    moves = []
    for look in range(looks):
        take = {}
        for part, count in left.items():
            share = count if look == looks - 1 else rng.choice([0, rng.randrange(count + 1), count // 2])
            if share:
                take[part] = share
                left[part] -= share
        moves.append(Move(take, segments=rng.choice([1, 1, 2])))
    return [move for move in moves if move.take] or [Move()]


def whole(partitions: Partitions) -> list[Move]:
    """Everything at once."""
    return [Move({part: len(rows) for part, rows in partitions.items() if rows})]


def marks_of(rows: Iterable[Row], lateness: int) -> Iterator[int | None]:
    """The time mark of each row of one partition, by the words of the design: largest time before it, less lateness."""
    largest: int | None = None
    for row in rows:
        yield None if largest is None else largest - lateness
        largest = row["t"] if largest is None else max(largest, row["t"])


def position(partitions: Partitions, part: int, index: int) -> int:
    """Where a record of a scripted partition begins."""
    return sum(len(line(row)) for row in partitions[part][:index])
