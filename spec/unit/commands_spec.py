"""The command line as a whole: what holds of every command, walked over all of them."""

import json
import os
import resource
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pileus import __version__
from pileus.cli.commands import ENTRIES
from pileus.cli.main import app
from spec.support.commands import leaves

HEAVY = ("boto3", "botocore", "numba", "numpy", "pandas", "pyarrow", "rasterio", "shapely", "matplotlib", "aws_cdk")
"""Modules that no help page needs."""
PAGES = """
import sys
from typer.testing import CliRunner
from pileus.cli.main import app
from pileus.cli.commands import ENTRIES
for words in ([], *([entry.name] for entry in ENTRIES)):
    shown = CliRunner().invoke(app, [*words, "--help"])
    assert shown.exit_code == 0, (words, shown.output)
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


LEAVES = dict(leaves())


@pytest.mark.parametrize("words", LEAVES)
def test_the_help_of_a_command_has_an_example_that_its_own_options_accept(words: str) -> None:
    command = LEAVES[words]
    example = (command.epilog or "").removeprefix("Example: pileus ")
    assert example == words or example.startswith(f"{words} ")
    command.make_context(words, shlex.split(example.removeprefix(words)))  # parses; runs nothing
    shown = CliRunner().invoke(app, [*words.split(), "--help"], env={"COLUMNS": "200"})
    assert f"Example: pileus {example}" in shown.output


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_the_module_of_a_command_has_its_name(entry: Any) -> None:
    parts = [part for words, part in LEAVES.items() if words.split()[0] == entry.name]
    modules = {part.callback.__wrapped__.__module__ for part in parts}
    assert all(module == entry.module or module.startswith(f"{entry.module}_") for module in modules), modules


def test_no_module_registers_a_command_that_the_table_does_not_have() -> None:
    registering = {
        path.stem
        for path in (Path(__file__).parents[2] / "pileus/cli").glob("*.py")
        if "\n@app.command(" in path.read_text() or "\napp.add_typer(" in path.read_text()
    }
    assert registering == {entry.module.rpartition(".")[2] for entry in ENTRIES}


def test_no_help_page_imports_what_is_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", PAGES], capture_output=True, text=True, check=True, timeout=60)
    assert not set(HEAVY) & set(done.stdout.splitlines()[-1].split())


def test_the_list_of_commands_imports_neither_a_model_nor_a_client() -> None:
    code = "import sys; sys.argv = ['pileus', '--help']; from pileus.cli.main import main\n"
    code += "try: main()\nexcept SystemExit: pass"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert not {*HEAVY, "pydantic", "urllib3", "requests"} & set(done.stdout.splitlines()[-1].split())


def test_the_help_page_takes_no_more_than_three_tenths_of_a_second() -> None:
    def seconds() -> float:
        """Processor time, which a busy neighbour does not change."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "pileus", "--help"], capture_output=True, check=True, timeout=60)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(seconds() for _ in range(4)) <= 0.3


def test_the_help_page_lists_every_command_under_a_heading() -> None:
    shown = CliRunner().invoke(app, ["--help"]).output
    assert all(entry.panel in shown and f" {entry.name} " in shown for entry in ENTRIES)


def test_the_version_is_printed() -> None:
    assert CliRunner().invoke(app, ["--version"]).output == f"pileus {__version__}\n"


def test_near_names_are_offered_for_an_unknown_command() -> None:
    shown = CliRunner().invoke(app, ["pase"])
    assert shown.exit_code == 2
    assert "No such command 'pase'. Did you mean pause" in shown.output


def completed(folder: Path, line: str) -> list[str]:
    """What bash is offered for the last word of a line. Fails when anything is written to standard error."""
    words = shlex.split(line) + ([""] if line.endswith(" ") else [])
    environ = {"_PILEUS_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    code = "import sys; sys.argv[0] = 'pileus'; from pileus.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=os.environ | environ, capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    collection = {"name": "lights", "meta": {"process": {"zones": "places.geojson"}}}
    (tmp_path / "collections").mkdir()
    (tmp_path / "collections/lights.json").write_text(json.dumps(collection))
    (tmp_path / "collections/broken.json").write_text("{")
    (tmp_path / "places.geojson").write_text(json.dumps({"features": [{"id": "mumbai"}, {"id": "pune"}]}))
    (tmp_path / ".pileus/s3/000000000000/pileus-internal-x/backfills/lights-2015").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("pileus pau", ["pause"]),
        ("pileus plan ", ["lights"]),
        ("pileus backfill li", ["lights"]),
        ("pileus pause ", ["lights-2015"]),
        ("pileus status l", ["lights-2015"]),
        ("pileus outputs show lights --zone m", ["mumbai"]),
    ],
)
def test_the_shell_completes_commands_collections_zones_and_backfills(
    project: Path, line: str, offered: list[str]
) -> None:
    assert completed(project, line) == offered


def test_completion_is_silent_where_there_is_no_project(tmp_path: Path) -> None:
    assert completed(tmp_path, "pileus plan ") == []
    assert completed(tmp_path, "pileus pause ") == []
