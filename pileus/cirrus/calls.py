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


def caller(code: Callable[..., Any]) -> Callable[[Any, Path, bool, object], Any]:
    """Return a function of a payload, a folder to work in, whether files are uploaded, and a context as a Lambda has
    one. It returns the answer.

    1. A class with a class method `handler`, as stac-task's have: that, with `workdir`, and `upload` (in older
       versions `skip_upload`) where nothing is to be uploaded.
    2. Any other class is made once, without arguments: its `handler`, else the object itself, as a function.
    3. A function: with the payload; with the context where it takes two; with `workdir` where it names it.

    A class that has a class method `pileus_warm` is asked to load now what its first payload would wait for. Raises
    TypeError for a class that is neither.
    """
    if inspect.isclass(code) and inspect.ismethod(warm := getattr(code, WARM, None)):
        warm()
    if does_payloads(code):
        own, takes = code.handler, inspect.signature(code).parameters  # type: ignore[attr-defined]
        kept = {"skip_upload": True} if "skip_upload" in takes and "upload" not in takes else {"upload": False}

        def handled(payload: Any, work: Path, upload: bool, context: object) -> Any:  # noqa: ARG001
            return own(payload, workdir=str(work), **({} if upload else kept))

        return handled
    called: Any = code
    if inspect.isclass(code):
        made = code()
        called = getattr(made, "handler", made)
        if not callable(called):
            raise TypeError(f"{code.__name__} has no handler")
    named = inspect.signature(called).parameters
    needed = [one for one in named.values() if one.default is one.empty and one.kind < one.VAR_POSITIONAL]

    def call(payload: Any, work: Path, upload: bool, context: object) -> Any:  # noqa: ARG001
        if "workdir" in named:
            return called(payload, workdir=work)
        return called(payload, context) if len(needed) > 1 else called(payload)

    return call
