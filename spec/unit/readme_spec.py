"""The pages stay true: the commands they name exist, with the options they give, and every link leads somewhere."""

import re
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from pileus.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINE = re.compile(r"^(?:\$ | {4,}|)pileus [a-z].*$", re.MULTILINE)


def commands(page: Path) -> list[str]:
    lines = (match[0].lstrip("$ ").split("   ")[0].split(" #")[0] for match in LINE.finditer(page.read_text()))
    return [part.strip().removeprefix("pileus ") for line in lines for part in line.split("&&")]


def test_the_readme_names_commands() -> None:
    assert len(commands(ROOT / "README.md")) > 10


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_option_exists(page: Path) -> None:
    for line in commands(page):
        words = line.split()
        command = get_command(app)
        while words and hasattr(command, "commands"):
            found = command.get_command(None, words.pop(0))
            assert found is not None, f"{page.name}: pileus {line}"
            command = found
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        given = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert given <= known | {"--help", "-h"}, f"{page.name}: pileus {line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_help_is_quick_and_names_every_group() -> None:
    shown = CliRunner().invoke(app, ["--help"])
    assert shown.exit_code == 0
    for name in ("backfill", "populate", "plan", "status", "outputs", "up", "down"):
        assert name in shown.stdout
