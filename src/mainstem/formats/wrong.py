"""What a reader of one record or one value says when it cannot take it: a reason of `mainstem.reasons` and a detail."""

from __future__ import annotations


class Wrong(Exception):
    """One record is set aside. `column` names the column whose value was not taken, None if the record itself is bad."""

    def __init__(self, reason: str, detail: str, column: str | None = None) -> None:
        super().__init__(reason, detail, column)
        self.reason = reason
        self.detail = detail
        self.column = column


def brief(text: object, limit: int = 80) -> str:
    """A value as a person can read it in one line.

    >>> brief("a" * 100, 5)
    "'aaaaa'... (100 characters)"
    """
    full = text if isinstance(text, str) else str(text)
    return repr(full) if len(full) <= limit else f"{full[:limit]!r}... ({len(full)} characters)"
