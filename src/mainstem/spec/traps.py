"""Where YAML silently or rudely takes a value apart that a person meant as one: commas, ` #`, `: `, quotes, first signs.

Everything here compares what the parser understood with the raw line, and says what happened and how to write it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mainstem.spec.problems import Mark, Path, Problem

MASK = "\ue000"          # takes the place of a value that cannot be parsed, so that the rest of the file can be
QUOTING = "put the whole value in quotes, or write it in block style after `|` on the next line"
_ENTRY = re.compile(r"^(?P<head>\s*(?:- +)*[^\s:'\"{\[#&*!|>-][^:]*?\s*:)(?P<value>\s.*)?$")
_ITEM = re.compile(r"^(?P<head>\s*(?:- +)+)(?P<value>\S.*)$")
_DANGLING = re.compile(r"([=<>+\-*/%|&,(.!~^]|\b(and|or|not|in|like|ilike|is|between|case|when|then|else|as|on|by|from|where))$",
                       re.IGNORECASE)
# keys whose value is SQL, wherever they stand: nothing at all before a ` #` is a trap there
_SQL_KEYS = ("that", "when", "clear", "select", "where", "having", "sql", "set")


@dataclass(frozen=True)
class Trap:
    """What a trap says."""

    code: str
    what: str
    why: str = ""
    fix: str = QUOTING


@dataclass(frozen=True)
class Finding:
    """A trap with its place (from 0), and the line whose value must be masked before the file can be read on."""

    trap: Trap
    line: int
    column: int
    repair: int

    def problem(self, file: str) -> Problem:
        trap = self.trap
        return Problem(trap.code, trap.what, file, self.line + 1, self.column + 1, trap.why, trap.fix)


def place(event: Any, lines: Sequence[str]) -> Mark:
    """The mark of a key or value, with the geometry of a block text."""
    start, style = event.start_mark, getattr(event, "style", None) or ""
    if style not in ("|", ">"):
        return Mark(start.line + 1, start.column + 1, style)
    for number in range(start.line + 1, len(lines)):
        if lines[number].strip():
            first = next((line for line in event.value.split("\n") if line.strip()), "")
            indent = len(lines[number]) - len(lines[number].lstrip(" "))
            return Mark(start.line + 1, start.column + 1, style, indent - (len(first) - len(first.lstrip(" "))))
    return Mark(start.line + 1, start.column + 1, style)


# ------------------------------------------------------------------------------------- read, but not as it was meant


def balanced(text: str) -> bool:
    """Every quote is closed, and every bracket outside of quotes."""
    rest = re.sub(r"'[^']*'|\"[^\"]*\"", "", text)
    return not set(rest) & {"'", '"'} and all(rest.count(a) == rest.count(b) for a, b in ("()", "[]", "{}"))


def implied(value: Any) -> bool:
    """A value that is not written at all."""
    return getattr(value, "value", None) == "" and not value.style and value.start_mark.index == value.end_mark.index


def emptied(key: Any, path: Path, lines: Sequence[str]) -> Trap | None:
    """A comment right after the key of a SQL text in a step: it took all of the text."""
    after = lines[key.end_mark.line][key.end_mark.column:]
    if path[:1] == ("steps",) and path[-1] in _SQL_KEYS and re.match(r"\s*:\s+#", after):
        return Trap("spec.comment", f"`{path[-1]}` is empty: the `#` began a comment", "` #` begins a comment in YAML")
    return None


def valueless(key: Any, value: Any, lines: Sequence[str]) -> bool:
    """An entry of `{ }` that is a key alone."""
    if not implied(value):
        return False
    line, column = key.end_mark.line, key.end_mark.column
    return not lines[line][column:].lstrip().startswith(":")


def flow_item(event: Any, path: Path) -> Trap | None:
    """An item of `[ ]` in a step that is a piece of an expression."""
    text = getattr(event, "value", None)
    if path[:1] != ("steps",) or not isinstance(text, str) or event.style or balanced(text):
        return None
    return Trap("spec.comma", f"a comma inside [ ] cut a value: `{text}` is a piece of one",
                "inside [ ] a comma separates items, also in the middle of SQL", "put the whole value in quotes")


def scalar(event: Any, path: Path, lines: Sequence[str]) -> Trap | None:
    """A plain text of a step that a comment or a comma cut."""
    if event.style or path[:1] != ("steps",):
        return None
    text, end = event.value, event.end_mark
    after = lines[end.line][end.column:] if end.line < len(lines) else ""
    if text and re.match(r"\s+#", after) and (not balanced(text) or _DANGLING.search(text) or re.match(r"\s+#\d", after)):
        return Trap("spec.comment", f"` #` began a comment, only `{text}` is left of the value", f"left out was `{after.strip()}`")
    if text and not balanced(text) and re.match(r"\s*[,}\]]", after):
        return Trap("spec.comma", f"a comma ended the value after `{text}`",
                    "inside { } and [ ] a comma ends a value, also in the middle of SQL",
                    "put the whole value in quotes, or write it in block style: one `key: value` per line")
    return None


# ------------------------------------------------------------------------------------- not readable at all


def diagnose(error: Any, events: Sequence[Any], lines: Sequence[str]) -> Finding:
    """What a person did when the parser stopped with `error` after `events`."""
    mark, context = error.problem_mark or error.context_mark, error.context_mark
    said, around = str(error.problem or ""), str(error.context or "")
    line, column = (mark.line, mark.column) if mark else (0, 0)
    text = lines[line] if line < len(lines) else ""
    last: Any = events[-1] if events else None

    def at(trap: Trap, row: int = line, col: int = column, repair: int | None = None) -> Finding:
        return Finding(trap, row, col, row if repair is None else repair)

    if "\t" in text[:len(text) - len(text.lstrip())]:
        return at(Trap("spec.tab", "a tab stands in the indentation", fix="replace it by spaces"), col=text.index("\t"),
                  repair=len(lines))
    if "quoted scalar" in around and context:
        if "escape" in said:
            return at(Trap("spec.quote", "in double quotes `\\` begins an escape, and this one is unknown",
                           fix="use single quotes, or write `\\\\`"), repair=context.line)
        return at(Trap("spec.quote", "this quote is never closed", fix="close it, or write the value in block style after `|`"),
                  context.line, context.column)
    if sign := _first_sign(said, around, text, column, context, line):
        return at(sign[0], col=sign[1])
    if "flow" in around and context:
        return _in_flow(at, said, around, text, column, error, last)
    if said.startswith("mapping values"):
        entry = _ENTRY.match(text)
        if entry and len(entry["head"]) <= column:
            value = len(entry["head"]) + len(entry["value"]) - len(entry["value"].lstrip()) if entry["value"] else column
            return at(Trap("spec.colon", "`: ` inside a value separates key and value", "YAML reads it as a mapping"), col=value)
        return at(Trap("spec.yaml", "a key cannot stand here: it is indented deeper than the line above allows",
                       fix="give it the indentation of its neighbours, or remove the value in front of it"),
                  col=len(text) - len(text.lstrip()), repair=len(lines))
    if "<scalar>" in said:
        if _quoted_before(last, line):
            return at(_goes_on(text, last), col=last.start_mark.column)
        if commented := _comment_above(last, line, lines):
            return at(Trap("spec.comment", "a comment ended the value, this line is left over",
                           "a comment cannot stand inside a value of several lines"), commented, lines[commented].index(" #") + 1,
                      last.start_mark.line)
    return at(_broken(said, around, column, context))


def _broken(said: str, around: str, column: int, context: Any) -> Trap:
    """The parser's own words, where nothing better is known."""
    if "expected <block end>" in said and context and column != context.column:
        return Trap("spec.yaml", "this line is indented otherwise than its neighbours",
                    f"they begin in column {context.column + 1}, as line {context.line + 1} does", "give it their indentation")
    return Trap("spec.yaml", "the YAML breaks off here", f"{around}: {said}" if around else said,
                "look at indentation, brackets and quotes of this line and the one above")


