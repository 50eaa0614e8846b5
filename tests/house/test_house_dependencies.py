"""What we stand on: permissive licences only, few packages, little disk; from the lock file and what is installed."""

from __future__ import annotations

import importlib.metadata as installed
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCK = {package["name"]: package for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

PERMISSIVE = {"MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "PSF-2.0", "0BSD", "Zlib", "CC0-1.0", "Unlicense"}
TOOLS_ONLY = {"MPL-2.0"}                  # file-level copyleft: fine for what we run and do not ship
# what older metadata calls them
SPOKEN = {
    "MIT License": "MIT", "Apache Software License": "Apache-2.0", "BSD License": "BSD-3-Clause", "ISC License (ISCL)": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0", "Python Software Foundation License": "PSF-2.0", "DFSG approved": "MIT",
}


def below(names):
    """The packages that these need, themselves included."""
    found, wanted = set(), list(names)
    while wanted:
        name = wanted.pop()
        if name in LOCK and name not in found:
            found.add(name)
            wanted += [need["name"] for need in LOCK[name].get("dependencies", [])]
    return found


def canonical(requirement):
    return re.match(r"[A-Za-z0-9._-]+", requirement)[0].lower().replace("_", "-").replace(".", "-")


CORE = below(map(canonical, PROJECT["project"]["dependencies"]))
DEVELOPMENT = below(map(canonical, PROJECT["dependency-groups"]["dev"]))


def licences(name):
    """The licences that a package's metadata names; of `A OR B` one permissive is enough, of `A AND B` all must be."""
    about = installed.metadata(name)
    if expression := about.get("License-Expression"):
        return [set(part.split(" OR ")) for part in expression.replace("(", "").replace(")", "").split(" AND ")]
    classified = [entry.split("::")[-1].strip() for entry in about.get_all("Classifier", []) if entry.startswith("License")]
    return [{SPOKEN.get(entry, entry)} for entry in classified] or [{about.get("License", "unknown")}]


def present(names):
    for name in sorted(names):
        try:
            installed.metadata(name)
        except installed.PackageNotFoundError:
            continue                      # for another platform or Python
        yield name


@pytest.mark.parametrize(("names", "allowed"), [(CORE, PERMISSIVE), (DEVELOPMENT, PERMISSIVE | TOOLS_ONLY)], ids=["core", "tools"])
def test_every_licence_is_permissive(names, allowed):
    checked = list(present(names))
    wrong = {name: licences(name) for name in checked if not all(choice & allowed for choice in licences(name))}
    assert wrong == {}
    assert len(checked) >= len(names) - 5


def test_the_core_is_small():
    files = [file.locate() for name in present(CORE) for file in installed.files(name) or [] if not str(file).endswith(".pyc")]
    mebibytes = sum(Path(file).stat().st_size for file in files if Path(file).is_file()) / 2**20
    assert len(CORE) < 40
    assert 50 < mebibytes < 470, "without bytecode; pyarrow, deltalake, DuckDB and NumPy alone are 413 of it"


def test_we_are_apache_and_say_so():
    assert PROJECT["project"]["license"] == "Apache-2.0"
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_every_package_is_pinned_with_a_hash():
    loose = []
    for name, package in LOCK.items():
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        if "registry" in package["source"] and not all("hash" in file for file in files):
            loose.append(name)
    assert loose == []
    assert len(LOCK) > 30


def test_its_types_are_shipped():
    assert (ROOT / "src/mainstem/py.typed").read_text() == ""
    assert PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"] == {"packages": ["src/mainstem"]}, "the whole package, the marker with it"
