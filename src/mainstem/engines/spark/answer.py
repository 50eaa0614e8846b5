"""`spark_sql:` the rows that a step holds as tables of Spark, its statement, and the answer in files for the task that has the step.

The driver sees paths only. The answer lies in files before anyone reads it: asked again, Spark might put it into another order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa

from mainstem import durable
from mainstem.batch import KEY_GROUPS, NONE
from mainstem.engines import stages, staging, sweep
from mainstem.engines.contract import ANSWER, EpochPlan, File
from mainstem.engines.kernels import whole
from mainstem.engines.spark.worker import Work
from mainstem.engines.stages import Cut, Kept, Label, Message
from mainstem.errors import UserCodeError
from mainstem.plan import words
from mainstem.plan.words import Fold, Node, Whole

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_ROWS = 65_536                            # of one Arrow batch between Spark and us


def answers(session: SparkSession, work: Work, cut: Cut, stage: int, epoch: EpochPlan, handed: Sequence[Message]) -> list[Message]:
    """What Spark's SQL says to every step of this stage that asks it, as messages to the step's task."""
    return [message for fold in cut.asked(stage) for message in _answers(session, work, cut, fold, epoch, handed)]


def _answers(session: SparkSession, work: Work, cut: Cut, fold: Node, epoch: EpochPlan, handed: Sequence[Message]) -> Iterator[Message]:
    from pyspark.errors import AnalysisException, ParseException
    from pyspark.sql.pandas.types import from_arrow_schema

    assert isinstance(fold.word, Fold)
    assert isinstance(fold.word.body, Whole)
    mine = session.newSession()           # its optimizer as Spark has it, and views that nobody else sees
    mine.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", str(_ROWS))
    mine.conf.set("spark.sql.session.timeZone", "UTC")
    state = [("state", msgspec.json.encode(file).decode()) for file in epoch.state if file.node == fold.name]
    for place, source in enumerate(fold.inputs):
        parts = [*state, *(("kept", _kept(message).path) for message in handed if _is_for(message, fold, source))]
        schema = from_arrow_schema(_columns_of(cut, fold, place))
        frame = mine.createDataFrame(parts or [("kept", "")], "kind string, path string").repartition(max(len(parts), 1))
        frame.mapInArrow(partial(rows_of, work, fold.name, place), schema).createOrReplaceTempView(source)
    wanted = pa.schema([(column.name, column.type.arrow) for column in fold.columns])
    try:
        found = mine.sql(fold.word.body.query)
        if [name.lower() for name in found.columns] != [name.lower() for name in wanted.names]:
            raise UserCodeError("spark_sql.columns", f"`{fold.step}` answers {', '.join(found.columns)}", where=fold.step,
                                why=f"declared is {', '.join(wanted.names)}", fix="make `columns:` say what the statement answers")
        types = from_arrow_schema(wanted)
        found = found.select(*(found[place].cast(field.dataType).alias(field.name) for place, field in enumerate(types)))
    except (AnalysisException, ParseException) as error:
        raise UserCodeError("spark_sql.refused", f"Spark refuses the statement of `{fold.step}`", where=fold.step,
                            why=" ".join(str(error).split("\n\nJVM stacktrace")[0].split())[:800], fix="mend the statement") from error
    files = found.mapInArrow(partial(put, work, wanted.serialize().to_pybytes()), "path string").collect()
    home = cut.home(fold)
    assert home is not None
    for number, (path,) in enumerate(files or [(_write(work, wanted.empty_table()),)]):
        label = msgspec.json.encode(Label(fold.name, ANSWER, [number], None))
        yield Message(home, stages.KEPT, msgspec.json.encode(Kept(path, label)))


def _is_for(message: Message, fold: Node, source: str) -> bool:
    if message.kind != stages.KEPT:
        return False
    label = msgspec.json.decode(_kept(message).label, type=Label)
    return (label.fold, label.input) == (fold.name, source)


def _kept(message: Message) -> Kept:
    return msgspec.json.decode(message.meta, type=Kept)


def _columns_of(cut: Cut, fold: Node, place: int) -> pa.Schema:
    types = {column.name: column.type.arrow for column in cut.plan.node(fold.inputs[place]).columns}
    assert isinstance(fold.word, Fold)
    return pa.schema([(name, types[name]) for name in fold.word.needs[place]])


def rows_of(work: Work, name: str, place: int, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """On a worker: the rows of one input of a step, from files of its state and from what this epoch kept for it."""
    plan = words.decode(work.plan)
    fold = plan.node(name)
    assert isinstance(fold.word, Fold)
    columns = _columns_of(Cut(plan, work.tasks), fold, place)
    schema = whole.schema(fold, {source: _columns_of(Cut(plan, work.tasks), fold, at) for at, source in enumerate(fold.inputs)})
    for batch in batches:
        for kind, path in zip(batch.column(0).to_pylist(), batch.column(1).to_pylist()):
            if kind == "state":
                file = msgspec.json.decode(path, type=File)
                held = staging.load_state(Path(work.place.work), [file], 0, KEY_GROUPS, NONE, schema)
                held = held.filter(pa.compute.equal(held.column("_input"), place))
                rows = held.select([f"{place}.{column}" for column in columns.names]).rename_columns(columns.names)
            elif path:
                with pa.memory_map(path) as kept:
                    rows = pa.ipc.open_file(kept).read_all().select(columns.names)
            else:
                continue
            yield from rows.cast(columns).combine_chunks().to_batches(max_chunksize=_ROWS)


def put(work: Work, schema: bytes, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """On a worker: one part of the answer into a file of its own; its path."""
    wanted = pa.ipc.read_schema(pa.py_buffer(schema))
    rows = _table(batches, wanted)
    yield pa.RecordBatch.from_pydict({"path": [_write(work, rows)]})


def _table(batches: Iterable[pa.RecordBatch], wanted: pa.Schema) -> pa.Table:
    parts = [pa.Table.from_batches([batch]).cast(wanted) for batch in batches]
    return pa.concat_tables(parts) if parts else wanted.empty_table()


def _write(work: Work, rows: pa.Table) -> str:
    return stages.between(durable.folder(Path(work.place.work) / sweep.BETWEEN), rows)


