"""What an edit does to a pipeline that is running: step by step the same, compatible or breaking, and what is rebuilt.

State is kept per node: positions of sources, rows that folds hold, tables that outputs wrote. An edit is *compatible* where
all of it can be kept and the edit holds from the next epoch on; it is *breaking* where keeping it would give wrong answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from mainstem.columns import Columns
from mainstem.plan.fingerprint import declared, table
from mainstem.plan.legs import reaching
from mainstem.plan.told import told
from mainstem.plan.words import (
    Alert,
    Check,
    Dedupe,
    Fold,
    Latest,
    Map,
    Node,
    Over,
    Plan,
    Read,
    Session,
    Sql,
    Table,
    Whole,
    Window,
    Write,
)

Kind = Literal["same", "compatible", "breaking"]
_HOLDS = (Window, Session, Over, Whole, Latest, Alert)  # folds whose state would be missed
_FROM_NOW = "; it holds for rows from the next epoch on"


@dataclass(frozen=True)
class Change:
    """What became of one source, step, table or output."""

    node: str  # its name in the file
    kind: Kind
    what: str
    rebuilt: tuple[str, ...] = ()  # steps and outputs that `--accept reset|rebuild` starts anew
    affects: tuple[str, ...] = ()  # steps and outputs behind it whose rows will be others


def diff(old: Plan, new: Plan) -> tuple[Change, ...]:
    """Every change between two plans, breaking ones first; () if the running state sees no difference."""
    before, after = {node.name: node for node in old.nodes}, {node.name: node for node in new.nodes}
    found: list[Change] = []
    for name, node in after.items():
        if name not in before:
            found += _added(new, node)
            continue
        if old.prints.get(name) == new.prints.get(name) and old.prints.get(name) is not None:
            continue
        found += [_change(new, node, kind, what) for kind, what in _node(old, before[name], new, node)]
    for name, node in before.items():
        if name not in after:
            found += _removed(old, node, after)
    found += _tables(old, new)
    found += _numbers(old, new)
    merged = _merged(found)
    return tuple(sorted(merged, key=lambda change: (change.kind != "breaking", change.kind != "compatible")))


def _change(plan: Plan, node: Node, kind: Kind, what: str) -> Change:
    behind = _behind(plan, node.name)
    rebuilt: list[str] = []
    if kind == "breaking":
        rebuilt = [one.step for one in (node, *behind) if isinstance(one.word, Fold | Write | Read)]
    affects = tuple(dict.fromkeys(one.step for one in behind if one.step != node.step))
    return Change(node.step, kind, what, tuple(dict.fromkeys(rebuilt)), affects)


def _behind(plan: Plan, name: str) -> list[Node]:
    found: dict[str, Node] = {}
    waiting = [name]
    while waiting:
        for reader in plan.readers(waiting.pop()):
            if reader.name not in found:
                found[reader.name] = reader
                waiting.append(reader.name)
    return [node for node in plan.nodes if node.name in found]


def _merged(changes: list[Change]) -> list[Change]:
    """One change for each thing that was said, even if several nodes of a step say it."""
    seen: dict[tuple[str, str, str], Change] = {}
    for change in changes:
        seen.setdefault((change.node, change.kind, change.what), change)
    return list(seen.values())


# ---------------------------------------------------------------------------------------- nodes of both plans


def _node(old_plan: Plan, old: Node, new_plan: Plan, new: Node) -> Iterator[tuple[Kind, str]]:
    if type(old.word) is not type(new.word):
        yield from _other_word(old)
    elif isinstance(old.word, Read) and isinstance(new.word, Read):
        yield from _read(old.word, new.word)
    elif isinstance(old.word, Fold) and isinstance(new.word, Fold):
        yield from _fold(old_plan, old, old.word, new_plan, new, new.word)
    elif isinstance(old.word, Write) and isinstance(new.word, Write):
        yield from _write(old, old.word, new, new.word)
    elif isinstance(new.word, Sql | Check | Map) and _own(old) != _own(new):
        yield "compatible", _row_local(old, new) + _FROM_NOW


def _other_word(old: Node) -> Iterator[tuple[Kind, str]]:
    if isinstance(old.word, Fold) and isinstance(old.word.body, _HOLDS):
        yield "breaking", f"it held rows as {told(old.word.body)} and is now something else"
    else:
        yield "compatible", "it is another kind of step" + _FROM_NOW


def _own(node: Node) -> Any:
    """What a row-local node says by itself, whatever its inputs have become."""
    word = node.word
    if isinstance(word, Sql):
        return sorted((branch.query, branch.tables) for branch in word.branches), word.remakes, [str(c.type) for c in node.columns]
    if isinstance(word, Check):
        return sorted((rule.name, rule.that, rule.action, rule.reason) for rule in word.rules), word.hide
    return word


def _row_local(old: Node, new: Node) -> str:
    if isinstance(old.word, Check) and isinstance(new.word, Check):
        before, after = {rule.name: rule for rule in old.word.rules}, {rule.name: rule for rule in new.word.rules}
        said = [f"rule `{name}` is new" for name in after if name not in before]
        said += [f"rule `{name}` is gone" for name in before if name not in after]
        said += [f"rule `{name}` changed" for name in after if name in before and before[name] != after[name]]
        return ", ".join(said) or "its rules changed"
    return _columns(old.columns, new.columns) or ("the function changed" if isinstance(new.word, Map) else "its query changed")


def _columns(old: Columns, new: Columns) -> str:
    before, after = {c.name: str(c.type) for c in old}, {c.name: str(c.type) for c in new}
    said = [f"column `{name}` is new" for name in after if name not in before]
    said += [f"column `{name}` is gone" for name in before if name not in after]
    said += [
        f"column `{name}` was {before[name]} and is {after[name]}"
        for name in after
        if name in before and before[name] != after[name]
    ]
    return ", ".join(said)


def _read(old: Read, new: Read) -> Iterator[tuple[Kind, str]]:
    if (old.source, old.options) != (new.source, new.options):
        yield "breaking", "it reads from another place: positions in the old one mean nothing there"
    if old.format != new.format:
        yield "breaking", f"its format was {old.format} and is {new.format}: positions count otherwise"
    elif old.format_options != new.format_options:
        yield "compatible", "options of its format changed" + _FROM_NOW
    if declared(old.declared) != declared(new.declared):
        yield "compatible", (_columns(old.declared, new.declared) or "how its columns are read changed") + _FROM_NOW
    if (old.unknown, old.missing) != (new.unknown, new.missing):
        yield "compatible", "what becomes of unknown or missing columns changed" + _FROM_NOW
    yield from _time(old, new)


def _time(old: Read, new: Read) -> Iterator[tuple[Kind, str]]:
    before, after = old.time, new.time
    if before == after:
        return
    if before is None or after is None:
        yield "breaking", "it " + ("has event time now" if before is None else "has no event time any more")
    elif before.column != after.column:
        yield (
            "breaking",
            f"its event time was `{before.column}` and is `{after.column}`: watermarks of one say nothing of the other",
        )
    elif before.partition != after.partition:
        yield "breaking", f"a partition was a {before.partition} and is a {after.partition}: positions count otherwise"
    else:
        yield "compatible", "lateness, idle rule or clock limit changed" + _FROM_NOW


def _fold(old_plan: Plan, old: Node, before: Fold, new_plan: Plan, new: Node, after: Fold) -> Iterator[tuple[Kind, str]]:
    if type(before.body) is not type(after.body):
        yield "breaking", f"it was {told(before.body)} and is {told(after.body)}"
        return
    if before.by != after.by:
        yield "breaking", f"its key was {_names(before.by)} and is {_names(after.by)}: what it holds is cut otherwise"
    yield from _BODIES[type(after.body)](before.body, after.body)
    if before.order != after.order:
        yield "breaking", "the order of its rows is now another"
    yield from _held(old_plan, old, before, new_plan, new, after)
    lost = {name for one in old.inputs for name in reaching(_by_name(old_plan), one)}
    lost -= {name for one in new.inputs for name in reaching(_by_name(new_plan), one)}
    if lost and isinstance(before.body, (Window, Session, Over, Whole)):
        yield "breaking", f"it may hold rows of {_names(tuple(sorted(lost)))}, which no longer come to it"


def _held(old_plan: Plan, old: Node, before: Fold, new_plan: Plan, new: Node, after: Fold) -> Iterator[tuple[Kind, str]]:
    """Whether the rows in the state have the columns that the new body needs."""
    kept = {
        column.name: str(column.type)
        for name, needs in zip(old.inputs, before.needs)
        for column in old_plan.node(name).columns
        if column.name in needs
    }
    wanted = {
        column.name: str(column.type)
        for name, needs in zip(new.inputs, after.needs)
        for column in new_plan.node(name).columns
        if column.name in needs
    }
    if isinstance(after.body, Dedupe):
        kept, wanted = ({name: kind for name, kind in one.items() if name in after.by} for one in (kept, wanted))
    missing = tuple(name for name in wanted if name not in kept)
    other = tuple(name for name in wanted if name in kept and wanted[name] != kept[name])
    gone = tuple(name for name in kept if name not in wanted)
    if missing:
        yield "breaking", f"rows that it holds have no {_names(missing)}"
    if other:
        yield "breaking", "; ".join(f"rows that it holds have `{name}` as {kept[name]}, not {wanted[name]}" for name in other)
    if gone and not missing and not other:
        yield "breaking", f"rows that it holds have {_names(gone)}, which it no longer keeps"


def _window(old: Window, new: Window) -> Iterator[tuple[Kind, str]]:
    if (old.size, old.every, old.offset, old.zone) != (new.size, new.every, new.offset, new.zone):
        yield "breaking", f"windows were {told(old)} and are {told(new)}: open ones cannot become others"
    if old.query != new.query:
        yield "compatible", "its select changed; windows that are open now end with the new one"
    if (old.late, old.fill) != (new.late, new.fill):
        yield "compatible", "what becomes of late rows or empty windows changed" + _FROM_NOW


def _session(old: Session, new: Session) -> Iterator[tuple[Kind, str]]:
    if old.gap != new.gap:
        yield "breaking", "its gap changed: open sessions were joined by the old one"
    if old.query != new.query:
        yield "compatible", "its select changed; sessions that are open now end with the new one"
    if old.late != new.late:
        yield "compatible", "what becomes of late rows changed" + _FROM_NOW


def _dedupe(old: Dedupe, new: Dedupe) -> Iterator[tuple[Kind, str]]:
    if new.within > old.within:
        yield "compatible", "its horizon is longer; keys that the shorter one has forgotten are not known again"
    if new.within < old.within:
        yield "compatible", "its horizon is shorter" + _FROM_NOW
    if old.null != new.null:
        yield "compatible", "what becomes of NULL keys changed" + _FROM_NOW


def _latest(old: Latest, new: Latest) -> Iterator[tuple[Kind, str]]:
    if old.order != new.order:
        yield (
            "breaking",
            f"which row is newer was decided by {_names(old.order) or 'event time'}, now by {_names(new.order) or 'event time'}",
        )


def _over(old: Over, new: Over) -> Iterator[tuple[Kind, str]]:
    if new.range > old.range:
        yield "breaking", "it looks further back than the rows that it kept"
    if new.range < old.range:
        yield "compatible", "it looks back less far" + _FROM_NOW
    if old.query != new.query:
        yield "compatible", "its select changed" + _FROM_NOW
    if old.late != new.late:
        yield "compatible", "what becomes of late rows changed" + _FROM_NOW


def _alert(old: Alert, new: Alert) -> Iterator[tuple[Kind, str]]:
    if (old.hold, old.severity, old.notify) != (new.hold, new.severity, new.notify):
        yield "compatible", "how long it waits, how bad it is or who is told changed; open episodes stay open"
    if old.rule != new.rule:
        yield "breaking", "its rule has another name: episodes that are open would never be resolved"


def _whole(old: Whole, new: Whole) -> Iterator[tuple[Kind, str]]:
    if (old.query, old.engine) != (new.query, new.engine):
        yield "compatible", "its query changed; what is held is answered by the new one"


_BODIES: dict[type, Callable[[Any, Any], Iterator[tuple[Kind, str]]]] = {
    Window: _window,
    Session: _session,
    Dedupe: _dedupe,
    Latest: _latest,
    Over: _over,
    Alert: _alert,
    Whole: _whole,
}


def _write(old: Node, before: Write, new: Node, after: Write) -> Iterator[tuple[Kind, str]]:
    if (before.sink, before.options) != (after.sink, after.options):
        yield "breaking", "it writes to another place: what was committed is in the old one"
    if (before.mode, before.key) != (after.mode, after.key):
        yield (
            "breaking",
            f"it was {before.mode} {_names(before.key)} and is {after.mode} {_names(after.key)}".replace("  ", " ").strip(),
        )
    if (before.format, before.format_options) != (after.format, after.format_options):
        yield "compatible", "its format changed" + _FROM_NOW
    types, now = {c.name: str(c.type) for c in old.columns}, {c.name: str(c.type) for c in new.columns}
    gone = tuple(name for name in types if name not in now)
    other = [f"`{name}` is stored as {types[name]}, not {now[name]}" for name in now if name in types and types[name] != now[name]]
    if gone:
        yield "breaking", f"rows stored so far have {_names(gone)}, new ones would not"
    if other:
        yield "breaking", "; ".join(other)
    if (more := tuple(name for name in now if name not in types)) and not gone:
        yield "compatible", f"{_names(more)} is added; rows stored so far have NULL there"


# ------------------------------------------------------------------------------- what is only in one of them


def _added(plan: Plan, node: Node) -> Iterator[Change]:
    if isinstance(node.word, Fold):
        yield _change(plan, node, "compatible", "it is new and begins with the rows of the next epoch")
    elif isinstance(node.word, Read | Write):
        yield _change(plan, node, "compatible", "it is new")
    elif node.name == node.step:
        yield _change(plan, node, "compatible", "it is new" + _FROM_NOW)


def _removed(plan: Plan, node: Node, after: dict[str, Node]) -> Iterator[Change]:
    if isinstance(node.word, Fold) and isinstance(node.word.body, _HOLDS):
        yield Change(node.step, "breaking", f"it is gone, and with it what it holds ({told(node.word.body)})", (node.step,))
    elif isinstance(node.word, Read):
        held = [one.step for one in _behind(plan, node.name) if isinstance(one.word, Fold) and one.name in after]
        yield Change(node.step, "compatible", "it is gone; what it had sent stays where it is", (), tuple(dict.fromkeys(held)))
    elif isinstance(node.word, Write):
        yield Change(node.step, "compatible", "it is no longer written; its table stays")
    elif node.name == node.step and node.name not in after:
        yield Change(node.step, "compatible", "it is gone" + _FROM_NOW)


def _tables(old: Plan, new: Plan) -> Iterator[Change]:
    before: dict[str, Table] = {one.name: one for one in old.tables}
    for one in new.tables:
        if one.name not in before:
            yield Change(one.name, "compatible", "the table is new")
        elif table(before[one.name], {}) != table(one, {}):
            yield Change(one.name, "compatible", "the table is another" + _FROM_NOW)


def _numbers(old: Plan, new: Plan) -> Iterator[Change]:
    """Rows in the state name who made them by number: the numbers must not have moved (see `legs.carried`)."""
    moved = [name for name in new.origins if name in old.origins and new.origins.index(name) != old.origins.index(name)]
    for name in moved:
        if any(isinstance(node.word, Fold) for node in old.nodes):
            yield Change(name, "breaking", "its number changed, by which rows that are held name it")


def _by_name(plan: Plan) -> dict[str, Node]:
    return {node.name: node for node in plan.nodes}


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)
