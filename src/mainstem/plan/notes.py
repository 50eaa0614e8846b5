"""What of a plan's answers depends on how its epochs are cut: a closed list, printed by `plan`, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterator

from mainstem.plan.words import Alert, Dedupe, Fold, Latest, Map, Node, Plan, Read, Sql


def tables_of(node: Node) -> tuple[str, ...]:
    """The tables that a node looks at."""
    if not isinstance(node.word, Sql):
        return ()
    return tuple(dict.fromkeys(name for branch in node.word.branches for name in branch.tables))


def notes(plan: Plan) -> tuple[str, ...]:
    """One sentence for each thing of this plan that depends on the epoch plan, or that a user should know before a run."""
    found = [note for node in plan.nodes for note in _node(node)]
    for table in plan.tables:
        if table.latest:
            found.append(f"`{table.name}` is looked up as it was after the epoch before")
        elif table.refresh != "pinned":
            found.append(f"table `{table.name}`: an epoch sees the version that was newest when it was planned")
    return tuple(found)


def _node(node: Node) -> Iterator[str]:
    word = node.word
    if isinstance(word, Read) and word.time is not None:
        if word.time.lateness is not None:
            yield f"`{node.name}`: the clock of an epoch decides which rows are too far in the future"
        if word.time.idle_after is not None and word.time.idle_then != "hold":
            yield f"`{node.name}`: when its idle rule fires depends on the wall clock; what it did is in the plan of the epoch"
    if isinstance(word, Fold) and isinstance(word.body, Dedupe):
        yield f"`{node.step}`: of a key that occurs in several partitions, which row survives depends on the epochs"
    if isinstance(word, Fold) and isinstance(word.body, Alert) and word.order == "position":
        yield f"`{node.step}`: of a key that occurs in several partitions, which row comes first depends on the epochs"
    if isinstance(word, Fold) and isinstance(word.body, Latest):
        yield f"`{node.step}` makes a row for each epoch in which a key changed; the newest of them does not depend on the epochs"
    if isinstance(word, Map) and not word.deterministic:
        yield f"`{node.step}` is not deterministic: what it answered in the epoch's one decision holds"
