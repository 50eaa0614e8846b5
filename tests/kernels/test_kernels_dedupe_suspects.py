"""Finding the hashes that a dedupe must look at: the short cuts by low bits say what a plain comparison says."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mainstem.engines.kernels import dedupe

# few values, values that agree in their low bits, and any
HASHES = st.lists(st.one_of(st.integers(0, 4), st.integers(0, 40).map(lambda n: n << 40), st.integers(0, 2**64 - 1)), max_size=60)


@given(first=HASHES, second=HASHES)
def test_among(first: list[int], second: list[int]) -> None:
    """Which of the first are in the second."""
    found = dedupe._among(np.array(first, np.uint64), np.array(second, np.uint64))
    assert found.tolist() == [value in second for value in first]


@given(hashes=HASHES)
def test_repeated(hashes: list[int]) -> None:
    """Which values come more than once."""
    assert dedupe._repeated(np.array(hashes, np.uint64)).tolist() == [hashes.count(value) > 1 for value in hashes]
