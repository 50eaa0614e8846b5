"""Commands that change what a run goes on from: each with what comes before it and after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from killing import FLAGS, readings, run

from mainstem import project
from mainstem.errors import RefusedError


def more(file: Path) -> None:
    """Further input, so that the next run has something to do."""
    with (file.parent / "inbox" / "b.jsonl").open("a") as inbox:
        inbox.writelines(readings(60, 90))


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def wider(file: Path) -> None:
    """An edit that breaks the state of the windows."""
    edit(file, "size: 10s", "size: 20s")
    more(file)


def laxer(file: Path) -> None:
    edit(file, "BETWEEN -40 AND 60", "BETWEEN -40 AND 100")


def opened(file: Path) -> project.Pipeline:
    return project.open(file, flags=FLAGS)


def rebuild(file: Path) -> None:
    run(file, accept="rebuild")


def reset(file: Path) -> None:
    """Goes on where the old incarnation ended. Given again when it has been done, it would give up what came since."""
    try:
        run(file)
    except RefusedError as error:
        if error.code != "run.breaking":
            raise
        run(file, accept="reset")


def anew(file: Path) -> None:
    opened(file).reset()


def replay(file: Path) -> None:
    opened(file).replay(rule="possible")


def discard(file: Path) -> None:
    opened(file).discard(reason="not_json")
    opened(file).discard(rule="possible")


def maintain(file: Path) -> None:
    opened(file).maintain()


def build(file: Path) -> None:
    opened(file).build()


@dataclass(frozen=True)
class Change:
    """What comes before, the command that is crashed, and what comes after it has gone through."""

    before: Callable[[Path], None]
    command: Callable[[Path], None]
    after: Callable[[Path], object] = run
    shape: str = "bounded"
    stride: int = 1                       # which durable calls of the command are crashed: so few are left out
    least: int = 4                        # how many there are


CHANGES = {
    "rebuild": Change(more, rebuild, stride=29, least=100),
    "rebuild of a breaking edit": Change(wider, rebuild, stride=29, least=100),
    "reset of a breaking edit": Change(wider, reset, stride=9, least=50),
    "reset, the command": Change(more, anew),
    "replay": Change(laxer, replay, stride=9, least=50),
    "discard": Change(lambda _: None, discard, stride=2, least=12),
    "maintain": Change(lambda _: None, maintain, lambda file: (more(file), run(file)), "each", stride=2),
    "build": Change(wider, build, reset),
}


def prepared(file: Path, change: Change) -> None:
    """The project as it is just before the command."""
    (file.parent / "mainstem.yaml").write_text("retention: {versions: 0s, staged: 0s, manifests: 2}\n")
    run(file, change.shape)
    change.before(file)
