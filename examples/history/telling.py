"""A step in Python: a function that takes an Arrow table and returns one."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


def words(rows: pa.Table) -> pa.Table:
    """Consumption per person, and a word about it. Looks at one row at a time, so rows may come in any cut."""
    per_person = pc.divide(rows["used"], pc.cast(rows["people"], pa.float64()))
    said = pc.if_else(pc.less(per_person, 0.5), "little", pc.if_else(pc.less(per_person, 4.0), "usual", "much"))
    return pa.table({"meter": rows["meter"], "day": rows["day"], "used": rows["used"],
                     "per_person": pc.round(per_person, 2), "words": said})
