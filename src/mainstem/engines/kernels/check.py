"""The kernel of Check: every rule in one pass over the rows; good rows on, bad ones aside with all the rules they violate.

One query answers each rule as one column of booleans. In Arrow these are two bit masks, the answers and the NULLs, so that
counting is a popcount and only bad rows are ever touched by Python. A rule that is NULL was not evaluated: it passes, and
is counted apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mainstem.batch import AT, FILTERED, QUARANTINED, Fates, at
from mainstem.engines.contract import RowResult
from mainstem.engines.kernels import duck, failing
from mainstem.engines.kernels.binder import invalid
from mainstem.engines.selection import Selection
from mainstem.errors import DataError
from mainstem.plan.words import Check, Node, Rule

if TYPE_CHECKING:
    from mainstem.engines.site import Site

FLAGS = "_flags"
_EXPLAINED = 100                      # rows whose own error message is worth a query of its own
_NAMES = pa.list_(pa.string())


def run(node: Node, source: str, given: Selection, tables: Mapping[str, pa.Table], site: Site | None = None,  # noqa: ARG001
        ) -> RowResult:
    """Split the rows by the rules of `node`. Bad rows stay where they are, left out of the selection.

    Notes: `rule.<name>.ok`, `.failed` and `.null` for every rule. Raises DataError `check.stop` when a row violates a rule
    with `else: stop`. Rows on which a rule's expression itself fails are set aside with reason `expression`.
    """
    word = node.word
    assert isinstance(word, Check)
    answers, rows, failed = _answers(word.rules, source, given.rows, site)
    bad, combination, combinations = _violations(answers)
    for number, rule in enumerate(word.rules):
        if rule.action == "stop" and answers[number].false_count:
            raise _stopped(node, rule, rows, answers[number])
    groups = [_fate(word.rules, violated) for violated in combinations]        # of each combination: action, reason, detail
    fates: Fates = Counter()
    asides = [] if failed is None else [failed]
    actions = np.array([group[0] for group in groups], object)[combination] if len(bad) else np.empty(0, object)
    for action, fate in (("quarantine", QUARANTINED), ("drop", FILTERED)):
        chosen = np.flatnonzero(actions == action)
        if not len(chosen):
            continue
        left = rows.take(pa.array(bad[chosen]))
        reasons = [groups[c][1] for c in combination[chosen]]
        for reason in dict.fromkeys(reasons):
            fates.update(failing.fates(left.filter(pa.array([r == reason for r in reasons])), node.name, fate, reason))
        if action == "quarantine":
            names = pa.array([[word.rules[r].name for r in violated] for violated in combinations], _NAMES)
            asides.append(failing.set_aside(left, reasons, [groups[c][2] for c in combination[chosen]],
                                            names.take(pa.array(combination[chosen]))))
    if failed is not None:
        fates.update(failing.fates(failed, node.name, QUARANTINED, "expression"))
    flagged = actions == "flag"
    if any(rule.action == "flag" for rule in word.rules):
        rows = _flag(rows, bad[flagged], combination[flagged], combinations, word.rules)
    rows = rows.select([*(column.name for column in node.columns), AT]) if node.columns else rows.drop_columns(list(word.hide))
    aside = pa.concat_tables(asides).drop_columns(list(word.hide)) if asides else None
    return RowResult(Selection(rows, bad[~flagged]), aside, fates, _notes(word.rules, answers))


def _answers(rules: Sequence[Rule], name: str, rows: pa.Table, site: Site | None,
             ) -> tuple[list[pa.BooleanArray], pa.Table, pa.Table | None]:
    """Every rule's answers, the rows that they are about, and the rows (set aside) on which a rule cannot be asked."""
    columns = site.plan.node(name).columns if site is not None else ()
    select = ", ".join(f"({rule.that})::BOOLEAN AS r{number}" for number, rule in enumerate(rules))

    def seen(some: pa.Table) -> pa.Table:
        return duck.as_bound(some.drop_columns([AT]), columns)

    def ask(some: pa.Table) -> list[pa.BooleanArray]:
        if not rules:
            return []
        table = duck.query(f"SELECT {select} FROM {duck.quote(name)}", **{name: seen(some)})
        return [column.combine_chunks() for column in table.columns]

    errors = duck.row_errors()
    try:
        return ask(rows), rows, None
    except errors:
        guilty = _guilty(rules, name, seen(rows))
    except duckdb.ProgrammingError as error:
        raise invalid(error, "; ".join(rule.that for rule in rules)) from error
    details: dict[int, str] = {}
    for index in guilty:
        details[index] = f"rule `{guilty[index]}` failed on a value"
        if len(details) <= _EXPLAINED:
            details[index] = _explain(ask, rows.slice(index, 1), guilty[index]) or details[index]
    rest = failing.without(rows, list(guilty))
    try:
        answers = ask(rest)
    except errors:                       # TRY did not see it: look row by row
        left = np.setdiff1d(np.arange(rows.num_rows), list(guilty))
        for index, raised in failing.bisect(rest, ask, errors).items():
            details[int(left[index])] = duck.message(raised)
        rest = failing.without(rows, list(details))
        answers = ask(rest)
    order = sorted(details)
    return answers, rest, failing.set_aside(rows.take(pa.array(order, pa.int64())), "expression", [details[i] for i in order])


