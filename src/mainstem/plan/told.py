"""What a node does, in one line for a person."""

from __future__ import annotations

from mainstem.plan.words import Alert, Body, Check, Dedupe, Latest, Map, Node, Over, Read, Session, Sql, Whole, Window, Write
from mainstem.quantities import format_duration


def sentence(node: Node) -> str:
    """What a node does, in one line."""
    word = node.word
    if isinstance(word, Read):
        time = f", event time `{word.time.column}`" if word.time else ", no event time"
        late = f", late after {format_duration(word.time.lateness)}" if word.time and word.time.lateness is not None else ""
        return f"reads {word.source} as {word.format or 'rows'}{time}{late}"
    if isinstance(word, Sql):
        tables = [name for branch in word.branches for name in branch.tables]
        what = "joins " + ", ".join(dict.fromkeys(tables)) if tables else "selects row by row"
        what = f"brings {len(word.branches)} inputs together" if len(word.branches) > 1 else what
        return (
            what
            + (", one row may become several" if word.remakes else "")
            + (
                f", leaves out: {', '.join(dict.fromkeys(reason for branch in word.branches for reason, _ in branch.dropped))}"
                if any(branch.dropped for branch in word.branches)
                else ""
            )
        )
    if isinstance(word, Check):
        return "asks " + ", ".join(f"{rule.name} (else {rule.action})" for rule in word.rules)
    if isinstance(word, Map):
        return f"calls {word.call}, rows: {word.rows}"
    if isinstance(word, Write):
        key = f" by {', '.join(word.key)}" if word.key else ""
        return f"writes {word.sink}, {word.mode}{key}"
    cut = f", by {', '.join(word.by)}" if word.by else ", in one task"
    return told(word.body) + cut


def told(body: Body) -> str:
    """What a fold does, in a few words."""
    if isinstance(body, Window):
        every = f" every {format_duration(body.every)}" if body.every != body.size else ""
        zone = f" in {body.zone}" if body.zone else ""
        return f"windows of {format_duration(body.size)}{every}{zone}, late rows: {body.late}"
    if isinstance(body, Session):
        return f"sessions that end after {format_duration(body.gap)}, late rows: {body.late}"
    if isinstance(body, Dedupe):
        return f"drops what repeats within {format_duration(body.within)}"
    if isinstance(body, Latest):
        return f"keeps the newest row by {', '.join(body.order) or 'event time'}"
    if isinstance(body, Over):
        return f"adds columns over the last {format_duration(body.range)}"
    if isinstance(body, Alert):
        hold = f" after {format_duration(body.hold)}" if body.hold else ""
        return f"fires {body.severity}{hold}"
    assert isinstance(body, Whole)
    return f"holds all rows to the end of the input ({body.reason})"
