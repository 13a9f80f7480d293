"""Which image the workers of a stack get, and how it comes into the stack's registry."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pileus.deploy.images import BASE, build, tag_of
from pileus.deploy.images import engine as engine_version
from pileus.deploy.registry import address_of, engine, refusals, repository_of
from pileus.edges.cloudformation import outputs
from pileus.errors import UsageError
from pileus.version import __version__

if TYPE_CHECKING:
    from pileus.edges.aws import Aws

PENDING = f"sha256:{'0' * 64}"
"""Stands for the digest of an image that is not pushed yet, in templates that are only compared."""
ARCHITECTURES = {"amd64": "x86_64", "x86_64": "x86_64", "arm64": "arm64", "aarch64": "arm64"}
"""Our name of an architecture, by Docker's."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account and a region of AWS."""

    id: str
    region: str


@dataclass(frozen=True, slots=True)
class WorkerImage:
    """The image of a stack's workers."""

    address: str
    """As the setting `worker_image` takes it."""
    source: Literal["settings", "deployed", "registry", "build", "local"]
    """Where it comes from: the settings name it; the deployed workers have it; the registry has it already; it will be
    built, or is on this machine, and will be pushed.
    """
    repository: str = ""
    """Address of the repository that it is pushed to."""
    tag: str = ""
    local: str = ""
    """Name of the image on this machine that is pushed; empty: one is built."""

    @property
    def is_pending(self) -> bool:
        """Return whether it is still to be pushed; `address` is then provisional."""
        return self.source in ("build", "local")

    @property
    def told(self) -> str:
        """Return one line for people."""
        return {
            "settings": f"image: {self.address}, as the settings say",
            "deployed": f"image: {self.address}, which the workers have now",
            "registry": f"image: {self.repository}:{self.tag} is in the registry already",
            "build": f"image: {self.repository}:{self.tag} is to be built and pushed",
            "local": f"image: {self.repository}:{self.tag} is to be pushed, from {self.local}",
        }[self.source]

    def to_json(self) -> dict[str, Any]:
        value = {name: item for name, item in asdict(self).items() if item}
        return {name: item for name, item in value.items() if not (self.is_pending and name == "address")}


def choose(
    aws: "Aws",
    account: Account | None,
    settings: Any,
    *,
    images: bool | None,
    image: str | None,
    tasks: Path | None,
) -> WorkerImage | None:
    """Return the image that the workers will have; None: there will be no workers.

    1. The settings name one.
    2. `image`, one of this machine, is given; or `images` asks to build one; or nothing is asked and a Docker engine
       answers. What the registry has under the tag already is neither built nor pushed again.
    3. Else the deployed workers keep the one that they have.

    `account`: None where none answers. `tasks`: the folder of the project's own. Raises UsageError for what contradicts
    the settings, or where Docker is asked for and does not answer.
    """
    if settings.worker_image or settings.embedded:
        if images or image:
            raise UsageError("--images and --image push an image for settings without worker_image: leave one out")
        return WorkerImage(settings.worker_image, "settings") if settings.worker_image else None
    if images is False or not (images or image or engine_version()):
        deployed = outputs(aws, f"{settings.stack}-workers") if account else None
        address = (deployed or {}).get("PileusImage")
        return WorkerImage(address, "deployed") if address else None
    _check_architecture(settings.architecture, image)
    tag = f"{__version__}-{_id(image)}" if image else tag_of(tasks, BASE)
    core = outputs(aws, f"{settings.stack}-core") if account else None
    where = account or Account("ACCOUNT", "REGION")
    repository = address_of(settings.stack, where.id, where.region, (core or {}).get("PileusRepository"))
    found = WorkerImage(f"{repository.lower()}@{PENDING}", "local" if image else "build", repository, tag, image or "")
    digest = repository_of(aws, repository).digest(tag) if core else None
    return replace(found, address=f"{repository}@{digest}", source="registry") if digest else found


def push(aws: "Aws", chosen: WorkerImage, core: dict[str, str], settings: Any, tasks: Path | None) -> WorkerImage:
    """Build the image unless it is on this machine, push it, and return it with its digest.

    `core`: outputs of the core stack. Raises UsageError and StoreError, with what Docker said.
    """
    address = address_of(settings.stack, "", "", core.get("PileusRepository"))
    local = chosen.local
    if not local:
        build("base", base=BASE)
        local = build("process_group", base="", tasks=tasks)
    repository = repository_of(aws, address)
    return replace(chosen, address=repository.at(repository.push(local, chosen.tag)), source="registry")


def _check_architecture(wanted: str, image: str | None) -> None:
    """Raise UsageError where Docker's images would not run on the workers."""
    client = engine()
    with refusals(image or "Docker"):
        made = _attributes(image)["Architecture"] if image else client.version()["Arch"]
    if ARCHITECTURES.get(made, made) != wanted:
        what = image or "what Docker builds here"
        raise UsageError(f"{what} is for {made}, and the setting architecture is {wanted}: change it, or --no-images")


def _id(image: str) -> str:
    """Return the beginning of an image's id, which is a hash of it."""
    return str(_attributes(image)["Id"]).removeprefix("sha256:")[:12]


def _attributes(image: str) -> dict[str, Any]:
    from docker.errors import ImageNotFound

    with refusals(image):
        try:
            found: dict[str, Any] = engine().images.get(image).attrs
        except ImageNotFound as exc:
            raise UsageError("there is no such image on this machine: `pileus images` makes it", where=image) from exc
        return found
