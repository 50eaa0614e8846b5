"""The source `generator`: synthetic sensor readings with dirt in known amounts; see `source`."""

from mainstem.connectors.generator.source import Generator, GeneratorOptions

__all__ = ["Generator", "GeneratorOptions"]
