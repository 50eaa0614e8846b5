"""Types of queries as DuckDB itself sees them: the plan asks, DESCRIBE over empty typed tables answers."""

from __future__ import annotations

import difflib
import json
import re
import threading
from collections.abc import Mapping
from typing import Any

from mainstem.columns import Column, Columns, Type, from_duckdb
from mainstem.engines.kernels import duck
from mainstem.errors import SpecError

_PREFIX = "DESCRIBE "
# Types that are no column types of ours, but have one plain reading; the kernels cast what comes out to it.
_READINGS = ((re.compile(r"ENUM\((?:'(?:[^']|'')*'(?:,\s*)?)*\)"), "VARCHAR"), (re.compile(r"\bUUID\b"), "VARCHAR"),
             (re.compile(r"\[\d+\]"), "[]"), (re.compile(r"\bTIMESTAMP_(?:S|MS)\b"), "TIMESTAMP"))
_QUOTED = re.compile(r'("(?:[^"]|"")*")')


class DuckBinder:
    """`plugs.Binder` on a DuckDB of its own that holds no rows and cannot open files. Safe to share between threads.

    >>> from mainstem.columns import Column, parse_type
    >>> rows = (Column("t", parse_type("double")),)
    >>> [str(c.type) for c in DuckBinder().describe('SELECT t > 4 AS hot, round(t, 1) AS t FROM "rows"', {"rows": rows})]
    ['boolean', 'double']
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: Any = None
        self._known: dict[str, Columns] = {}

    def describe(self, sql: str, inputs: Mapping[str, Columns]) -> Columns:
        """Column names and types of `sql` over relations with these names and columns.

        Raises SpecError `sql.invalid` with DuckDB's message where it cannot be bound, and `sql.type` where a column
        has a type that no pipeline column can have.
        """
        import duckdb

        with self._lock:
            self._know(inputs)
            try:
                rows = self._connection.execute(_PREFIX + sql).fetchall()
                # DESCRIBE names `"Voltage" AS "voltage"` after the column; the query itself gives it the name that was asked for
                names = self._connection.sql(sql).columns
            except duckdb.Error as error:
                raise invalid(error, sql) from error
        return tuple(Column(name, _type(name, kind)) for name, (_, kind, *_rest) in zip(names, rows))

    def _know(self, inputs: Mapping[str, Columns]) -> None:
        """Make the connection hold exactly these relations; what it has already is kept."""
        if self._connection is None:
            self._connection = duck.open_connection()
            self._connection.execute("SET enable_external_access=false")
            self._connection.execute("SET errors_as_json=true")
        for name in [name for name in self._known if name not in inputs]:
            self._connection.execute(f"DROP TABLE {duck.quote(name)}")
            del self._known[name]
        for name, columns in inputs.items():
            if self._known.get(name) != columns:
                fields = ", ".join(f"{duck.quote(column.name)} {column.type.duckdb}" for column in columns)
                self._connection.execute(f"CREATE OR REPLACE TABLE {duck.quote(name)} ({fields})")
                self._known[name] = columns


def invalid(error: Exception, sql: str) -> SpecError:
    """What DuckDB says about `sql`, as an error with the place in the text and its suggestion."""
    text = str(error)
    branch, _, rest = text.partition(": ")
    try:
        facts = json.loads(rest)
    except ValueError:
        return SpecError("sql.invalid", " ".join(text.split()), why=f"in: {_line(sql)}", fix="see DuckDB's message")
    message, *more = [line.strip() for line in str(facts["exception_message"]).splitlines() if line.strip()]
    candidates = re.findall(r'"([^"]+)"', " ".join(line for line in more if line.startswith(("Candidate", "Did you mean"))))
    fix = " ".join(more) or f"DuckDB calls this a {branch.lower()}: mend the SQL"
    if "explicit cast" in message:
        fix = "compare it with a value of its own type, or say CAST(... AS ...)"
    elif candidates:
        close = difflib.get_close_matches(str(facts.get("name", "")), candidates, 1, 0.7)
        fix = f"did you mean `{close[0]}`?" if close else "there are " + ", ".join(f"`{name}`" for name in candidates)
    place = max(int(facts.get("position", len(_PREFIX))) - len(_PREFIX), 0)
    return SpecError("sql.invalid", message, why=f"at `{_line(sql[place:])}`", fix=fix)


def _line(sql: str) -> str:
    text = re.sub(r' AS "\w+"( FROM "\w+")?$', "", " ".join(sql.split()))      # what we put around an expression
    return text if len(text) <= 60 else text[:57] + "..."


def _type(name: str, kind: str) -> Type:
    parts = _QUOTED.split(kind)                  # names of struct fields stay as they are
    for pattern, reading in _READINGS:
        parts = [part if place % 2 and part != '"NULL"' else pattern.sub(reading, part) for place, part in enumerate(parts)]
    try:
        return from_duckdb("".join(parts))
    except ValueError as error:
        raise SpecError("sql.type", f"column `{name}` has DuckDB's type {kind}, which no column of a pipeline can have",
                        fix=f"cast it, for example {duck.quote(name)}::VARCHAR or to_json(...)") from error
