"""User functions in a child process: what they promise is checked; raising, hanging, dying costs the row and never the runner."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mainstem import signals
from mainstem.batch import AT, Fate, at, identity
from mainstem.columns import Column, parse_type
from mainstem.engines.contract import Result
from mainstem.engines.kernels import python, slot
from mainstem.engines.selection import Selection
from mainstem.errors import UserCodeError
from mainstem.plan.words import Map, Node

MODULE = '''
import os, sys, time
import pyarrow as pa
import pyarrow.compute as pc

def double(table):
    return table.set_column(0, "x", pc.multiply(table["x"], 2))

def bad_seven(table):
    for value in table["x"].to_pylist():
        if value == 7:
            raise ValueError("seven is bad")
    return table

def hang_seven(table):
    if 7 in table["x"].to_pylist():
        time.sleep(60)
    return table

def abort_seven(table):
    if 7 in table["x"].to_pylist():
        os.abort()
    return table

def exit_seven(table):
    if 7 in table["x"].to_pylist():
        sys.exit(3)
    return table

def gobble_seven(table):
    if 7 in table["x"].to_pylist():
        hoard = bytearray(3 << 30)
    return table

def talk(table):
    print("hello from", table.num_rows)
    os.write(1, b"raw bytes\\n")
    return table

def odd(table):
    return table.filter(pa.array([x % 2 == 1 for x in table["x"].to_pylist()], pa.bool_()))

def odd_backwards(table):
    return odd(table).take(list(range(odd(table).num_rows))[::-1])

def forget(table):
    return odd(table).drop_columns(["_at"])

def twice(table):
    return pa.concat_tables([table, table])

def invent(table):
    return table.set_column(1, "_at", pa.array([99] * table.num_rows, pa.int64()))

def spread(table):
    x, place = table["x"].to_pylist(), table["_at"].to_pylist()
    return {"y": [i for n in x for i in range(n)], "_at": [p for n, p in zip(x, place) for _ in range(n)]}

def shorter(table):
    return table.slice(1)

def sorted_down(table):
    return table.sort_by([("x", "descending")])

def halves(table):
    return {"x": [v / 2 for v in table["x"].to_pylist()]}

def texts(table):
    return {"x": [str(v) for v in table["x"].to_pylist()]}

def other(table):
    return {"z": table["x"]}

def nothing(table):
    return None

def pid(table):
    return {"x": [os.getpid()] * table.num_rows}

not_a_function = 3
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("code")
    (path / "mine.py").write_text(MODULE)
    (path / "broken.py").write_text("import no_such_module_anywhere\n")
    return path


def close_all() -> None:
    """End every process that this thread has started."""
    for one in vars(slot._local).pop("slots", {}).values():
        one.close()


@pytest.fixture(scope="module", autouse=True)
def _no_child_left_behind() -> Iterator[None]:
    yield
    close_all()


def rows(values: list[Any]) -> pa.Table:
    table = pa.table({"x": pa.array(values, pa.int64())})
    return table.append_column(AT, identity(0, 2, np.arange(len(values)) * 5, np.arange(len(values)) * 1000, record=np.arange(len(values))))


def run(folder: Path, call: str, values: list[Any] | pa.Table, how: str = "same", *, columns: dict[str, str] | None = None,
        timeout: int = 10_000_000, memory: int = 1 << 30, deterministic: bool = True) -> Result:
    word = Map(call=call, rows=how, timeout=timeout, memory=memory, deterministic=deterministic)
    node = Node(name="mapped", step="mapped", word=word, inputs=("readings",), origin=3 if how == "any" else None,
                columns=tuple(Column(name, parse_type(kind)) for name, kind in (columns or {"x": "int64"}).items()))
    site: Any = SimpleNamespace(code=(str(folder),), plan=SimpleNamespace(readers=lambda _: ()))
    found = python.run(node, "readings", Selection(values if isinstance(values, pa.Table) else rows(values)), {}, site)
    return Result(found.onward.rows, found.aside, found.fates, notes=found.notes)


def test_same_keeps_identity_and_the_process_is_reused(folder: Path) -> None:
    result = run(folder, "mine:double", [1, 2, None])
    assert result.rows["x"].to_pylist() == [2, 4, None]
    assert at(result.rows, "n").tolist() == [0, 5, 10]
    first, second = (run(folder, "mine:pid", [1, 2]).rows["x"].to_pylist() for _ in range(2))
    assert first == second
    assert first[0] != os.getpid()


@pytest.mark.parametrize(("call", "detail", "timeout"), [
    ("mine:bad_seven", "ValueError: seven is bad", 10_000_000), ("mine:exit_seven", "SystemExit: 3", 10_000_000),
    ("mine:abort_seven", "SIGABRT", 10_000_000), ("mine:hang_seven", "did not return within 1s", 1_000_000),
    ("mine:gobble_seven", "more memory than the 256 MiB", 10_000_000),
])
def test_a_row_on_which_it_fails_costs_itself_and_the_runner_lives(folder: Path, call: str, detail: str, timeout: int) -> None:
    values = list(range(12))
    result = run(folder, call, values, timeout=timeout, memory=256 << 20)
    assert result.rows["x"].to_pylist() == [x for x in values if x != 7]
    assert result.fates == {Fate(0, "mapped", "quarantined", "python"): 1}
    assert result.aside is not None
    assert detail in result.aside["_detail"].to_pylist()[0]
    assert at(result.aside, "n").tolist() == [35]
    assert run(folder, "mine:double", [4]).rows["x"].to_pylist() == [8]


def test_a_traceback_names_the_users_line_and_not_ours(folder: Path) -> None:
    result = run(folder, "mine:bad_seven", [7])
    assert result.aside is not None
    (detail,) = result.aside["_detail"].to_pylist()
    assert "mine.py" in detail
    assert "child.py" not in detail


def test_what_it_prints_is_a_log_line_and_never_data(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    heard: list[str] = []
    with signals.listening(lambda name, facts: heard.append(facts["message"])):
        assert run(folder, "mine:talk", [1, 2], deterministic=False).rows.num_rows == 2
        close_all()
    assert "mine:talk: hello from 2" in heard
    assert "mine:talk: raw bytes" in heard
    assert capfd.readouterr().out == ""


def test_fewer_counts_what_it_left_out(folder: Path) -> None:
    for call in ("mine:odd", "mine:odd_backwards"):
        result = run(folder, call, [1, 2, 3, 4, 5], "fewer")
        assert result.rows["x"].to_pylist() == [1, 3, 5]
        assert at(result.rows, "n").tolist() == [0, 10, 20]
        assert result.fates == {Fate(0, "mapped", "filtered", "python_filter"): 2}


@pytest.mark.parametrize(("call", "how", "code"), [
    ("mine:forget", "fewer", "python.at"), ("mine:twice", "fewer", "python.at"), ("mine:invent", "fewer", "python.at"),
    ("mine:texts", "fewer", "python.at"), ("mine:shorter", "same", "python.rows"), ("mine:sorted_down", "same", "python.order"),
    ("mine:texts", "same", "python.type"), ("mine:other", "same", "python.returned"), ("mine:absent", "same", "python.not_found"),
    ("mine:not_a_function", "same", "python.not_found"), ("broken:f", "same", "python.import"),
    ("nowhere:f", "same", "python.import"),
])
def test_a_broken_promise_stops_the_step_and_blames_the_function(folder: Path, call: str, how: str, code: str) -> None:
    with pytest.raises(UserCodeError) as caught:
        run(folder, call, [1, 2, 3], how)
    error = caught.value
    assert error.code == code
    assert all((error.what, error.where, error.why, error.fix))


def test_an_import_error_has_module_path_and_traceback(folder: Path) -> None:
    with pytest.raises(UserCodeError) as caught:
        run(folder, "broken:f", [1])
    assert "`broken`" in caught.value.what
    assert "no_such_module_anywhere" in caught.value.why
    assert str(folder) in caught.value.why
    with pytest.raises(UserCodeError) as caught:
        run(folder, "mine:doubel", [1])
    assert "`double`" in caught.value.fix


def test_any_makes_rows_of_its_own_with_their_parents_place(folder: Path) -> None:
    result = run(folder, "mine:spread", [2, 0, 1, 3], "any", columns={"y": "int64"})
    assert result.rows["y"].to_pylist() == [0, 1, 0, 0, 1, 2]
    assert at(result.rows, "o").tolist() == [3] * 6
    assert at(result.rows, "n").tolist() == [0, 0, 10, 15, 15, 15]
    assert at(result.rows, "c").tolist() == [0, 1, 0, 0, 1, 2]
    assert at(result.rows, "t").tolist() == [0, 0, 2000, 3000, 3000, 3000]
    assert result.fates == {Fate(0, "mapped", "delivered", ""): 4}


def test_a_value_that_does_not_fit_costs_its_row_a_wrong_thing_too(folder: Path) -> None:
    result = run(folder, "mine:halves", [2, 3, 4])
    assert result.rows["x"].to_pylist() == [1, 2]
    assert result.fates == {Fate(0, "mapped", "quarantined", "python"): 1}
    nothing = run(folder, "mine:nothing", [1, 2])
    assert nothing.aside is not None
    assert nothing.aside["_detail"].to_pylist() == ["it returned a NoneType, not a pyarrow.Table"] * 2


def test_a_function_that_fails_on_nearly_everything_stops_the_step(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python, "_HOPELESS", 20)
    with pytest.raises(UserCodeError) as caught:
        run(folder, "mine:bad_seven", [7] * 60)
    assert caught.value.code == "python.raised"
    monkeypatch.setattr(python, "_DEATHS", 3)
    with pytest.raises(UserCodeError) as caught:
        run(folder, "mine:abort_seven", [7] * 6)
    assert caught.value.code == "python.died"


def test_no_rows_need_no_process(folder: Path) -> None:
    assert run(folder, "nowhere:f", []).rows.column_names == ["x", AT]


@pytest.mark.parametrize(("call", "how", "columns"), [("mine:bad_seven", "same", None), ("mine:odd", "fewer", None),
                                                      ("mine:spread", "any", {"y": "int64"})])
def test_of_a_and_b_is_of_a_and_of_b(folder: Path, call: str, how: str, columns: dict[str, str] | None) -> None:
    table = rows([3, 7, 0, 7, 2, 5, 1])
    whole = run(folder, call, table, how, columns=columns)
    for cut in (0, 1, 4, 7):
        parts = [run(folder, call, part, how, columns=columns) for part in (table.slice(0, cut), table.slice(cut))]
        assert pa.concat_tables([part.rows for part in parts]).to_pylist() == whole.rows.to_pylist()
        assert sum((part.fates for part in parts), Counter()) == whole.fates


def test_each_thread_has_a_process_of_its_own(folder: Path) -> None:
    found: list[int] = []

    def work() -> None:
        found.append(run(folder, "mine:pid", [1, 2]).rows["x"].to_pylist()[0])
        close_all()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux")
def test_a_runner_that_is_killed_takes_its_children_along(folder: Path) -> None:
    script = textwrap.dedent(f"""
        import os, signal, sys, threading
        import pyarrow as pa
        from mainstem.engines.kernels.slot import Slot
        one = Slot("mine:hang_seven", ({str(folder)!r},), 1 << 30)
        one(pa.table({{"x": [1]}}), 10_000_000)
        print(one._process.pid, flush=True)
        threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
        one(pa.table({{"x": [7]}}), 60_000_000)
    """)
    runner = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=20)
    child = int(runner.stdout)
    for _ in range(100):
        state = Path(f"/proc/{child}/stat")
        if not state.exists() or state.read_text().split()[2] == "Z":
            return
        threading.Event().wait(0.05)
    pytest.fail("the child is still there")
