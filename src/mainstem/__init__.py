"""mainstem: data pipelines for sensor, weather, IoT and event data that account for every record.

>>> import mainstem
>>> pipeline = mainstem.load("greenhouse.yaml")      # doctest: +SKIP
>>> pipeline.check()                                  # doctest: +SKIP
[]
>>> result = pipeline.run()                           # doctest: +SKIP
>>> pipeline.read("climate").num_rows                 # doctest: +SKIP
4320
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mainstem.errors import (
        Bug,
        ConcurrencyError,
        DataError,
        MainstemError,
        RefusedError,
        SpecError,
        TransientError,
        UserCodeError,
    )
    from mainstem.project import Pipeline
    from mainstem.project.run import RunResult
    from mainstem.spec.problems import Problem

__version__ = "0.1.0"
__all__ = ["Bug", "ConcurrencyError", "DataError", "MainstemError", "Pipeline", "Problem", "RefusedError", "RunResult", "SpecError",
           "TransientError", "UserCodeError", "__version__", "load"]

_HOMES = {"Pipeline": "mainstem.project", "RunResult": "mainstem.project.run", "Problem": "mainstem.spec.problems"}


def load(path: str | None = None, environment: str | None = None, **flags: Any) -> Pipeline:
    """Open a pipeline file (or the only one in a folder): then `.check() .plan() .run() .read(name) .sql(text)`."""
    from mainstem import project

    return project.open(path, environment, flags)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: `import mainstem` itself stays quick."""
    if name in __all__:
        from importlib import import_module

        return getattr(import_module(_HOMES.get(name, "mainstem.errors")), name)
    raise AttributeError(f"module 'mainstem' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names, also those that were not asked for yet."""
    return sorted(__all__)
