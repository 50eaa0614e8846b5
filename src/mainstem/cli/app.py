"""The command `mainstem`: its verbs, the options that several of them share, and how an example gets into `--help`."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from mainstem.project import Pipeline

_Function = TypeVar("_Function", bound=Callable[..., Any])
_ORDER = ("init", "check", "plan", "run", "runs", "quarantine", "sql", "test", "build", "maintain", "reset", "config", "catalog",
          "schema", "explain")


class Verbs(TyperGroup):
    """The verbs in the order in which people meet them."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names."""
        return sorted(super().list_commands(ctx), key=_ORDER.index)


class Verb(TyperCommand):
    """A verb whose help names arguments as people write them: `[FILE]`, `QUERY`, without the types of Python."""

    def get_usage(self, ctx: Any) -> str:
        """One line."""
        return re.sub(r"\{(\w+)\}", lambda found: found[1].upper(), super().get_usage(ctx))

    def get_help(self, ctx: Any) -> str:
        """All of it."""
        text = super().get_help(ctx)
        text = re.sub(r"^(  \w+)( <\S+>)", lambda found: found[1] + " " * len(found[2]), text, flags=re.MULTILINE)
        return re.sub(r"^(Usage: .*)\{(\w+)\}", lambda found: found[1] + found[2].upper(), text)


class _App(typer.Typer):
    def command(self, name: str | None = None, **more: Any) -> Callable[[_Function], _Function]:
        return super().command(name, cls=Verb, **more)


app = _App(
    cls=Verbs, name="mainstem", no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
    help="Data pipelines for sensor, weather, IoT and event data that account for every record.",
    epilog="Begin with `mainstem init demo && cd demo && mainstem run`. Errors carry a code: `mainstem explain CODE`.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})


class Output(StrEnum):
    """How data is printed: for people, for programs, for spreadsheets."""

    table = "table"
    json = "json"
    csv = "csv"


FileArgument = Annotated[str | None, typer.Argument(metavar="FILE", help="The pipeline file, or a folder that has one.",
                                                    show_default="the one in this folder")]
FileOption = Annotated[str | None, typer.Option("--file", "-f", metavar="FILE", help="The pipeline file, or a folder that has one.",
                                                show_default="the one in this folder")]
Environment = Annotated[str | None, typer.Option("--environment", "-e", metavar="NAME", help="Which environment of mainstem.yaml.",
                                                 show_default="$MAINSTEM_ENV, else default")]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set a key of mainstem.yaml for this "
                                                    "command, like `--set tasks=1`; may be repeated.")]
Engine = Annotated[str | None, typer.Option("--engine", metavar="local|spark|auto", help="Who carries it out; auto: small epochs "
                                            "here, large ones on Spark.", show_default="local, or what mainstem.yaml says")]
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="How data is printed.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Every point of the epoch protocol, too.")]


def examples(*lines: str) -> str:
    """The end of a help text: commands that work as they stand."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def group(name: str, help_: str) -> typer.Typer:
    """A noun with verbs of its own, like `runs list`."""
    made = _App(name=name, no_args_is_help=True, help=help_, rich_markup_mode=None,
                       context_settings=app.info.context_settings)
    app.add_typer(made)
    return made


def opened(file: str | None, environment: str | None, settings: list[str] | None = None) -> Pipeline:
    """The pipeline that the command is about."""
    from mainstem import project

    flags = {}
    for text in settings or []:
        key, sign, value = text.partition("=")
        if not sign or not key:
            raise typer.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="--set")
        flags[key] = value
    return project.open(file, environment, flags)


def say_version(wanted: bool) -> None:
    """`--version` prints it and ends."""
    if wanted:
        from mainstem import __version__

        print(f"mainstem {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=say_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Data pipelines for sensor, weather, IoT and event data that account for every record."""
