"""Messages as Arrow batches that Spark moves without looking inside: rows are one Arrow IPC blob, one message a batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from mainstem.engines.stages import Message

SCHEMA = "target int, kind string, meta binary, payload binary"
_FIELDS = pa.schema([("target", pa.int32()), ("kind", pa.string()), ("meta", pa.binary()), ("payload", pa.binary())])


def to_batches(messages: Iterable[Message]) -> Iterator[pa.RecordBatch]:
    """Each message with rows in a batch of its own, the small ones together at the end."""
    small: list[Message] = []
    for message in messages:
        if message.rows is None:
            small.append(message)
            continue
        yield _batch([message], _blob(message.rows))
    if small:
        yield _batch(small, pa.nulls(len(small), pa.binary()))


def from_batches(batches: Iterable[pa.RecordBatch]) -> Iterator[Message]:
    """The messages again, in the order of their arrival; rows are not copied."""
    for batch in batches:
        target, kind, meta, payload = batch.columns
        for number in range(batch.num_rows):
            blob = payload[number]
            rows = pa.ipc.open_stream(blob.as_buffer()).read_all() if blob.is_valid else None
            yield Message(target[number].as_py(), kind[number].as_py(), meta[number].as_py(), rows)


def _batch(messages: list[Message], payload: pa.Array) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([
        pa.array([message.target for message in messages], pa.int32()),
        pa.array([message.kind for message in messages], pa.string()),
        pa.array([message.meta for message in messages], pa.binary()),
        payload,
    ], schema=_FIELDS)


def _blob(rows: pa.Table) -> pa.Array:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows.combine_chunks())
    content = sink.getvalue()
    offsets = pa.array([0, content.size], pa.int32()).buffers()[1]
    return pa.Array.from_buffers(pa.binary(), 1, [None, offsets, content])

