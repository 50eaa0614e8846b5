"""Makes `formats_kit` known in the folders below; every decode in these tests is held to account for the bytes it was given."""

from __future__ import annotations

from typing import Any

import pytest

from mainstem.engines import coverage
from mainstem.formats.csv import Csv
from mainstem.formats.json import Json
from mainstem.formats.parquet import Parquet


@pytest.fixture(autouse=True)
def accounted(monkeypatch: pytest.MonkeyPatch) -> None:
    for form in (Csv, Json, Parquet):
        def decode(self: Any, chunk: Any, query: Any, true: Any = form.decode) -> Any:
            made = true(self, chunk, query)
            coverage.check(self, chunk, made, str)
            return made

        monkeypatch.setattr(form, "decode", decode)
