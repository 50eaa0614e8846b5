"""Makes `formats_kit` known in the folders below."""
