"""The walls of the house: sizes of files and functions, closed lists, what may be imported where."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from mainstem import plugs, signals
from mainstem.codes import CODES, ROOMS
from mainstem.reasons import REASONS

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src/mainstem"
FILES = sorted(SOURCE.rglob("*.py"))
MIGRATIONS = SOURCE / "ledger/migrations/versions"

# The one file in which each of these may be imported; everywhere else the house has its own word for it.
ALONE = {"time": {"clock.py"}, "secrets": {"clock.py"}, "random": set(), "uuid": set(), "logging": set()}


def name(path):
    return path.relative_to(SOURCE).as_posix()


@cache
def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield (node.module or "").split(".")[0]


def test_no_file_is_above_400_lines():
    sizes = sorted(((len(path.read_text(encoding="utf-8").splitlines()), name(path)) for path in FILES), reverse=True)
    print("the longest:", sizes[:3])
    assert [entry for entry in sizes if entry[0] > 400] == []
    assert len(sizes) > 50


def test_no_function_is_above_80_lines():
    long = [f"{name(path)}:{node.lineno} {node.name}: {node.end_lineno - node.lineno + 1}"
            for path in FILES if MIGRATIONS not in path.parents
            for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and node.end_lineno - node.lineno + 1 > 80]
    assert long == []


def test_every_file_says_first_what_it_is_for():
    silent = [name(path) for path in FILES if path.read_text().strip() and not ast.get_docstring(tree(path))]
    assert silent == []


def test_time_randomness_and_logging_stay_in_their_files():
    strayed = [f"{name(path)} imports {module}" for path in FILES for module in imported(path)
               if module in ALONE and name(path) not in ALONE[module]]
    assert strayed == []


def test_print_is_for_faces_only():
    strayed = [f"{name(path)}:{node.lineno}" for path in FILES if not name(path).startswith("cli/") for node in ast.walk(tree(path))
               if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"]
    assert strayed == []


def test_a_plug_imports_only_pydantic_and_the_house_at_its_top():
    allowed = {"pydantic", "mainstem", "__future__", *sys.stdlib_module_names}
    strayed = []
    for module in {module for room in ("connectors", "formats", "steps") for module in plugged_modules(room)}:
        path = SOURCE.parent / (module.replace(".", "/") + ".py")
        for node in tree(path).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                found = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
                strayed += [f"{name(path)}:{node.lineno} {module}" for module in found if module.split(".")[0] not in allowed]
    assert strayed == []


def plugged_modules(room):
    """The modules in which the plugs of a room are written: `mainstem.connectors.files.source`."""
    groups = {"connectors": ("sources", "sinks"), "formats": ("formats",), "steps": ("steps",)}[room]
    modules = {plugs.find(group, kind).__module__ for group in groups for kind in plugs.kinds(group)}
    return {module for module in modules if module.startswith(f"mainstem.{room}.")}


@pytest.mark.parametrize("room", ["formats", "steps", "connectors"])
def test_every_plug_is_in_the_contract_that_keeps_plugs_strangers(room):
    contracts = (ROOT / "pyproject.toml").read_text()
    block = contracts.split(f'name = "{room} are strangers to each other"')[1].split("[[")[0]
    listed = set(re.findall(rf'"(mainstem\.{room}\.\w+)"', block))
    own = {".".join(module.split(".")[:3]) for module in plugged_modules(room)}
    assert listed == own


def options_models():
    for group in plugs.GROUPS:
        for kind in plugs.kinds(group):
            model = plugs.find(group, kind).Options
            if isinstance(model, type) and hasattr(model, "model_fields"):
                yield f"{group}.{kind}", model


def test_every_option_says_what_it_is():
    silent, count = [], 0
    for kind, model in options_models():
        for field_name, field in model.model_fields.items():
            count += 1
            if not (field.description or "").strip():
                silent.append(f"{kind}.{field_name}")
        assert model.model_config.get("extra") == "forbid", kind
        assert model.model_config.get("frozen"), kind
    assert silent == []
    assert count > 40


def raised_codes():
    """The codes that errors are made with: a text of the form `word.word` as the first argument of an error or problem."""
    pattern = re.compile(r"^[a-z_]+\.[a-z0-9_]+$")
    makers = re.compile(r"(Error|Bug|Problem|problem|tell|_problem|refuse|complain|objection)$")
    found = {}
    for path in FILES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and makers.search(ast.unparse(node.func)) and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str) and pattern.match(first.value) \
                        and first.value not in signals.SIGNALS:
                    found.setdefault(first.value, f"{name(path)}:{node.lineno}")
    return found


def test_every_error_code_has_a_page():
    found = raised_codes()
    assert len(found) > 40
    assert [f"{code} ({place})" for code, place in sorted(found.items()) if code not in CODES] == []


def test_every_page_of_a_code_is_of_a_code_that_is_used():
    text = "\n".join(path.read_text(encoding="utf-8") for path in FILES if "codes" not in path.parts)
    assert [code for code in CODES if f'"{code}"' not in text] == []


def test_the_word_before_the_dot_says_in_which_file_a_page_stands():
    homes: dict[str, set[str]] = {}
    for room, pages in ROOMS.items():
        for code in pages:
            homes.setdefault(code.partition(".")[0], set()).add(room)
    assert {word: rooms for word, rooms in homes.items() if len(rooms) > 1} == {}
    assert sum(map(len, ROOMS.values())) == len(CODES)


def test_every_page_explains_and_gives_a_way_on():
    short = [code for code, page in CODES.items() if min(len(page.title), len(page.meaning), len(page.fix)) < 8]
    assert short == []


def test_every_signal_that_is_sent_is_documented_and_every_documented_one_is_sent():
    said = {signal: frozenset(re.search(r"\(facts: ([a-z, ]+)\)$", text)[1].split(", ")) for signal, text in signals.SIGNALS.items()}
    sent = set()
    for path in FILES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("signals.at", "signals.tell") and node.args:
                assert isinstance(node.args[0], ast.Constant), f"{name(path)}:{node.lineno}: a signal is named by a literal"
                sent.add((node.args[0].value, frozenset(fact.arg for fact in node.keywords)))
    assert sent == set(said.items())


def test_every_reason_is_used():
    text = "\n".join(path.read_text(encoding="utf-8") for path in FILES if path.name != "reasons.py")
    assert [reason for reason in REASONS if f'"{reason}"' not in text and f"'{reason}'" not in text] == []


def test_no_relation_of_a_pipeline_is_called_like_our_facts():
    from mainstem.ledger.runs import FACTS
    from mainstem.spec.names import OURS

    assert {table.name for table in FACTS} == set(OURS) - {"rows", "quarantine"}


def loaded_by(module):
    heavy = ("pyarrow", "duckdb", "deltalake", "sqlalchemy", "alembic", "sqlglot", "numpy", "typer", "rich")
    code = f"import sys, {module}; print(*sorted(set(sys.modules) & set({heavy!r})))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize("module", ["mainstem", "mainstem.plugs", "mainstem.codes", "mainstem.signals"])
def test_it_loads_nothing_heavy(module):
    assert loaded_by(module) == []


def test_opening_a_pipeline_loads_no_engine():
    assert set(loaded_by("mainstem.project")) & {"pyarrow", "duckdb", "deltalake", "sqlalchemy", "alembic"} == set()


@pytest.mark.parametrize("answer", ["schema()", "explain('late')", "catalog()"])
def test_what_answers_at_once_parses_no_sql_and_starts_no_engine(answer):
    code = f"import sys; from mainstem import project; project.{answer}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert set(loaded) & {"sqlglot", "pyarrow", "duckdb", "deltalake", "sqlalchemy", "alembic"} == set()


def test_the_public_names_are_few_and_there():
    import mainstem

    assert len(mainstem.__all__) <= 25
    assert [public for public in mainstem.__all__ if not hasattr(mainstem, public)] == []
    assert dir(mainstem) == sorted(mainstem.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        mainstem.nonsense  # noqa: B018


def test_nothing_is_promised_for_later():
    words = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")
    assert [f"{name(path)}: {found[0]}" for path in FILES if (found := words.search(path.read_text(encoding="utf-8")))] == []


def asserting(scope: ast.AST, helpers: dict[str, ast.AST], seen: frozenset[str] = frozenset()) -> bool:
    """Whether code asserts: itself, by what pytest offers for it, or in a function of these that it names."""
    for node in ast.walk(scope):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("pytest.raises", "pytest.fail", "subprocess.check_call"):
            return True
        if isinstance(node, ast.keyword) and node.arg == "check" and ast.unparse(node.value) == "True":
            return True
    named = {node.id for node in ast.walk(scope) if isinstance(node, ast.Name)} | {
        node.attr for node in ast.walk(scope) if isinstance(node, ast.Attribute)}
    wanted = {found for found in named if found in helpers} - seen
    return any(asserting(helpers[found], helpers, seen | wanted) for found in wanted)


def functions(path: Path) -> dict[str, ast.AST]:
    return {node.name: node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.FunctionDef)}


def test_every_test_asserts_something():
    files = sorted((ROOT / "tests").rglob("*.py"))
    kits = {name: found for path in [*files, *sorted((SOURCE / "testing").glob("*.py"))] if not path.name.startswith("test_")
            for name, found in functions(path).items()}
    empty = [f"{path.name}:{found.lineno} {test}" for path in files if path.name.startswith("test_")
             for mine in [functions(path)] for test, found in mine.items() if test.startswith("test")
             and not asserting(found, {**kits, **{name: code for name, code in mine.items() if not name.startswith("test")}})]
    assert empty == []


def test_a_test_that_only_says_so_does_not_assert():
    kits = functions(Path(__file__))
    assert not asserting(ast.parse("def test_check_assert_fail(): expect(1); verify(2)"), {})
    assert asserting(ast.parse("def test(): held()"), {"held": ast.parse("def held(): assert 1")})
    assert asserting(kits["test_every_test_asserts_something"], {})
