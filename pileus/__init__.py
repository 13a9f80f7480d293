"""Pileus: historical backfills of satellite archives."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pileus.client.connect import connect
    from pileus.open import open_stats

from pileus.version import __version__

__all__ = ["__version__", "connect", "open_stats"]


def __getattr__(name: str) -> object:
    """`pileus.connect` and `pileus.open_stats`, imported when they are asked for: what they need is heavy."""
    if name == "connect":
        from pileus.client.connect import connect

        return connect
    if name == "open_stats":
        from pileus.open import open_stats

        return open_stats
    raise AttributeError(f"module 'pileus' has no attribute {name!r}")
