"""The format `csv`; see `format`."""

from mainstem.formats.csv.format import Csv, CsvOptions

__all__ = ["Csv", "CsvOptions"]
