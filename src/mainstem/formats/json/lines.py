"""JSON lines -> Decoded: which records go the vectorised way (`scan`), which are read one by one (`exact`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from mainstem.formats import framing
from mainstem.formats.assembly import OneByOne, assemble, schema
from mainstem.formats.json.exact import Exact, Notes
from mainstem.formats.json.scan import Scan, fit
from mainstem.formats.wrong import Wrong
from mainstem.plugs import Chunk, Decoded

if TYPE_CHECKING:
    from mainstem.formats.json.format import Json

_FEW = 32                             # records below which setting up the scan costs more than it saves
_BLOCK = 4 << 20                       # bytes scanned in one go: with less, threads that scan wait for each other between the calls


def decode(plug: Json, chunk: Chunk, vectorised: bool = True) -> Decoded:
    """Decode a chunk of one object a line. `vectorised=False` reads every record singly, with the same answer."""
    data = framing.as_array(chunk.data)
    starts, ends = framing.lines(data)
    exact, single, notes = Exact.of(plug, chunk), OneByOne(schema(plug.columns, plug.unknown)), Notes()
    unfinished = chunk.final and len(data) > 0 and data[-1] != framing.NEWLINE
    fast: list[tuple[pa.Table, np.ndarray]] = []
    rest: list[np.ndarray] = []
    for low, high in _blocks(starts):
        if not vectorised or high - low < _FEW or not fit(plug.columns):
            rest.append(np.arange(low, high))
            continue
        base = int(starts[low])
        scan = Scan(data[base:ends[high - 1]], starts[low:high] - base, ends[low:high] - base, plug.columns, plug.unknown,
                             plug.missing, plug.options.max_record_bytes, exact.extra)
        found = scan.run()
        fast.append((found.rows, found.lines + low))
        notes.found(found.unknown, found.absent, low)
        rest.append(np.flatnonzero(scan.bad) + low)
    for record in np.concatenate([np.empty(0, np.int64), *rest]).tolist():
        try:
            single.good(record, exact.read(data[starts[record]:ends[record]].tobytes()))
        except Wrong as wrong:
            single.bad(record, _cut_off(wrong) if unfinished and record == len(starts) - 1 else wrong)
        notes.add(exact, record)
    raw = framing.slices(data, starts, ends, pa.binary())
    return assemble(fast, single, starts + chunk.start, raw, notes.unknown, notes.absent)


def _blocks(starts: np.ndarray) -> Iterator[tuple[int, int]]:
    """Ranges of records of about so many bytes."""
    low = 0
    while low < len(starts):
        high = max(int(np.searchsorted(starts, starts[low] + _BLOCK)), low + 1)
        yield low, high
        low = high


def _cut_off(wrong: Wrong) -> Wrong:
    """The last line of a finished file has no line end: where it is no JSON either, it was cut off."""
    if wrong.reason not in ("not_json", "not_utf8"):
        return wrong
    return Wrong("cut_off", f"the file ends within this record: {wrong.detail}")
