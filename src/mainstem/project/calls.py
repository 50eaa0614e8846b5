"""What `check` says of the Python that a pipeline calls: modules and functions that are not there, each with its place in the file."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from mainstem.errors import UserCodeError
from mainstem.plan.words import Map
from mainstem.project import modules
from mainstem.spec.problems import Problem

if TYPE_CHECKING:
    from mainstem.project.place import Opened


def unfound(opened: Opened) -> list[Problem]:
    """The problems of every `call:` of a pipeline that has no others, in the order of the steps. No module is run."""
    found: list[Problem] = []
    for node in opened.plan.of(Map) if not opened.problems else ():
        assert isinstance(node.word, Map)
        module, _, function = node.word.call.partition(":")
        try:
            names = modules.defined(modules.gather({node.word.call: node.step}, opened.settings.python_folders), module)
            if names is None or function in names:
                continue
            close = difflib.get_close_matches(function, names, 1)
            error = UserCodeError("python.not_found", f"`{module}` has no function `{function}`",
                                  fix=f"did you mean `{module}:{close[0]}`?" if close else "write it there, or correct `call:`")
        except UserCodeError as raised:
            error = raised
        found.append(opened.loaded.marks.problem(error.code, error.what, ("steps", node.step, "python", "call"),
                                                 why=error.why, fix=error.fix))
    return found
