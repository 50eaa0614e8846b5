"""The quick look for the last record end of CSV bytes says what splitting all of them says."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mainstem.formats.csv import split
from mainstem.formats.csv.exact import Dialect

WELL = st.lists(st.sampled_from(["a,b\n", '"x ""y"" z",1\n', '"line\nbreak",2\n', '"",\n', "\n", "1,2\r\n", '"q"\r\n']), max_size=30)
ANY = st.text(alphabet='ab,"\n\r', max_size=60)


def dialect(max_bytes: int = 1 << 20) -> Dialect:
    """Commas and double quotes."""
    return Dialect(delimiter=ord(","), quote=ord('"'), comment=0, max_bytes=max_bytes, trailing=False, pad=False)


@settings(max_examples=300)
@given(parts=WELL, cut=st.integers(0, 12))
def test_well_formed_bytes_cut_anywhere(parts: list[str], cut: int) -> None:
    """Whatever the last bytes are a part of."""
    data = "".join(parts).encode()
    data = data[: max(len(data) - cut, 0)]
    quick = split.last_end(data, dialect())
    assert quick in (None, split.split(data, dialect(), final=False)[1])


@settings(max_examples=500)
@given(text=ANY, max_bytes=st.sampled_from([8, 20, 1 << 20]))
def test_any_bytes(text: str, max_bytes: int) -> None:
    """Quotes at random, and records that are too long."""
    data, form = text.encode(), dialect(max_bytes)
    quick = split.last_end(data, form)
    assert quick in (None, split.split(data, form, final=False)[1])


def test_it_can_tell_for_usual_bytes() -> None:
    """The quick way is taken where it pays."""
    assert split.last_end(b'1,"a"\n2,"b\n3', dialect()) == 6
    assert split.last_end(b"1,2\n3,4\n5", dialect()) == 8
    assert split.last_end(b'1,"a" x\n', dialect()) is None
