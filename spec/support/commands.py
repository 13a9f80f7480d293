"""All commands: the table of them, and a process that runs many command lines one after another."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.main import get_command

from pileus.cli.commands import ENTRIES
from pileus.cli.main import app
from spec.support.forked import run_lines

MOST = {"import": 20, "export": 20}
"""Lines of a message, of commands that have more than 4."""


@dataclass(frozen=True)
class Answer:
    """The result of one command line."""

    words: Sequence[str]
    code: int | None
    out: str
    err: str

    def fails_well(self) -> bool:
        """Return whether it succeeded, or failed with one short message and exit code 1 or 2. An import and an export
        have a line for each violation.
        """
        if self.code == 0:
            return "Traceback" not in self.err
        lines = self.err.strip().splitlines()
        told = (
            self.code in (1, 2) and "Traceback" not in self.out + self.err and len(lines) <= MOST.get(self.words[0], 4)
        )
        return told and bool(lines or self.out.strip())


def leaves() -> Iterator[tuple[str, Any]]:
    """Every command with its words, those of groups included."""
    root = get_command(app)
    for entry in ENTRIES:
        yield from _leaves(entry.name, root.get_command(None, entry.name))


def _leaves(words: str, command: Any) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield words, command
        return
    for name, sub in command.commands.items():
        yield from _leaves(f"{words} {name}", sub)


def run_all(folder: Path, lines: Sequence[Sequence[str]], environ: Mapping[str, str]) -> list[Answer]:
    """Run command lines in a folder, one after another in one process."""
    answers = run_lines(lines, folder, environ, seconds=540)
    assert len(answers) == len(lines), f"it died at {lines[len(answers)]}"
    return [Answer(words, *answer) for words, answer in zip(lines, answers, strict=True)]
