"""A task that needs more memory than it may use: a clear end, nothing half-written, and with more memory it goes on."""

from __future__ import annotations

from pathlib import Path

import killing
import pytest
from remains import half_visible, remains

from mainstem import project
from mainstem.errors import RefusedError

HUNGRY = "max(temperature) AS hottest, length(string_agg(repeat(sensor_id, 1000000), '')) AS long"     # 2 MB a row


def run(file: Path, engine: str, memory: str) -> int:
    flags = {"epoch": {"rows": 30}, "engine": {"spark": {"tasks": 2}}, "tasks": 2, "memory": memory}
    return project.open(file, flags=flags).run(engine=engine, each=True).epochs


@pytest.mark.parametrize("engine", ["local", "spark"])
def test_it_says_what_it_lacks_and_goes_on_with_more(engine: str, tmp_path: Path) -> None:
    left = []
    for name, memory in (("little", "64MiB"), ("enough", "4GiB")):
        file = killing.make(tmp_path / name, 2, rows=90)
        file.write_text(file.read_text().replace("max(temperature) AS hottest", HUNGRY))
        if memory == "64MiB":
            with pytest.raises(RefusedError) as found:
                run(file, engine, memory)
            assert found.value.code == "engine.memory"
            assert found.value.where == "spans"
            assert "32.0 MiB" in found.value.why
            assert "each task that runs at the same time has 32MiB" in found.value.why
            assert "`memory:`" in found.value.fix
            run(file, engine, "4GiB")
        else:
            run(file, "local", memory)
        left.append(remains(file))
    assert left[0] == left[1]
    assert not half_visible(file, left[1], at_once=False)
