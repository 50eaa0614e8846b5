"""An operator that loses, doubles or mislabels one row: the law or a physical end stops the pipeline every time (2-S 7)."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from drawing import cut, events
from scripted import Bench, Scripted, compiled, source

from mainstem.batch import AT, AT_TYPE, Fate
from mainstem.engines.contract import Result, RowResult
from mainstem.engines.selection import Selection
from mainstem.errors import Bug, UserCodeError

PIPELINE = (
    source("10s")
    + """
steps:
  wide:
    from: events
    sql: SELECT t, k, v, seq, x * 2 AS x FROM events WHERE v <> 7
  good:
    from: wide
    check: [{name: v_high, that: v > -40}, {name: v_low, that: v < 45, else: drop}, {name: x_low, that: x < 400, else: flag}]
  fresh:
    from: good
    dedupe: {by: [k, v], within: 30s}
  minutes:
    from: fresh
    window: {size: 1m, by: [k], late: quarantine}
    select: count(*) AS n
  visits:
    from: good
    session: {gap: 15s, by: [k]}
    select: count(*) AS n
  rolling:
    from: good
    over: {by: [k], range: 1m}
    select: sum(v) AS recent
  newest:
    from: good
    latest: {by: [k]}
  hot:
    from: good
    alert: {when: v > 20, by: [k]}
outputs:
  fresh: {from: fresh, delta: {table: fresh, mode: append}}
  minutes: {from: minutes, delta: {table: minutes, mode: append}}
  visits: {from: visits, delta: {table: visits, mode: append}}
  rolling: {from: rolling, delta: {table: rolling, mode: append}}
  newest: {from: newest, delta: {table: newest, mode: upsert, key: [k]}}
  hot: {from: hot, delta: {table: hot, mode: append}}
"""
)
# one more for SQL that makes rows of rows and for what needs complete input, and one for functions of the user
MAKING = (
    source("10s").replace("generator: {}", "generator: {rows: 1}")
    + """
steps:
  tags:
    from: events
    sql: SELECT t, k, v, unnest(range(abs(v) % 3)) AS item FROM events
  totals:
    from: tags
    sql: SELECT k, sum(item) AS total FROM tags GROUP BY k
outputs:
  tags: {from: tags, delta: {table: tags}}
  totals: {from: totals, delta: {table: totals}}
"""
)
SIFTING = (
    source("10s")
    + """
steps:
  good:
    from: events
    check: [{name: v_high, that: v > -20}, {name: v_low, that: v < 25, else: drop}]
  half:
    from: good
    sql: SELECT k, v // 2 AS half FROM good WHERE v <> 7
outputs:
  half: {from: half, delta: {table: half}}
  good: {from: good, delta: {table: good}}
"""
)
CALLING = (
    source("10s")
    + """
steps:
  mine:
    from: events
    python: {call: "mine:kept", rows: fewer}
  twice:
    from: mine
    python: {call: "mine:twice", rows: any, columns: {k: string, v: int64}}
outputs:
  twice: {from: twice, delta: {table: twice}}
"""
)
MINE = """\
import pyarrow as pa
import pyarrow.compute as pc

def kept(rows):
    return rows.filter(pc.greater(rows["v"], -30))

def twice(rows):
    made = rows.select(["k", "v", "_at"])
    return pa.concat_tables([made, made])
"""
ROW_KERNELS = ("sql", "check")
FOLDS = ("window", "session", "over", "dedupe", "latest", "alert")
HOLDING = ("window", "session", "over")

Change = Callable[[pa.Table], pa.Table]


def drop(rows: pa.Table) -> pa.Table:
    return rows.slice(1)


def double(rows: pa.Table) -> pa.Table:
    return pa.concat_tables([rows, rows.slice(0, 1)])


def mislabel(rows: pa.Table) -> pa.Table:
    """The first row claims to come from another origin."""
    parts = rows.column(AT).combine_chunks().flatten()
    origins = np.array(parts[0].to_numpy())
    origins[0] = 1 - min(int(origins[0]), 1)
    parts[0] = pa.array(origins)
    return rows.set_column(rows.column_names.index(AT), AT, pa.StructArray.from_arrays(parts, fields=list(AT_TYPE)))


CHANGES = {"drop": drop, "double": double, "mislabel": mislabel}


def broken(tmp_path: Path, text: str = PIPELINE) -> tuple[str, str]:
    """Run the pipeline with a broken operator; (code, message) of what stopped it, ("", "") if nothing did."""
    rng = random.Random(3)
    partitions = events(rng, 2, 60)
    (tmp_path / "mine.py").write_text(MINE)
    bench = Bench(compiled(text, {"mine.py": MINE}), tmp_path, {"events": Scripted(partitions, cut(rng, partitions, 4))})
    try:
        bench.run()
    except Bug as error:
        numbers = bench.home.epochs("plan")
        assert numbers[-1] not in bench.home.epochs("manifest"), "the broken epoch was published"
        return error.code, str(error)
    return "", ""


@pytest.fixture
def wrap(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Wrap `run` of a kernel once: the first call for which `change` finds something is changed, all others are left alone."""

    def wrapping(kernel: str, change: Callable[[Any, tuple[Any, ...]], Any]) -> list[int]:
        module, done = import_module(f"mainstem.engines.kernels.{kernel}"), []
        true = module.run

        def run(*args: Any, **how: Any) -> Any:
            if done:
                return true(*args, **how)
            result = change(true, args)
            if result is None:
                return true(*args, **how)
            done.append(1)
            return result

        monkeypatch.setattr(module, "run", run)
        return done

    return wrapping


