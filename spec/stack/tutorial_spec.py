"""The tutorial and the how-to pages are true: their shell blocks run in order, in one project, and print what is shown.

A block is run as bash would. What its first line says changes that:

- `# needs ...`: it is not run; it needs an account or a registry.
- `# ends with exit code N`: it ends so. Every other block ends with 0.
- `# runs until you press Ctrl-C`: it serves a page; the page is fetched, then it is interrupted.

A `text` block right after it shows lines of what is printed, where `…` stands for anything.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from spec.support.stack import ROOT, synthesized_before

DOCS = ROOT / "docs"
PAGES = (
    "tutorial.md",
    "how-to/own-archive.md",
    "how-to/own-zones.md",
    "how-to/runs.md",
    "how-to/granules.md",
    "how-to/bands.md",
    "how-to/points-in-time.md",
    "how-to/other-archives.md",
    "how-to/endpoints.md",
    "how-to/stac-api.md",
    "how-to/ogc-processes.md",
    "how-to/stratus-api.md",
    "how-to/messages.md",
    "how-to/cumulus-tasks.md",
    "how-to/cumulus-api.md",
    "how-to/cirrus-state.md",
    "how-to/cirrus-tasks.md",
    "how-to/feeders.md",
    "how-to/nodes.md",
    "how-to/node-transports.md",
    "how-to/where-time-goes.md",
    "how-to/when-something-failed.md",
    "deploy.md",
)
"""In the order that a reader takes them; each goes on in the project of those before."""
MOVED = ("tutorial-cumulus.md", "tutorial-cirrus.md", "tutorial-stratus.md")
"""Of readers who come from elsewhere, each in a project of its own."""
BLOCK = re.compile(r"^```shell\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE)
EXIT = re.compile(r"# ends with exit code ([0-9]+)\n")


@dataclass(frozen=True)
class Block:
    """One shell block, and what the page shows of its output."""

    page: str
    code: str
    shown: str

    @property
    def needs(self) -> bool:
        return self.code.startswith("# needs ")

    @property
    def serves(self) -> bool:
        return self.code.startswith("# runs until you press Ctrl-C")

    @property
    def exit_code(self) -> int:
        told = EXIT.match(self.code)
        return int(told[1]) if told else 0


def blocks(pages: tuple[str, ...] = PAGES + MOVED) -> Iterator[Block]:
    for page in pages:
        for found in BLOCK.finditer((DOCS / page).read_text()):
            yield Block(page, found[1], found[2] or "")


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Reader"]:
    """Somebody who reads the pages in order."""
    with reader_in(tmp_path_factory.mktemp("reader")) as person:
        yield person


@contextmanager
def reader_in(folder: Path) -> Iterator["Reader"]:
    """Somebody in a project with templates that were made before, and with `pileus` and `python` on the path."""
    programs = folder / "bin"
    programs.mkdir()
    for name, words in (("python", ""), ("python3", ""), ("pileus", " -m pileus")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}"{words} "$@"\n')
        (programs / name).chmod(0o755)
    project = folder / "lights"
    project.mkdir()
    synthesized_before(project)
    person = Reader(project, programs)
    try:
        yield person
    finally:
        person.run("pileus down")


@dataclass(frozen=True)
class Reader:
    """Runs blocks in a folder."""

    folder: Path
    programs: Path

    @property
    def environ(self) -> dict[str, str]:
        path = os.pathsep.join([str(self.programs), os.environ["PATH"]])
        return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}

    def run(self, code: str) -> "subprocess.CompletedProcess[str]":
        line = [shutil.which("bash") or "bash", "-e", "-o", "pipefail", "-c", code]
        return subprocess.run(
            line, cwd=self.folder, env=self.environ, capture_output=True, text=True, timeout=240, check=False
        )

    def serve(self, code: str) -> str:
        """Run a block that serves a page: fetch the page, interrupt it, and return the page."""
        command = code.splitlines()[-1].split()
        with subprocess.Popen(
            command, cwd=self.folder, env=self.environ, stdout=subprocess.PIPE, text=True, start_new_session=True
        ) as process:
            assert process.stdout is not None
            try:
                address = re.search(r"http://\S+?(?=[;\s])", process.stdout.readline())
                assert address is not None
                with urllib.request.urlopen(address[0], timeout=30) as answer:
                    page: str = answer.read().decode()
            finally:
                process.send_signal(signal.SIGINT)
                process.wait(timeout=60)
        assert process.returncode == 0
        return page


def lacks(shown: str, printed: str) -> list[str]:
    """Lines of `shown` that no line of `printed` is."""
    lines = printed.splitlines()
    patterns = {line: _pattern(line) for line in shown.splitlines() if line.strip()}
    return [line for line, pattern in patterns.items() if not any(re.fullmatch(pattern, printed) for printed in lines)]


def _pattern(line: str) -> str:
    """Words with any space between them, and anything where `…` stands."""
    words = (".*".join(map(re.escape, word.split("…"))) for word in line.split())
    return r"\s*" + r"\s+".join(words) + r"\s*"


def test_every_shell_block_of_the_pages_runs_and_prints_what_is_shown(reader: Reader) -> None:
    assert ran(reader, PAGES) > 25


@pytest.mark.parametrize("page", MOVED)
def test_so_do_those_of_a_page_for_who_comes_from_elsewhere(page: str, tmp_path: Path) -> None:
    with reader_in(tmp_path) as person:
        assert ran(person, (page,)) > 8


def ran(reader: Reader, pages: tuple[str, ...]) -> int:
    """Run the blocks of some pages, and return how many there are."""
    count = 0
    for block in blocks(pages):
        if block.needs:
            continue
        count += 1
        if block.serves:
            assert "<title>Pileus" in reader.serve(block.code)
            continue
        done = reader.run(block.code)
        told = f"{block.page}:\n{block.code}\n{done.stdout}{done.stderr}"
        assert done.returncode == block.exit_code, told
        assert lacks(block.shown, done.stdout) == [], told
    return count


def test_a_line_that_was_not_printed_is_found() -> None:
    assert lacks("a  …  d\nx-… y", "a b  c d\nx-1 y\n") == []
    assert lacks("a c\nd", "a b c\n") == ["a c", "d"]


def test_only_what_needs_an_account_or_a_registry_is_not_run() -> None:
    reasons = {block.code.splitlines()[0] for block in blocks() if block.needs}
    assert reasons == {
        "# needs a package registry",
        "# needs an AWS account",
        "# needs an AWS account, and Docker",
    }


def test_every_how_to_page_is_run() -> None:
    """Extending Pileus has Python only, which extending_spec.py runs; api_docs_spec.py runs the page of the API."""
    how_to = {f"how-to/{path.name}" for path in (DOCS / "how-to").glob("*.md")} - {"how-to/api.md"}
    assert how_to | {"tutorial.md", "deploy.md"} == set(PAGES)
