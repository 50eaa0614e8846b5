"""Keys: golden values of the hash (they are part of the storage format), equality by value, exact key numbers."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from mainstem.engines.kernels.keys import identity_of, key_groups, key_hash, key_ids, key_texts

NAN = float("nan")
UTC = pa.timestamp("us", "UTC")
MOMENT = dt.datetime(2026, 3, 29, 1, 30, tzinfo=dt.UTC)


def equal(first: pa.Array, second: pa.Array) -> bool:
    """Whether two columns of one value each are the same key."""
    a, b = pa.table({"k": first}), pa.table({"k": second})
    hashes = key_hash(a, ["k"])[0] == key_hash(b, ["k"])[0]
    if first.type == second.type:
        both = pa.concat_tables([a, b])
        assert hashes == (len(np.unique(key_ids(both, ["k"]))) == 1) == (len(set(key_texts(both, ["k"]))) == 1)
    return bool(hashes)


def test_the_hash_never_changes() -> None:
    """If this fails, state and file layout of every running pipeline break: change the code, not the numbers."""
    rows = pa.table({
        "s": pa.array(["", "a", "greenhouse-1", "Übergröße", None]),
        "i": pa.array([0, 1, -1, 2**63 - 1, None], pa.int64()),
        "f": pa.array([0.0, -1.5, NAN, float("inf"), None]),
        "d": pa.array([Decimal("0.00"), Decimal("1.50"), Decimal("-2.25"), Decimal("100.00"), None], pa.decimal128(9, 2)),
        "t": pa.array([0, 1, -1, 1_774_747_800_000_000, None], UTC),
        "b": pa.array([True, False, True, False, None]),
        "y": pa.array([dt.date(1970, 1, 1), dt.date(2026, 3, 29), dt.date(1969, 12, 31),
                       dt.date(2000, 2, 29), None]),
    })
    golden = {name: key_hash(rows, [name]).tolist() for name in rows.column_names}
    assert golden == GOLDEN
    assert key_groups(rows, ["s", "i"]).tolist() == GROUPS
    assert key_groups(rows, ["i", "s"]).tolist() != GROUPS


GOLDEN = {
    "s": [16294208416658607535, 3187963305867457774, 17512183333889505009, 12019135976363716832, 756517608410894910],
    "i": [16294208416658607535, 10451216379200822465, 16490336266968443936, 3055647633038352039, 756517608410894910],
    "f": [16294208416658607535, 6650937253580682039, 14351126860892846918, 2638638862653029785, 756517608410894910],
    "d": [13247767941886780079, 17954960299610067181, 3249780117778850861, 15706107680111640807, 756517608410894910],
    "t": [16294208416658607535, 10451216379200822465, 16490336266968443936, 15424403366279437897, 756517608410894910],
    "b": [10451216379200822465, 16294208416658607535, 10451216379200822465, 16294208416658607535, 756517608410894910],
    "y": [16294208416658607535, 183975286245469493, 16490336266968443936, 6141043472871244366, 756517608410894910],
}
GROUPS = [111, 227, 117, 255, 94]


def test_no_by_columns_is_one_group() -> None:
    groups = key_groups(pa.table({"a": [1, 2]}), ())
    assert (groups.tolist(), groups.dtype) == ([0, 0], np.int16)
    assert key_texts(pa.table({"a": [1, 2]}), ()) == ["[]", "[]"]


@pytest.mark.parametrize(("first", "second", "same"), [
    (pa.array([0.0]), pa.array([-0.0]), True),
    (pa.array([NAN]), pa.array([-NAN]), True),
    (pa.array([NAN]), pa.array([None], pa.float64()), False),
    (pa.array([0.5], pa.float32()), pa.array([0.5]), True),
    (pa.array([5], pa.int8()), pa.array([5], pa.uint64()), True),
    (pa.array([0]), pa.array([None], pa.int64()), False),
    (pa.array([""]), pa.array([None], pa.string()), False),
    (pa.array([""]), pa.array([b""]), True),
    (pa.array(["a"]), pa.array(["a"], pa.large_string()), True),
    (pa.array(["a"]), pa.array(["a"]).dictionary_encode(), True),
    (pa.array(["a"]), pa.array(["a"], pa.string_view()), True),
    (pa.array(["\u00e9"]), pa.array(["e\u0301"]), False),
    (pa.array(["a\x00"]), pa.array(["a"]), False),
    (pa.array([Decimal("1.5")], pa.decimal128(4, 1)), pa.array([Decimal("1.500")], pa.decimal128(9, 3)), True),
    (pa.array([Decimal("0")], pa.decimal128(4, 1)), pa.array([Decimal("-0.0")], pa.decimal128(4, 1)), True),
    (pa.array([MOMENT], UTC), pa.array([MOMENT], pa.timestamp("ms", "Europe/Berlin")), True),
    (pa.array([MOMENT], UTC), pa.array([None], UTC), False),
    (pa.array([[1, 2]]), pa.array([[2, 1]]), False),
    (pa.array([{"a": 0.0}]), pa.array([{"a": -0.0}]), True),
    (pa.array([None]), pa.array([None]), True),
])
def test_keys_compare_by_value(first: pa.Array, second: pa.Array, same: bool) -> None:
    assert equal(first, second) == same


def test_chunks_slices_and_order_of_rows_do_not_matter() -> None:
    whole = pa.table({"s": [f"s{i % 50}" for i in range(200)], "i": [i % 7 if i % 11 else None for i in range(200)]})
    pieces = pa.concat_tables([whole.slice(0, 33), whole.slice(33, 0), whole.slice(33)])
    hashes = key_hash(whole, ["s", "i"])
    assert (key_hash(pieces, ["s", "i"]) == hashes).all()
    assert (key_hash(whole.slice(20, 30), ["s", "i"]) == hashes[20:50]).all()
    assert (key_ids(pieces, ["s", "i"]) == key_ids(whole, ["s", "i"])).all()


def test_key_numbers_are_exact_also_for_many_columns() -> None:
    choose = np.random.default_rng(1)
    rows = pa.table({f"c{place}": choose.integers(0, 3000, 5000) for place in range(6)})
    rows = pa.concat_tables([rows, rows])
    ids = key_ids(rows, rows.column_names)
    assert len(np.unique(ids)) == len({*zip(*(column.to_pylist() for column in rows.columns))})
    assert (ids[:5000] == ids[5000:]).all()


def test_groups_are_spread_evenly() -> None:
    groups = key_groups(pa.table({"s": [f"sensor-{i:05d}" for i in range(25_600)]}), ["s"])
    counts = np.bincount(groups, minlength=256)
    assert len(counts) == 256
    assert counts.min() > 50
    assert counts.max() < 160


def test_identities_are_stable_names() -> None:
    assert identity_of("frost", '["a"]', 5) == "91987f175d11e031bdfa33f82c2be413"
    assert identity_of("frost", "a", 5) != identity_of("frosta", "", 5)
