"""How JSON is laid out and written: the options of the format `json`, and of JSON inside the cells of other formats."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mainstem.plugs import Options
from mainstem.quantities import Size


class JsonOptions(Options):
    """How the JSON is laid out, and how it is written."""

    layout: Literal["lines", "document"] = Field("lines", description="One object per line, or one document per file.")
    records: str | None = Field(
        None, description="Where the array of records lies in a document, like `features` or `data.items`; the root if not said."
    )
    max_depth: int = Field(64, ge=1, le=500, description="Deepest nesting of a record; deeper ones are set aside.")
    max_record_bytes: Size = Field(16 * 2**20, description="Longest record, like 16MiB; longer ones are set aside.")
    nan: Literal["null", "string", "reject"] = Field(
        "null", description="Writing: what NaN and infinities become; JSON has no word for them."
    )
    large_integers: Literal["number", "string"] = Field(
        "number", description="Writing: integers beyond 2^53 as numbers (exact, but some readers round them) or as strings."
    )
