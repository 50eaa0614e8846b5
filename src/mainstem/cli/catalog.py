"""`mainstem catalog`: what there is to build with, from the registry."""

from __future__ import annotations

import difflib
from typing import Annotated, Any

import typer

from mainstem.cli import show
from mainstem.cli.app import Output, OutputOption, app, examples

_OPTIONS = ["name", "type", "required", "default", "about"]
_WIDE = 200                               # characters of a sentence that nobody wants cut


@app.command(epilog=examples("mainstem catalog", "mainstem catalog window", "mainstem catalog csv --output json"))
def catalog(kind: Annotated[str | None, typer.Argument(metavar="KIND", help="Show the options of this step, connector or format.")] = None,
            output: OutputOption = Output.table) -> None:
    """Steps, connectors and formats with their options."""
    from mainstem import project

    found = project.catalog()
    if kind is not None:
        known = sorted({row["kind"] for row in found})
        found = [row for row in found if row["kind"] == kind]
        if not found:
            close = difflib.get_close_matches(kind, known, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
            raise typer.BadParameter(f"there is no {kind!r}; {hint}", param_hint="KIND")
    if output is Output.json:
        show.document("catalog", found)
    elif kind is None:
        show.rows("catalog", found, output, ["what", "kind", "about"], long=_WIDE)
    else:
        _options(found, output)


def _options(found: list[dict[str, Any]], output: Output) -> None:
    if output is Output.csv:
        rows = [{"what": row["what"], "kind": row["kind"], **option} for row in found for option in row["options"]]
        show.rows("catalog", rows, output, ["what", "kind", *_OPTIONS])
        return
    for row in found:
        print(f"{row['what']} {row['kind']}: {row['about']}")
        if row.get("more"):
            print(row["more"])
        if row.get("beside"):
            print(f"Keys beside it: {', '.join(row['beside'])}.")
        print()
        show.rows("catalog", row["options"], output, _OPTIONS, empty="no options", long=_WIDE)
