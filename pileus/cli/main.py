"""The command line: one module a command, named like it; each parses, makes one library call and prints."""

import os
import sys

from pileus.cli.app import app
from pileus.errors import PileusError


def main() -> None:
    """Run the command line. A known error is one line on standard error and its exit code."""
    try:
        app()
    except PileusError as error:
        _fail(str(error), error.exit_code)
    except BrokenPipeError:  # whoever read the answer has read enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it ends
        sys.exit(1)
    except OSError as error:  # a file or folder of the user's that cannot be read or written
        reason = error.strerror or str(error)
        _fail(f"{error.filename}: {reason}" if error.filename else reason, 1)


def _fail(message: str, code: int) -> None:
    from rich.console import Console

    Console(stderr=True, soft_wrap=True).print(f"pileus: {message}", style="red", highlight=False, markup=False)
    sys.exit(code)
