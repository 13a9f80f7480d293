"""How a task of Cirrus is called: a class of stac-task as its own Lambda would, a function as Lambda calls one.

Only the standard library is imported here: a task may have an interpreter of its own.
"""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any


def caller(code: Callable[..., Any]) -> Callable[[Any, Path, bool], Any]:
    """Return a function of a payload, a folder to work in and whether files are uploaded, which returns the answer.

    1. A class with a class method `handler`, as stac-task's have: that, with `workdir`, and `upload` where it is false.
    2. Any other class is made once, without arguments: its `handler`, else the object itself, as a function.
    3. A function: with the payload; with an empty context where it takes two; with `workdir` where it names it.

    Raises TypeError for a class that is neither.
    """
    if inspect.isclass(code) and inspect.ismethod(own := getattr(code, "handler", None)):
        return lambda payload, work, upload: own(payload, workdir=str(work), **({} if upload else {"upload": False}))
    called: Any = code
    if inspect.isclass(code):
        made = code()
        called = getattr(made, "handler", made)
        if not callable(called):
            raise TypeError(f"{code.__name__} has no handler")
    takes = inspect.signature(called).parameters
    needed = [one for one in takes.values() if one.default is one.empty and one.kind < one.VAR_POSITIONAL]

    def call(payload: Any, work: Path, _: bool) -> Any:
        if "workdir" in takes:
            return called(payload, workdir=work)
        return called(payload, {}) if len(needed) > 1 else called(payload)

    return call
