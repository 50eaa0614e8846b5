"""How data is printed on stdout: a table for people, versioned JSON for programs, CSV for spreadsheets."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import decimal
import json
import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mainstem.cli.app import Output
from mainstem.cli.screen import visible

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import Console

VERSION = 1                               # of the JSON envelope; a key may come, none goes or changes its meaning
_LONG = 80                                # characters of a cell in a table


def rows(kind: str, data: Sequence[Mapping[str, Any]], output: Output, columns: Sequence[str] | None = None,
         empty: str = "nothing", long: int = _LONG) -> None:
    """Print rows; `columns` picks and orders those of table and CSV, JSON has them all; `long`: the most of a cell in a table."""
    names = list(columns or dict.fromkeys(name for row in data for name in row))
    if output is Output.json:
        document(kind, [dict(row) for row in data])
    elif output is Output.csv:
        sys.stdout.write(_csv([names, *([row.get(name) for name in names] for row in data)]))
    elif data:
        table(names, [[row.get(name) for name in names] for row in data], long)
    else:
        print(empty, file=sys.stderr)


def arrow(kind: str, data: pa.Table, output: Output, columns: Sequence[str] | None = None) -> None:
    """Print an Arrow table, with the count of its rows for people."""
    if output is Output.json:
        types = [{"name": field.name, "type": str(field.type)} for field in data.schema]
        document(kind, {"columns": types, "rows": data.to_pylist()})
        return
    names = [name for name in columns or data.column_names if name in data.column_names]
    if columns is not None and output is Output.table:          # chosen for people: what is empty everywhere tells them nothing
        names = [name for name in names if any(value not in (None, [], "") for value in data.column(name).to_pylist())] or names
    cells = [[row[name] for name in names] for row in data.select(names).to_pylist()]
    if output is Output.csv:
        sys.stdout.write(_csv([names, *cells]))
    else:
        table(names, cells)
        print(counted(data.num_rows, "row"), file=sys.stderr)


def document(kind: str, data: Any) -> None:
    """Print JSON in the envelope that programs may rely on: version, kind, data."""
    json.dump({"version": VERSION, "kind": kind, "data": plain(data)}, sys.stdout, indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")


def fields(pairs: Iterable[tuple[str, Any]]) -> None:
    """Print one thing: a name and a value a line; texts of several lines are set apart."""
    listed = [(name, cell(value)) for name, value in pairs if value not in (None, "", [], {})]
    wide = max((len(name) for name, _ in listed), default=0)
    for name, text in listed:
        first, *rest = [visible(line) for line in text.splitlines()] or [""]
        print(f"{name:{wide}}  {first}")
        for line in rest:
            print(f"{'':{wide}}  {line}")


def table(names: Sequence[str], data: Sequence[Sequence[Any]], long: int = _LONG) -> None:
    """Print a table, numbers to the right. Where it is too narrow texts are folded, but neither numbers nor an `id`."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    made = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
    for index, name in enumerate(names):
        values = [row[index] for row in data if row[index] is not None]
        numeric = all(isinstance(value, int | float | decimal.Decimal) and not isinstance(value, bool) for value in values)
        made.add_column(Text(name), justify="right" if numeric else "left", overflow="fold", no_wrap=numeric or name == "id")
    for row in data:
        made.add_row(*(Text(_short(cell(value), long)) for value in row))
    to = console()
    with to.capture() as captured:
        to.print(made)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def counted(count: int, word: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def console() -> Console:
    """Stdout for rich: as wide as COLUMNS or the terminal says, else as wide as it takes; NO_COLOR is obeyed."""
    from rich.console import Console

    width = None if os.environ.get("COLUMNS") or sys.stdout.isatty() else 10_000
    return Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False,
                   color_system=None if os.environ.get("NO_COLOR") else "auto")


def plain(value: Any) -> Any:
    """A value as JSON has it: records by field, moments as RFC 3339 in UTC, bytes as text (else base64), decimals as text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {part.name: plain(getattr(value, part.name)) for part in dataclasses.fields(value)}
    if hasattr(value, "__struct_fields__"):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, bytes):
        return _text(value)
    if isinstance(value, dt.datetime):
        return (value.astimezone(dt.UTC) if value.tzinfo else value).isoformat().replace("+00:00", "Z")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return int(value) if value.is_finite() and value == value.to_integral_value() and value.as_tuple().exponent == 0 else format(value, "f")
    return str(value)


def cell(value: Any) -> str:
    """A value as a person reads it in a table; NULL is empty."""
    value = plain(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


def _short(text: str, long: int) -> str:
    line = visible(text.replace("\r", "\\r").replace("\n", "\\n"))
    return line if len(line) <= long else line[:long - 3] + "..."


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(value).decode()


def _csv(lines: Iterable[Sequence[Any]]) -> str:
    """RFC 4180 with line feeds; NULL is an empty field, an empty text is a quoted one."""
    return "".join(",".join(_field(value) for value in line) + "\n" for line in lines)


def _field(value: Any) -> str:
    if value is None:
        return ""
    text = cell(value)
    if not text or any(sign in text for sign in ',"\n\r') or text != text.strip():
        return '"' + text.replace('"', '""') + '"'
    return text
