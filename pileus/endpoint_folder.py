"""The endpoints of a project: the Python files in its folder endpoints/, beside our own."""

import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pileus.errors import UsageError
from pileus.stratus.endpoints import BUILTIN, Endpoints

FOLDER = "PILEUS_ENDPOINTS"
"""Environment variable: the folder of the project's endpoints."""


def modules_in(folder: Path | None) -> tuple[str, ...]:
    """Return the names of the modules that have endpoints, our own first, and make those of the folder importable.

    `folder`: may not be there. A file whose name begins with `_` is for the others to import. Raises UsageError for a
    name that no module can have.
    """
    if folder is None or not folder.is_dir():
        return (BUILTIN,)
    names = sorted(path.stem for path in folder.glob("*.py") if not path.name.startswith("_"))
    for name in names:
        if not name.isidentifier():
            raise UsageError(f"endpoints/{name}.py: {name} cannot be the name of a module")
    if names and str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    return (BUILTIN, *names)


def folder_of(environ: Mapping[str, str]) -> Path | None:
    """Return the folder that the environment names; None where it names none."""
    return Path(environ[FOLDER]) if environ.get(FOLDER) else None


@cache
def known(folder: Path | None) -> Endpoints:
    """Return the endpoints of a project, imported once. Raises UsageError for a module that cannot be."""
    return Endpoints.named(modules_in(folder))
