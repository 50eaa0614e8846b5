"""Where the command `mainstem` begins and ends: quickly."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import sys
from typing import NoReturn


def main() -> NoReturn:
    """The console script."""
    gc.disable()                          # while a thousand modules are loaded there is no garbage, only much to look through
    os.environ.setdefault("MIMALLOC_PURGE_DELAY", "1000")     # ms: Arrow, once loaded, keeps the memory of one epoch for the next
    from mainstem.cli.command import invoke

    gc.freeze()
    gc.enable()
    code = invoke(sys.argv[1:])
    with contextlib.suppress(OSError):                        # nobody reads it any more
        sys.stdout.flush()
        sys.stderr.flush()
    atexit._run_exitfuncs()
    os._exit(code)                        # taking the interpreter apart would take a sixth of a second more, and change nothing


if __name__ == "__main__":
    main()
