"""The documentation builds as a site: every link leads somewhere, every command and every field has its place."""

import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, TypeAdapter

from docs import reference
from infra.settings import Settings
from pileus import documents

ROOT = Path(__file__).parents[2]
KINDS = ("collection", "provider", "rule", "task", "settings")
COMMANDS = {words: command for _, words, command in reference.every_command()}
FIELDS = [(kind, field) for kind in KINDS for field in reference.fields(kind)]


def build(source: Path, site: Path) -> "subprocess.CompletedProcess[str]":
    """Build as `make docs` does."""
    line = [sys.executable, "-m", "sphinx", "-E", "-W", "--keep-going", "-n", "-q", "-c", str(ROOT / "docs")]
    line += ["-d", str(site / ".doctrees"), "-b", "html", str(source), str(site)]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(ROOT / "docs", folder)
    assert done.returncode == 0, done.stderr
    return folder


def anchors(page: Path) -> set[str]:
    return set(re.findall(r'\bid="([^"]+)"', page.read_text()))


def test_every_command_has_an_anchor(site: Path) -> None:
    assert {reference.anchor("command", words) for words in COMMANDS} <= anchors(site / "reference/commands.html")


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_has_an_anchor_of_its_own(site: Path, kind: str) -> None:
    wanted = [reference.anchor(kind, field.path) for field in reference.fields(kind)]
    assert len(set(wanted)) == len(wanted)
    assert set(wanted) <= anchors(site / f"reference/{kind}.html")


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    pages = [path for path in site.rglob("*.html") if "_static" not in path.parts]
    assert len(pages) > 20
    for page in pages:
        loaded = re.findall(r'<(?:script|img|iframe)[^>]*\ssrc="([^"]+)"', page.read_text())
        loaded += re.findall(r'<link[^>]*\shref="([^"]+)"', page.read_text())
        assert loaded
        assert not [address for address in loaded if re.match(r"(https?:)?//", address)]
    for style in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*[\"']?(https?:)?//", style.read_text()), style


def test_links_that_lead_nowhere_fail_the_build(tmp_path: Path) -> None:
    links = ["nowhere.md", "#nothing", "index.md#nobody", "never.png"]
    (tmp_path / "index.md").write_text("# Title\n\n" + "\n".join(f"[a link]({link})" for link in links))
    done = build(tmp_path, tmp_path / "site")
    assert done.returncode != 0
    assert all(re.search(rf"WARNING: .*{link.partition('#')[2] or link}", done.stderr) for link in links)


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_and_every_option_of_it_has_a_help_text(words: str) -> None:
    command = COMMANDS[words]
    assert len(command.help or "") > 10
    assert (command.epilog or "").startswith(f"Example: pileus {words}")
    assert not [parameter.name for parameter in command.params if not parameter.help]


@pytest.mark.parametrize(("kind", "field"), FIELDS, ids=[f"{kind} {field.path}" for kind, field in FIELDS])
def test_every_field_of_every_document_is_described_with_an_example(kind: str, field: reference.Field) -> None:
    assert len(field.schema.get("description", "")) > 10
    assert field.schema["description"].endswith(".")
    assert len(field.schema.get("examples", [])) == 1


def models() -> list[type[BaseModel]]:
    found = [value for value in vars(documents).values() if inspect.isclass(value) and issubclass(value, BaseModel)]
    return [model for model in (*found, Settings) if model.model_fields]


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_the_example_of_every_field_is_a_value_that_it_takes(model: type[BaseModel]) -> None:
    kinds: list[dict[str, Any]] = [reference.schema_of(kind) for kind in KINDS]
    parts = {name: part for made in kinds for name, part in {**made.get("$defs", {}), made["title"]: made}.items()}
    for name, info in model.model_fields.items():
        (example,) = parts[model.__name__]["properties"][info.alias or name]["examples"]
        TypeAdapter(Annotated[info.annotation, info]).validate_python(example)  # type: ignore[valid-type]


def test_the_glossary_is_short() -> None:
    assert len((ROOT / "docs/glossary.md").read_text().splitlines()) <= 40


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda page: page.name
)
def test_no_page_has_a_word_that_a_reader_must_decode(page: Path) -> None:
    words = re.sub(r"`[^`]*`", "", page.read_text()).lower()
    assert not re.findall(r"\b(?:ancestors?|lanes?|heirs?|tally|tallies|chutes?|glances?|hops?)\b", words)
