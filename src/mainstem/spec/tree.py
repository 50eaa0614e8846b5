"""YAML text to plain values with a place for each: YAML 1.2 core schema, no tags, no duplicate keys, no bombs.

ruamel's parser gives events; composing them here, rather than by its constructor, is what keeps the place of every key, lets
an error cost only its own value, and leaves no way by which a file could build an object.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceStartEvent,
)

from mainstem.spec import traps
from mainstem.spec.problems import Mark, Marks, Path, Problem

_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Any] = {"": None, "~": None, "null": None, "Null": None, "NULL": None, "true": True, "True": True, "TRUE": True,
                          "false": False, "False": False, "FALSE": False, ".nan": float("nan"), ".NaN": float("nan"),
                          ".NAN": float("nan")}
_WORDS |= {sign + word: float(sign + "inf") for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")}
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
MOST_NODES = 20_000      # of one file with its aliases written out: no pipeline comes near
MOST_DEPTH = 60
MOST_REPAIRS = 25
MOST_DIGITS = 400        # a longer number stays a text


@dataclass(frozen=True)
class Tree:
    """A file as values. `broken` are the paths whose value could not be read; their problems are already told."""

    data: Any                         # None where the file as a whole cannot be read
    marks: Marks
    problems: tuple[Problem, ...]
    broken: frozenset[Path] = frozenset()


class Broken:
    """Stands for a value that could not be read."""

    def __repr__(self) -> str:
        return "(unreadable)"


BROKEN = Broken()


def resolve(text: str) -> Any:
    """What a plain scalar means by the YAML 1.2 core schema.

    >>> [resolve(text) for text in ("no", "12:30", "2026-01-01", "1e3", "0o17", "~", "True")]
    ['no', '12:30', '2026-01-01', 1000.0, 15, None, True]
    """
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > MOST_DIGITS:
        return text
    if _INT.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def decode(content: bytes, file: str) -> tuple[str, tuple[Problem, ...]]:
    """The text of a file in UTF-8, without its byte order mark; a problem at the first byte that is none."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "", (Problem("spec.encoding", "the file is UTF-16", file, 1, 1, fix="save it as UTF-8"),)
    try:
        return content.decode("utf-8-sig"), ()
    except UnicodeDecodeError as error:
        before = content[:error.start].decode("utf-8-sig", "replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        return "", (Problem("spec.encoding", f"byte 0x{content[error.start]:02x} is not UTF-8 text", file, line, column,
                            fix="save the file as UTF-8"),)


