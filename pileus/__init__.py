"""Pileus: historical backfills of satellite archives."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pileus.open import open_stats

from pileus.version import __version__

__all__ = ["__version__", "open_stats"]


def __getattr__(name: str) -> object:
    """`pileus.open_stats`, imported when it is asked for: Arrow is heavy."""
    if name == "open_stats":
        from pileus.open import open_stats

        return open_stats
    raise AttributeError(f"module 'pileus' has no attribute {name!r}")
