"""On start: what the journal has published is what the outputs hold; anything else is refused before it is made worse."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mainstem.engines.epoch import Epochs
from mainstem.engines.site import Place
from mainstem.errors import RefusedError
from mainstem.plugs import Sink


def agree(epochs: Epochs, known: Sequence[str]) -> None:
    """The manifest must agree with every output: RefusedError checkpoint.lost, sink.reset, sink.foreign.

    `known`: the incarnations of this pipeline whose journals are here.
    """
    published = epochs.done.outputs if epochs.done else {}
    waiting = epochs.head.epoch if epochs.head and epochs.head.last else 0
    for name, sink in epochs.site.sinks().items():
        there, before = sink.identity(), published.get(name)
        if there:
            _our_own(epochs, name, sink, known)
        if before is not None and before["version"] is not None and there != before["identity"]:
            raise RefusedError(
                "sink.reset",
                f"the table of output {name} is not the one that was written to",
                where=name,
                why="it was deleted or made anew" if there else "it is gone",
                fix="restore it, or start anew with `mainstem run --accept rebuild`",
            )
        if there and before is not None and before["version"] is not None and (taken := sink.taken(before["version"])):
            raise RefusedError(
                "sink.reset",
                f"rows of output {name} were taken away by somebody else",
                where=name,
                why=taken,
                fix="restore the table; or go on from it as it is now with `--accept reset`, or start anew with `--accept rebuild`",
            )
        recorded = sink.last(epochs.site.app(epochs.journal.incarnation, name)) if there else None
        expected = before["epoch"] if before else 0
        if recorded is not None and recorded > expected and recorded != waiting:
            raise RefusedError(
                "checkpoint.lost",
                f"output {name} has epoch {recorded}, the journal knows {expected}",
                where=str(epochs.journal.folder),
                why="the state folder is older than the table",
                fix="restore the state folder, or start anew with `mainstem run --accept rebuild`",
            )
        if (recorded is not None and recorded < expected) or (recorded is None and expected):
            raise RefusedError(
                "sink.reset",
                f"output {name} has epoch {recorded or 0}, the journal has published {expected}",
                where=name,
                why="the table was rolled back to an older version",
                fix="restore it, or start anew with `mainstem run --accept rebuild`",
            )


def _our_own(epochs: Epochs, name: str, sink: Sink, known: Sequence[str]) -> None:
    """A table that an incarnation wrote whose journal is not here means that the state folder was lost.

    One that another pipeline wrote is refused: a reset of one would take the other's rows with it.
    """
    place, facts = epochs.site.place, sink.writer() or {}
    if facts and (facts["pipeline"], facts["environment"]) != (place.pipeline, place.environment):
        raise RefusedError(
            "sink.foreign",
            f"the table of output {name} is written by pipeline {facts['pipeline']} ({facts['environment']})",
            where=name,
            why="one table has one writer: a reset or rebuild of either would replace the rows of both",
            fix="give this output a table of its own, and bring the two together where they are read",
        )
    if not epochs.fresh:
        journal_there(place, name, sink, known)


def journal_there(place: Place, name: str, sink: Sink, known: Sequence[str]) -> None:
    """RefusedError checkpoint.lost where this pipeline wrote the table in an incarnation that is none of the `known` ones.

    Without its journal nobody knows what of the table is published: it is neither gone on with nor read as if it were empty.
    """
    facts = sink.writer() or {}
    ours = (facts.get("pipeline"), facts.get("environment")) == (place.pipeline, place.environment)
    if ours and facts["incarnation"] not in known:
        raise RefusedError(
            "checkpoint.lost",
            f"output {name} was written up to epoch {facts['epoch']} by a run whose journal is not here",
            where=str(Path(place.work) / "incarnations"),
            why=f"its incarnation {facts['incarnation']} has no folder there; going on would write its rows again",
            fix="restore the state folder, or start anew with `mainstem run --accept rebuild`",
        )
