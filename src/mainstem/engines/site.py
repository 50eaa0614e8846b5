"""Where an epoch runs: the plan, its folders, and its plugs opened once per process.

An engine hands every task the same site; one that runs tasks in other processes rebuilds it there from `facts`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from mainstem import plugs
from mainstem.plan.words import Node, Plan, Read, Write

QUARANTINE = "quarantine"
Made = TypeVar("Made")


@dataclass(frozen=True)
class Place:
    """Folders and names, all absolute; JSON-able."""

    project: str  # folder of the project
    lake: str  # root of the tables
    work: str  # state folder of the pipeline: journal, state files, spool, releases
    pipeline: str
    environment: str = "default"
    secrets: Mapping[str, str] = field(default_factory=dict)


class Site:
    """A plan in its place. Sources, sinks and formats are made on first use, one per process (and thread-safe to get)."""

    def __init__(self, plan: Plan, place: Place, *, code: tuple[str, ...] = ()) -> None:
        self.plan, self.place = plan, place
        self.code = code or (place.project,)  # where the user's Python is found
        self.work = Path(place.work)
        self.staged: set[str] = set()         # files that tasks of this process wrote and no decision names yet
        self._made: dict[str, Any] = {}
        self._lock = threading.RLock()

    def once(self, name: str, make: Callable[[], Made]) -> Made:
        """The thing of this name, made on first use."""
        with self._lock:
            if name not in self._made:
                self._made[name] = make()
            made: Made = self._made[name]
            return made

    def newest(self, name: str, version: str, make: Callable[[], Made]) -> Made:
        """The same of a thing that has versions: the two used last are kept, for an epoch and the one that is read ahead."""
        with self._lock:
            kept: dict[str, Made] = self._made.setdefault(f"{name}!", {})
            kept[version] = kept.pop(version) if version in kept else make()
            while len(kept) > 2:
                del kept[next(iter(kept))]
            return kept[version]

    def app(self, incarnation: str, output: str) -> str:
        """The transaction id of an output, in its table's log."""
        return f"{self.place.environment}.{self.place.pipeline}/{incarnation}/{output}"

    def source(self, name: str) -> plugs.Source:
        """The source of a Read node."""

        def make() -> plugs.Source:
            word = self.plan.node(name).word
            assert isinstance(word, Read)
            kind: type[plugs.Source] = plugs.find("sources", word.source)
            time = word.time
            scope = self.scope(name, time.partition if time else "source", time.complete if time else False)
            return kind(self.options(kind, word.options), self.format(name, word), scope)

        return self.once(f"source/{name}", make)

    def format(self, name: str, word: Read) -> plugs.Format:
        """The format that decodes a source's records."""

        def make() -> plugs.Format:
            kind: type[plugs.Format] = plugs.find("formats", word.format)
            return kind(self.options(kind, word.format_options), word.declared, word.unknown, word.missing)

        return self.once(f"format/{name}", make)

    def sink(self, node: Node) -> plugs.Sink:
        """The sink of a Write node."""

        def make() -> plugs.Sink:
            word, columns = node.word, node.columns
            assert isinstance(word, Write)
            kind: type[plugs.Sink] = plugs.find("sinks", word.sink)
            chosen = kind.fixed_format or word.format
            form: type[plugs.Format] | None = plugs.find("formats", chosen) if chosen else None
            opened = form(self.options(form, word.format_options), columns, "ignore", "null") if form else None
            return kind(self.options(kind, word.options), columns, word.mode, word.key, opened, self.scope(node.step))

        return self.once(f"sink/{node.name}", make)

    def quarantine(self) -> plugs.Erasable:
        """The sink of everything that was set aside: a Delta table beside the outputs."""

        def make() -> plugs.Erasable:
            from mainstem.engines.aside import COLUMNS

            kind: type[plugs.Erasable] = plugs.find("sinks", "delta")
            options = kind.Options.model_validate({"table": f"{self.place.pipeline}_{QUARANTINE}"})
            return kind(options, COLUMNS, "append", (), None, self.scope(QUARANTINE))

        return self.once("sink/quarantine!", make)

    def sinks(self) -> dict[str, plugs.Sink]:
        """Every sink by its node's name, the quarantine last."""
        return {node.name: self.sink(node) for node in self.plan.of(Write)} | {QUARANTINE: self.quarantine()}

    def options(self, kind: type[plugs.Source | plugs.Sink | plugs.Format], raw: Mapping[str, Any]) -> plugs.Options:
        """A plug's options, with the secrets put in at the last moment."""
        return kind.Options.model_validate(self._reveal(dict(raw)))

    def _reveal(self, value: Any) -> Any:
        if isinstance(value, str):
            for name, secret in self.place.secrets.items():
                value = value.replace("${secret:" + name + "}", secret)
            return value
        if isinstance(value, Mapping):
            return {key: self._reveal(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._reveal(item) for item in value]
        return value

    def scope(self, name: str, partition: str = "source", complete: bool = False) -> plugs.Scope:
        """What a plug may know of where it lives."""
        place = self.place
        return plugs.Scope(place.project, place.lake, place.work, place.pipeline, place.environment, name, partition, complete)
