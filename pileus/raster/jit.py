"""Functions compiled to machine code, and kept on disk, so that a worker's first group does not wait for the compiler.

numba keeps them beside the source, else in the user's cache folder, else where NUMBA_CACHE_DIR says. An image sets that
and runs `python -m pileus.zonal.warm` when it is built. Where nothing can be written, each process compiles them again.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])
SUMS = {"reassoc", "contract", "nsz"}
"""Allows additions in another order, so that sums become vector instructions. NaN and infinity keep their meaning."""


def compiled(function: F, **options: Any) -> F:
    """Return `function` as machine code that runs without the interpreter's lock."""
    options = {"nogil": True, "error_model": "numpy", **options}
    try:
        return cast(F, njit(cache=True, **options)(function))
    except RuntimeError:  # no folder to keep it in
        return cast(F, njit(**options)(function))


def compiled_sums(function: F) -> F:
    """Do as `compiled`, and allow sums in another order."""
    return compiled(function, fastmath=SUMS)


def compiled_inline(function: F) -> F:
    """Do as `compiled`, always inlined into its caller."""
    return compiled(function, inline="always")
