"""How the plan reports a problem: a code, what, and a path in the pipeline file."""

from __future__ import annotations

from typing import Protocol


class Report(Protocol):
    """Takes down one problem. `spot` is a line and column (from 1) inside the text at the path."""

    def __call__(
        self,
        code: str,
        what: str,
        path: tuple[str | int, ...],
        *,
        why: str = "",
        fix: str = "",
        spot: tuple[int, int] | None = None,
    ) -> None: ...
