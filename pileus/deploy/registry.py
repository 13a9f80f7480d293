"""The registry of the worker's images, asked and filled through the Docker engine of this machine."""

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pileus.errors import Denied, StoreError, UsageError

if TYPE_CHECKING:
    from docker import DockerClient

    from pileus.edges.aws import Aws

REGISTRY = "PILEUS_REGISTRY"
"""Environment variable with the registry to push to, HOST:PORT, in place of the core stack's: specs have their own."""
SECONDS = 600
"""How long the engine may be silent: it says nothing while it uploads one layer."""


class Repository:
    """The repository of one stack's images. `address`: with its registry and no tag; `login`: for its registry."""

    def __init__(self, address: str, login: dict[str, str], engine: "DockerClient") -> None:
        self.address = address
        self._login, self._engine = login, engine

    def digest(self, tag: str) -> str | None:
        """Return the digest of the image that the registry has under a tag; None where it has none.

        Raises Denied where the registry refuses these credentials, StoreError where it cannot be asked.
        """
        from docker.errors import NotFound

        with refusals(f"{self.address}:{tag}"):
            try:
                found = self._engine.images.get_registry_data(f"{self.address}:{tag}", auth_config=self._login)
            except NotFound:
                return None
            return str(found.id)

    def push(self, image: str, tag: str) -> str:
        """Push an image of this machine under a tag, unless the registry has the tag already. Return its digest.

        Raises UsageError for an image that is not here; Denied and StoreError as `digest` does.
        """
        from docker.errors import ImageNotFound

        if there := self.digest(tag):
            return there
        with refusals(f"{self.address}:{tag}"):
            try:
                self._engine.images.get(image).tag(self.address, tag)
            except ImageNotFound as exc:
                raise UsageError(
                    "there is no such image on this machine: `pileus images` makes it", where=image
                ) from exc
            self._pushed(tag)
        digest = self.digest(tag)
        if digest is None:
            raise StoreError("was pushed, and the registry does not have it", where=f"{self.address}:{tag}")
        return digest

    def _pushed(self, tag: str) -> None:
        """Push what has the tag here, and take the tag off again."""
        try:
            lines = self._engine.images.push(self.address, tag=tag, auth_config=self._login, stream=True, decode=True)
            for line in lines:
                if "error" in line:
                    raise refused(str(line["error"]), f"{self.address}:{tag}")
        finally:
            self._engine.images.remove(f"{self.address}:{tag}", noprune=True)

    def at(self, digest: str) -> str:
        """Return the address that always means the image with this digest."""
        return f"{self.address}@{digest}"


def repository_of(aws: "Aws", address: str) -> Repository:
    """Return a repository of the account, signed in. Raises UsageError where no Docker engine answers, Denied where the
    account refuses.
    """
    answer = aws.ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    user, _, password = base64.b64decode(answer).decode().partition(":")
    return Repository(address, {"username": user, "password": password}, engine())


def address_of(stack: str, account: str, region: str, output: str | None) -> str:
    """Return the address of a stack's repository.

    1. PILEUS_REGISTRY is set: it is in that registry.
    2. The core stack is deployed: `output`, what it says.
    3. Where the core stack will make it.
    """
    if registry := os.environ.get(REGISTRY):
        return f"{registry}/{stack}-worker"
    return output or f"{account}.dkr.ecr.{region}.amazonaws.com/{stack}-worker"


def engine() -> "DockerClient":
    """Return a client of the engine that the docker command uses. Raises UsageError where there is none."""
    import docker
    from docker.errors import DockerException

    try:
        host = os.environ.get("DOCKER_HOST") or docker.ContextAPI.get_current_context().Host
        client: DockerClient = docker.DockerClient(base_url=host, timeout=SECONDS)
        client.ping()
    except (DockerException, OSError) as exc:
        raise UsageError(f"the Docker engine does not answer: {exc}") from exc
    return client


@contextmanager
def refusals(where: str) -> Iterator[None]:
    """Translate what Docker's client raises in the block into our errors, which name `where`."""
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException

    try:
        yield
    except APIError as exc:
        raise refused(str(exc.explanation or exc), where) from exc
    except (DockerException, RequestException) as exc:
        raise StoreError(f"the Docker engine cannot be asked: {exc}", where=where) from exc


def refused(said: Any, where: str) -> StoreError:
    """Return the error for what the engine or the registry said."""
    words = str(said).lower()
    denied = any(word in words for word in ("unauthorized", "denied", "no basic auth", "authentication required"))
    return (Denied if denied else StoreError)(f"the registry refused: {said}", where=where)
