"""Commands without the second in which Python and the libraries start: forked from a process that has imported them.

Each is still a process of its own, with its folder, environment, output and exit code. What differs from a command in a
shell is that every module is there already; the tutorial's and the wheel's specs start real ones.
"""

import io
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

FORKING = multiprocessing.get_context("forkserver")
FORKING.set_forkserver_preload(["spec.support.preloaded"])


def run_forked(
    words: Sequence[str], folder: Path, environ: Mapping[str, str], *, seconds: float
) -> "subprocess.CompletedProcess[str]":
    """Run `pileus` with `words` in a folder; what it came to. Raises TimeoutExpired, and kills it, after `seconds`."""
    with TemporaryDirectory(prefix="pileus-forked-") as made:
        out, err = Path(made, "out"), Path(made, "err")
        process = FORKING.Process(target=_pileus, args=(list(words), folder, dict(environ), out, err))
        process.start()
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(["pileus", *words], seconds, out.read_bytes(), err.read_bytes())
        said = [path.read_text() if path.exists() else "" for path in (out, err)]
        return subprocess.CompletedProcess(["pileus", *words], process.exitcode, *said)


def _pileus(words: list[str], folder: Path, environ: dict[str, str], out: Path, err: Path) -> None:
    """What the forked process does; SystemExit becomes its exit code."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    for number, path in ((1, out), (2, err)):
        with path.open("wb") as sink:
            os.dup2(sink.fileno(), number)
    sys.stdout, sys.stderr = (io.TextIOWrapper(io.FileIO(number, "w", closefd=False), "utf-8") for number in (1, 2))
    sys.argv = ["pileus", *words]
    from pileus.cli.main import main

    main()
