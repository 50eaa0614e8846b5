"""What of a plan's answers depends on how its epochs are cut: a closed list, printed by `plan`, and nothing else does."""

from __future__ import annotations

from mainstem.plan.words import Alert, Dedupe, Fold, Map, Node, Plan, Read, Sql


def tables_of(node: Node) -> tuple[str, ...]:
    """The tables that a node looks at."""
    if not isinstance(node.word, Sql):
        return ()
    return tuple(dict.fromkeys(name for branch in node.word.branches for name in branch.tables))


def notes(plan: Plan) -> tuple[str, ...]:
    """One sentence for each thing of this plan that depends on the epoch plan, or that a user should know before a run."""
    found: list[str] = []
    for node in plan.of(Read):
        time = node.word.time if isinstance(node.word, Read) else None
        if time is None:
            continue
        if time.lateness is not None:
            found.append(f"`{node.name}`: the clock of an epoch decides which rows are too far in the future")
        if time.idle_after is not None and time.idle_then != "hold":
            found.append(f"`{node.name}`: when its idle rule fires depends on the wall clock; what it did is in the plan of the epoch")
    for table in plan.tables:
        if table.latest:
            found.append(f"`{table.name}` is looked up as it was after the epoch before")
        elif table.refresh != "pinned":
            found.append(f"table `{table.name}`: an epoch sees the version that was newest when it was planned")
    for node in plan.of(Fold):
        if isinstance(node.word, Fold) and isinstance(node.word.body, Dedupe):
            found.append(f"`{node.step}`: of a key that occurs in several partitions, which row survives depends on the epochs")
        if isinstance(node.word, Fold) and isinstance(node.word.body, Alert) and node.word.body.notify:
            found.append(f"`{node.step}`: episodes are stored, not sent")
    for node in plan.of(Map):
        if isinstance(node.word, Map) and not node.word.deterministic:
            found.append(f"`{node.step}` is not deterministic: what it answered in the epoch's one decision holds")
    return tuple(found)
