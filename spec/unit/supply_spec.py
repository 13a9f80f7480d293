"""The supply chain: images and Lambdas are made of files that are known by their hash, and by nothing else."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra.locks.__main__ import NAMES
from pileus.deploy import lambda_package
from pileus.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "infra/locks"
PIN = re.compile(r"([\w.-]+)==([^ \\]+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)")


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lock: str) -> dict[str, str]:
    """Version by package of a lock file, all of which has hashes."""
    text = (LOCKS / f"{lock}.txt").read_text()
    assert PIN.sub("", text) == "", "each package has a version and hashes, and there is nothing else"
    return {canonical(name): version for name, version, _ in PIN.findall(text)}


@pytest.mark.parametrize("lock", ["image", "lambda"])
def test_a_lock_has_what_is_needed_in_the_versions_that_the_specs_run_with(lock: str) -> None:
    lines = (ROOT / "infra/constraints.txt").read_text().split()
    tried = {canonical(name): version for name, _, version in (line.partition("==") for line in lines)}
    found = pins(lock)
    assert found.items() <= tried.items(), "`make locks` makes them anew"
    assert {canonical(re.split(r"[<>=\[ ]", name)[0]) for name in NAMES[lock]} <= set(found)


def test_a_file_with_another_hash_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "infra/locks"
    folder.mkdir(parents=True)
    text = (LOCKS / "lambda.txt").read_text()
    (wrong,) = re.findall(r"typing-inspection==\S+ \\\n(?:    --hash.*\n)+", text)
    (folder / "lambda.txt").write_text(re.sub(r"sha256:[0-9a-f]{64}", f"sha256:{'0' * 64}", wrong))
    monkeypatch.setattr(lambda_package, "product_folder", lambda: tmp_path)
    with pytest.raises(UsageError, match="DO NOT MATCH THE HASHES"):
        lambda_package.package(tmp_path / "out", architecture="x86_64")
    assert not list((tmp_path / "out").glob("lambda-wheels-*[0-9a-f]")), "nothing of it is kept"


def test_every_image_installs_by_hash_alone() -> None:
    """But for what a project's own tasks need, which the project pins as it wants."""
    for path in sorted((ROOT / "ecs_tasks").glob("*/Dockerfile")):
        for line in path.read_text().replace("\\\n", " ").splitlines():
            if "pip install" in line or "pip download" in line:
                own = "app/tasks/" in line
                assert own or "--require-hashes" in line, f"{path.parent.name}: {line}"


def test_the_list_of_what_a_wheel_is_made_of_names_each_package_with_its_hashes(tmp_path: Path) -> None:
    if shutil.which("cyclonedx-py", path=str(Path(sys.executable).parent)) is None:
        pytest.skip("cyclonedx-bom is not installed here: `make sbom` installs it")
    from infra.sbom import python_packages

    listed = {one["name"]: one for one in python_packages()["components"]}
    assert {canonical(name) for name in listed} == set(pins("image"))
    assert all(one["externalReferences"] or one["hashes"] for one in listed.values())


def test_no_registry_and_no_machine_is_named() -> None:
    for path in LOCKS.glob("*.txt"):
        assert not re.search(r"https?:|file:|^-", path.read_text(), re.MULTILINE), path
    subprocess.run([sys.executable, "-m", "infra.locks", "lambda"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
