"""Dedupe: a row is a duplicate iff its event time is within `within` of the largest event time of its key so far.

So far means in the order of arrival (partition, position), duplicates included. State is one number per key, appended and merged;
it may be forgotten once `max + 2 * within <= W`, because a row that it could still judge would be late by then.
Only keys that are suspicious, seen before or twice among the new rows, are looked at one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import cast

import numpy as np
import pyarrow as pa

from mainstem.batch import FILTERED, NONE, QUARANTINED, Fates, at
from mainstem.engines.contract import Result, Times
from mainstem.engines.kernels import late as lateness
from mainstem.engines.kernels.keys import key_hash, key_ids, null_keys
from mainstem.plan.words import Dedupe, Fold, Node


def schema(node: Node, inputs: Mapping[str, pa.Schema]) -> pa.Schema:
    """The hash of a key, its columns, and the largest event time seen of it."""
    fold = cast(Fold, node.word)
    source = inputs[node.inputs[0]]
    return pa.schema([pa.field("_kg", pa.int16()), pa.field("_until", pa.int64()), pa.field("_h", pa.int64()),
                      pa.field("_max", pa.int64()), *(source.field(name) for name in fold.by)])


def run(node: Node, rows: Mapping[str, pa.Table], state: pa.Table, times: Times) -> Result:
    """Let the first row of each key pass and filter the others; rows of a replay that had passed here before pass unjudged."""
    fold = cast(Fold, node.word)
    body = cast(Dedupe, fold.body)
    new, groups = lateness.intake(node, rows)
    fates: Fates = Counter()
    t, origins = at(new, "t"), at(new, "o")
    judged = np.full(new.num_rows, node.name not in times.passed)
    nulls = null_keys(new, fold.by)

    late, late_rows = lateness.judge(node, new, t + body.within, times, "its horizon ended at", fates, judged & ~nulls)
    refused = judged & nulls if body.null == "quarantine" else np.zeros(new.num_rows, bool)
    asides = [] if late_rows is None else [late_rows]
    if refused.any():
        lateness.tally(fates, node.name, QUARANTINED, "null_key", origins[refused])
        asides.append(lateness.aside(new.filter(pa.array(refused)), QUARANTINED, "null_key",
                                     f"a column of the key ({', '.join(fold.by)}) is NULL"))

    keyed = np.flatnonzero(~late & ~nulls)
    duplicate = np.zeros(new.num_rows, bool)
    known = lateness.alive(state, times)
    hashes = key_hash(new, fold.by)[keyed]
    found, largest = _judge(new, keyed, hashes, known, fold, body.within)
    duplicate[keyed] = found
    duplicate &= judged
    lateness.tally(fates, node.name, FILTERED, "duplicate", origins[duplicate])
    return Result(
        rows=lateness.pick(new, ~(late | refused | duplicate)),
        aside=pa.concat_tables(asides) if asides else None, fates=fates,
        state=_state(new.select(list(fold.by)), groups, keyed, hashes, largest, body.within).cast(state.schema),
    )


def compact(node: Node, state: pa.Table, now: int) -> pa.Table:
    """One row per key that can still judge: that with the largest event time."""
    fold = cast(Fold, node.word)
    state = lateness.still(state, now)
    order = np.lexsort((-state.column("_max").to_numpy(), key_ids(state, fold.by), state.column("_kg").to_numpy()))
    ids = key_ids(state, fold.by)[order]
    first = np.append(True, ids[1:] != ids[:-1])[: len(ids)]
    return state.take(pa.array(order[first]))


def _judge(new: pa.Table, keyed: np.ndarray, hashes: np.ndarray, known: pa.Table, fold: Fold,
           within: int) -> tuple[np.ndarray, np.ndarray]:
    """For each keyed row: whether it is a duplicate, and the event time that its key's state must learn (NONE: nothing new)."""
    t = at(new, "t")[keyed]
    duplicate, learn = np.zeros(len(keyed), bool), t.copy()
    twice = _repeated(hashes)
    there = known.column("_h").to_numpy().view(np.uint64)
    again = np.flatnonzero(_among(there, hashes))
    seen = known.take(pa.array(again))
    if len(again):
        twice |= _among(hashes, there[again])
    suspects = np.flatnonzero(twice)
    if not len(suspects):
        return duplicate, learn
    rows = new.take(pa.array(keyed[suspects]))
    order = lateness.arrival(rows, fold.order)
    suspects = suspects[order]
    both = lateness.together(seen, rows.take(pa.array(order)), fold.by)
    ids = key_ids(both, fold.by)
    times = np.concatenate([seen.column("_max").to_numpy(), t[suspects]])
    # what is known comes first within a key, then its rows as they arrived
    line = np.argsort(ids, kind="stable")
    before = np.empty(len(ids), np.int64)
    before[line] = _largest_before(ids[line], times[line])
    mine = before[seen.num_rows:]
    duplicate[suspects] = (mine > NONE) & (np.abs(t[suspects] - mine) <= within)
    learn[suspects] = np.where(t[suspects] > mine, t[suspects], NONE)
    return duplicate, learn


