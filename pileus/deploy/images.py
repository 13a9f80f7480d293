"""Build the images of ecs_tasks/, with the Docker engine of this machine.

Each build gets a context folder of its own with just the files it needs, a proxy's certificates included.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import requires
from pathlib import Path
from tempfile import TemporaryDirectory

from pileus.deploy.lambda_package import copy_adapter
from pileus.errors import StoreError, UsageError
from pileus.product import CARRIED, PACKAGE, product_folder
from pileus.version import __version__

BASE = "debian:bookworm-slim"
"""What `base` stands on unless another image is given."""
DEBIAN = "pileus-debian:bookworm"
"""What debootstrap makes."""
SECONDS = 5.0
"""How long the engine may take to answer."""
ONLY_IN_IMAGE = (
    "awslambdaric", "fastapi", "h5netcdf", "h5py", "joserfc", "jsonpath-ng", "jsonschema", "mangum",
    "opentelemetry-exporter-otlp-proto-http", "opentelemetry-sdk", "prometheus-client", "pystac-client", "xarray",
)  # fmt: skip
"""Make the worker's image a Lambda container as well, which may be that of the HTTP API; what Cumulus's Message Adapter
needs; what operations of requests are done with; and traces and metrics for those who collect them.
"""
NOT_CODE = shutil.ignore_patterns("__pycache__", "*.nbi", "*.nbc", CARRIED)


def build(
    name: str,
    *,
    base: str,
    ca: Path | None = None,
    tag: str = __version__,
    network: str = "default",
    tasks: Path | None = None,
) -> str:
    """Build ecs_tasks/<name> and return its image. Every image but `base` stands on `pileus-base` of the same tag, and
    `gippy` on `pileus-process-group` too. `tasks`: the project's, which process_group's image then has, with the
    endpoints that lie in a folder beside it.

    Raises UsageError for a folder that is not there and where no Docker engine answers; StoreError with Docker's last
    lines.
    """
    if not (product_folder() / "ecs_tasks" / name / "Dockerfile").exists():
        raise UsageError(f"unknown image {name!r}: expected {', '.join(names())}")
    require_engine()
    image = f"pileus-{name.replace('_', '-')}:{tag}"
    stands_on = base if name == "base" else f"pileus-base:{tag}"
    with context(name, ca, tasks) as folder:
        values = {"BASE_IMAGE": stands_on, "VERSION": __version__, "COMMIT": commit()}
        if name == "gippy":
            values["WORKER_IMAGE"] = f"pileus-process-group:{tag}"
        passed = [f"--build-arg={key}={value}" for key, value in values.items()]
        made = subprocess.run(
            ["docker", "build", f"--network={network}", f"--tag={image}", *passed, str(folder)],
            capture_output=True,
            text=True,
            env=os.environ | {"DOCKER_BUILDKIT": "0"},  # the classic builder needs nothing from a registry
        )
    if made.returncode:
        raise StoreError("\n".join(["cannot be built:", *(made.stdout + made.stderr).splitlines()[-20:]]), where=image)
    return image


def tag_of(tasks: Path | None, base: str) -> str:
    """Return the tag of process_group's image: version, commit, and a hash of all that goes into it, as tags never
    change. `base`: the image that `base` stands on.
    """
    digest = hashlib.sha256(base.encode())
    for name in ("base", "process_group"):
        with context(name, None, tasks) as folder:
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                digest.update(f"{path.relative_to(folder)}\n".encode() + path.read_bytes())
    return f"{__version__}-{commit()}-{digest.hexdigest()[:12]}"


def require_engine() -> None:
    """Raise UsageError where no Docker engine answers."""
    if shutil.which("docker") is None:
        raise UsageError("images are built with Docker: install it first")
    if engine() is None:
        raise UsageError("the Docker engine does not answer: start it first")


def engine() -> str | None:
    """Return the version of the Docker engine; None where none answers within a few seconds."""
    command = ["docker", "info", "--format", "{{.ServerVersion}}"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, check=True, timeout=SECONDS)
    except (OSError, subprocess.SubprocessError):
        return None
    return asked.stdout.strip()


def has(image: str) -> bool:
    """Return whether this machine has an image. A Docker engine must answer."""
    return subprocess.run(["docker", "image", "inspect", image], capture_output=True).returncode == 0


def names() -> list[str]:
    """Return the folders of ecs_tasks/ that images are built of."""
    return sorted(path.parent.name for path in (product_folder() / "ecs_tasks").glob("*/Dockerfile"))


def commit() -> str:
    """Return the commit of the clone, with `-dirty` where it has changes; `unknown` outside one."""
    product = product_folder()
    if not (product / ".git").exists():
        return "unknown"
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude=*"], cwd=product, capture_output=True, text=True
    )
    return asked.stdout.strip() or "unknown"


@contextmanager
def context(name: str, ca: Path | None, tasks: Path | None = None) -> Iterator[Path]:
    """Make a folder with what the Dockerfile of `name` copies."""
    product = product_folder()
    with TemporaryDirectory(prefix="pileus-image-") as made:
        folder = Path(made)
        shutil.copytree(product / "ecs_tasks" / name, folder, dirs_exist_ok=True, ignore=NOT_CODE)
        if name != "base":
            shutil.copytree(PACKAGE, folder / "pileus", ignore=NOT_CODE)
            (folder / "adapter").mkdir()
            copy_adapter(folder / "adapter")
            for part in ("lambdas", "ecs_tasks"):
                shutil.copytree(product / part, folder / part, ignore=NOT_CODE)
            (folder / "data").mkdir()
            shutil.copy(product / "data/prices.json", folder / "data")
            shutil.copy(product / "infra/locks/image.txt", folder / "requirements.txt")
            for part, own in (("tasks", tasks), ("endpoints", tasks.with_name("endpoints") if tasks else None)):
                if own is not None and own.is_dir():
                    shutil.copytree(own, folder / part, ignore=NOT_CODE)
                else:
                    (folder / part).mkdir()
        (folder / "ca").mkdir()
        (folder / "ca" / "README").write_text("Certificates that the build trusts; empty unless --ca was given.\n")
        for number, path in enumerate(certificates(ca)):
            shutil.copy(path, folder / "ca" / f"proxy-{number}.crt")
        yield folder


def requirements() -> list[str]:
    """Return what the library needs to run, its extras left out."""
    return [line for line in requires("pileus") or () if "extra ==" not in line]


def certificates(ca: Path | None) -> list[Path]:
    """Return the .crt files of a folder, or the one file that `ca` is."""
    if ca is None:
        return []
    return sorted(ca.glob("*.crt")) if ca.is_dir() else [ca]


def size(image: str) -> int:
    """Return the bytes of all layers, uncompressed."""
    asked = subprocess.run(
        ["docker", "image", "inspect", "--format", "{{.Size}}", image], check=True, capture_output=True, text=True
    )
    return int(asked.stdout)


def debootstrap() -> str:
    """Make a minimal Debian 12 from its packages, once, and return its image. Needs root.

    Raises UsageError where a program or the engine is missing; StoreError when one fails.
    """
    require_engine()
    if has(DEBIAN):
        return DEBIAN
    if shutil.which("debootstrap") is None:
        raise UsageError("a base made from packages needs the command debootstrap: install it first")
    with TemporaryDirectory(prefix="pileus-debian-") as folder:
        made = subprocess.run(["debootstrap", "--variant=minbase", "bookworm", folder], capture_output=True, text=True)
        if made.returncode:
            said = (made.stdout + made.stderr).strip().splitlines() or ["it said nothing"]
            raise StoreError(f"debootstrap failed: {said[-1]}")
        for left in ("var/cache/apt", "var/lib/apt/lists", "var/log"):
            shutil.rmtree(Path(folder) / left)
            (Path(folder) / left).mkdir()
        packed = subprocess.Popen(["tar", "-C", folder, "-c", "."], stdout=subprocess.PIPE)
        taken = subprocess.run(["docker", "import", "-", DEBIAN], stdin=packed.stdout, capture_output=True, text=True)
        if packed.wait() or taken.returncode:
            raise StoreError(f"the base cannot be imported: {taken.stderr.strip()}", where=DEBIAN)
    return DEBIAN
