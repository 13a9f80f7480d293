"""Documents in YAML, which definitions of Cirrus are."""

from typing import Any

from pileus.errors import DocumentError


def parse_yaml(text: str, where: str) -> Any:
    """Return the value of YAML, of plain values only. Raises DocumentError, about `where`."""
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise DocumentError(f"not YAML: {' '.join(str(exc).split())[:300]}", where=where) from exc
