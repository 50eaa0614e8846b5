"""What an engine lacks, and why: the one list. `plan` and `run` refuse a pipeline that asks for it, with file and line.

Everything else gives the same on every engine (tests/conformance). At most 15 entries an engine: more would be another language.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Lack(NamedTuple):
    """Why an engine has not a kind of step, and what to do."""

    why: str
    fix: str


# engine -> kind of step -> why; an engine that is not here lacks nothing
LACKS: Mapping[str, Mapping[str, Lack]] = {
    "local": {
        "spark_sql": Lack("`spark_sql` is answered by Spark's own SQL: it is not portable",
                          "run it with `--engine spark`, or write it as `sql`"),
    },
}
