"""The project file `mainstem.yaml` and the settings that come out of it, layer over layer, each knowing its origin.

built-in < mainstem.yaml < its environment < mainstem.local.yaml (not in version control) < MAINSTEM__SECTION__KEY < flags
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as File
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from mainstem.errors import SpecError
from mainstem.quantities import Duration, Size, format_duration, format_size
from mainstem.spec import closed, tree
from mainstem.spec.interpolate import interpolate
from mainstem.spec.problems import Marks, Path, Problem, suggest
from mainstem.spec.written import NAME, Names, Written

PROJECT, LOCAL, PREFIX = "mainstem.yaml", "mainstem.local.yaml", "MAINSTEM__"
DEFAULT = "default"                   # the environment that needs no declaration


def _at_least_16_mib(value: int) -> int:
    if value < 16 << 20:
        raise ValueError(f"{format_size(value)} is too little to work with; give at least 16MiB")
    return value


class EpochWritten(Written):
    """When an epoch ends: whatever comes first."""

    rows: int = Field(300_000, ge=1, description="after so many rows")
    interval: Duration = Field(1_000_000, description="after so long, while it follows its input; down to 100ms")


class RetentionWritten(Written):
    """What `mainstem maintain` keeps, and what a run that goes on and on keeps by itself."""

    manifests: int = Field(100, ge=2, description="finished epochs whose journal files, and whose versions of tables, are kept")
    history: int = Field(10_000, ge=2, description="finished epochs, and runs, that the ledger keeps of each pipeline")
    quarantine: int = Field(90, ge=1, description="days that discarded and replayed records are kept; open ones are always kept")
    staged: Duration = Field(86_400_000_000, description="age at which files that no epoch lists are removed")
    versions: Duration = Field(3_600_000_000, description="how long files that left a table stay, for who still reads an older version")


class ChannelWritten(Written):
    """A place where notifications go."""

    kind: str = Field(description="what it is", examples=["webhook", "email"])
    url: str = Field(description="where it is; secrets as ${secret:NAME}", examples=["https://hooks.example.org/${secret:HOOK}"])


class SparkWritten(Written):
    """A Spark cluster that carries out epochs."""

    master: str = Field("local[*]", min_length=1, description="its address", examples=["spark://spark.example.org:7077"])
    tasks: int = Field(0, ge=0, le=256, description="tasks of a stage that folds rows; 0: two for each core of the master")
    above: Annotated[Size, AfterValidator(_at_least_16_mib)] = Field(
        128 << 20, description="`--engine auto` gives epochs that read more than this to Spark")
    conf: dict[str, str] = Field({}, description="settings of Spark, passed through", examples=[{"spark.executor.memory": "4g"}])


class EngineWritten(Written):
    """Who carries out epochs: the embedded engine where nothing is said."""

    spark: SparkWritten | None = Field(None, description="Apache Spark; needs `pip install 'mainstem[spark]'` and Java 17")


class OverlayWritten(Written):
    """What an environment or a local file may say otherwise."""

    lake: str = Field("lake", min_length=1, description="folder of the tables, relative to the project")
    state: str = Field(".mainstem", min_length=1, description="folder of state, journal and ledger, relative to the project")
    ledger: str = Field("", description="database URL of the ledger; a SQLite file in the state folder if empty",
                        examples=["postgresql+psycopg://mainstem:${secret:LEDGER}@db/mainstem"])
    memory: Annotated[Size, AfterValidator(_at_least_16_mib)] = Field(1 << 30, description="for all of a run together")
    tasks: int = Field(2, ge=1, le=1024, description="how many tasks work at the same time")
    engine: EngineWritten = Field(EngineWritten(), description="who carries out epochs")
    epoch: EpochWritten = Field(EpochWritten(), description="when an epoch ends")
    retention: RetentionWritten = Field(RetentionWritten(), description="what maintenance keeps, and how long")
    python: Names = Field(["."], description="folders in which the functions of python steps are looked for", examples=[["src"]])
    notifications: dict[str, ChannelWritten] = Field(
        {}, description="channels by the name that `notify:` of an alert uses; nothing is sent to them yet")


class ProjectWritten(OverlayWritten):
    """All of `mainstem.yaml`; an empty one, or none, is fine."""

    version: int = Field(1, ge=1, le=1, description="version of the language: 1")
    project: str = Field("", pattern=f"{NAME}|^$", description="its name on shared systems; the folder's name if absent")
    environments: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")], OverlayWritten] = Field(
        {}, description="what is otherwise in an environment, by its name",
        examples=[{"production": {"lake": "/srv/lake", "tasks": 8}}])


@dataclass(frozen=True)
class Settings:
    """What holds, and where every value of it was said. Folders are absolute, sizes in bytes, durations in microseconds."""

    folder: str
    environment: str
    project: str
    values: OverlayWritten
    written: Mapping[Path, Any]       # every leaf as a person writes it
    origins: Mapping[Path, str]

    def origin(self, path: str | Path) -> str:
        """Where the value of `epoch.rows` was said: `built-in`, `mainstem.yaml:3:8`, a variable or a flag."""
        path = tuple(path.split(".")) if isinstance(path, str) else path
        return next((self.origins[path[:size]] for size in range(len(path), 0, -1) if path[:size] in self.origins), "built-in")

    def rows(self) -> Iterator[tuple[str, Any, str]]:
        """(path, value as written, origin) of every setting."""
        for path, value in self.written.items():
            yield ".".join(map(str, path)), value, self.origin(path)

    @property
    def lake_folder(self) -> str:
        return self._absolute(self.values.lake)

    @property
    def state_folder(self) -> str:
        return self._absolute(self.values.state)

    @property
    def ledger_url(self) -> str:
        """The ledger's database: SQLite in the state folder where nothing else is said."""
        return self.values.ledger or f"sqlite:///{self.state_folder}/ledger.db"

    @property
    def memory(self) -> int:
        return self.values.memory

    @property
    def tasks(self) -> int:
        return self.values.tasks

    @property
    def engine(self) -> str:
        """The engine that a run has if nobody says another: `local` or `spark`."""
        return "spark" if self.values.engine.spark is not None else "local"

    @property
    def spark(self) -> SparkWritten:
        return self.values.engine.spark or SparkWritten()

    @property
    def epoch_rows(self) -> int:
        return self.values.epoch.rows

    @property
    def epoch_interval(self) -> int:
        """Microseconds."""
        return self.values.epoch.interval

    @property
    def retention_epochs(self) -> int:
        """Manifests that are kept."""
        return self.values.retention.manifests

    @property
    def retention_history(self) -> int:
        """Epochs, and runs, in the ledger."""
        return self.values.retention.history

    @property
    def retention_versions(self) -> int:
        """Microseconds."""
        return self.values.retention.versions

    @property
    def retention_staged(self) -> int:
        """Microseconds."""
        return self.values.retention.staged

    @property
    def retention_quarantine(self) -> int:
        """Microseconds."""
        return self.values.retention.quarantine * 86_400_000_000

    @property
    def python_folders(self) -> tuple[str, ...]:
        return tuple(self._absolute(name) for name in self.values.python)

    @property
    def notifications(self) -> Mapping[str, ChannelWritten]:
        return self.values.notifications

    def _absolute(self, name: str) -> str:
        return name if "://" in name else str(File(self.folder, name))


