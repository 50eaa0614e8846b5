"""The Python that a pipeline calls: the user's modules, followed through their imports without running any, and what is installed.

What lies in the user's folders goes into the release, so that an edit of any of it changes no run that has begun. What is
installed is named by distribution and version, so that a run under another version can say so.
"""

from __future__ import annotations

import ast
import difflib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import machinery, metadata
from pathlib import Path

from mainstem.errors import UserCodeError

_LOADERS = ((machinery.ExtensionFileLoader, machinery.EXTENSION_SUFFIXES), (machinery.SourceFileLoader, machinery.SOURCE_SUFFIXES),
            (machinery.SourcelessFileLoader, machinery.BYTECODE_SUFFIXES))      # in Python's own order
_NEEDED = sys.stdlib_module_names | {"mainstem", "numpy", "pyarrow"}             # whoever takes such a name breaks the process
_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True)
class Code:
    """What the functions of a plan are made of."""

    files: Mapping[str, bytes]            # path below the folder of imports -> content
    versions: Mapping[str, str]           # installed module -> "distribution version", "" where there is none; and `python`
    unseen: tuple[str, ...]               # file:line of imports whose name is computed


def gather(calls: Mapping[str, str], folders: Sequence[str]) -> Code:
    """The code of `calls`, `module:function` -> step, out of these folders of the user.

    Raises UserCodeError: `python.not_found` for a module that is nowhere, `python.shadows` for one that cannot have its name,
    `python.import` for a file that cannot be read.
    """
    follower = _Follower([str(folder) for folder in folders])
    for call, step in calls.items():
        module = call.partition(":")[0]
        if not follower.imported(module, f"step {step}") and not _installed(module.partition(".")[0]):
            there = sorted(path.stem for folder in folders for path in Path(folder).glob("*.py"))
            close = difflib.get_close_matches(module, there, 1)
            raise UserCodeError(
                "python.not_found", f"there is no module {module!r}", where=f"step {step}",
                why=f"looked in {', '.join(map(str, folders))} and among the installed packages",
                fix=f"did you mean `{close[0]}`?" if close else "write it there, or correct `call:`")
    follower.follow()
    versions = {name: _installed(name) for name in sorted(follower.foreign)}
    return Code(follower.files, {"python": _PYTHON, **versions}, tuple(sorted(follower.unseen)))


def defined(code: Code, module: str) -> set[str] | None:
    """The names at the top of a module of the user's; None if it is not his, or what it has shows only when it runs.

    Raises UserCodeError `python.import` where it is no Python.
    """
    path = module.replace(".", "/")
    file = next((name for name in (f"{path}.py", f"{path}/__init__.py") if name in code.files), None)
    if file is None:
        return None
    try:
        tree = ast.parse(code.files[file])
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise UserCodeError("python.import", f"the module {module} is no Python: {error.args[0]}", where=f"{file}:{line}",
                            why=f"at {file}:{line}", fix="mend it there") from error
    names: set[str] = set()
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        else:
            waiting += ast.iter_child_nodes(node)
    return None if names & {"*", "__getattr__"} or "globals" in code.files[file].decode(errors="replace") else names


def changed(versions: Mapping[str, str]) -> list[str]:
    """What is installed now in another version than `Code.versions` says, as `was -> is`."""
    found = []
    for name, was in versions.items():
        now = _PYTHON if name == "python" else _installed(name)
        if now != was:
            named = [f"python {text}" if name == "python" else text or f"nothing called {name}" for text in (was, now)]
            found.append(" -> ".join(named))
    return found


def _installed(name: str) -> str:
    """The distributions that a top-level module is of, with their versions; "" if no such module is installed."""
    distributions = metadata.packages_distributions().get(name, [])
    if not distributions:
        try:
            distributions = [name] if metadata.version(name) else []         # one that is installed to be edited
        except metadata.PackageNotFoundError:
            return f"{name} of no version" if machinery.PathFinder.find_spec(name, [entry for entry in sys.path if entry]) else ""
    return ", ".join(f"{one} {metadata.version(one)}" for one in sorted(set(distributions)))


def _found(name: str, folders: Sequence[str]) -> machinery.ModuleSpec | None:
    """What Python would import under this name from these folders; a folder without `__init__` only where nothing else is."""
    spaces: list[str] = []
    for folder in folders:
        spec = machinery.FileFinder(folder, *_LOADERS).find_spec(name)
        if spec is not None and spec.loader is not None:
            return spec
        spaces += (spec.submodule_search_locations or []) if spec is not None else []
    if not spaces:
        return None
    spec = machinery.ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = spaces
    return spec


