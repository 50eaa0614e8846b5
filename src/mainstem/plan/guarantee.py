"""What each output is promised, derived from what its sources, steps and sink declare; never a promise by itself."""

from __future__ import annotations

from dataclasses import dataclass

from mainstem import plugs
from mainstem.plan.words import Fold, Map, Node, Plan, Read, Write


@dataclass(frozen=True)
class Guarantee:
    """The promise about one output."""

    output: str
    level: str  # exactly once | at least once | at most once
    why: tuple[str, ...]  # one sentence for each fact that it follows from
    rereadable: bool  # its sources can be read again, so it can be rebuilt and repaired


def guarantees(plan: Plan) -> tuple[Guarantee, ...]:
    """The promise about every output, in the order of the file."""
    return tuple(_guarantee(plan, node) for node in plan.of(Write))


def _guarantee(plan: Plan, node: Node) -> Guarantee:
    word = node.word
    assert isinstance(word, Write)
    sink = plugs.find("sinks", word.sink)
    why: list[str] = []
    level = "exactly once"
    rereadable = True
    for name in plan.sources_of(node.name):
        read = plan.node(name).word
        assert isinstance(read, Read)
        source = plugs.find("sources", read.source)
        if not source.resumes:
            level = "at most once"
            why.append(f"`{name}` ({read.source}) cannot go on where it stopped: what came while nobody read is lost")
        elif source.replays:
            why.append(f"`{name}` ({read.source}) goes on where it stopped and gives the same records again")
        else:
            why.append(f"`{name}` ({read.source}) cannot be read again: its records are stored before they are acknowledged")
        rereadable = rereadable and bool(source.replays)
    if sink.commits_with_epoch:
        why.append(f"`{node.step}` ({word.sink}) commits each epoch once, under the epoch's own transaction id")
    else:
        level = "at least once" if level == "exactly once" else level
        why.append(f"`{node.step}` ({word.sink}) cannot tell whether it has an epoch already: after a crash it may get one twice")
    if word.mode == "upsert":
        why.append(f"of rows with equal {', '.join(word.key)} the last one stays")
    if word.mode == "replace":
        why.append(f"all rows with the {', '.join(word.key)} of new rows are replaced")
    above = _above(plan, node)
    for one in above:
        if isinstance(one.word, Map) and not one.word.deterministic:
            why.append(f"`{one.step}` may answer otherwise if asked again: its answer is stored before anyone reads it")
    if any(isinstance(one.word, Fold) for one in above):
        why.append("state, positions and rows of an epoch are decided in one step: none is ever ahead of the others")
    return Guarantee(node.step, level, tuple(why), rereadable)


def _above(plan: Plan, node: Node) -> list[Node]:
    found: dict[str, Node] = {}
    waiting = list(node.inputs)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = plan.node(name)
            waiting += found[name].inputs
    return [one for one in plan.nodes if one.name in found]
