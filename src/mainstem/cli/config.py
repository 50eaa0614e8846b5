"""`mainstem config`: every setting, its value and where it comes from."""

from __future__ import annotations

from typing import Annotated

import typer

from mainstem.cli import show
from mainstem.cli.app import Environment, FileOption, Output, OutputOption, Settings, examples, group, opened

_config = group("config", "The settings of the project, layer over layer.")


@_config.command("show", epilog=examples("mainstem config show --origin", "mainstem config show -e production --output json"))
def show_(origin: Annotated[bool, typer.Option("--origin", help="Also the layer that each value comes from.")] = False,
          file: FileOption = None, environment: Environment = None, output: OutputOption = Output.table,
          settings: Settings = None) -> None:
    """Every setting with its value. Built-in < project < environment < local file < MAINSTEM__SECTION__KEY < flags."""
    found = opened(file, environment, settings).config()
    rows = [{"setting": path, "value": value, "origin": layer} for path, value, layer in found]
    show.rows("config.show", rows, output, ["setting", "value", "origin"] if origin else ["setting", "value"])
