"""One command line: the verbs are gathered, and whatever ends a command becomes a message and an exit code.

| exit code | means |
| --- | --- |
| 0 | ok |
| 1 | the work failed, or a gate said no |
| 2 | usage or configuration |
| 3 | finished, but above a limit of set-aside rows |
| 4 | something that is needed is unavailable; trying again makes sense |
| 5 | another runner holds the pipeline |
| 130, 143 | Ctrl-C, SIGTERM |
"""

from __future__ import annotations

import difflib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import typer

from mainstem.cli import (  # noqa: F401  (each brings its verbs)
    build,
    catalog,
    check,
    config,
    init,
    maintain,
    plan,
    quarantine,
    run,
    runs,
    sql,
    test,
)
from mainstem.cli.app import app
from mainstem.cli.screen import complain
from mainstem.errors import Bug, MainstemError, TransientError

_GONE = 141                               # nobody reads our output any more, as after `| head`: 128 + SIGPIPE


def invoke(arguments: Sequence[str]) -> int:
    """Carry out one command line; its exit code. Never raises but for SystemExit of a second signal."""
    try:
        command = typer.main.get_command(app)
        with command.make_context("mainstem", list(arguments)) as context:
            command.invoke(context)
        sys.stdout.flush()
        return 0
    except typer.Exit as asked:
        return asked.exit_code
    except MainstemError as error:
        complain(error)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        print("stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _GONE
    except OSError as error:                          # not ours: a file that nobody lets us have, a disk, a network
        complain(_unprinted(error) if error.filename is None and _deaf() else _refused(error))
        return TransientError.exit_code
    except Exception as error:  # noqa: BLE001
        if hasattr(error, "format_message"):          # what typer says about a command line
            _usage(error)
            return 2
        traceback.print_exc()
        complain(Bug("bug.unexpected", f"{type(error).__name__}: {error}", fix="please report it with the lines above"))
        return Bug.exit_code


def _deaf() -> bool:
    """Whether stdout takes nothing more, as on a full disk: the end of a line is tried."""
    try:
        os.write(1, b"\n")
    except OSError:
        return True
    return False


def _unprinted(error: OSError) -> TransientError:
    return TransientError("disk.failed", "printing failed", where="standard output", why=error.strerror or str(error),
                          fix="give it another place; what the command did before it printed is done (`mainstem runs show last`)")


def _refused(error: OSError) -> TransientError:
    fix = "give the user who runs this the right to it" if isinstance(error, PermissionError) else "mend what it names, then start again"
    return TransientError("disk.failed", "the system refused", where=str(error.filename or ""), why=error.strerror or str(error), fix=fix)


def _usage(error: Exception) -> None:
    context = getattr(error, "ctx", None)
    said = error.format_message()  # type: ignore[attr-defined]
    if said.startswith("Usage:"):                     # nothing was asked: what there is to ask
        print(said, file=sys.stderr)
        return
    if context is not None:
        print(context.get_usage(), file=sys.stderr)
        print(f"Try `{context.command_path} --help`.\n", file=sys.stderr)
    if said.startswith("No such command") and context is not None:
        word = said.split("'")[1]
        close = difflib.get_close_matches(word, context.command.list_commands(context), 1)
        said = f"there is no `{word}`" + (f"; did you mean `{close[0]}`?" if close else "")
    print(f"error: {said.replace('Value error, ', '')}{_way(said, context)}", file=sys.stderr)


def _way(said: str, context: Any) -> str:
    """A pipeline file is an argument of some verbs and an option of others: who mixed them up is told."""
    names = {name for parameter in context.command.params for name in parameter.opts} if context is not None else set()
    if "file" in names and said.startswith(("No such option: -f", "No such option: --file")):
        return f"; the pipeline file is an argument here: `{context.command_path} FILE`"
    if "--file" in names and "unexpected extra argument" in said:
        return "; name the pipeline file with `-f FILE`"
    return ""
