"""Which engine carries out a run: the embedded one, or Spark."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainstem.engines.contract import Engine
from mainstem.engines.lacks import LACKS
from mainstem.engines.local.engine import Local
from mainstem.errors import SpecError

if TYPE_CHECKING:
    from mainstem.project.place import Opened

NAMES = ("local", "spark", "auto")


def known(name: str) -> str:
    """The name; SpecError where there is no such engine."""
    if name not in NAMES:
        raise SpecError("engine.unknown", f"there is no engine {name!r}", fix=f"engines here: {', '.join(NAMES)}")
    return name


def carries(opened: Opened, name: str) -> None:
    """SpecError `engine.lacks` with file and line where a step asks for what this engine has not."""
    lacks, wish = LACKS.get(name, {}), opened.loaded.pipeline
    for step in wish.steps.values() if wish is not None else ():
        if step.kind in lacks:
            what = opened.loaded.marks.problem("engine.lacks", "", ("steps", step.name, step.kind), at_key=True)
            raise SpecError("engine.lacks", f"the engine `{name}` cannot carry out `{step.name}`",
                            where=f"{what.file}:{what.line}:{what.column}", why=lacks[step.kind].why, fix=lacks[step.kind].fix)


def open_engine(opened: Opened, name: str) -> Engine:
    """The engine, ready to work. Raises SpecError where it is not installed."""
    settings = opened.settings
    if name == "local":
        return Local(settings.tasks, settings.memory)
    if name == "spark":
        return _spark(opened)
    from mainstem.engines.auto import Auto
    from mainstem.engines.spark.launch import needs

    needs()                                # say that Spark is missing now, not with the first large epoch
    tasks = settings.spark.tasks or settings.tasks
    return Auto(Local(tasks, settings.memory), lambda: _spark(opened, tasks), tasks, settings.spark.above)


def _spark(opened: Opened, tasks: int = 0) -> Engine:
    from mainstem.engines.spark.launch import open_engine as start

    written = opened.settings.spark
    return start(written.master, written.conf, tasks or written.tasks, opened.settings.memory, opened.name)
