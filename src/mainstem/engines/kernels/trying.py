"""Which rows a query fails on, found by one query: each of its expressions wrapped in TRY, by rewriting DuckDB's own tree.

A CAST that fails on 1% of 300,000 rows would cost bisection tens of thousands of queries. Where the tree cannot be wrapped
(unnest, `error(...)`, a query inside the query) the answer is None, and the caller bisects.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import numpy as np


def failing_rows(con: Any, queries: Sequence[str]) -> np.ndarray | None:
    """`_at.i` of the rows on which any of these row-local queries fails, rising; None if that cannot be told this way.

    `con` knows the relations; the last column of each query is the `_at` of the row that it came from.
    """
    found: list[np.ndarray] = []
    try:
        for query in queries:
            found.append(con.execute(_detecting(con, query)).fetchnumpy()["i"])
    except (duckdb.Error, KeyError, IndexError, ValueError):
        return None
    return np.unique(np.concatenate(found)).astype(np.int64) if found else None


def _detecting(con: Any, query: str) -> str:
    """The query that lists the rows on which `query` fails.

    `e IS NULL` is never NULL, so TRY(e IS NULL) is NULL exactly where e fails. An item that WHERE leaves out does not count.
    """
    tree = _serialized(con, query)
    node = tree["statements"][0]["node"]
    items, where = node["select_list"], node["where_clause"]
    given = {f"__{number}": {**item, "alias": ""} for number, item in enumerate(items)}
    fails = " OR ".join(f"TRY(__{number} IS NULL) IS NULL" for number in range(len(items) - 1)) or "false"
    if where is not None:
        given["__where"] = where
        fails = f"TRY(__where IS NULL) IS NULL OR (coalesce(TRY(__where), false) AND ({fails}))"
    form = f"SELECT struct_extract(__{len(items) - 1}, 'i') AS i WHERE {fails}"
    wanted = _filled(_serialized(con, form)["statements"][0]["node"], given)
    node |= {"select_list": wanted["select_list"], "where_clause": wanted["where_clause"]}
    return str(con.execute("SELECT json_deserialize_sql(?::JSON)", [json.dumps(tree)]).fetchall()[0][0])


def _serialized(con: Any, query: str) -> Any:
    tree = json.loads(con.execute("SELECT json_serialize_sql(?::VARCHAR)", [query]).fetchall()[0][0])
    if tree["error"]:
        raise ValueError(tree)
    return tree


def _filled(tree: Any, given: Mapping[str, Any]) -> Any:
    """The tree with every column of a given name replaced by that expression."""
    if isinstance(tree, list):
        return [_filled(part, given) for part in tree]
    if not isinstance(tree, dict):
        return tree
    if tree.get("class") == "COLUMN_REF" and len(tree["column_names"]) == 1 and tree["column_names"][0] in given:
        return given[tree["column_names"][0]]
    return {name: _filled(part, given) for name, part in tree.items()}
