"""How a task of Cirrus is called: a class of stac-task as its own Lambda would, a function as Lambda calls one.

Only the standard library is imported here: a task may have an interpreter of its own.
"""

import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

PACKAGE = "pileus_tasks"
"""Under this name modules of tasks' folders are imported."""
WARM = "pileus_warm"
"""Class method that a task may have: it is called once, before the first payload."""


def does_payloads(code: object) -> bool:
    """Return whether something is a class with a class method `handler`, as stac-task's have.

    >>> does_payloads(dict)
    False
    """
    return inspect.isclass(code) and inspect.ismethod(getattr(code, "handler", None))


def module_name(folder: Path, module: str) -> str:
    """Return the name under which a module is imported, and make it importable: one of a task's own folder as part of a
    package, so that no other module of its name is hidden or hides it.
    """
    path = folder.joinpath(*module.split("."))
    if not (path.with_suffix(".py").is_file() or path.is_dir()):
        return module
    package = sys.modules.setdefault(PACKAGE, ModuleType(PACKAGE))
    package.__path__ = [str(folder.parent)]
    importlib.invalidate_caches()
    return f"{PACKAGE}.{folder.name}.{module}"


def caller(code: Callable[..., Any]) -> Callable[[Any, Path, bool], Any]:
    """Return a function of a payload, a folder to work in and whether files are uploaded, which returns the answer.

    1. A class with a class method `handler`, as stac-task's have: that, with `workdir`, and `upload` where it is false.
    2. Any other class is made once, without arguments: its `handler`, else the object itself, as a function.
    3. A function: with the payload; with an empty context where it takes two; with `workdir` where it names it.

    A class that has a class method `pileus_warm` is asked to load now what its first payload would wait for. Raises
    TypeError for a class that is neither.
    """
    if inspect.isclass(code) and inspect.ismethod(warm := getattr(code, WARM, None)):
        warm()
    if does_payloads(code):
        own = code.handler  # type: ignore[attr-defined]
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
