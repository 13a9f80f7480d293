"""The Lambda package: the library, the handlers and, for AWS, what they import, for Lambda's own platform.

No Docker: pip fetches wheels of another platform than the one it runs on. boto3 is part of Lambda's runtime.
"""

import compileall
import hashlib
import importlib.util
import py_compile
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from pileus.errors import UsageError
from pileus.product import CARRIED, PACKAGE, product_folder

NEEDS = ("google-re2", "jsonpath-ng", "jsonschema", "paramiko", "pydantic>=2", "pystac-client", "PyYAML", "regex")
"""What the Lambdas import, pinned in infra/locks/lambda.txt; they list and decide, and never open a raster."""
PYTHON = "3.12"
"""Lambda's; the functions' runtime in infra/core.py."""
NEEDED = "requirements.txt"
"""What a project's task imports beside: a file in its folder."""
PLATFORMS = {
    "x86_64": ("manylinux2014_x86_64", "manylinux_2_28_x86_64", "manylinux_2_34_x86_64"),
    "arm64": ("manylinux2014_aarch64", "manylinux_2_28_aarch64", "manylinux_2_34_aarch64"),
}
"""Tags of wheels that run on Amazon Linux 2023 (glibc 2.34), by architecture."""
NOT_CODE = shutil.ignore_patterns("__pycache__", "*.nbi", "*.nbc", "static", "embedded", "*.md", CARRIED)


def package(out: Path, *, architecture: str | None, tasks: Path | None = None) -> Path:
    """Make the package anew in a folder under `out`. `architecture`: None for the embedded stack, which has all it
    needs installed. `tasks`: the folder of the project's tasks. Raises UsageError when pip cannot fetch a wheel.
    """
    folder = out / "lambda-package"
    shutil.rmtree(folder, ignore_errors=True)
    if architecture is None:
        folder.mkdir(parents=True)
    else:
        shutil.copytree(_dependencies(out, architecture), folder)
    shutil.copytree(PACKAGE, folder / "pileus", ignore=NOT_CODE)
    shutil.copytree(product_folder() / "lambdas", folder / "lambdas", ignore=NOT_CODE)
    if architecture is not None:
        copy_adapter(folder)
    if architecture is None:  # each process of the embedded Lambda unpacks it anew; AWS has another Python
        compileall.compile_dir(
            folder, quiet=2, stripdir=str(folder), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
        )
    if tasks is not None and architecture is not None:  # the embedded stack reads them where they are
        shutil.copytree(tasks, folder / "tasks", ignore=shutil.ignore_patterns("__pycache__"))
        for needed in sorted(tasks.glob(f"*/{NEEDED}")):
            _add(folder, needed, architecture)
    return folder


def copy_adapter(folder: Path) -> None:
    """Copy the Cumulus Message Adapter into a folder, where it is installed here.

    Registries have it as source only, and nothing is built for a Lambda or an image: it is pure Python, as it lies
    here.
    """
    found = importlib.util.find_spec("message_adapter")
    for place in (found.submodule_search_locations or ()) if found else ():
        shutil.copytree(place, folder / "message_adapter", ignore=NOT_CODE)


def _dependencies(out: Path, architecture: str) -> Path:
    """Return a folder of unpacked wheels, kept from one synthesis to the next while their pins are the same.

    Raises UsageError for a file whose hash is not the pinned one.
    """
    lock = product_folder() / "infra/locks/lambda.txt"
    key = hashlib.sha256(f"{PYTHON}\n{architecture}\n".encode() + lock.read_bytes()).hexdigest()[:16]
    folder = out / f"lambda-wheels-{key}"
    if folder.exists():
        return folder
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    if said := _pip(part, architecture, ["--require-hashes", "--no-deps", f"--requirement={lock}"]):
        raise UsageError(f"the Lambda package cannot be made: {said}")
    _strip(part, ("bin", "*.dist-info/licenses", "**/tests", "**/*.pyi"))
    part.rename(folder)
    return folder


def _add(folder: Path, needed: Path, architecture: str) -> None:
    """Install the wheels that a task's requirements.txt names. Raises UsageError."""
    done = _pip(folder, architecture, [f"--requirement={needed}"])
    if done:
        raise UsageError(f"its Lambda cannot be made: {done}", where=f"tasks/{needed.parent.name}/{NEEDED}")


def _pip(target: Path, architecture: str, more: list[str]) -> str:
    """Install wheels for Lambda's platform into a folder. Return what pip said when it refused, else nothing."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--only-binary=:all:", "--upgrade"]
    command += [f"--target={target}", f"--python-version={PYTHON}", "--implementation=cp"]
    command += [f"--platform={platform}" for platform in PLATFORMS[architecture]]
    done = subprocess.run([*command, *more], capture_output=True, text=True)
    said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["no word"]
    return said[-1] if done.returncode else ""


def _strip(folder: Path, patterns: Iterable[str]) -> None:
    for pattern in patterns:
        for path in list(folder.glob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
