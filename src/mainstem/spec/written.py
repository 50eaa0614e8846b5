"""What may be written in a pipeline file, but for the plugs' own options: closed models, described once for everybody.

They are validation, editor schema and manual at the same time. `load` turns them into the frozen data of `pipeline`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from mainstem.columns import parse_type
from mainstem.quantities import Duration, Share, parse_duration

NAME = r"^[a-z][a-z0-9_]*$"


class Written(BaseModel):
    """Closed and frozen, like the options of a plug."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def _type(text: str) -> str:
    if text.strip().endswith("!"):
        raise ValueError(f"{text!r}: `!` belongs to the short form; write `type: {text.strip()[:-1]}` and `required: true`")
    parse_type(text)
    return text


def _refresh(text: str) -> str:
    if text in ("pinned", "on_change"):
        return text
    if text.startswith("every:"):
        parse_duration(text.removeprefix("every:"))
        return text
    raise ValueError(f"{text!r} is not one of pinned, on_change, every:<duration> (like every:1h)")


def _words(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _zone(name: str) -> str:
    import zoneinfo

    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is not a time zone; write a name like Europe/Berlin or UTC") from error
    return name


TypeName = Annotated[str, AfterValidator(_type)]
# one name, or a list of them
Names = Annotated[list[str], BeforeValidator(_words), WithJsonSchema(
    {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]})]
ZoneName = Annotated[str, AfterValidator(_zone)]


class ColumnWritten(Written):
    """The long form of a column."""

    type: TypeName = Field(description="what its values are", examples=["string", "double", "timestamp", "decimal(10,2)"])
    required: bool = Field(False, description="absent or NULL is not allowed: such records are set aside (short form: `string!`)")
    unit: str | None = Field(None, description="unit of its values, a UCUM code", examples=["Cel", "m/s"])
    description: str | None = Field(None, description="one sentence for readers")
    format: str | None = Field(None, description="strptime pattern of a date or timestamp written otherwise than in ISO 8601",
                               examples=["%d.%m.%Y %H:%M"])
    zone: ZoneName | None = Field(None, description="time zone of timestamps that say none", examples=["Europe/Berlin"])
    nonexistent: Literal["reject", "shift_forward"] = Field("reject", description="a local time that the zone skips in spring")
    ambiguous: Literal["reject", "earlier", "later"] = Field("reject", description="a local time that comes twice in autumn")
    null: Names = Field([], description="further texts that mean NULL", examples=[["NA", "-200"]])
    coerce: bool = Field(False, description="accept a number or boolean that is written as text")
    precision: Literal["quarantine", "truncate"] = Field("quarantine", description="digits of a timestamp beyond microseconds")
    path: str | None = Field(None, description="where it lies in a nested record, if not under its own name",
                             examples=["data.temp"])
    decimal: Literal[".", ","] = Field(".", description="decimal mark of numbers written as text")


class IdleWritten(Written):
    """When nothing comes from a partition any more."""

    after: Duration = Field(description="so long without a new row")
    then: Literal["hold", "catch_up", "flush"] = Field(
        "hold", description="hold: time waits for it; catch_up: time goes on with the others; flush: windows close")


class TimeWritten(Written):
    """The event time of a source."""

    column: str = Field(description="the column with the time at which it happened", examples=["observed_at"])
    lateness: Duration | None = Field(None, description="how far behind the newest row of its partition a row may be")
    max_future: Duration = Field(300_000_000, description="rows further ahead of the clock than this are set aside; default 5m")
    idle: IdleWritten | None = Field(None, description="what happens while nothing comes")
    complete: bool = Field(False, description="the present content of a growing source is all of it")
    partition: Literal["source", "file"] = Field("source", description="time runs through the whole source, or in each file apart")


class LimitsWritten(Written):
    """When rows that were set aside are too many."""

    quarantine: Share | None = Field(None, description="more than this share of all rows read")
    rows: int | None = Field(None, ge=0, description="more than this number of rows")
    then: Literal["warn", "stop"] = Field("warn", description="say so (exit code 3), or stop cleanly; a stopped run can go on")


class SourceWritten(Written):
    """Consumed once, accounted for. One further key names the connector."""

    format: Any = Field(None, description="how the bytes are written: `json`, or `{csv: {delimiter: \";\"}}`")
    columns: dict[str, Any] = Field(description="every column with its type, `!` for required", min_length=1,
                                    examples=[{"sensor_id": "string!", "temperature": {"type": "double", "unit": "Cel"}}])
    time: TimeWritten | None = Field(None, description="the event time")
    unknown: Literal["ignore", "quarantine", "keep"] = Field(
        "ignore", description="fields that are not declared; keep: as JSON text in the column `_extra`")
    missing: Literal["null", "quarantine"] = Field("null", description="declared fields that a record does not have")


class TableWritten(Written):
    """Looked at, pinned to one version per epoch. One further key names the connector."""

    format: Any = Field(None, description="how the bytes are written: `csv`, or `{csv: {delimiter: \";\"}}`")
    columns: dict[str, Any] = Field(description="every column with its type, `!` for required", min_length=1)
    key: Names = Field([], description="columns that identify a row; checked at load", examples=[["sensor_id"]])
    refresh: Annotated[str, AfterValidator(_refresh)] = Field(
        "on_change", description="when a new version is taken: pinned, on_change, or every:<duration>", examples=["every:1h"])


class StepWritten(Written):
    """One verb over one or more inputs. One further key says which verb."""

    from_: Names | None = Field(None, alias="from",
                                description="the source or step it reads, or a list; the step before if left out")


class OutputWritten(Written):
    """Where rows go. One further key names the connector."""

    from_: str = Field(alias="from", description="the step or source whose rows are written")
    format: Any = Field(None, description="how the rows are written, where the connector leaves the choice")


class ModeWritten(Written):
    """How rows enter an output: stands among the options of its connector."""

    mode: Literal["append", "upsert", "replace"] = Field("append", description="append; upsert by `key`; replace all rows of `by`")
    key: Names = Field([], description="upsert: the columns that identify a row")
    by: Names = Field([], description="replace: the columns whose values decide what is replaced")


class PipelineWritten(Written):
    """The top of the file."""

    version: int = Field(description="version of the language: 1")
    pipeline: str = Field(description="the name of the pipeline", pattern=NAME, examples=["greenhouse"])
    description: str = Field("", description="what it is for, in a sentence")
    owner: str = Field("", description="who answers for it")
    sources: dict[str, Any] = Field(description="where rows come from: consumed once, accounted for", min_length=1)
    tables: dict[str, Any] = Field({}, description="what is looked at: pinned to one version per epoch")
    steps: dict[str, Any] = Field({}, description="what happens to the rows, in order")
    outputs: dict[str, Any] = Field(description="where rows go", min_length=1)
    limits: LimitsWritten | None = Field(None, description="when set-aside rows are too many")
