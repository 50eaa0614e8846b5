"""What a site keeps in memory: its plugs once, of things with versions the two used last."""

from __future__ import annotations

from pathlib import Path

from mainstem.engines.site import Place, Site
from mainstem.plan.words import Plan


def site(folder: Path) -> Site:
    return Site(Plan(pipeline="p", nodes=()), Place(str(folder), str(folder / "lake"), str(folder / "work"), "p"))


def test_of_a_table_that_changes_again_and_again_only_the_newest_versions_are_kept(tmp_path: Path) -> None:
    here, made = site(tmp_path), list[str]()

    def version(name: str) -> str:
        return str(here.newest("table/places", name, lambda: made.append(name) or name))

    for number in range(100):
        assert version(f"v{number}") == f"v{number}"
        assert version(f"v{number}") == f"v{number}"
    assert made == [f"v{number}" for number in range(100)], "each is read once"
    assert version("v98") == "v98"
    assert len(made) == 100, "the epoch before may still look into the one before"
    version("v100")
    assert version("v98") == "v98"
    assert len(made) == 101, "what was used last stays"
    version("v99")
    assert made[-1] == "v99"


def test_what_has_no_versions_is_made_once(tmp_path: Path) -> None:
    here, made = site(tmp_path), list[int]()
    assert [here.once("x", lambda: made.append(1) or "made") for _ in range(3)] == ["made"] * 3
    assert made == [1]
