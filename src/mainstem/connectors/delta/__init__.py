"""The sink `delta`: rows into a Delta table, each epoch exactly once; see `sink`."""

from mainstem.connectors.delta.sink import Delta, DeltaOptions

__all__ = ["Delta", "DeltaOptions"]
