"""A function of the user over Arrow tables, run in a child process that may die without harm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from mainstem import plugs
from mainstem.columns import Column, parse_type
from mainstem.errors import SpecError
from mainstem.plan.lower import reporting, single
from mainstem.plan.words import Map, Node
from mainstem.quantities import Duration, Size


class PythonOptions(plugs.Options):
    """The function takes a `pyarrow.Table` and returns one. It must give f(a + b) = f(a) + f(b): it sees rows in any cut."""

    call: str = Field(
        examples=["comfort:felt"],
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$", description="`module:function`; modules beside the pipeline file are found"
    )
    rows: Literal["same", "fewer", "any"] = Field(
        default="same",
        description="same: as many rows in the same order; fewer: some of the rows, each with its `_at`; any: new rows, "
        "each with the `_at` of the row it comes from",
    )
    columns: dict[str, str] | None = Field(
        default=None, description="the columns that it returns, `name: type`; those of its input if absent"
    )
    timeout: Duration = Field(default=30_000_000, description="one call may take so long")
    memory: Size = Field(default=1 << 30, description="the child process may use so much")
    deterministic: bool = Field(
        default=True, description="false: its answer may differ from call to call, so it is stored before anyone reads it"
    )


class Python:
    """A row on which the function fails is found by halving the batch and set aside alone."""

    kind: ClassVar[str] = "python"
    Options: ClassVar[Any] = PythonOptions
    siblings: ClassVar[tuple[str, ...]] = ()

    @staticmethod
    def lower(options: PythonOptions, _siblings: Mapping[str, Any], lowering: plugs.Lowering) -> Sequence[Node]:
        source = single(lowering)
        if source is None:
            return []
        columns = source.columns
        if options.columns is not None:
            made = []
            for name, kind in options.columns.items():
                with reporting(lowering, "columns", name):
                    try:
                        made.append(Column(name, parse_type(kind.removesuffix("!"))))
                    except ValueError as error:
                        raise SpecError("spec.value", str(error)) from error
            if len(made) < len(options.columns):
                return []
            columns = tuple(made)
        elif options.rows == "any":
            lowering.problem(
                "python.columns",
                "what the function returns is not declared",
                at=("rows",),
                why="with `rows: any` its columns are not those of its input",
                fix="add `columns: {name: type, ...}`",
            )
            return []
        word = Map(
            call=options.call,
            rows=options.rows,
            timeout=options.timeout,
            memory=options.memory,
            deterministic=options.deterministic,
        )
        return [Node(name=lowering.name, step=lowering.name, word=word, inputs=(source.name,), columns=columns)]