def settings(folder: str | File, environment: str, environ: Mapping[str, str], flags: Mapping[str, Any]) -> Settings:
    """The settings of a project folder in an environment; `flags` by name or dotted path, None for "not given".

    Raises SpecError with every problem and its place.
    """
    found, problems = read(folder, environment, environ, flags)
    if found is None:
        if len(problems) == 1:
            one = problems[0]
            raise SpecError(one.code, one.what, where=one.where, why=one.why, fix=one.fix)
        raise SpecError("spec.problems", f"the settings have {len(problems)} problems", where=str(folder),
                        why="\n".join(map(str, problems)), fix="see `mainstem config show --origin`")
    return found


def read(folder: str | File, environment: str, environ: Mapping[str, str],
         flags: Mapping[str, Any]) -> tuple[Settings | None, tuple[Problem, ...]]:
    """The same, or every problem in all layers at once."""
    folder, layers = File(folder).absolute(), _Layers(environ)
    project = layers.file(folder / PROJECT, ProjectWritten)
    layers.add(project, ("environments",))
    said = project.data.get("environments")
    overlays: dict[str, Any] = said if isinstance(said, dict) else {}
    if environment in overlays and isinstance(overlays[environment], dict):
        layers.add(_Layer(overlays[environment], project.marks, ("environments", environment), f" (environment {environment})"))
    elif environment not in overlays and environment != DEFAULT:
        layers.problems.append(project.marks.problem(
            "project.unknown_environment", f"there is no environment `{environment}`", ("environments",), at_key=True,
            fix=suggest(environment, [*overlays, DEFAULT])))
    layers.add(layers.file(folder / LOCAL, OverlayWritten))
    for name in sorted(environ):
        if name.startswith(PREFIX):
            path = tuple(part.lower() for part in name.removeprefix(PREFIX).split("__"))
            layers.said(name, path, environ[name])
    for name, value in flags.items():
        if value is not None:
            layers.said(f"--set {name}", tuple(name.split(".")), value)
    if layers.problems:
        return None, tuple(sorted(layers.problems))
    values, problems = closed.validate(OverlayWritten, layers.merged, (), Marks())
    if values is None:                # each layer is right by itself: only a clash of shapes can be left
        return None, tuple(problems)
    written = dict(_leaves(_as_written(values)))
    name = project.data.get("project") or folder.name
    return Settings(str(folder), environment, str(name), values, written, layers.origins), ()


