"""pileus images when it cannot build: one line with the reason."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pileus.cli.main import app
from pileus.deploy.images import BASE, commit, names, tag_of
from pileus.errors import UsageError
from pileus.version import __version__


def test_the_images_are_the_folders_that_have_a_dockerfile() -> None:
    assert names() == ["base", "gippy", "process_group"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["nope"], "unknown image 'nope': expected base, gippy, process_group"),
        (["base"], "install it first"),
        (["--base-image", "debootstrap"], "install it first"),
    ],
)
def test_what_is_missing_is_named(arguments: list[str], why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    done = CliRunner().invoke(app, ["images", *arguments])
    assert isinstance(done.exception, UsageError)
    assert why in str(done.exception)


def test_an_engine_that_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "docker"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    done = CliRunner().invoke(app, ["images"])
    assert isinstance(done.exception, UsageError)
    assert "does not answer" in str(done.exception)


def test_a_tag_names_version_and_commit_and_changes_with_what_goes_into_the_image(tmp_path: Path) -> None:
    plain = tag_of(None, BASE)
    assert plain.startswith(f"{__version__}-{commit()}-")
    assert tag_of(None, BASE) == plain
    (tmp_path / "own").mkdir()
    (tmp_path / "own/task.py").write_text("one = 1\n")
    with_task = tag_of(tmp_path, BASE)
    (tmp_path / "own/task.py").write_text("one = 2\n")
    assert len({plain, with_task, tag_of(tmp_path, BASE), tag_of(None, "debian:13")}) == 4
