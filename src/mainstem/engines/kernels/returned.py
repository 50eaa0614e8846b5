"""What a user's function returned, held against the columns that it declared: by name, and by type without any loss."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from mainstem.columns import Columns
from mainstem.engines.kernels.slot import CallError
from mainstem.errors import UserCodeError

Broken = Callable[[str, str, str, str], UserCodeError]      # (code, what, why, fix)


def as_declared(table: pa.Table, columns: Columns, broken: Broken) -> pa.Table:
    """The table with exactly the declared columns in their order and types.

    Raises UserCodeError for a column too many, too few or of another kind, and CallError where a value does not fit (that
    costs its row only).
    """
    names, declared = table.column_names, [column.name for column in columns]
    missing = [name for name in declared if name not in names]
    more = [name for name in names if name not in declared]
    if missing or more or len(set(names)) < len(names):
        said = [f"{what} `{'`, `'.join(which)}`" for what, which in (("lacks", missing), ("has also", more)) if which]
        raise broken("python.returned", f"its answer {' and '.join(said) or 'has two columns of one name'}",
                     f"declared are {', '.join(declared)}", "return exactly those, or change `columns:` of the step")
    arrays = []
    for column in columns:
        array, wanted = table.column(column.name), column.type.arrow
        if array.type != wanted:
            if not _akin(array.type, wanted):
                raise broken("python.type", f"its column `{column.name}` is {array.type}, declared is {column.type}",
                             "types are never changed in silence", f"cast it in the function: table['{column.name}'].cast(...)")
            try:
                array = array.cast(wanted)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise CallError("returned", f"column `{column.name}` does not fit {column.type}: {error}") from error
        arrays.append(array)
    return pa.Table.from_arrays(arrays, schema=pa.schema([(column.name, column.type.arrow) for column in columns]))


def _akin(here: pa.DataType, there: pa.DataType) -> bool:
    """Whether a cast between the two keeps the meaning; whether it keeps the value is seen by casting."""
    kinds = pa.types
    if kinds.is_null(here):
        return True
    if kinds.is_dictionary(here):
        return _akin(here.value_type, there)
    if _list(here) and _list(there):
        return _akin(here.value_type, there.value_type)
    if kinds.is_struct(here) and kinds.is_struct(there):
        return here.names == there.names and all(
            _akin(here.field(i).type, there.field(i).type) for i in range(here.num_fields))
    if kinds.is_timestamp(here) and kinds.is_timestamp(there):
        return (here.tz is None) == (there.tz is None)
    return any(test(here) and test(there) for test in (_number, _text, _bytes, kinds.is_date, kinds.is_time)) or here == there


def _number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def _list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))
