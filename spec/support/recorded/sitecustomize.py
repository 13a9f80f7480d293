"""Writes down every call of boto3 in each process that has this folder in its PYTHONPATH: one line of JSON each.

PILEUS_CALLS names the folder: one file for each process. `role` is what PILEUS_ROLE says, else the Lambda's name,
or `worker` for a worker; calls of other processes (commands) are not written.

A stack also finds no pandas but where xarray asks for it: pyarrow and pyogrio would import it in every process.
"""

import importlib.abc
import importlib.machinery
import json
import os
import sys
from typing import Any


def role() -> str:
    """Who makes the calls."""
    if told := os.environ.get("PILEUS_ROLE"):
        return told
    if named := os.environ.get("AWS_LAMBDA_FUNCTION_NAME"):
        return named
    words = sys.orig_argv
    return "worker" if "pileus" in words and "worker" in words and "--task" not in words else ""


def record(module: Any) -> None:
    """Make boto3's clients write their calls down."""
    call = module.BaseClient._make_api_call

    def recorded(self: Any, operation: str, parameters: Any) -> Any:
        if not (who := role()):
            return call(self, operation, parameters)
        path = os.path.join(os.environ["PILEUS_CALLS"], f"{os.getpid()}.jsonl")  # noqa: PTH118 - pathlib is slow
        given = {name: value for name, value in parameters.items() if name not in ("Body", "MessageBody", "Message")}
        told = {"role": who, "stack": os.environ.get("PILEUS_STACK", "pileus")}
        line = told | {"service": self.meta.service_model.service_name, "operation": operation, "given": given}
        with open(path, "a") as file:  # noqa: PTH123
            file.write(json.dumps(line, default=str) + "\n")
        return call(self, operation, parameters)

    module.BaseClient._make_api_call = recorded


class Finder(importlib.abc.MetaPathFinder):
    """Lets `record` change botocore.client once it is imported."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name != "botocore.client":
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        assert spec is not None
        assert spec.loader is not None
        load = spec.loader.exec_module

        def exec_module(module: Any) -> None:
            load(module)
            record(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


class Absent(importlib.abc.MetaPathFinder):
    """Lets nothing be found that a user's environment lacks."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> None:
        del path, target
        if name in ("pandas", "geopandas") and "xarray" not in sys.modules:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Absent())
if os.environ.get("PILEUS_CALLS") and (role() or "pileus.embedded.lambda_server" in sys.orig_argv):
    sys.meta_path.insert(0, Finder())
