"""What a notebook shows: HTML, updated in place. Elsewhere nothing is shown."""

import sys
from importlib import import_module
from typing import Any, Protocol


class Shown(Protocol):
    """What knows how to be shown."""

    def _repr_html_(self) -> str: ...


class Cell:
    """A place in the output of a notebook's cell. Outside of notebooks it shows nothing."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, value: Shown) -> None:
        """Show a value in place of the one before."""
        shell = sys.modules.get("IPython")
        if shell is None or shell.get_ipython() is None:
            return
        if self._handle is None:
            self._handle = import_module("IPython.display").display(value, display_id=True)
        else:
            self._handle.update(value)
