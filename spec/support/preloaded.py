"""What the process that specs fork commands from has ready: every command, all of what they import late, and what
botocore reads of the services.
"""

import importlib
import pkgutil

import boto3  # noqa: F401
import botocore.session  # noqa: F401
import matplotlib.backends.backend_agg
import matplotlib.figure  # noqa: F401
import pyarrow.parquet  # noqa: F401
import pyogrio  # noqa: F401
import rich.console  # noqa: F401

import pileus
from pileus.edges.aws import Aws

for found in pkgutil.walk_packages(pileus.__path__, "pileus."):
    if not found.name.startswith(("pileus._product", "pileus.embedded.ministack")) and "__main__" not in found.name:
        importlib.import_module(found.name)

for service in ("s3", "dynamodb", "sqs", "sns", "stepfunctions", "scheduler", "logs", "cloudformation", "sts"):
    Aws("http://127.0.0.1:9").unguarded(service)
