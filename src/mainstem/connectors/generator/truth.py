"""What was put into which record: known here, written to a file, and never read by a pipeline."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mainstem import durable
from mainstem.clock import attempt, iso
from mainstem.connectors.generator import greenhouse
from mainstem.connectors.generator.greenhouse import BLOCK, FATES, FAULTS, POSITION_SHIFT, Block

if TYPE_CHECKING:
    from mainstem.connectors.generator.source import GeneratorOptions

BlockOf = Callable[[int, int], Block]     # (partition, block) -> block


def records(options: GeneratorOptions, block_of: BlockOf | None = None, faulty: bool = False) -> Iterator[dict[str, Any]]:
    """Every line (or every `faulty` one) of a bounded input in (partition, record) order.

    Keys: partition, position (`_at.n` of the record), record (number of the line in its partition), fault ("" for a clean
    line), fate and reason that the greenhouse pipeline must give it, sensor_id, seq, time and clock (microseconds),
    original (record that a duplicate repeats, else None).
    """
    scene = options.scene()
    for partition in range(options.partitions):
        for block, _, last in greenhouse.pieces(0, options.rows_of(partition)):
            made = block_of(partition, block) if block_of else greenhouse.make(scene, partition, block)
            lines = made.fault[:last].nonzero()[0].tolist() if faulty else range(last)
            yield from (_record(partition, block, made, line) for line in lines)


def _record(partition: int, block: int, made: Block, line: int) -> dict[str, Any]:
    fault, original = FAULTS[made.fault[line]], int(made.original[line])
    fate, reason = FATES[fault]
    return {"partition": partition, "position": block << POSITION_SHIFT | int(made.offsets[line]),
            "record": block * BLOCK + line, "fault": fault, "fate": fate, "reason": reason,
            "sensor_id": greenhouse.name_of(int(made.sensor[line])), "seq": int(made.seq[line]), "time": int(made.time[line]),
            "clock": int(made.clock[line]), "original": original if original >= 0 else None}


def write(options: GeneratorOptions, path: Path, block_of: BlockOf | None = None) -> None:
    """Write what was put in, whole or not at all: a first line with the totals, then one line per faulty record.

    A record that has no line of its own is clean. A file that already says the same is left as it is.
    """
    faults, lines = dict.fromkeys(FAULTS[1:], 0), []
    for record in records(options, block_of, faulty=True):
        faults[record["fault"]] += 1
        lines.append(json.dumps(record | {"time": iso(record["time"]), "clock": iso(record["clock"])}))
    total = sum(map(options.rows_of, range(options.partitions)))
    head = {"profile": options.profile, "rows": total, "clean": total - len(lines), "faults": faults, "seed": options.seed,
            "partitions": options.partitions}
    content = ("\n".join([json.dumps(head), *lines]) + "\n").encode()
    if path.is_file() and path.read_bytes() == content:
        return
    temporary = durable.folder(path.parent) / f".{path.name}.{attempt()}.tmp"
    durable.write(temporary, lambda file: file.write(content))
    temporary.replace(path)
    durable.sync_folder(path.parent)
