"""What a release takes of the user's Python: everything that is imported from the user's folders, run by nobody on the way."""

from __future__ import annotations

import importlib.machinery
import sys
from pathlib import Path

import pytest

from mainstem.errors import UserCodeError
from mainstem.project import modules
from mainstem.project.modules import Code

SUFFIX = importlib.machinery.EXTENSION_SUFFIXES[0]


def write(folder: Path, files: dict[str, str]) -> None:
    """Files by their path."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def taken(folder: Path, call: str = "mine:f", *more: Path) -> Code:
    return modules.gather({call: "step"}, [str(folder), *map(str, more)])


def test_what_a_module_imports_beside_itself_is_taken_too(tmp_path: Path) -> None:
    write(tmp_path, {"mine.py": "import one\ndef f(rows):\n    from two import x\n    return rows\n", "one.py": "import three as t\n",
          "two.py": "x = 1\n", "three.py": "", "unrelated.py": ""})
    assert set(taken(tmp_path).files) == {"mine.py", "one.py", "two.py", "three.py"}
    assert taken(tmp_path).files["two.py"] == b"x = 1\n"


def test_imports_that_are_tried_or_named_by_a_text_are_seen(tmp_path: Path) -> None:
    write(tmp_path, {"mine.py": "import importlib\ntry:\n    import fast as it\nexcept ImportError:\n    import slow as it\n"
                             "named = importlib.import_module('named')\n", "slow.py": "", "named.py": ""})
    assert set(taken(tmp_path).files) == {"mine.py", "slow.py", "named.py"}


def test_an_import_by_a_computed_name_is_told(tmp_path: Path) -> None:
    write(tmp_path, {"mine.py": "from importlib import import_module\n\ndef f(rows, name=str('one')):\n    return import_module(name)\n",
                     "one.py": ""})
    found = taken(tmp_path)
    assert set(found.files) == {"mine.py"}
    assert found.unseen == ("mine.py:4",)


def test_a_package_is_taken_whole_with_what_it_imports_outside(tmp_path: Path) -> None:
    write(tmp_path, {"mine.py": "import pack.deep.part\n", "pack/__init__.py": "", "pack/deep/__init__.py": "from .. import base\n",
          "pack/deep/part.py": "from ..other import thing\n", "pack/base.py": "import outside\n", "pack/other.py": "", "outside.py": "",
          "pack/factors.csv": "a,b\n", "pack/.hidden": "", "pack/__pycache__/x.pyc": ""})
    assert set(taken(tmp_path).files) == {
        "mine.py", "outside.py", "pack/__init__.py", "pack/base.py", "pack/other.py", "pack/deep/__init__.py", "pack/deep/part.py",
        "pack/factors.csv"}


def test_of_a_folder_without_init_only_the_imported_modules_are_taken(tmp_path: Path) -> None:
    write(tmp_path, {"mine.py": "from lib.a import x\nfrom lib import b\n", "lib/a.py": "from . import c\nx = 1\n", "lib/b.py": "",
          "lib/c.py": "", "lib/d.py": "", "lib/big.bin": "much"})
    assert set(taken(tmp_path).files) == {"mine.py", "lib/a.py", "lib/b.py", "lib/c.py"}


def test_a_call_of_a_module_within_a_package(tmp_path: Path) -> None:
    write(tmp_path, {"src/pack/__init__.py": "", "src/pack/mine.py": "from . import other\n", "src/pack/other.py": "import beside\n",
          "src/beside.py": ""})
    assert set(taken(tmp_path / "src", "pack.mine:f").files) == {"pack/__init__.py", "pack/mine.py", "pack/other.py", "beside.py"}


def test_modules_that_import_each_other(tmp_path: Path) -> None:
    write(tmp_path, {"mine.py": "import one\n", "one.py": "import two\n", "two.py": "import one, mine\n"})
    assert set(taken(tmp_path).files) == {"mine.py", "one.py", "two.py"}


def test_nothing_is_run_while_imports_are_followed(tmp_path: Path) -> None:
    write(tmp_path, {"mine.py": "import noisy\n", "noisy.py": f"open({str(tmp_path / 'ran')!r}, 'w')\nraise SystemExit\n"})
    assert set(taken(tmp_path).files) == {"mine.py", "noisy.py"}
    assert not (tmp_path / "ran").exists()
    assert "noisy" not in sys.modules


def test_a_module_that_is_no_python_is_taken_and_fails_where_it_is_imported(tmp_path: Path) -> None:
    write(tmp_path, {"mine.py": "import broken\n", "broken.py": "def (:\n", "pack.txt": ""})
    assert set(taken(tmp_path).files) == {"mine.py", "broken.py"}


def test_a_compiled_module_is_taken_as_it_is(tmp_path: Path) -> None:
    write(tmp_path, {"mine.py": "import fast\n"})
    (tmp_path / f"fast{SUFFIX}").write_bytes(b"\x7fELF")
    assert set(taken(tmp_path).files) == {"mine.py", f"fast{SUFFIX}"}


def test_the_first_folder_that_has_a_module_gives_it(tmp_path: Path) -> None:
    write(tmp_path, {"a/mine.py": "import both\nimport second\n", "a/both.py": "1\n", "b/both.py": "2\n", "b/second.py": ""})
    found = taken(tmp_path / "a", "mine:f", tmp_path / "b")
    assert set(found.files) == {"mine.py", "both.py", "second.py"}
    assert found.files["both.py"] == b"1\n"


def test_installed_modules_are_referred_to_by_distribution_and_version(tmp_path: Path) -> None:
    import pyarrow as pa

    write(tmp_path, {"mine.py": "import json, os.path\nimport pyarrow.compute as pc\nimport no_such_module\n", "numpy/readme.txt": ""})
    found = taken(tmp_path)
    assert found.versions == {"python": f"{sys.version_info.major}.{sys.version_info.minor}", "pyarrow": f"pyarrow {pa.__version__}",
                              "no_such_module": ""}


def test_a_distribution_called_otherwise_than_its_module_and_one_that_is_called(tmp_path: Path) -> None:
    from importlib.metadata import version

    write(tmp_path, {"mine.py": "import ruamel.yaml\n"})
    assert taken(tmp_path).versions["ruamel"] == f"ruamel.yaml {version('ruamel.yaml')}"
    assert taken(tmp_path, "sqlglot.tokens:f").versions["sqlglot"] == f"sqlglot {version('sqlglot')}"


def test_a_module_of_no_distribution_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "elsewhere", {"loose.py": ""})
    monkeypatch.syspath_prepend(str(tmp_path / "elsewhere"))
    write(tmp_path / "p", {"mine.py": "import loose\n"})
    assert taken(tmp_path / "p").versions["loose"] == "loose of no version"


@pytest.mark.parametrize("name", ["statistics", "numpy", "pyarrow", "mainstem"])
def test_a_module_called_like_one_that_everything_needs_is_refused(name: str, tmp_path: Path) -> None:
    write(tmp_path, {"mine.py": f"def f(rows):\n    import {name}\n", f"{name}.py": ""})
    with pytest.raises(UserCodeError) as caught:
        taken(tmp_path)
    assert caught.value.code == "python.shadows"
    assert str(tmp_path / f"{name}.py") in caught.value.where
    assert "mine.py:2" in caught.value.why
    with pytest.raises(UserCodeError, match=name):
        taken(tmp_path, f"{name}:f")


def test_a_folder_called_like_an_installed_module_is_no_module(tmp_path: Path) -> None:
    write(tmp_path, {"mine.py": "import json\nimport duckdb\n", "json/a.txt": "", "duckdb/b.py": ""})
    found = taken(tmp_path)
    assert set(found.files) == {"mine.py"}
    assert found.versions["duckdb"].startswith("duckdb ")


def test_a_module_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"mine.py": ""})

    def refused(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(UserCodeError) as caught:
        taken(tmp_path)
    assert (caught.value.code, caught.value.where) == ("python.import", str(tmp_path / "mine.py"))


def test_a_call_of_a_module_that_is_nowhere(tmp_path: Path) -> None:
    with pytest.raises(UserCodeError) as caught:
        taken(tmp_path, "mien:f")
    assert (caught.value.code, caught.value.where) == ("python.not_found", "step step")
    write(tmp_path, {"mine.py": ""})
    with pytest.raises(UserCodeError) as caught:
        taken(tmp_path, "mien:f")
    assert "did you mean `mine`" in caught.value.fix


def test_what_changed_since(tmp_path: Path) -> None:
    write(tmp_path, {"mine.py": "import pyarrow\n"})
    was = dict(taken(tmp_path).versions)
    assert modules.changed(was) == []
    assert modules.changed(was | {"pyarrow": "pyarrow 1.0", "python": "2.7", "gone": "gone 3.1"}) == [
        f"python 2.7 -> python {was['python']}", f"pyarrow 1.0 -> {was['pyarrow']}", "gone 3.1 -> nothing called gone"]
    assert modules.changed({"pyarrow": ""}) == [f"nothing called pyarrow -> {was['pyarrow']}"]
