"""Functions compiled to machine code: kept on disk, so that a worker's first group does not wait for a compiler.

numba keeps them beside the source, else in the user's cache folder, else where NUMBA_CACHE_DIR says. An image sets
that and runs `python -m pileus.zonal.warm` when it is built. Where nothing can be written they are compiled for each
process anew.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])
SUMS = {"reassoc", "contract", "nsz"}
"""Leave to add in another order, which makes sums vector instructions. NaN and infinity keep their meaning."""


def compiled(function: F, **options: Any) -> F:
    """`function` as machine code that runs without the interpreter's lock."""
    options = {"nogil": True, "error_model": "numpy", **options}
    try:
        return cast(F, njit(cache=True, **options)(function))
    except RuntimeError:  # no folder to keep it in
        return cast(F, njit(**options)(function))


def compiled_sums(function: F) -> F:
    """`compiled`, with leave to reorder sums."""
    return compiled(function, fastmath=SUMS)


def compiled_inline(function: F) -> F:
    """`compiled`, always inside its caller."""
    return compiled(function, inline="always")
