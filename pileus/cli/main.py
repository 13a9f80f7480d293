"""The command line: one module per command, with its name. Each parses, makes one library call and prints."""

import gc
import os
import sys

from pileus.cli.app import app
from pileus.errors import PileusError
from pileus.raster.gdal import harden


def main() -> None:
    """Run the command line. For a known error, print one line on standard error and exit with its code."""
    harden(os.environ)
    collect_seldom()
    try:
        app()
    except PileusError as error:
        _fail(str(error), error.exit_code)
    except BrokenPipeError:  # the reader has closed the pipe, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python prints an error when it ends
        sys.exit(1)
    except OSError as error:  # a file or folder of the user's that cannot be read or written
        reason = error.strerror or str(error)
        _fail(f"{error.filename}: {reason}" if error.filename else reason, 1)


def collect_seldom() -> None:
    """Let Python search for unreachable cycles after 100,000 new objects, not after 700.

    A command that reads 100,000 partitions makes many objects and no cycles: the searches take a third of its time.
    """
    gc.set_threshold(100_000, 20, 20)


def _fail(message: str, code: int) -> None:
    from rich.console import Console

    from pileus.names import printable

    Console(stderr=True, soft_wrap=True).print(
        f"pileus: {printable(message)}", style="red", highlight=False, markup=False
    )
    sys.exit(code)
