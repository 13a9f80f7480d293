"""The code of a Lambda: what its configuration says of it, and its zip."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pileus.edges.aws_errors import translated
from pileus.errors import Corrupt, StoreError, Unavailable, UsageError

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

LARGEST = 300 << 20
"""Most bytes of a zip; Lambda takes no larger one."""
SECONDS = (10, 60)
"""Seconds to connect, and without a byte."""
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class FunctionCode:
    """A function and where its zip is."""

    arn: str
    name: str
    handler: str
    """As Lambda has it: `package.module.function`."""
    sha256: str
    """Of the zip, in hexadecimal digits."""
    location: str = field(repr=False)
    """Address of the zip, signed for some minutes."""
    memory: int
    """MiB."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    layers: tuple[str, ...] = ()
    """ARNs. They are not in the zip."""


class LambdaFunctions:
    """Reads the code of Lambdas. Every method raises StoreError when AWS refuses or cannot be reached."""

    def __init__(self, client: "LambdaClient") -> None:
        self._client = client

    def code(self, arn: str) -> FunctionCode:
        """Return a function. Raises UsageError for one that is an image, or is not in Python."""
        with translated(arn, "Lambda"):
            found = self._client.get_function(FunctionName=arn)
        told, code = found["Configuration"], found["Code"]
        if told.get("PackageType", "Zip") != "Zip":
            raise UsageError("is an image: expected a function that is a zip", where=arn)
        if not str(told.get("Runtime", "")).startswith("python"):
            raise UsageError(f"runs on {told.get('Runtime')}: expected Python", where=arn)
        return FunctionCode(
            told.get("FunctionArn", arn),
            told["FunctionName"],
            told["Handler"],
            base64.b64decode(told["CodeSha256"]).hex(),
            code["Location"],
            told.get("MemorySize", 0),
            told.get("Environment", {}).get("Variables", {}),
            tuple(layer["Arn"] for layer in told.get("Layers", ())),
        )

    def download(self, code: FunctionCode, path: Path) -> None:
        """Write a function's zip to a file. Raises Corrupt when it is not the one that the function has."""
        import requests

        digest, size = hashlib.sha256(), 0
        try:
            with requests.get(code.location, stream=True, timeout=SECONDS) as answer, path.open("wb") as file:
                answer.raise_for_status()
                for part in answer.iter_content(CHUNK):
                    size += len(part)
                    if size > LARGEST:
                        raise StoreError(f"its zip has more than {LARGEST:,} bytes", where=code.arn)
                    digest.update(part)
                    file.write(part)
        except requests.RequestException as exc:
            said = str(exc).replace(code.location, "its address")
            raise Unavailable(f"its zip cannot be reached: {said}", where=code.arn) from exc
        if digest.hexdigest() != code.sha256:
            raise Corrupt(f"its zip has the SHA-256 {digest.hexdigest()}, expected {code.sha256}", where=code.arn)