def _repeated(hashes: np.ndarray) -> np.ndarray:
    """Which values occur more than once: only those that share their low bits with another are compared as a whole."""
    found = np.zeros(len(hashes), bool)
    slot = (hashes & _low(len(hashes), 3)).astype(np.int64)
    winner = np.zeros(int(slot.max(initial=0)) + 1, np.int32)
    winner[slot] = np.arange(len(hashes), dtype=np.int32)
    lost = np.flatnonzero(winner[slot] != np.arange(len(hashes)))      # a later row took the place of these
    if len(lost):
        rows = np.union1d(lost, winner[slot[lost]])
        _, which, count = np.unique(hashes[rows], return_inverse=True, return_counts=True)
        found[rows] = count[which] > 1
    return found


def _among(hashes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which of these hashes are among the others: their low bits leave few of either to be compared as a whole."""
    found = np.zeros(len(hashes), bool)
    if not len(others) or not len(hashes):
        return found
    low = _low(len(others), 5)
    marked = np.zeros(int(low) + 1, bool)
    marked[others & low] = True
    maybe = np.flatnonzero(marked[hashes & low])
    asked = hashes[maybe]
    if len(maybe) < len(others) // 2:
        marked[:] = False
        marked[asked & low] = True
        others = others[marked[others & low]]
    found[maybe] = np.isin(asked, others)
    return found


def _low(count: int, spare: int) -> np.uint64:
    """A mask of so many low bits that `count` hashes mostly differ in them."""
    return np.uint64((1 << min(max(count.bit_length() + spare, 12), 25)) - 1)


def _largest_before(ids: np.ndarray, times: np.ndarray) -> np.ndarray:
    """The running maximum of `times` before each row within runs of equal `ids`; NONE for the first of a run."""
    distinct, rank = np.unique(times, return_inverse=True)
    run = np.cumsum(np.append(0, ids[1:] != ids[:-1]))         # a later run starts above all of an earlier one
    highest = np.maximum.accumulate(run * len(distinct) + rank) - run * len(distinct)
    before = np.full(len(ids), NONE, np.int64)
    inner = run[1:] == run[:-1]
    before[1:][inner] = distinct[highest[:-1][inner]]
    return before


def _state(keys: pa.Table, groups: np.ndarray, keyed: np.ndarray, hashes: np.ndarray, largest: np.ndarray,
           within: int) -> pa.Table:
    """The rows to append: what each key's state has to learn."""
    learns = largest > NONE
    keyed, hashes, largest = keyed[learns], hashes[learns], largest[learns]
    columns = {"_kg": pa.array(groups[keyed]), "_until": pa.array(largest + 2 * within), "_h": pa.array(hashes.view(np.int64)),
               "_max": pa.array(largest)}
    chosen = keys if len(keyed) == keys.num_rows else keys.take(pa.array(keyed))
    return pa.table(columns | {name: chosen.column(name) for name in keys.column_names})