def on_the_way_in(change: Change) -> Callable[[Any, tuple[Any, ...]], Any]:
    def act(true: Any, args: tuple[Any, ...]) -> Any:
        node, rows, *rest = args
        if isinstance(rows, str):         # the name of what a row-local kernel reads
            given, *rest = rest
            return None if given.count < 3 else true(node, rows, Selection(change(given.rows)), *rest)
        name = next((name for name, table in rows.items() if table.num_rows > 2), None)
        return None if name is None else true(node, {**rows, name: change(rows[name])}, *rest)

    return act


def on_the_way_out(change: Change) -> Callable[[Any, tuple[Any, ...]], Any]:
    def act(true: Any, args: tuple[Any, ...]) -> Any:
        result: Result | RowResult = true(*args)
        if isinstance(result, RowResult):
            return None if result.onward.count < 2 else replace(result, onward=Selection(change(result.onward.rows)))
        return None if result.rows.num_rows < 2 else replace(result, rows=change(result.rows))

    return act


def in_the_state(change: Change) -> Callable[[Any, tuple[Any, ...]], Any]:
    def act(true: Any, args: tuple[Any, ...]) -> Any:
        result: Result = true(*args)
        return None if result.state is None or result.state.num_rows < 3 else replace(result, state=change(result.state))

    return act


def in_what_is_set_aside(change: Change) -> Callable[[Any, tuple[Any, ...]], Any]:
    def act(true: Any, args: tuple[Any, ...]) -> Any:
        result: Result = true(*args)
        return None if result.aside is None or not result.aside.num_rows else replace(result, aside=change(result.aside))

    return act


def in_the_counts(change: Callable[[Mapping[Any, int]], Any]) -> Callable[[Any, tuple[Any, ...]], Any]:
    def act(true: Any, args: tuple[Any, ...]) -> Any:
        result: Result = true(*args)
        return None if not result.fates else replace(result, fates=change(result.fates))

    return act


@pytest.mark.parametrize("text", [PIPELINE, MAKING, CALLING, SIFTING], ids=["folds", "making", "calling", "sifting"])
def test_the_sound_pipeline_runs(text: str, tmp_path: Path) -> None:
    assert broken(tmp_path, text) == ("", "")


@pytest.mark.parametrize("way", ["in", "out"])
@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("kernel", ["sql", "python", "whole"])
def test_a_row_lost_doubled_or_mislabelled_where_rows_are_made_of_rows(
    kernel: str, kind: str, way: str, tmp_path: Path, wrap: Any
) -> None:
    done = wrap(kernel, {"in": on_the_way_in, "out": on_the_way_out}[way](CHANGES[kind]))
    code, message = broken(tmp_path, CALLING if kernel == "python" else MAKING)
    assert done, "the operator was never reached"
    assert code == "law.broken", message


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("kernel", [*ROW_KERNELS, *FOLDS])
def test_a_row_lost_doubled_or_mislabelled_on_the_way_into_an_operator(kernel: str, kind: str, tmp_path: Path, wrap: Any) -> None:
    done = wrap(kernel, on_the_way_in(CHANGES[kind]))
    code, message = broken(tmp_path)
    assert done, "the operator was never reached"
    assert code == "law.broken", message


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("kernel", [*ROW_KERNELS, *FOLDS])
def test_a_row_lost_doubled_or_mislabelled_on_the_way_out_of_an_operator(kernel: str, kind: str, tmp_path: Path, wrap: Any) -> None:
    done = wrap(kernel, on_the_way_out(CHANGES[kind]))
    code, message = broken(tmp_path)
    assert done, "the operator never made a row"
    assert code == "law.broken", message


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("kernel", HOLDING)
def test_a_row_lost_doubled_or_mislabelled_in_the_state(kernel: str, kind: str, tmp_path: Path, wrap: Any) -> None:
    done = wrap(kernel, in_the_state(CHANGES[kind]))
    code, message = broken(tmp_path)
    assert done
    assert code == "law.broken", message


