"""OGC API - Processes, part 1, version 1.0: core, process descriptions, JSON, OpenAPI 3.0, job list, dismiss."""
