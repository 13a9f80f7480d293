"""Our own operations, of the endpoint `pileus`."""

from pileus.stratus.builtin.mean import mean

__all__ = ["mean"]
