"""The command line: one module a command, named like it; each parses, makes one library call and prints."""

import sys

from pileus.cli.app import app
from pileus.errors import PileusError


def main() -> None:
    """Run the command line. A known error is one line on standard error and its exit code."""
    try:
        app()
    except PileusError as error:
        from rich.console import Console

        Console(stderr=True, soft_wrap=True).print(f"pileus: {error}", style="red", highlight=False, markup=False)
        sys.exit(error.exit_code)
