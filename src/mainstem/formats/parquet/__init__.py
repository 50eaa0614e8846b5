"""The format `parquet`; see `format`."""

from mainstem.formats.parquet.format import Parquet, ParquetOptions

__all__ = ["Parquet", "ParquetOptions"]