def _guilty(rules: Sequence[Rule], name: str, rows: pa.Table) -> dict[int, str]:
    """Rows on which a rule's expression fails -> the first such rule. An answer that cannot be NULL is NULL iff TRY caught it."""
    found: dict[int, str] = {}
    for rule in rules:
        sql = f"SELECT TRY(coalesce(({rule.that})::BOOLEAN, true)) IS NULL AS failed FROM {duck.quote(name)}"
        try:
            failed = duck.query(sql, **{name: rows}).column(0).to_numpy()
        except duckdb.Error:             # an expression that TRY does not take: `_answers` looks row by row
            continue
        for index in np.flatnonzero(failed).tolist():
            found.setdefault(index, rule.name)
    return dict(sorted(found.items()))


def _explain(ask: Any, row: pa.Table, rule: str) -> str | None:
    try:
        ask(row)
    except duck.row_errors() as error:
        return f"rule `{rule}`: {duck.message(error)}"
    return None


def _violations(answers: Sequence[pa.BooleanArray]) -> tuple[np.ndarray, np.ndarray, list[tuple[int, ...]]]:
    """Rows that violate anything, which combination of rules each violates, and what these combinations are."""
    rules = [number for number, answer in enumerate(answers) if answer.false_count]
    if not rules:
        return np.empty(0, np.int64), np.empty(0, np.int64), []
    packed = np.stack([_false_bits(answers[number]) for number in rules])
    bad = np.flatnonzero(np.unpackbits(np.bitwise_or.reduce(packed), count=len(answers[0]), bitorder="little"))
    violated = (packed[:, bad >> 3] >> (bad & 7).astype(np.uint8) & 1).astype(bool).T
    _, first, combination = np.unique(np.packbits(violated, axis=1), axis=0, return_index=True, return_inverse=True)
    combinations = [tuple(rules[place] for place in np.flatnonzero(violated[row])) for row in first]
    return bad, combination.reshape(-1), combinations


def _false_bits(answer: pa.BooleanArray) -> np.ndarray:
    """One bit per row, the first row lowest: set where the answer is false and not NULL. Shape (ceil(rows / 8),), uint8."""
    if answer.offset:
        return np.packbits(np.asarray(pc.fill_null(pc.invert(answer), False)), bitorder="little")
    valid, values = answer.buffers()
    size = (len(answer) + 7) // 8
    bits = ~np.frombuffer(values, np.uint8, size)
    if valid is not None:
        bits &= np.frombuffer(valid, np.uint8, size)
    return bits                          # bits beyond the last row are cut off where rows are counted


def _fate(rules: Sequence[Rule], violated: Sequence[int]) -> tuple[str, str, str | None]:
    """What becomes of a row that violates these: the strongest action, the reason, and the detail for a person."""
    for action in ("quarantine", "drop", "flag"):
        chosen = [rules[number] for number in violated if rules[number].action == action]
        if chosen:
            told = [rules[number].that for number in violated if rules[number].reason == "rule"]
            if any(rules[number].reason == "unmatched" for number in violated):
                told.append("its key is in the table")
            return action, chosen[0].reason, "not true: " + "; ".join(told)
    return "stop", "rule", None


def _flag(rows: pa.Table, flagged: np.ndarray, combination: np.ndarray, combinations: Sequence[tuple[int, ...]],
          rules: Sequence[Rule]) -> pa.Table:
    """`_flags` with the names of the violated flag rules appended; an empty list where there are none."""
    lists = pa.array([[], *([rules[r].name for r in violated if rules[r].action == "flag"] for violated in combinations)], _NAMES)
    codes = np.zeros(rows.num_rows, np.int64)
    codes[flagged] = combination + 1
    new = lists.take(pa.array(codes))
    if FLAGS not in rows.column_names:
        return rows.append_column(FLAGS, new)
    flags = pa.table({"old": rows.column(FLAGS), "new": new})
    both = duck.query("SELECT list_concat(old, new) AS f FROM flags", flags=flags).column(0)
    return rows.set_column(rows.column_names.index(FLAGS), FLAGS, both.cast(_NAMES))


def _stopped(node: Node, rule: Rule, rows: pa.Table, answer: pa.BooleanArray) -> DataError:
    first = int(np.flatnonzero(np.asarray(pc.fill_null(pc.invert(answer), False)))[0])
    row = rows.slice(first, 1)
    place = ":".join(str(int(at(row, part)[0])) for part in "opn")
    shown = {name: value for name, value in row.drop_columns([AT]).to_pylist()[0].items() if value is not None}
    return DataError("check.stop", f"rule `{rule.name}` is violated by {answer.false_count} rows, and says stop",
                     where=f"{node.step}, row {place} (origin:partition:position)",
                     why=f"not true: {rule.that}; the first such row is {shown}",
                     fix="mend the data at its source, or give the rule `else: quarantine`; then start again: it goes on here")


def _notes(rules: Sequence[Rule], answers: Sequence[pa.BooleanArray]) -> dict[str, int]:
    notes: dict[str, int] = {}
    for rule, answer in zip(rules, answers):
        notes |= {f"rule.{rule.name}.ok": answer.true_count, f"rule.{rule.name}.failed": answer.false_count,
                  f"rule.{rule.name}.null": answer.null_count}
    return notes
