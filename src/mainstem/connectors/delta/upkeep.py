"""What may be deleted of a Delta table: data files that nobody can read any more, leftovers, and the log of versions long past."""

from __future__ import annotations

import bisect
import json
import os
import re
from collections.abc import Collection
from pathlib import Path
from urllib.parse import unquote

from mainstem.connectors.delta.log import UPKEEP, Log
from mainstem.plugs import Keep

PARTS = ".parts.json"                 # what one task staged for a partitioned table: a list of files
_OURS = (".parquet", ".json", ".tmp")     # what lies in the folder of a table
_LOADING = 10_000_000                 # microseconds in which a reader that listed the log has read it
_LOGGED = re.compile(r"^(\d{20})\.(json|checkpoint.*\.parquet)$")
_RETENTION = "delta.deletedFileRetentionDuration"
_SECONDS = re.compile(r"^interval \d+ seconds$")          # as it is written here


def delete(log: Log, keep: Keep, now_us: int, dry_run: bool) -> tuple[int, int]:
    """(data files, log files) that went, or would.

    A file that left the table goes when no kept version and no reader since `keep.since` can open it. One that the log does
    not know may be about to be committed: it goes when it is older than `keep.staged`. Several may do this at once.
    """
    needed, known = _needed(log, keep.versions, keep.since // 1000)
    needed |= {Path(path).name for path in keep.paths} | _parts_of(keep.paths)
    deleted = sum(_swept(path, now_us if path.name in known else keep.staged, dry_run)
                  for path in log.root.iterdir() if path.suffix in _OURS and path.name not in needed)
    return deleted, _clean(log, keep.versions, max(keep.since, now_us - _LOADING), dry_run)


def _needed(log: Log, keep_versions: Collection[int], since_ms: int) -> tuple[set[str], set[str]]:
    """(paths that the newest version, a kept one or a reader since then may open, all paths that the log knows).

    Paths are relative. A kept version is read with the upkeep that followed it.
    """
    import pyarrow as pa

    versions = log.versions()
    base = min([*log.checkpoints(), *([0] if versions[0] == 0 else [])])
    alive = dict.fromkeys((unquote(path) for path in pa.table(log.open(base).get_add_actions())["path"].to_pylist()), base)
    gone: list[tuple[str, int, int, int]] = []            # path, first version with it, first without it, when it went
    log.forget_changes(versions[0])
    later = {version: log.change(version) for version in versions if version > base}
    for version, change in later.items():
        for path in change.added:
            alive.setdefault(path, version)
        gone += [(path, alive.pop(path, base), version, when) for path, when in change.removed]
    kept = []
    for version in keep_versions:
        while (following := later.get(version + 1)) and following.upkeep:
            version += 1
        kept.append(version)
    kept.sort()

    def names(since: int, until: int) -> bool:
        place = bisect.bisect_left(kept, since)
        return place < len(kept) and kept[place] < until

    before = _tombstones(log, base)
    needed = {path for path, since, until, when in gone if when > since_ms or names(since, until)} | alive.keys()
    needed |= {path for path, when in before if when > since_ms}
    return needed, needed | {path for path, *_ in gone} | {path for path, _ in before}


def _tombstones(log: Log, version: int) -> list[tuple[str, int]]:
    """(path, when, in ms) of what had left the table before a checkpoint, as far as it tells."""
    import pyarrow.parquet as pq

    path = log.folder / f"{version:020d}.checkpoint.parquet"
    if not path.exists():
        return []
    read = pq.read_table(path, columns=["remove.path", "remove.deletionTimestamp"], partitioning=None)
    removed = read.column("remove").to_pylist() if "remove" in read.column_names else []
    return [(unquote(one["path"]), one["deletionTimestamp"] or 0) for one in removed if one is not None]


def _parts_of(paths: Collection[str]) -> set[str]:
    """The files that staged lists of parts name."""
    return {part["file"] for path in paths if path.endswith(PARTS) and Path(path).exists()
            for part in json.loads(Path(path).read_bytes())}


def _clean(log: Log, keep_versions: Collection[int], before_us: int, dry_run: bool) -> int:
    """Delete the log before the newest checkpoint that all kept versions stand on.

    Not by its age: every commit lists the whole folder.
    """
    floor = max((version for version in log.checkpoints() if version <= min([*keep_versions, log.versions()[-1]])), default=0)
    return sum(_swept(log.folder / name, before_us, dry_run)
               for name in os.listdir(log.folder) if (match := _LOGGED.match(name)) and int(match[1]) < floor)


def _swept(path: Path, before_us: int, dry_run: bool) -> bool:
    """Delete a file that was last written at this moment or earlier; whether that was so. Another may have been quicker."""
    try:
        old = path.stat().st_mtime_ns // 1000 <= before_us
        if old and not dry_run:
            path.unlink()
    except FileNotFoundError:
        return False
    return old


def promise(log: Log, keep: Keep, now_us: int) -> None:
    """Write into the table how long files that left it stay: for checkpoints, which list them so long, and others' vacuum.

    What somebody else wrote there stays.
    """
    from deltalake import CommitProperties
    from deltalake.exceptions import DeltaError

    table, wanted = log.newest(), f"interval {max((now_us - keep.since) // 1_000_000, 1)} seconds"
    there = table.metadata().configuration.get(_RETENTION, "interval 0 seconds")
    if there == wanted or not _SECONDS.match(there):
        return
    before = table.version()
    try:
        table.alter.set_table_properties({_RETENTION: wanted}, commit_properties=CommitProperties(custom_metadata={UPKEEP: "properties"}))
    except DeltaError:
        return                                # somebody was quicker: the next time
    log.settle(before + 1, log.newest().version())
