"""`mainstem init`: a working project in a second, without questions."""

from __future__ import annotations

import os
import shlex
import sys
from typing import Annotated

import typer

from mainstem.cli.app import app, examples


@app.command(epilog=examples("mainstem init", "mainstem init weather && cd weather && mainstem run"))
def init(folder: Annotated[str, typer.Argument(metavar="DIR", help="Where to; made if it is missing.")] = ".") -> None:
    """Make a project that runs at once. A pipeline over generated sensor data, one over a dirty file, a table, a test case."""
    from mainstem import project

    made, kept = project.init(folder)
    for name in made:
        print(name)
    if kept:
        print(f"\nkept: {', '.join(kept)}", file=sys.stderr)
    step = "" if os.path.abspath(folder) == os.getcwd() else f"cd {shlex.quote(folder)} && "
    print(f"\nnext:  {step}mainstem run greenhouse.yaml", file=sys.stderr)
    print("then:  mainstem quarantine list -f greenhouse.yaml", file=sys.stderr)
