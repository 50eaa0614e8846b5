"""Makes `connectors_kit` known in the folders below."""