@pytest.mark.parametrize("kind", ["drop", "double"])
@pytest.mark.parametrize("kernel", ["check", "session", "over", "dedupe"])
def test_a_row_lost_or_doubled_in_what_is_set_aside(kernel: str, kind: str, tmp_path: Path, wrap: Any) -> None:
    done = wrap(kernel, in_what_is_set_aside(CHANGES[kind]))
    code, message = broken(tmp_path)
    assert done
    assert code == "law.broken", message


@pytest.mark.parametrize("change", [lambda out, _: out[1:], lambda out, count: np.append(out, np.setdiff1d(np.arange(count), out)[0])],
                         ids=["a bad row goes on", "a good row stays"])
def test_a_wrong_selection(change: Callable[[Any, int], Any], tmp_path: Path, wrap: Any) -> None:
    def act(true: Any, args: tuple[Any, ...]) -> Any:
        result: RowResult = true(*args)
        table, out = result.onward.table, result.onward.out
        return None if out is None else replace(result, onward=Selection(table, change(out, table.num_rows)))

    done = wrap("check", act)
    code, message = broken(tmp_path, SIFTING)
    assert done
    assert code == "law.broken", message


@pytest.mark.parametrize("kernel", ["check", *FOLDS])
def test_a_count_of_the_wrong_row(kernel: str, tmp_path: Path, wrap: Any) -> None:
    """One row is counted under another fate: the sum still balances for it only where both are fates of the same row."""

    def one_more(fates: Any) -> Any:
        key: Fate = next(iter(fates))
        return fates + type(fates)({key: 1})

    done = wrap(kernel, in_the_counts(one_more))
    code, message = broken(tmp_path)
    assert done
    assert code == "law.broken", message