def _first_sign(said: str, around: str, text: str, column: int, context: Any, line: int) -> tuple[Trap, int] | None:
    """A value whose first sign means something to YAML: its trap and column."""
    start = context.column if context and context.line == line else column
    sign = text[start:start + 1]
    scanned = any(what in around for what in ("scanning an alias", "scanning an anchor", "block scalar", "scanning a tag"))
    if sign and (scanned or "cannot start any token" in said or said.startswith("sequence entries")):
        return Trap("spec.sign", f"a value cannot begin with `{sign}` here", f"`{sign}` has a meaning of its own in YAML"), start
    return None


def _in_flow(at: Callable[..., Finding], said: str, around: str, text: str, column: int, error: Any, last: Any) -> Finding:
    """The parser stopped inside `{ }` or `[ ]`."""
    context, line = error.context_mark, (error.problem_mark or error.context_mark).line
    if "'{'" in said or "'['" in said:
        dollar, sign = text[:column].endswith("$"), text[column:column + 1]
        what = "`${...}` inside { } must be in quotes" if dollar else f"`{sign}` inside {{ }} or [ ] begins a new one"
        return at(Trap("spec.braces", what, fix=QUOTING), col=column - dollar, repair=context.line)
    if _quoted_before(last, line):
        return at(_goes_on(text, last), col=last.start_mark.column, repair=context.line)
    if "':'" in said and line == context.line:
        start = last.start_mark.column if last is not None and last.start_mark.line == line else column
        return at(Trap("spec.colon", "`: ` inside a value separates key and value",
                       "inside { } YAML takes it for a further key"), col=start, repair=context.line)
    closer = "]" if around.endswith("sequence") else "}"
    return at(Trap("spec.yaml", "what is opened here is not closed, or not as it should be", said,
                   f"close it with `{closer}`, and put values with special signs in quotes"), context.line, context.column)


def _quoted_before(last: Any, line: int) -> bool:
    return getattr(last, "style", None) in ("'", '"') and last.end_mark.line == line


def _goes_on(text: str, last: Any) -> Trap:
    quoted = text[last.start_mark.column:last.end_mark.column]
    return Trap("spec.quote", f"the value ends with its closing quote, after {quoted}, but goes on",
                "a value that begins with a quote ends at the closing one",
                "write it in block style after `|`, or put all of it in quotes of the other kind")


def _comment_above(last: Any, line: int, lines: Sequence[str]) -> int | None:
    """The line with the comment that ended a plain value just before this line."""
    if last is None or getattr(last, "style", True) is not None:
        return None
    end = last.end_mark.line
    return end if end < line and " #" in lines[end] else None


def mask(lines: list[str], line: int) -> bool:
    """Blank out the value that begins in this line, with its continuation lines; False if that was done before."""
    if line >= len(lines) or MASK in lines[line]:
        return False
    found = _ENTRY.match(lines[line]) or _ITEM.match(lines[line])
    if not found:
        return False
    indent = len(lines[line]) - len(lines[line].lstrip(" "))
    lines[line] = found["head"].rstrip() + " " + MASK
    for after in range(line + 1, len(lines)):
        text = lines[after]
        if text.strip() and len(text) - len(text.lstrip(" ")) <= indent:
            break
        lines[after] = ""
    return True
