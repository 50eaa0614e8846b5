"""MEMORY: a projection of the manifests plus what people did; readable with SELECT, losing it loses no data."""