@dataclass
class _Follower:
    """Goes from import to import."""

    folders: Sequence[str]
    files: dict[str, bytes] = field(default_factory=dict)
    foreign: set[str] = field(default_factory=set)       # top-level modules that are neither the user's nor Python's
    unseen: list[str] = field(default_factory=list)
    _specs: dict[str, machinery.ModuleSpec | None] = field(default_factory=dict)
    _waiting: list[tuple[str, str]] = field(default_factory=list)      # (module, its file below the folder)

    def imported(self, name: str, by: str) -> bool:
        """Take a module with the packages above it; whether it is the user's."""
        if self._reach(name, by) is not None:
            return True
        top = name.partition(".")[0]
        above = self._specs[top]
        if above is None or above.loader is None:        # not the user's, or a namespace that goes on elsewhere
            self.foreign |= {top} - sys.stdlib_module_names
        return False

    def follow(self) -> None:
        """Take what is imported by what was taken, until nothing new comes."""
        while self._waiting:
            module, file = self._waiting.pop()
            try:
                tree = ast.parse(self.files[file])
            except (SyntaxError, ValueError):
                continue                                  # Python says what is wrong where it is imported
            package = module if file.endswith("__init__.py") else module.rpartition(".")[0]
            for node in ast.walk(tree):
                self._seen(node, package, file)

    def _seen(self, node: ast.AST, package: str, file: str) -> None:
        by = f"{file}:{getattr(node, 'lineno', 1)}"
        if isinstance(node, ast.Import):
            for alias in node.names:
                self.imported(alias.name, by)
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, package)
            if base is not None and (not base or self.imported(base, by)):
                for alias in node.names:                  # each may be a module, or a name in one
                    self._reach(f"{base}.{alias.name}".lstrip("."), by)
        elif isinstance(node, ast.Call) and _imports(node.func) and node.args:
            name = node.args[0]
            if isinstance(name, ast.Constant) and isinstance(name.value, str) and not name.value.startswith("."):
                self.imported(name.value, by)
            else:
                self.unseen.append(by)

    def _reach(self, name: str, by: str) -> machinery.ModuleSpec | None:
        if name not in self._specs:
            above, _, _ = name.rpartition(".")
            if above:
                package = self._reach(above, by)
                inside = package.submodule_search_locations if package is not None else None
                spec = _found(name, inside) if inside else None
            else:
                spec = self._top(name, by)
            self._specs[name] = spec
            if spec is not None and spec.origin is not None:
                self._take(name, spec)
        return self._specs[name]

    def _top(self, name: str, by: str) -> machinery.ModuleSpec | None:
        spec = _found(name, self.folders)
        if spec is None or spec.loader is None:
            return None if spec is None or name in _NEEDED or _installed(name) else spec
        if name in _NEEDED:
            raise UserCodeError(
                "python.shadows", f"a module of yours is called {name}, as one that Python or mainstem itself needs",
                where=str(spec.origin), why=f"imported by {by}; one of the two would be taken for the other", fix="give yours another name")
        return spec

    def _take(self, name: str, spec: machinery.ModuleSpec) -> None:
        """A module; a package with everything that lies in it, as it may read its files or import by a computed name."""
        path, below = Path(str(spec.origin)), name.split(".")
        if spec.submodule_search_locations is None:
            self._add(name, path, "/".join([*below[:-1], path.name]))
            return
        for file in _inside(path.parent):
            inner = file.relative_to(path.parent)
            module = ".".join([*below, *inner.with_suffix("").parts]).removesuffix(".__init__")
            self._add(module, file, "/".join([*below, *inner.parts]))

    def _add(self, module: str, path: Path, file: str) -> None:
        if file in self.files:
            return
        try:
            self.files[file] = path.read_bytes()
        except OSError as error:
            raise UserCodeError("python.import", f"cannot read the module {module}", where=str(path), why=str(error),
                                fix="make it readable for the user who runs the pipeline") from error
        if file.endswith(".py"):
            self._waiting.append((module, file))


def _base(node: ast.ImportFrom, package: str) -> str | None:
    """The module that names are imported from; None for one above the topmost package, which Python refuses, too."""
    if not node.level:
        return node.module or ""
    parts = package.split(".") if package else []
    if node.level > len(parts):
        return None
    return ".".join([*parts[:len(parts) - node.level + 1], *([node.module] if node.module else [])])


def _imports(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    return name in ("import_module", "__import__")


def _inside(folder: Path) -> Iterator[Path]:
    """The files of a package, without what Python and tools leave there."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name == "__pycache__":
            continue
        if path.is_dir():
            yield from _inside(path)
        elif path.is_file():
            yield path
