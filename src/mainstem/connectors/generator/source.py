"""The source `generator`: synthetic sensor readings with dirt in known amounts, the same bytes in every process.

It stands in for a broker: partitions in arrival order, positions, an arrival stamp on every record. With `rows:` its input
is complete; without, it goes on for ever at `rate`. With `truth:` it writes what it put into which record to a file.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import AwareDatetime, Field, model_validator

from mainstem.clock import Clock, SystemClock
from mainstem.connectors.generator import greenhouse, truth
from mainstem.connectors.generator.greenhouse import BLOCK, POSITION_SHIFT, Block, Scene
from mainstem.plugs import Budget, Chunk, Discovery, Format, Options, Range, Scope
from mainstem.quantities import Duration, Share

if TYPE_CHECKING:
    from typing import Self

_LINE = 128                           # about so many bytes has a line
_RANGE_ROWS = 2 * BLOCK               # the most that one range holds
_CACHED = 8                           # blocks kept per source: about 6 MB each


class Dirt(Options):
    """How much of what is put in, each as a share of all lines."""

    cut: Share = Field(0.005, description="Lines that end in the middle, like `0.5%`.")
    type: Share = Field(0.005, description="Lines with a value of the wrong type.")
    missing: Share = Field(0.005, description="Lines without a required key, or with null in it.")
    range: Share = Field(0.01, description="Lines with a temperature that no greenhouse has.")
    duplicate: Share = Field(0.01, description="Lines that repeat one of the four minutes before them (a re-send).")
    late: Share = Field(0.005, description="Lines held up on the way for three to five minutes.")
    ahead: Share = Field(0.005, description="Lines of a sensor whose clock is a day ahead.")
    unknown: Share = Field(0.005, description="Lines of a sensor that is in no table.")

    @model_validator(mode="after")
    def _leave_room(self) -> Self:
        if sum(self.shares()) > 0.8:
            raise ValueError("the shares of dirt add up to more than 80%; every 8th line stays clean")
        return self

    def shares(self) -> tuple[float, ...]:
        """The shares in the order of `greenhouse.FAULTS`."""
        return tuple(getattr(self, name) for name in greenhouse.FAULTS[1:])


class GeneratorOptions(Options):
    """What to make, how much of it, and how dirty."""

    profile: Literal["greenhouse"] = Field("greenhouse", description="What the readings are about.")
    rows: int | None = Field(None, ge=0, description="How many lines in all; without it the input never ends.")
    rate: float = Field(1000.0, gt=0, description="Lines per second when the input never ends.")
    seed: int = Field(7, description="The same seed gives the same lines.")
    start: AwareDatetime = Field(
        dt.datetime(2026, 3, 1, tzinfo=dt.UTC), description="Event time at which the readings begin, with zone.")
    sensors: int = Field(40, ge=1, le=100_000, description="How many sensors send.")
    interval: Duration = Field(20_000_000, description="Time between two readings of one sensor, like `20s`.")
    partitions: int = Field(2, ge=1, le=256, description="Partitions; a sensor always sends through the same one.")
    dirt: Dirt = Field(Dirt(), description="Which faults are put in, as shares of all lines.")
    truth: str | None = Field(None, description="File for what was put into which record (JSON lines); needs `rows`.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.sensors < self.partitions:
            raise ValueError("`sensors` must be at least `partitions`: a partition without a sensor says nothing")
        if self.truth is not None and self.rows is None:
            raise ValueError("`truth` needs `rows`: an endless truth cannot be written down")
        if self.interval < 1000 * self.sensors:
            raise ValueError("`interval` must be at least a millisecond per sensor")
        return self

    @property
    def growing(self) -> bool:
        """Whether more may come than is there now."""
        return self.rows is None

    def rows_of(self, partition: int) -> int:
        """How many lines a partition has in all; a very large number if it never ends."""
        if self.rows is None:
            return 1 << 60
        return self.rows // self.partitions + (partition < self.rows % self.partitions)

    def scene(self) -> Scene:
        """What the lines depend on."""
        return Scene(self.seed, int(self.start.timestamp()) * 1_000_000 + self.start.microsecond, self.sensors, self.interval,
                     self.partitions, self.dirt.shares())


class Generator:
    """The source `generator`."""

    kind: ClassVar[str] = "generator"
    Options: ClassVar[type[Options]] = GeneratorOptions
    resumes: ClassVar[bool] = True
    replays: ClassVar[bool] = True
    clock: Clock = SystemClock()      # paces endless input; never seen by a row

    def __init__(self, options: GeneratorOptions, format: Format, scope: Scope) -> None:
        self.options, self.format, self.scope = options, format, scope
        self.scene = options.scene()
        self._blocks: OrderedDict[tuple[int, int], Block] = OrderedDict()
        self._lock = threading.Lock()
        self._told = False

    @property
    def bounded(self) -> bool:
        return self.options.rows is not None

    def discover(self, progress: Mapping[str, Any] | None, budget: Budget) -> Discovery:
        """The next lines of every partition, evenly: all partitions come to an end together."""
        options, many = self.options, self.options.partitions
        if options.truth is not None and not self._told:
            truth.write(options, Path(self.scope.project) / options.truth, self._block)
            self._told = True
        began = int(progress["began"]) if progress else (0 if self.bounded else self.clock.now())
        done = [int(count) for count in progress["rows"]] if progress else [0] * many
        here = [options.rows_of(partition) for partition in range(many)]
        if not self.bounded:
            here = [int((self.clock.now() - began) / 1e6 * options.rate) // many] * many
        share = max(min(budget.rows, budget.bytes // _LINE) // many, 1)
        upto = [min(present, before + share) for present, before in zip(here, done)]
        ranges = [part for partition in range(many) for part in _cut(partition, done[partition], upto[partition])]
        drained = frozenset(partition for partition in range(many) if upto[partition] >= here[partition])
        return Discovery(tuple(ranges), {"rows": [max(a, b) for a, b in zip(done, upto)], "began": began},
                         {partition: f"{self.scope.name}-{partition}" for partition in range(many)}, drained,
                         ended=self.bounded and len(drained) == many)

    def read(self, range: Range) -> Sequence[Chunk]:
        """The lines of a range, one chunk per block."""
        chunks = []
        for block, first, last in greenhouse.pieces(int(range.ref["first"]), int(range.ref["last"])):
            made = self._block(range.partition, block)
            chunks.append(Chunk(made.bytes(first, last), block << POSITION_SHIFT | int(made.offsets[first]),
                                clock=made.clock[first:last]))
        return chunks

    def fetch(self, progress: Mapping[str, Any] | None, partition: int, position: int) -> Chunk | None:  # noqa: ARG002 (contract)
        """The line made once more."""
        block, offset = position >> POSITION_SHIFT, position & ((1 << POSITION_SHIFT) - 1)
        if not 0 <= partition < self.options.partitions or block * BLOCK >= self.options.rows_of(partition):
            return None
        made = self._block(partition, block)
        line = int(made.offsets.searchsorted(offset))
        if line >= len(made.clock) or made.offsets[line] != offset:
            return None
        return Chunk(made.bytes(line, line + 1), position, clock=made.clock[line:line + 1])

    def place(self, range_or_position: Mapping[str, Any]) -> str:
        """`readings-1:4711`: source, partition and number of the line; the block and byte where that is not known."""
        partition = range_or_position["partition"]
        position = range_or_position.get("position", range_or_position.get("start", 0))
        block, offset = position >> POSITION_SHIFT, position & ((1 << POSITION_SHIFT) - 1)
        if block * BLOCK >= self.options.rows_of(partition) and self.bounded:
            return f"{self.scope.name}-{partition}:{block}+{offset}"
        offsets = self._block(partition, block).offsets
        return f"{self.scope.name}-{partition}:{block * BLOCK + int(offsets.searchsorted(offset, side='right')) - 1}"

    def acknowledge(self, progress: Mapping[str, Any]) -> None:
        """Nothing to forget: every line can be made again."""

    def _block(self, partition: int, block: int) -> Block:
        with self._lock:
            if (known := self._blocks.get((partition, block))) is not None:
                self._blocks.move_to_end((partition, block))
                return known
        made = greenhouse.make(self.scene, partition, block)
        with self._lock:
            self._blocks[partition, block] = made
            while len(self._blocks) > _CACHED:
                self._blocks.popitem(last=False)
        return made


def _cut(partition: int, first: int, last: int) -> Iterator[Range]:
    """Ranges of at most _RANGE_ROWS lines, and at least two of them where there is enough for two tasks."""
    step = min(_RANGE_ROWS, max(-(-(last - first) // 2), BLOCK // 8))
    while first < last:
        end = min(first + step, last)
        block, rest = divmod(end, BLOCK)
        yield Range(partition, (first // BLOCK) << POSITION_SHIFT | first % BLOCK, block << POSITION_SHIFT | rest,
                    {"first": first, "last": end}, records=end - first)
        first = end
