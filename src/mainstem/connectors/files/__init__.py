"""The source `files`: one file, a folder or a glob; see `source`."""

from mainstem.connectors.files.source import Files, FilesOptions

__all__ = ["Files", "FilesOptions"]