@pytest.mark.parametrize("kind", ["drop", "double"])
def test_a_row_lost_or_doubled_while_it_is_written(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import scripted

    true, done = scripted.Kept.stage, []

    def stage(self: Any, rows: pa.Table, name: str) -> Any:
        if rows.num_rows > 1 and not done:
            done.append(1)
            rows = CHANGES[kind](rows)
        return true(self, rows, name)

    monkeypatch.setattr(scripted.Kept, "stage", stage)
    code, message = broken(tmp_path)
    assert done
    assert code == "law.broken", message


@pytest.mark.parametrize("kind", CHANGES)
def test_a_row_lost_doubled_or_mislabelled_between_tasks(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shuffle."""
    from mainstem.engines.local import engine

    true, done = engine.scatter, []

    def scatter(node: Any, rows: pa.Table, tasks: int) -> Any:
        parts = true(node, rows, tasks)
        if not done and parts and parts[0][1].num_rows > 2:
            done.append(1)
            parts = [(parts[0][0], CHANGES[kind](parts[0][1])), *parts[1:]]
        return parts

    monkeypatch.setattr(engine, "scatter", scatter)
    code, message = broken(tmp_path)
    assert done
    assert code == "law.broken", message


# ------------------------------------------------------------------------------------------------ what is read


def spoil_once(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, change: Callable[[Any], Any]) -> list[int]:
    """The first answer of a function for which `change` finds something is changed."""
    true, done = getattr(owner, name), []

    def spoilt(*args: Any, **more: Any) -> Any:
        answer = true(*args, **more)
        changed = None if done else change(answer)
        if changed is None:
            return answer
        done.append(1)
        return changed

    monkeypatch.setattr(owner, name, spoilt)
    return done


def overlook(decoded: Any) -> Any:
    """A decoder that never saw its third record: its own counts agree with each other."""
    if len(decoded.position) < 5 or decoded.rejects.num_rows:
        return None
    keep = pa.array(np.arange(len(decoded.position)) != 2)
    return replace(decoded, rows=decoded.rows.filter(keep), raw=decoded.raw.filter(keep), record=decoded.record[:-1],
                   position=np.delete(decoded.position, 2))


def mix_up(decoded: Any) -> Any:
    """One record twice, another not at all."""
    if len(decoded.record) < 5:
        return None
    record = np.array(decoded.record)
    record[2] = record[1]
    return replace(decoded, record=record)


@pytest.mark.parametrize("change", [overlook, mix_up])
def test_a_decoder_that_overlooks_a_record_or_takes_one_for_another(
    change: Callable[[Any], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mainstem.formats.json import Json

    done = spoil_once(monkeypatch, Json, "decode", change)
    code, message = broken(tmp_path)
    assert done
    assert code == "law.broken", message
    assert "the format json does not account for what it read" in message


def cut_short(chunks: Any) -> Any:
    """A source that forgets the last record of a range."""
    (chunk,) = chunks
    end = bytes(chunk.data).rstrip(b"\n").rfind(b"\n") + 1
    return [replace(chunk, data=bytes(chunk.data)[:end])] if end else None


@pytest.mark.parametrize("change", [cut_short, lambda chunks: [*chunks, *chunks], lambda chunks: chunks[:-1]])
def test_a_source_that_hands_out_less_or_more_than_was_planned(
    change: Callable[[Any], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = spoil_once(monkeypatch, Scripted, "read", change)
    code, message = broken(tmp_path)
    assert done
    assert code == "law.broken", message


@pytest.mark.parametrize("change", [lambda calls: calls[1:], lambda calls: [*calls, calls[0]]], ids=["never", "twice"])
def test_an_engine_that_reads_a_range_never_or_twice(
    change: Callable[[Any], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mainstem.engines.local import engine

    done = spoil_once(monkeypatch, engine, "read_calls", lambda calls: change(calls) if calls else None)
    code, message = broken(tmp_path)
    assert done
    assert code == "law.broken", message
    assert "planned" in message


@pytest.mark.parametrize("place", ["the pipe", "the types"])
@pytest.mark.parametrize("kind", ["drop", "double"])
def test_a_row_lost_or_doubled_between_the_child_process_and_the_step(
    kind: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`rows: fewer` may leave rows out: what it left out is counted where it did, so that a row lost on the way is none of them."""
    from mainstem.engines.kernels import python, slot

    def change(answer: pa.Table) -> Any:
        return CHANGES[kind](answer).replace_schema_metadata(answer.schema.metadata) if answer.num_rows > 2 else None

    owner = {"the pipe": (slot.Slot, "__call__"), "the types": (python, "as_declared")}[place]
    done = spoil_once(monkeypatch, *owner, change)
    try:
        code, message = broken(tmp_path, CALLING)
    except UserCodeError as error:          # `rows: fewer` may not return a row twice
        code, message = error.code, str(error)
    assert done
    assert code == ("python.at" if (kind, place) == ("double", "the pipe") else "law.broken"), message


@pytest.mark.parametrize("step", [-1, 1])
def test_a_row_counted_as_left_out_that_was_not(step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mainstem.engines.kernels import failing

    true, done = failing.fates, []

    def fates(rows: pa.Table, node: str, fate: str, reason: str) -> Any:
        found = true(rows, node, fate, reason)
        if reason == "python_filter" and not done:
            done.append(1)
            found[next(iter(found))] += step
        return found

    monkeypatch.setattr(failing, "fates", fates)
    code, message = broken(tmp_path, CALLING)
    assert done
    assert code == "law.broken", message


@pytest.mark.parametrize("change", [lambda files: files[1:], lambda files: [*files, files[0]]], ids=["less", "twice"])
def test_a_sink_that_commits_less_or_more_than_was_decided(
    change: Callable[[Any], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sink counts what its version holds; what it says is held against the decision also when the epoch is tried again."""
    import scripted

    true, done = scripted.Kept.commit, []

    def commit(self: Any, transaction: Any, files: Any) -> Any:
        if len(files) > 1 and not done:
            done.append(1)
            files = change(files)
        return true(self, transaction, files)

    monkeypatch.setattr(scripted.Kept, "commit", commit)
    rng = random.Random(3)
    partitions = events(rng, 2, 60)
    bench = Bench(compiled(PIPELINE, {"mine.py": MINE}), tmp_path, {"events": Scripted(partitions, cut(rng, partitions, 4))})
    for _ in range(2):
        with pytest.raises(Bug, match=r"law\.broken") as caught:
            bench.run()
        assert done
        assert " rows of " in str(caught.value)
        assert bench.home.epochs("prepared")[-1] not in bench.home.epochs("manifest")


@pytest.mark.parametrize("kernel", ["window", "session", "over", "whole"])
@pytest.mark.parametrize("kind", ["drop", "double"])
def test_a_group_lost_or_doubled_inside_duckdb(kernel: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every group counts its rows beside what the user asked for; the rows that went in must all be in one that came out."""
    from mainstem.engines.kernels import made

    module = import_module(f"mainstem.engines.kernels.{kernel}")
    running: list[str] = []
    true_run, true_ask, done = module.run, made.ask, []

    def run(node: Any, *rest: Any) -> Any:
        running.append(node.name)
        try:
            return true_run(node, *rest)
        finally:
            running.pop()

    def ask(node: Any, sql: str, **relations: pa.Table) -> pa.Table:
        answer = true_ask(node, sql, **relations)
        if running and answer.num_rows > 2 and not done:
            done.append(1)
            return CHANGES[kind](answer)
        return answer

    monkeypatch.setattr(module, "run", run)
    monkeypatch.setattr(made, "ask", ask)
    if hasattr(module, "ask"):
        monkeypatch.setattr(module, "ask", ask)
    code, message = broken(tmp_path, MAKING if kernel == "whole" else PIPELINE)
    assert done, "it never asked DuckDB for more than two rows"
    assert code == "law.broken", message
    assert "got lost" in message
