"""What can go wrong, in five branches that tell the machine what to do next.

Every error says what happened, where, why and what to do about it, and carries a stable dotted code whose page
`mainstem explain CODE` prints (the closed list is `mainstem.codes`).
"""

from __future__ import annotations


class MainstemError(Exception):
    """The common root: a code, and the four sentences a person needs.

    >>> e = SpecError("spec.unknown_key", "unknown key `szie`", where="a.yaml:3:5", fix="did you mean `size`?")
    >>> print(e)
    a.yaml:3:5: unknown key `szie` [spec.unknown_key]; did you mean `size`?
    """

    exit_code = 1

    def __init__(self, code: str, what: str, *, where: str = "", why: str = "", fix: str = "") -> None:
        super().__init__(code, what)
        self.code = code
        self.what = what
        self.where = where
        self.why = why
        self.fix = fix

    def __str__(self) -> str:
        text = f"{self.where}: " if self.where else ""
        text += f"{self.what} [{self.code}]"
        if self.why:
            text += f"; {self.why}"
        if self.fix:
            text += f"; {self.fix}"
        return text


class SpecError(MainstemError):
    """The pipeline file, the project file or the command line is wrong: edit it."""

    exit_code = 2
    others: tuple[SpecError, ...] = ()        # what else was found wrong at the same time
    key: str = ""                             # of a step: where it stands, if not where it was found


class DataError(MainstemError):
    """A record or a file is wrong: it is set aside and costs only itself."""


class TransientError(MainstemError):
    """Something outside is away for now: try again later."""

    exit_code = 4


class UserCodeError(MainstemError):
    """A function of the user raised, hung or died: theirs to mend; `why` holds its traceback."""


class RefusedError(MainstemError):
    """mainstem declines on purpose, to protect data or state; `fix` names the way on."""


class ConcurrencyError(MainstemError):
    """Another runner holds this pipeline."""

    exit_code = 5


class Bug(MainstemError):
    """A promise of our own is broken; the pipeline stops rather than write a wrong answer."""
