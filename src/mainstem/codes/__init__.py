"""The closed list of error codes: what each means and what to do. `mainstem explain CODE` prints an entry.

The word before the dot decides the file that a page stands in; every such word belongs to exactly one file.
"""

from __future__ import annotations

import difflib

from mainstem.codes import asking, places, plan, running, spec, sql
from mainstem.codes.page import Code
from mainstem.errors import SpecError

__all__ = ["CODES", "ROOMS", "Code", "explain"]

ROOMS = {room.__name__.rpartition(".")[2]: room.PAGES for room in (spec, plan, sql, places, running, asking)}
CODES: dict[str, Code] = {code: page for pages in ROOMS.values() for code, page in pages.items()}


def explain(code: str) -> Code:
    """The page of a code; SpecError with a suggestion if there is none.

    >>> explain("spec.tab").title
    'a tab in the indentation'
    """
    if code not in CODES:
        close = difflib.get_close_matches(code, CODES, 1)
        raise SpecError("spec.value", f"there is no error code `{code}`",
                        fix=f"did you mean `{close[0]}`?" if close else "codes look like `spec.unknown_key`")
    return CODES[code]