@dataclass(frozen=True)
class _Layer:
    """What one layer says, and where."""

    data: dict[str, Any]
    marks: Marks
    path: Path = ()
    note: str = ""


class _Layers:
    """Layers put over each other, with the origin of every leaf."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.merged: dict[str, Any] = {}
        self.origins: dict[Path, str] = {}
        self.problems: list[Problem] = []

    def file(self, file: File, kind: Any) -> _Layer:
        """A file that may be absent; its problems are told."""
        if not file.is_file():
            return _Layer({}, Marks(str(file)))
        text, problems = tree.decode(file.read_bytes(), str(file))
        read = tree.read(text, str(file)) if not problems else tree.Tree(None, Marks(str(file)), problems)
        told = [problem for problem in read.problems if problem.code != "spec.empty"]     # all of it may be commented out
        data, missing = interpolate(read.data or {}, self.environ, read.marks)
        _, wrong = closed.validate(kind, data, (), read.marks)
        broken = {*read.broken, *(problem.path for problem in missing)}
        wrong = [problem for problem in wrong if not any(problem.path[:len(bad)] == bad for bad in broken)]
        self.problems += [*told, *missing, *wrong]
        return _Layer(data, read.marks)

    def add(self, layer: _Layer, without: tuple[str, ...] = ()) -> None:
        """Lay it over what is there."""
        own = {key: value for key, value in layer.data.items() if key not in (*without, "version", "project")}
        self.merged = _over(self.merged, own)
        for path, _ in _leaves(own):
            mark = layer.marks.key((*layer.path, *path))
            self.origins[path] = f"{File(layer.marks.file).name}:{mark.line}:{mark.column}{layer.note}"

    def said(self, name: str, path: tuple[str, ...], value: Any) -> None:
        """One value from a variable or a flag."""
        nested: Any = value
        for part in reversed(path):
            nested = {part: nested}
        _, wrong = closed.validate(OverlayWritten, nested, (), Marks(name))
        if path[:1] == ("notifications",) and len(path) == 3:      # one of the two keys of a channel: judged with the whole
            wrong = []
        self.problems += [Problem(problem.code, problem.what, name, 0, 0, problem.why, problem.fix, path) for problem in wrong]
        self.merged = _over(self.merged, nested)
        self.origins[path] = name


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings are merged key by key; everything else takes the place of what was there."""
    made = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(made.get(key), dict)
        made[key] = _over(made[key], value) if both else value
    return made


def _leaves(data: Mapping[str, Any], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    for key, value in data.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value


def _as_written(values: OverlayWritten) -> dict[str, Any]:
    """The values as a person writes them."""
    made = values.model_dump()
    made["memory"] = format_size(values.memory)
    made["epoch"]["interval"] = format_duration(values.epoch.interval)
    for key in ("staged", "versions"):
        made["retention"][key] = format_duration(made["retention"][key])
    return made
