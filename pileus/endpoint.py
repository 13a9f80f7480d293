"""Operations of Stratus in a few lines: `@endpoint("xop*")` on a function of xarray Datasets.

    @endpoint("xop*")
    def mean(data: xarray.Dataset, *, axis: str, weighted: bool = False) -> xarray.Dataset: ...

1. The pattern is of the endpoint's name, which stands before the colon; the function's name is what comes after it.
   So this one does `xop:mean`.
2. Positional parameters are inputs, `*datasets` any number of them; one with a default may be left out.
3. Keyword-only parameters are parameters of the operation, checked by their annotations.
4. A keyword-only parameter named `keys` is what the top of the request says to this endpoint: of `xop:token` the
   `token`. What no function asks for is not read.

The function itself stays what it was: it can be called by hand. Nothing is registered anywhere.
"""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from pileus.errors import UsageError

if TYPE_CHECKING:
    from xarray import Dataset

    from pileus.stratus.parameters import Parameters
    from pileus.stratus.request import Input, Operation

F = TypeVar("F", bound=Callable[..., Any])
PATTERN = re.compile(r"[A-Za-z0-9_*?-]{1,64}")
OP = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
TAKEN = ("name", "epa", "input", "inputs", "result", "domain")
"""Keys of an operation that are not parameters."""
KEYS = "keys"


@dataclass(frozen=True, slots=True)
class Call:
    """One operation that is to be done."""

    operation: "Operation"
    datasets: "Sequence[Dataset]"
    """Its inputs, in their order."""
    parameters: Mapping[str, Any]
    """Checked."""
    keys: Mapping[str, Any]
    """What the top of the request says to its endpoint."""
    sources: "Mapping[str, Input]"
    """Those of its inputs that are no results of other operations."""


@dataclass(frozen=True)
class Endpoint:
    """One operation that can be done."""

    pattern: str
    """Of the names of endpoints."""
    op: str
    """Name of the operation: what comes after the colon."""
    do: Callable[..., Any]
    """Takes inputs by position and parameters by name, and returns a Dataset."""

    @property
    def name(self) -> str:
        """`pattern:op`."""
        return f"{self.pattern}:{self.op}"

    @cached_property
    def inputs(self) -> tuple[int, int | None]:
        """Fewest and most inputs; None: any number."""
        listed = [one for one in self._signature if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
        fewest = sum(one.default is one.empty for one in listed)
        any_number = any(one.kind is one.VAR_POSITIONAL for one in self._signature)
        return fewest, None if any_number else len(listed)

    @cached_property
    def wants_keys(self) -> bool:
        """Whether it asks for the keys at the top of a request."""
        return any(one.name == KEYS and one.kind is one.KEYWORD_ONLY for one in self._signature)

    @cached_property
    def parameters(self) -> "Parameters":
        """What its operations may say. Raises UsageError for an annotation that cannot be checked."""
        from pileus.stratus.parameters import Parameters

        named = [one for one in self._signature if one.kind is one.KEYWORD_ONLY and one.name != KEYS]
        return Parameters(self.name, named, getattr(self.do, "__globals__", {}))

    @property
    def description(self) -> str:
        """The docstring."""
        return inspect.getdoc(self.do) or ""

    @property
    def title(self) -> str:
        """The first line of the docstring, or the operation's name."""
        return self.description.partition("\n")[0].rstrip(".") or self.op

    def call(self, asked: "Call") -> Any:
        """Return what the function returns."""
        return self.do(*asked.datasets, **asked.parameters, **({KEYS: dict(asked.keys)} if self.wants_keys else {}))

    @cached_property
    def _signature(self) -> tuple[inspect.Parameter, ...]:
        return tuple(inspect.signature(self.do).parameters.values())


def endpoint(*patterns: str, op: str = "") -> Callable[[F], F]:
    """Return a decorator that makes a function an operation of all endpoints whose names match one of the patterns.

    `op`: what comes after the colon; empty: the function's name. Raises UsageError for a pattern with a colon, and for
    a function whose signature cannot be one.

    >>> @endpoint("xop*")
    ... def twice(data, *, times: int = 2):
    ...     "Multiply."
    ...     return data * times
    >>> twice(2), [one.name for one in endpoints_in(twice)]
    (4, ['xop*:twice'])
    """

    def marked(function: F) -> F:
        name = op or getattr(function, "__name__", "")
        for pattern in patterns or ("",):
            if not PATTERN.fullmatch(pattern):
                raise UsageError(
                    f"@endpoint: expected a pattern of endpoints' names, such as 'xop*', not {pattern!r}", where=name
                )
        if not OP.fullmatch(name):
            raise UsageError(f"@endpoint: {name!r} cannot be the name of an operation: give op=NAME")
        _check(function, name)
        function.__dict__["__endpoints__"] = tuple(Endpoint(pattern, name, function) for pattern in patterns)
        return function

    return marked


def endpoints_in(value: object) -> tuple[Endpoint, ...]:
    """Return the endpoints that the decorator made of a function; none of anything else."""
    found = getattr(value, "__dict__", {}).get("__endpoints__", ())
    return found if isinstance(found, tuple) and all(isinstance(one, Endpoint) for one in found) else ()


def _check(function: Callable[..., Any], name: str) -> None:
    for one in inspect.signature(function).parameters.values():
        if one.kind is one.VAR_KEYWORD:
            raise UsageError(f"@endpoint: name its parameters instead of **{one.name}", where=name)
        if one.kind is one.KEYWORD_ONLY and one.name in TAKEN:
            raise UsageError(
                f"@endpoint: a parameter cannot be named {one.name}: an operation has a key of this name", where=name
            )
