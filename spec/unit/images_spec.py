"""pileus images when it cannot build: one line with the reason."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pileus.cli.main import app
from pileus.deploy.images import names
from pileus.errors import UsageError


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
