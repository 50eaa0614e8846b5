"""Random inputs, random ways to hand them out, and what the design's words make of a row's time mark."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

from scripted import BEGIN, Move, Partitions, Row, line

from mainstem.testing.conformance import inputs


def events(rng: random.Random, partitions: int, rows: int, **shape: int) -> dict[int, list[Row]]:
    """Random partitions of events that begin where a script begins: mostly rising times, some of them far behind."""
    return inputs.events(rng, partitions, rows, begin=BEGIN, **shape)


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
