"""Damaging one file after the other of what a run left behind, and what the next run makes of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from killing import child, make, readings, run
from remains import remains

DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda whole: whole[: len(whole) * 2 // 3],
    "empty": lambda _: b"",
    "flipped": lambda whole: whole[: len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 1]) + whole[len(whole) // 2 + 1:],
}
STAGES = {"decided": ("epoch.prepared", 2), "published": ("run.finished", 1)}      # where the run before was killed


def more(file: Path) -> None:
    """Further input, so that a run has something to do."""
    with (file.parent / "inbox" / "b.jsonl").open("a") as inbox:
        inbox.writelines(readings(60, 90))


def damaged(folder: Path, stage: str, kinds: Sequence[str]) -> tuple[int, list[str]]:
    """Damage every file of the state, and of the tables those that wait for their commit, each in one way of `kinds` by turns.

    How often the next run stopped with the file's name, and what it did wrong: any other error, or another answer.
    """
    clean, file, kept = make(folder / "clean"), make(folder / "p"), folder / "kept"
    more(clean)
    run(clean)
    whole, (point, times) = remains(clean), STAGES[stage]
    assert child(file.parent, run, file, point=point, times=times).killed
    more(file)
    shutil.copytree(file.parent, kept)
    staged = kept.glob("lake/*/*.parquet") if stage == "decided" else ()
    files = sorted(path.relative_to(kept) for path in [*kept.glob(".mainstem/default/**/*"), *staged] if path.is_file())
    assert len(files) > 10
    stopped, wrong = 0, []
    for number, name in enumerate(files):
        shutil.rmtree(file.parent)
        shutil.copytree(kept, file.parent)
        kind, path = kinds[number % len(kinds)], file.parent / name
        path.write_bytes(DAMAGES[kind](path.read_bytes()))
        ended = child(file.parent, run, file)
        named = name.name in ended.said or name.parent.name in ended.said
        if ended.code == 1 and "state.damaged" in ended.said and named:
            stopped += 1
        elif ended.code == 0:
            wrong += [] if remains(file) == whole else [f"{name}, {kind}: a wrong answer"]
        elif not (ended.code == 5 and "run.held" in ended.said and name.parent.name == "lease"):     # for 15 s, or until a takeover
            wrong.append(f"{name}, {kind}: exit {ended.code}: {ended.said.strip()[-300:]}")
    return stopped, wrong
