"""What is written about an error code."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Code:
    """One page: a title, what happened and why mainstem minds, and the way on."""

    title: str
    meaning: str
    fix: str
