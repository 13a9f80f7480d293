"""What the process that specs fork commands from has imported: every command and all of what they import late."""

import importlib
import pkgutil

import boto3  # noqa: F401
import botocore.session  # noqa: F401
import pyarrow.parquet  # noqa: F401
import rich.console  # noqa: F401

import pileus

for found in pkgutil.walk_packages(pileus.__path__, "pileus."):
    if not found.name.startswith(("pileus._product", "pileus.embedded.ministack")) and "__main__" not in found.name:
        importlib.import_module(found.name)
