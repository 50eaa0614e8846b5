"""The source `generator`: synthetic sensor readings with dirt in known amounts; see `source`."""

from mainstem.connectors.generator.source import Generator, GeneratorOptions, sensors, sensors_csv, truth

__all__ = ["Generator", "GeneratorOptions", "sensors", "sensors_csv", "truth"]