def read(text: str, file: str) -> Tree:
    """The values of one YAML document, with every problem that the text itself has."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    if found := _UNPRINTABLE.search(text):
        line, column = text.count("\n", 0, found.start()) + 1, found.start() - text.rfind("\n", 0, found.start())
        problem = Problem("spec.encoding", f"control character U+{ord(found[0]):04X}", file, line, column, fix="remove it")
        return Tree(None, Marks(file), (problem,))
    lines = text.split("\n")
    problems: list[Problem] = []
    for _ in range(MOST_REPAIRS):
        events: list[Any] = []
        depth = 0
        try:
            for event in YAML(typ="safe", pure=True).parse("\n".join(lines)):
                events.append(event)
                depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
                if depth > MOST_DEPTH:     # the parser's time grows with the square of it
                    mark = event.start_mark
                    deep = Problem("spec.yaml", f"nested deeper than {MOST_DEPTH} levels", file, mark.line + 1, mark.column + 1)
                    return Tree(None, Marks(file), (*problems, deep))
        except MarkedYAMLError as error:
            finding = traps.diagnose(error, events, lines)
            problems.append(finding.problem(file))
            if not traps.mask(lines, finding.repair):
                return Tree(None, Marks(file), tuple(dict.fromkeys(problems)))
        else:
            return _Composer(file, lines, problems).document(events)
    return Tree(None, Marks(file), tuple(dict.fromkeys(problems)))


@dataclass
class _Composer:
    """Puts the events of one document together; remembers anchors as events, so that an alias has places as well."""

    file: str
    lines: list[str]
    problems: list[Problem]
    keys: dict[Path, Mark] = field(default_factory=dict)
    values: dict[Path, Mark] = field(default_factory=dict)
    broken: set[Path] = field(default_factory=set)
    anchors: dict[str, list[Any] | None] = field(default_factory=dict)      # None: not complete yet
    nodes: int = 0

    def document(self, events: list[Any]) -> Tree:
        starts = [event for event in events if isinstance(event, DocumentStartEvent)]
        if len(starts) > 1:
            self.tell("spec.documents", "a second document begins here", starts[1], fix="one file holds one pipeline")
        if starts and starts[0].version and tuple(starts[0].version) != (1, 2):
            self.problems.append(Problem("spec.yaml", "the file asks for another version of YAML than 1.2", self.file, 1, 1,
                                         fix="remove the %YAML line"))
        end = next((number for number, event in enumerate(events) if isinstance(event, DocumentEndEvent)), len(events))
        body = [event for event in events[:end] if isinstance(event, NodeEvent | CollectionEndEvent)]
        data = None
        if not body or traps.implied(body[0]):
            self.problems.append(Problem("spec.empty", "the file is empty", self.file, 1, 1, fix="write `version: 1` first"))
        elif not isinstance(body[0], MappingStartEvent):
            self.tell("spec.not_a_mapping", "the top of the file is not a mapping", body[0], fix="begin with `version: 1`")
        else:
            data = self.node(iter(body), None, ())
        marks = Marks(self.file, self.keys, self.values)
        return Tree(data, marks, tuple(self.problems), frozenset(self.broken))

    def tell(self, code: str, what: str, event: Any, *, why: str = "", fix: str = "", path: Path = ()) -> None:
        mark = event.start_mark
        self.problems.append(Problem(code, what, self.file, mark.line + 1, mark.column + 1, why, fix, path))

    def spoil(self, path: Path) -> Broken:
        self.broken.add(path)
        return BROKEN

    def node(self, events: Iterator[Any], event: Any, path: Path) -> Any:
        """The value that begins at `event` (or at the next one)."""
        event = event or next(events)
        self.nodes += 1
        if self.nodes > MOST_NODES or len(path) > MOST_DEPTH:
            if not any(problem.code == "spec.alias" for problem in self.problems):
                self.tell("spec.alias", "the values grow beyond all measure here", event, path=path,
                          why=f"more than {MOST_NODES} values or {MOST_DEPTH} levels with all aliases written out")
            _skip(events, event)
            return self.spoil(path)
        if isinstance(event, AliasEvent):
            return self.alias(event, path)
        if event.anchor:
            self.anchors[event.anchor] = None
            whole = _whole(events, event)
            value = self.inner(iter(whole[1:]), event, path)
            self.anchors[event.anchor] = whole
            return value
        return self.inner(events, event, path)

    def alias(self, event: Any, path: Path) -> Any:
        whole = self.anchors.get(event.anchor)
        if whole is None:
            self.tell("spec.alias", f"`*{event.anchor}` refers to nothing", event, path=path,
                      why="it contains itself" if event.anchor in self.anchors else f"there is no `&{event.anchor}` above",
                      fix="if the `*` belongs to the text, put the value in quotes")
            return self.spoil(path)
        return self.inner(iter(whole[1:]), whole[0], path)

    def inner(self, events: Iterator[Any], event: Any, path: Path) -> Any:
        self.values[path] = traps.place(event, self.lines)
        if getattr(event, "ctag", None) is not None:
            tag = str(event.tag)
            self.tell("spec.tag", f"`{tag.replace('tag:yaml.org,2002:', '!!')}` is a YAML tag", event, path=path,
                      fix="if the `!` belongs to the text, put the value in quotes")
            _skip(events, event)
            return self.spoil(path)
        if isinstance(event, MappingStartEvent):
            return self.mapping(events, event, path)
        if isinstance(event, SequenceStartEvent):
            return self.sequence(events, event, path)
        if event.value == traps.MASK:
            return self.spoil(path)
        if trap := traps.scalar(event, path, self.lines):
            self.tell(trap.code, trap.what, event, why=trap.why, fix=trap.fix, path=path)
            return self.spoil(path)
        try:
            if not event.style and event.value and resolve(event.value) is None:
                self.values[path] = replace(self.values[path], word=event.value)
            return _paired(event.value) if event.style else resolve(event.value)
        except UnicodeDecodeError:
            self.tell("spec.encoding", "half of a character: a lone surrogate", event, path=path, fix="write the character itself")
            return self.spoil(path)

    def sequence(self, events: Iterator[Any], start: Any, path: Path) -> list[Any] | Broken:
        items: list[Any] = []
        for event in events:
            if not isinstance(event, NodeEvent):
                break
            if start.flow_style and (trap := traps.flow_item(event, path)):
                self.tell(trap.code, trap.what, event, why=trap.why, fix=trap.fix, path=path)
                for rest in events:
                    if not isinstance(rest, NodeEvent):
                        break
                    _skip(events, rest)
                return self.spoil(path)
            items.append(self.node(events, event, (*path, len(items))))
        return items

    def mapping(self, events: Iterator[Any], start: Any, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        last: tuple[str, Any] | None = None          # key and first event of the entry before
        for event in events:
            if not isinstance(event, NodeEvent):
                break
            if not isinstance(event, ScalarEvent) or event.ctag is not None or not event.value:
                self.tell("spec.bad_key", "a key must be a word", event, path=path, fix="write `key: value`")
                _skip(events, event)
                _skip(events, next(events))
                continue
            key, value = event.value.encode("utf-8", "replace").decode(), next(events)
            if start.flow_style and traps.valueless(event, value, self.lines):
                self.cut(event, last, path)
                continue
            if key in found:
                self.tell("spec.duplicate_key", f"`{key}` stands twice here", event, path=(*path, key),
                          why=f"the first one is in line {self.keys[(*path, key)].line}", fix="remove or rename one of them")
                _skip(events, value)
                continue
            last, where = (key, value), (*path, key)
            self.keys[where] = traps.place(event, self.lines)
            made = self.node(events, value, where)
            if made is None and traps.implied(value):        # YAML places it at whatever comes next
                self.values[where] = self.keys[where]
                if trap := traps.emptied(event, where, self.lines):
                    self.tell(trap.code, trap.what, event, why=trap.why, fix=trap.fix, path=where)
                    made = self.spoil(where)
            if not key.startswith("x-"):             # free for the user, of no meaning to us
                found[key] = made
        return found

    def cut(self, event: Any, last: tuple[str, Any] | None, path: Path) -> None:
        """A key without a value inside braces: mostly the rest of a value that a comma ended."""
        if last is None:
            self.tell("spec.comma", f"`{event.value}` has no value", event, path=path, fix=f"write `{event.value}: ...`")
            return
        where = (*path, last[0])
        if where not in self.broken:
            self.broken.add(where)
            self.tell("spec.comma", f"a comma ended the value of `{last[0]}`, `{event.value}` is left over", last[1], path=where,
                      why="inside { } a comma separates entries, also in the middle of SQL",
                      fix="put the whole value in quotes, or write it in block style: one `key: value` per line")


def _paired(text: str) -> str:
    """The text with characters that JSON wrote as two escapes (\\ud83c\\udf31) put together; raises on half of one."""
    if any("\ud800" <= sign <= "\udfff" for sign in text):
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    return text


def _skip(events: Iterator[Any], event: Any) -> None:
    _whole(events, event)


def _whole(events: Iterator[Any], first: Any) -> list[Any]:
    """All events of the node that begins with `first`."""
    taken, level = [first], int(isinstance(first, CollectionStartEvent))
    while level:
        event = next(events)
        taken.append(event)
        level += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
    return taken
