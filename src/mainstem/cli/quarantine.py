"""`mainstem quarantine`: what was set aside; look at it, send it through the rules again, or let it rest."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from mainstem.cli import show
from mainstem.cli.app import Environment, FileOption, Output, OutputOption, Quiet, Verbose, examples, group, opened
from mainstem.cli.screen import watching

_quarantine = group("quarantine", "Records that were set aside; look, replay, discard.")
_COLUMNS = ["id", "reason", "rules", "detail", "place", "event_time", "published"]      # the id ends in the step

Step = Annotated[str | None, typer.Option("--step", metavar="STEP", help="Only those that left at this step (or source).")]
Reason = Annotated[str | None, typer.Option("--reason", metavar="REASON", help="Only those with this reason, as `late`.")]
Rule = Annotated[str | None, typer.Option("--rule", metavar="RULE", help="Only those that violate this rule.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Which records.")]
Every = Annotated[bool, typer.Option("--all", help="Every open record.")]


@_quarantine.command("list", epilog=examples("mainstem quarantine list", "mainstem quarantine list --step checked --limit 10",
                                             "mainstem quarantine list --reason late --output csv"))
def list_(step: Step = None, reason: Reason = None, rule: Rule = None,
          limit: Annotated[int, typer.Option("--limit", min=1, metavar="N", help="How many, the newest first.")] = 100,
          file: FileOption = None, environment: Environment = None, output: OutputOption = Output.table) -> None:
    """Records that are still open, the newest first."""
    every = opened(file, environment).quarantine(step=step, reason=reason, rule=rule, limit=None)
    found = every.slice(0, limit)
    columns = _COLUMNS
    if output is Output.table and all(found.column("published").to_pylist()):
        columns = _COLUMNS[:-1]
    show.arrow("quarantine.list", found, output, columns if output is Output.table else None)
    if found.num_rows < every.num_rows:
        print(f"of {every.num_rows:,} that are open: --limit {every.num_rows} shows all", file=sys.stderr)


@_quarantine.command("show", epilog=examples("mainstem quarantine show 'readings:0:3672:0@readings'"))
def show_(record: Annotated[str, typer.Argument(metavar="ID", help="As `quarantine list` prints it.")],
          file: FileOption = None, environment: Environment = None, output: OutputOption = Output.table) -> None:
    """One record: raw bytes, position, all violated rules."""
    row = opened(file, environment).quarantine_show(record)
    if output is Output.table:
        raw = row.pop("raw", None)
        show.fields(row.items())
        if raw is not None:
            print("raw")
            print(readable(raw))
    else:
        show.rows("quarantine.show", [row], output)


@_quarantine.command(epilog=examples("mainstem quarantine replay --step checked", "mainstem quarantine replay --all"))
def replay(ids: Ids = None, step: Step = None, reason: Reason = None, rule: Rule = None, every: Every = False,
           file: FileOption = None, environment: Environment = None, output: OutputOption = Output.table,
           quiet: Quiet = False, verbose: Verbose = False) -> None:
    """Send records through the present rules. Repeating it changes nothing: a record is replayed once."""
    wanted = _chosen(ids, step, reason, rule, every)
    with watching(quiet, verbose):
        done = opened(file, environment).replay(ids or (), **wanted)
    _report("quarantine.replay", done, output)


@_quarantine.command(epilog=examples("mainstem quarantine discard --reason type",
                                       "mainstem quarantine discard 'readings:0:3672:0@readings'"))
def discard(ids: Ids = None, step: Step = None, reason: Reason = None, rule: Rule = None, every: Every = False,
            file: FileOption = None, environment: Environment = None, output: OutputOption = Output.table) -> None:
    """Say that records need no further care. They stay on record, as discarded."""
    wanted = _chosen(ids, step, reason, rule, every)
    _report("quarantine.discard", opened(file, environment).discard(ids or (), **wanted), output)


def _chosen(ids: list[str] | None, step: str | None, reason: str | None, rule: str | None, every: bool) -> dict[str, Any]:
    """The filters that were given; none at all must be said on purpose."""
    filters = {name: value for name, value in (("step", step), ("reason", reason), ("rule", rule)) if value is not None}
    if not (ids or filters or every):
        raise typer.BadParameter("say which: ids, --step, --reason, --rule or --all", param_hint="ID")
    return filters


def _report(kind: str, done: dict[str, Any], output: Output) -> None:
    if not any(done.values()):
        print("no open record is meant by this; `mainstem quarantine list` shows those that there are", file=sys.stderr)
    if output is Output.table:
        show.fields(done.items())
    else:
        show.rows(kind, [done], output)


def readable(raw: bytes) -> str:
    """Bytes for a person: as text where they are text, else with offsets in hex.

    >>> print(readable(b'{"a": 1}'))
      {"a": 1}
    >>> print(readable(b"\\xff\\x00a"))
      00000000  ff 00 61                                         |..a|
    """
    try:
        text = raw.decode()
        if all(sign.isprintable() or sign in "\t\n\r" for sign in text):
            return "\n".join(f"  {line}" for line in text.split("\n"))
    except UnicodeDecodeError:
        pass
    lines = []
    for start in range(0, len(raw), 16):
        part = raw[start:start + 16]
        signs = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        lines.append(f"  {start:08x}  {part.hex(' '):47}  |{signs}|")
    return "\n".join(lines)
