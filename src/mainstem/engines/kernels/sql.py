"""The kernel of Sql: row-local queries over the rows that came and the tables; a row on which one fails is set aside alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa

from mainstem.batch import AT, AT_TYPE, CHILD_SHIFT, DELIVERED, FILTERED, QUARANTINED, Fate, Fates, at, empty
from mainstem.columns import Columns
from mainstem.engines.contract import RowResult
from mainstem.engines.kernels import duck, failing, trying
from mainstem.engines.kernels.binder import invalid
from mainstem.engines.kernels.made import newborn
from mainstem.engines.selection import Selection
from mainstem.errors import Bug
from mainstem.plan.words import Branch, Node, Sql

if TYPE_CHECKING:
    from mainstem.engines.site import Site

_EXPLAINED = 100                      # failing rows whose own message is worth a query of its own


def run(node: Node, source: str, given: Selection, tables: Mapping[str, pa.Table], site: Site | None = None) -> RowResult:
    """Run every branch of `node` that reads this input; rows keep its order.

    What a branch leaves out is counted by its own queries. A row on which a query fails (a cast, an overflow) is set aside
    with reason `expression`. Where rows are remade, the intake is delivered here.
    """
    word = node.word
    assert isinstance(word, Sql)
    branches = [(number, branch) for number, branch in enumerate(word.branches) if branch.input == source]
    known = {} if site is None else {table.name: table.columns for table in site.plan.tables}
    looked = {table: duck.as_bound(tables[table], known.get(table, ())) for _, branch in branches for table in branch.tables}
    columns = () if site is None else site.plan.node(source).columns

    def attempt(some: pa.Table, out: np.ndarray | None = None) -> tuple[list[pa.Table], Fates, Counter[str]]:
        made: list[pa.Table] = []
        fates: Fates = Counter()
        notes: Counter[str] = Counter()
        with duck.tables(**looked), _selection(source, some, out) as con:
            for _, branch in branches:
                made.append(_typed(con.sql(branch.query).to_arrow_table(), node.columns))
                fates.update(_dropped(con, node, branch))
                for what, query in branch.noted:
                    notes[what] += con.execute(query).fetchall()[0][0]
        return made, fates, notes

    errors = (*duck.row_errors(), pa.ArrowInvalid)
    if given.out is not None and not word.remakes:
        try:
            made, fates, notes = attempt(duck.as_bound(_numbered(given.table), columns), given.out)
            return RowResult(Selection(_ordered(made, given.table, node.columns)), None, fates, notes)
        except (*errors, duckdb.ProgrammingError):    # perhaps on one of those that are left out: take them out and see
            pass
    rows = given.rows
    numbered = duck.as_bound(_numbered(rows), columns)
    left, aside = rows, None
    try:
        made, fates, notes = attempt(numbered)
    except errors:
        queries = [branch.query for _, branch in branches]
        with duck.tables(**{source: numbered}, **looked) as con:
            suspects = trying.failing_rows(con, queries)
        failed = _failed(numbered, attempt, errors, suspects)
        order = sorted(failed)
        left, bad = failing.without(rows, order), rows.take(pa.array(order, pa.int64()))
        made, fates, notes = attempt(failing.without(numbered, order))
        fates.update(failing.fates(bad, node.name, QUARANTINED, "expression"))
        aside = failing.set_aside(bad, "expression", [failed[index] for index in order])
    except duckdb.ProgrammingError as error:
        raise invalid(error, "; ".join(branch.query for _, branch in branches)) from error
    if word.remakes:
        fates.update(failing.fates(left, node.name, DELIVERED, ""))
        made = [_apart(one, number, len(word.branches)) for one, (number, _) in zip(made, branches)]
        return RowResult(Selection(newborn(_ordered(made, rows, node.columns))), aside, fates, notes)
    return RowResult(Selection(_ordered(made, rows, node.columns)), aside, fates, notes)


@contextmanager
def _selection(name: str, rows: pa.Table, out: np.ndarray | None) -> Iterator[Any]:
    """The connection with these rows under their name; the rows at the indexes `out` are no part of them."""
    if out is None:
        with duck.tables(**{name: rows}) as con:
            yield con
        return
    keep = np.ones(rows.num_rows, bool)
    keep[out] = False
    whole = f"{name}!"
    with duck.tables(**{whole: rows.append_column("_keep", pa.array(keep))}) as con:
        con.execute(f"CREATE TEMP VIEW {duck.quote(name)} AS SELECT * EXCLUDE (_keep) FROM {duck.quote(whole)} WHERE _keep")
        try:
            yield con
        finally:
            con.execute(f"DROP VIEW {duck.quote(name)}")


def _failed(given: pa.Table, attempt: Callable[[pa.Table], object], errors: tuple[type[BaseException], ...],
            suspects: np.ndarray | None) -> dict[int, str]:
    """Number of each row on which the queries fail -> why. The suspects are looked at one by one, what is left is bisected."""
    found: dict[int, str] = {}
    for index in (suspects if suspects is not None else ())[:_EXPLAINED]:
        try:
            attempt(given.slice(int(index), 1))
        except errors as error:
            found[int(index)] = duck.message(error)
    if suspects is not None and len(found) == min(len(suspects), _EXPLAINED):
        found |= {int(index): "an expression fails on this row, as on others before it" for index in suspects[_EXPLAINED:]}
    others = np.setdiff1d(np.arange(given.num_rows), list(found))
    rest = failing.without(given, list(found))
    try:
        attempt(rest)
    except errors:
        found |= {int(others[index]): duck.message(error) for index, error in failing.bisect(rest, attempt, errors).items()}
    return found


def _numbered(rows: pa.Table) -> pa.Table:
    """The rows with `_at.i` as the number of the row: so that what a query makes can be brought back into their order."""
    return _with(rows, "i", pa.array(np.arange(rows.num_rows, dtype=np.int32)))


def _with(rows: pa.Table, field: str, values: pa.Array) -> pa.Table:
    column = rows.column(AT)
    whole = column.chunk(0) if column.num_chunks == 1 else column.cast(AT_TYPE).combine_chunks()
    parts = whole.flatten()
    parts[AT_TYPE.get_field_index(field)] = values
    return rows.set_column(rows.column_names.index(AT), AT, pa.StructArray.from_arrays(parts, fields=list(AT_TYPE)))


def _typed(table: pa.Table, columns: Columns) -> pa.Table:
    """The answer with the names and types that the plan knows; raises ArrowInvalid where a value does not fit."""
    if table.num_columns != len(columns) + 1:
        planned = [column.name for column in columns]
        raise Bug("bug.sql_columns", f"a query made {table.column_names}, planned were {planned} and {AT}",
                  why="plan and kernel disagree", fix="report this with the pipeline file")
    fields = [*(pa.field(column.name, column.type.arrow) for column in columns), pa.field(AT, AT_TYPE)]
    arrays = [array if array.type == field.type else array.cast(field.type) for array, field in zip(table.columns, fields)]
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def _dropped(con: Any, node: Node, branch: Branch) -> Fates:
    """How many rows of each origin the branch leaves out, for each reason."""
    found: Fates = Counter()
    for reason, query in branch.dropped:
        for origin, count in con.execute(query).fetchall():
            found[Fate(int(origin), node.name, FILTERED, reason)] += count
    return found


def _apart(made: pa.Table, number: int, branches: int) -> pa.Table:
    """Children of one row that come from different branches get different ordinals."""
    if branches == 1 or not made.num_rows:
        return made
    child, low = at(made, "c"), (1 << CHILD_SHIFT) - 1
    return _with(made, "c", pa.array((child & ~low) | ((child & low) * branches + number)))


def _ordered(made: Sequence[pa.Table], rows: pa.Table, columns: Columns) -> pa.Table:
    """All rows in the order of the rows they come from (then of the branches, then of the children), with the raw index back."""
    schema = pa.schema([(column.name, column.type.arrow) for column in columns])
    table = pa.concat_tables(made) if made else empty(schema)
    if not table.num_rows:
        return table
    source = at(table, "i").astype(np.int64)
    if (np.diff(source) < 0).any():
        order = np.lexsort((at(table, "c"), source))
        table, source = table.take(pa.array(order)), source[order]
    return _with(table, "i", pa.array(at(rows, "i")[source], pa.int32()))
