"""Functions compiled to machine code, and kept on disk, so that a worker's first group does not wait for the compiler.

numba keeps them beside the source, else in the user's cache folder, else where NUMBA_CACHE_DIR says. An image sets that
and runs `python -m pileus.zonal.warm` when it is built. Where nothing can be written, each process compiles them again.

numba itself is imported when a function is first called: a worker whose cell measures needs none of it.
"""

from collections.abc import Callable
from threading import Lock
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])
SUMS = {"reassoc", "contract", "nsz"}
"""Allows additions in another order, so that sums become vector instructions. NaN and infinity keep their meaning."""


def compiled(function: F, **options: Any) -> F:
    """Return `function` as machine code that runs without the interpreter's lock."""
    return cast(F, _Compiled(function, {"nogil": True, "error_model": "numpy", **options}))


def compiled_sums(function: F) -> F:
    """Do as `compiled`, and allow sums in another order."""
    return compiled(function, fastmath=SUMS)


def compiled_inline(function: F) -> F:
    """Do as `compiled`, always inlined into its caller."""
    return compiled(function, inline="always")


class _Compiled:
    """What numba makes of a function, made when it is first used: called here, or named by another that is compiled."""

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        self._function, self._options = function, options
        self._made: Any = None
        self._making = Lock()

    def __call__(self, *arguments: Any) -> Any:
        return (self._made or self._make())(*arguments)

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of numba's function; by `_numba_type_` numba knows that this is one."""
        return getattr(self._made or self._make(), name)

    def _make(self) -> Any:
        from numba import njit

        with self._making:
            if self._made is None:
                try:
                    self._made = njit(cache=True, **self._options)(self._function)
                except RuntimeError:  # no folder to keep it in
                    self._made = njit(**self._options)(self._function)
        return self._made
