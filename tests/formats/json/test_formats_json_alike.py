"""Lines that are written alike: the way by the form of the first line gives what reading each line by itself gives."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstem.columns import Column, Type
from mainstem.formats import framing
from mainstem.formats.json import Json, JsonOptions, template
from mainstem.formats.json.lines import decode
from mainstem.plugs import Chunk

COLUMNS = (Column("id", Type("string"), required=True), Column("v", Type("double")), Column("n", Type("int64"), required=True))
FORMS = ('{"id":"s%d","v":1.5,"n":%d}', '{"id": "s%d", "v": -2, "n": %d}', '{ "id":"s%d","x":{"y":"z"},"v":null,"n":%d }',
         '{"id":"s%d","x":"é","v":0.1,"n":%d,"more":true}', '{"n":7,"id":"s%d","v":1e3,"k":%d}')
SPOILS = (lambda line: line[:-1], lambda line: line.replace(":", ": ", 1), lambda line: line.replace('"v"', '"w"'),
          lambda line: line.replace("1.5", '"1.5"'), lambda line: line + " ", lambda line: line.replace(",", ",,", 1),
          lambda line: line.replace('"s', '"\\u0041', 1), lambda line: line + "}", lambda line: '{"id":"' + line, lambda line: "null",
          lambda line: line.replace("{", "[", 1), lambda line: line.replace('"n"', '"id"'), lambda line: line.replace(",", " ,", 1))


def assert_both_ways_agree(data: bytes, unknown: str = "ignore") -> None:
    """Read it in both ways and compare everything."""
    plug = Json(JsonOptions(), COLUMNS, unknown)
    chunk = Chunk(data, 0)
    quick, plain = (decode(plug, chunk, vectorised=way) for way in (True, False))
    assert quick.rows.equals(plain.rows)
    assert quick.rejects.equals(plain.rejects)
    assert quick.record.tolist() == plain.record.tolist()
    assert (quick.unknown, quick.absent) == (plain.unknown, plain.absent)


@settings(max_examples=150)
@given(form=st.sampled_from(FORMS), count=st.integers(32, 300), unknown=st.sampled_from(["ignore", "keep", "quarantine"]),
       spoilt=st.lists(st.tuples(st.integers(0, 299), st.sampled_from(range(len(SPOILS)))), max_size=4))
def test_a_few_lines_differ(form: str, count: int, unknown: str, spoilt: list[tuple[int, int]]) -> None:
    """Whatever is wrong with them, and wherever they are."""
    lines = [form % (number, number) for number in range(count)]
    for place, kind in spoilt:
        lines[place % count] = SPOILS[kind](lines[place % count])
    assert_both_ways_agree("\n".join(lines).encode() + b"\n", unknown)


@pytest.mark.parametrize("form", FORMS[:2])
def test_one_byte_is_changed(form: str) -> None:
    """Every byte of a line in turn, among lines that are right."""
    rng = random.Random(5)
    good = [(form % (number, number)).encode() for number in range(64)]
    for place in range(len(good[9])):
        line = bytearray(good[9])
        line[place] = rng.choice(b'{}[]:," \\x019.-')
        assert_both_ways_agree(b"\n".join([*good[:9], bytes(line), *good[10:]]))


@pytest.mark.parametrize("form", [FORMS[0], FORMS[1], FORMS[4]])
def test_the_form_is_found(form: str) -> None:
    """The quick way is taken where it pays: every line fits."""
    data = framing.as_array("".join(form % (number, number) + "\n" for number in range(40)).encode())
    starts, ends = framing.lines(data)
    found = template.alike(data, starts, ends, ends < 0)
    assert found is not None
    assert len(found.lines) == 40
    assert {b"id", b"v", b"n"} <= {member.name for member in found.members}
