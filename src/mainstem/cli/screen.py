"""What a person sees on stderr while something runs: log lines, progress, and errors as a letter to their reader."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from mainstem import signals
from mainstem.clock import Clock, SystemClock
from mainstem.errors import Bug, MainstemError

_EVERY = 5.0                              # seconds between lines of progress where nothing can be written over
_LOUD = ("warning", "error")


def lively(stream: TextIO) -> bool:
    """True if a line on this stream may be written over: a terminal, and not a CI's."""
    return stream.isatty() and not os.environ.get("CI") and os.environ.get("TERM") != "dumb"


class Screen:
    """A listener of signals that writes to stderr. `loud`: -1 quiet, 0 normal, 1 verbose."""

    def __init__(self, stream: TextIO, loud: int = 0, clock: Clock | None = None) -> None:
        self._stream, self._loud, self._clock = stream, loud, clock or SystemClock()
        self._live = lively(stream)
        self._began = self._said = self._clock.monotonic()
        self._wide = 0                                # of the line that may be written over

    def __call__(self, name: str, facts: dict[str, Any]) -> None:
        """Hear one signal."""
        if name == "log":
            level = facts.get("level", "info")
            if level in _LOUD or self._loud > 0 or (self._loud == 0 and level == "info"):
                self.line(facts["message"] if level == "info" else f"{level}: {facts['message']}")
        elif name == "run.progress":
            self._progress(facts)
        elif self._loud > 0 and name.split(".")[0] in ("epoch", "task", "run"):
            self.line(" ".join([name, *(f"{key}={value}" for key, value in facts.items() if value not in (None, ""))]))

    def line(self, text: str) -> None:
        """Write one line; a line of progress gives way to it."""
        self.clear()
        self._stream.write(f"{visible(text)}\n")
        self._stream.flush()

    def clear(self) -> None:
        """Take the line of progress away."""
        if self._wide:
            self._stream.write("\r" + " " * self._wide + "\r")
            self._wide = 0

    def _progress(self, facts: dict[str, Any]) -> None:
        if self._loud < 0:
            return
        now = self._clock.monotonic()
        rows = facts.get("rows", 0)
        text = f"epoch {facts.get('epoch', '?')}   {rows:,} rows   {rows / max(now - self._began, 1e-6):,.0f} rows/s"
        if self._live:
            self._stream.write("\r" + text.ljust(self._wide))
            self._stream.flush()
            self._wide = max(self._wide, len(text))
        elif now - self._said >= _EVERY:
            self._said = now
            self.line(text)


@contextmanager
def watching(quiet: bool = False, verbose: bool = False) -> Iterator[Screen]:
    """Show what is said inside the block."""
    screen = Screen(sys.stderr, 1 if verbose else -1 if quiet else 0)
    with signals.listening(screen):
        try:
            yield screen
        finally:
            screen.clear()


def visible(text: str) -> str:
    """The same without what a terminal takes for an order: such characters as `\\x1b`, line ends and tabs as they are.

    >>> visible("a\\x1b[31mb\\n")
    'a\\\\x1b[31mb\\n'
    """
    return "".join(sign if sign in "\t\n" or unicodedata.category(sign) != "Cc" else f"\\x{ord(sign):02x}" for sign in text)


def near(text: str) -> str:
    """The same with paths as they are seen from the present folder, where the editor and the shell look for them."""
    return text.replace(os.getcwd() + os.sep, "")


def complain(error: MainstemError) -> None:
    """Print an error: what, where, why, what to do, and its code."""
    lines = [f"error: {near(error.what)}"]
    for word, text in (("where", error.where), ("why", error.why), ("do", error.fix)):
        if text:
            first, *rest = near(str(text)).splitlines() or [""]
            lines += [f"  {word + ':':7}{first}", *(" " * 9 + line for line in rest)]
    lines.append(f"  {'code:':7}{error.code}   (mainstem explain {error.code})")
    if isinstance(error, Bug):
        lines.append("  This is a mistake of mainstem, not yours; nothing wrong was published.")
    print(visible("\n".join(lines)), file=sys.stderr)
