"""All commands: the table of them, and a process that runs many command lines one after another."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.main import get_command

from pileus.cli.commands import ENTRIES
from pileus.cli.main import app

RUNNER = """
import io, json, sys, traceback
from pileus.cli.main import main
for words in json.load(sys.stdin):
    sys.argv = ["pileus", *words]
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    stdout, sys.stdout, sys.stderr = sys.stdout, out, err
    try:
        main()
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        err.write(traceback.format_exc())
        code = None
    finally:
        sys.stdout = stdout
    said = []
    for stream in (out, err):
        stream.flush()
        said.append(stream.buffer.getvalue().decode("utf-8", "replace"))
    print(json.dumps([code, *said]), flush=True)
"""
"""Runs command lines as `pileus` would; an error that leaves `main` is a traceback and the code None."""


@dataclass(frozen=True)
class Answer:
    """The result of one command line."""

    words: Sequence[str]
    code: int | None
    out: str
    err: str

    def fails_well(self) -> bool:
        """Return whether it succeeded, or failed with one short message and exit code 1 or 2."""
        if self.code == 0:
            return "Traceback" not in self.err
        lines = self.err.strip().splitlines()
        told = self.code in (1, 2) and "Traceback" not in self.out + self.err and len(lines) <= 4
        return told and bool(lines or self.out.strip())


def leaves() -> Iterator[tuple[str, Any]]:
    """Every command with its words, those of groups included."""
    root = get_command(app)
    for entry in ENTRIES:
        command = root.get_command(None, entry.name)
        if hasattr(command, "commands"):
            yield from ((f"{entry.name} {name}", sub) for name, sub in command.commands.items())
        else:
            yield entry.name, command


def run_all(folder: Path, lines: Sequence[Sequence[str]], environ: Mapping[str, str]) -> list[Answer]:
    """Run command lines in a folder, one after another in one process."""
    command = [sys.executable, "-c", RUNNER]
    said = subprocess.run(
        command, cwd=folder, env=environ, input=json.dumps(lines), capture_output=True, text=True, timeout=540
    )
    answers = [json.loads(line) for line in said.stdout.splitlines()]
    assert len(answers) == len(lines), f"it died at {lines[len(answers)]}: {said.stderr}"
    return [Answer(words, *answer) for words, answer in zip(lines, answers, strict=True)]
