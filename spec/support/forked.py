"""Commands without the second in which Python and the libraries start: forked from a process that has imported them.

Each is still a process of its own, with its folder, environment, output and exit code. What differs from a command in a
shell is that every module is there already; the tutorial's and the wheel's specs start real ones.
"""

import io
import json
import multiprocessing
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

FORKING = multiprocessing.get_context("forkserver")
FORKING.set_forkserver_preload(["spec.support.preloaded"])


def run_forked(
    words: Sequence[str], folder: Path, environ: Mapping[str, str], *, seconds: float, closed: bool = False
) -> "subprocess.CompletedProcess[str]":
    """Run `pileus` with `words` in a folder; what it came to. Raises TimeoutExpired, and kills it, after `seconds`.

    `closed`: nobody reads its output any more.
    """
    return _forked(_command, (list(words), closed), folder, environ, seconds)


def run_lines(
    lines: Sequence[Sequence[str]], folder: Path, environ: Mapping[str, str], *, seconds: float
) -> list[tuple[int | None, str, str]]:
    """Run command lines one after another in one process; exit code, output and messages of each.

    An error that leaves `main` is a traceback and the code None. The list is short where the process died.
    """
    with TemporaryDirectory(prefix="pileus-answers-") as made:
        answers = Path(made, "answers")
        answers.touch()
        _forked(_lines, ([list(words) for words in lines], answers), folder, environ, seconds)
        return [tuple(json.loads(line)) for line in answers.read_text().splitlines()]


def _forked(
    target: Callable[..., None], given: tuple[Any, ...], folder: Path, environ: Mapping[str, str], seconds: float
) -> "subprocess.CompletedProcess[str]":
    with TemporaryDirectory(prefix="pileus-forked-") as made:
        out, err, code = (Path(made, name) for name in ("out", "err", "code"))
        process = FORKING.Process(target=_begin, args=(target, given, folder, dict(environ), out, err, code))
        process.start()
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired([str(one) for one in given], seconds, out.read_bytes(), err.read_bytes())
        said = [path.read_text() if path.exists() else "" for path in (out, err)]
        # Threads that start processes at once poll each other's, and one of two that read a code finds nothing: 255.
        ended = int(code.read_text()) if code.exists() else process.exitcode
        return subprocess.CompletedProcess(given, ended, *said)


def _begin(
    target: Callable[..., None],
    given: tuple[Any, ...],
    folder: Path,
    environ: dict[str, str],
    out: Path,
    err: Path,
    code: Path,
) -> None:
    """What the forked process does; SystemExit becomes its exit code, which it writes down itself."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    for number, path in ((1, out), (2, err)):
        with path.open("wb") as sink:
            os.dup2(sink.fileno(), number)
    sys.stdout, sys.stderr = (io.TextIOWrapper(io.FileIO(number, "w", closefd=False), "utf-8") for number in (1, 2))
    try:
        target(*given)
    except SystemExit as end:
        code.write_text(str(int(end.code or 0)))
        raise
    code.write_text("0")


def _command(words: list[str], closed: bool) -> None:
    from pileus.cli.main import main

    if closed:
        reader, writer = os.pipe()
        os.close(reader)
        os.dup2(writer, 1)
    sys.argv = ["pileus", *words]
    try:
        main()
    finally:
        sys.stdout.flush()  # as Python does at its end


def _lines(lines: list[list[str]], answers: Path) -> None:
    from pileus.cli.main import main

    for words in lines:
        sys.argv = ["pileus", *words]
        sys.stdout, sys.stderr = out, err = [io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2)]
        code: Any = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        except BaseException:  # noqa: BLE001  (a traceback is what the specs look for)
            err.write(traceback.format_exc())
            code = None
        said = []
        for stream in (out, err):
            stream.flush()
            said.append(stream.buffer.getvalue().decode("utf-8", "replace"))  # type: ignore[attr-defined]
        with answers.open("a") as file:
            file.write(json.dumps([code, *said]) + "\n")
