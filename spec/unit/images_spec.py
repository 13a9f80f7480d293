"""pileus images when it cannot build: one line with the reason."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pileus.cli.main import app
from pileus.deploy.images import BASE, commit, context, names, tag_of
from pileus.endpoint_folder import FOLDER
from pileus.errors import UsageError
from pileus.project.folder import find_project
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


OWN = '''
from _beside import FACTOR
from pileus.endpoint import endpoint


@endpoint("own*")
def scaled(data):
    """Multiply by what lies beside."""
    return data * FACTOR
'''


def test_the_endpoints_of_a_project_go_into_the_workers_image_and_are_found_there(tmp_path: Path) -> None:
    """Of a project without tasks, as `pileus images` and `pileus deploy` find it."""
    (tmp_path / "endpoints").mkdir()
    (tmp_path / "endpoints/own.py").write_text(OWN)
    (tmp_path / "endpoints/_beside.py").write_text("FACTOR = 3\n")
    (tmp_path / "endpoints/requirements.txt").write_text("")
    (tmp_path / "collections").mkdir()
    project = find_project(tmp_path)
    with context("process_group", None, project.tasks_folder) as folder:
        dockerfile = (folder / "Dockerfile").read_text()
        (there,) = re.findall(r"^COPY endpoints/ (\S+?)/?$", dockerfile, re.MULTILINE)
        assert re.findall(rf"^\s+{FOLDER}=(\S+)", dockerfile, re.MULTILINE) == [there]
        assert f"{there}/requirements.txt" in dockerfile
        script = (
            "import os, pileus, json; from pileus.endpoint_folder import folder_of, known; "
            "found = known(folder_of(os.environ)).capabilities(); "
            "print(json.dumps([pileus.__file__, *(one.pattern for one in found)]))"
        )
        environ = {"PYTHONPATH": str(folder), FOLDER: str(folder / "endpoints"), "PATH": os.environ["PATH"]}
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=folder, env=environ, capture_output=True, text=True, check=True
        )
    package, *patterns = json.loads(done.stdout)
    assert package == str(folder / "pileus/__init__.py")
    assert {"pileus:mean", "own*:scaled"} <= set(patterns)


def test_the_tag_of_the_workers_image_changes_with_endpoints(tmp_path: Path) -> None:
    (tmp_path / "endpoints").mkdir()
    before = tag_of(tmp_path / "tasks", BASE)
    (tmp_path / "endpoints/own.py").write_text(OWN)
    assert tag_of(tmp_path / "tasks", BASE) != before
