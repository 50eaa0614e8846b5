"""The format `json`; see `format`."""

from mainstem.formats.json.format import Json, JsonOptions

__all__ = ["Json", "JsonOptions"]
