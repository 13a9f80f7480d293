"""Build the images: `python -m ecs_tasks.build`, or `make images`.

Each build gets a context folder of its own with just the files it needs, the proxy's certificates included where
`--ca` names them. `--base-image debootstrap` makes the Debian base from packages, for machines without a registry.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
DEBIAN = "pileus-debian:bookworm"
"""What debootstrap makes."""
ONLY_IN_IMAGE = ("awslambdaric",)
"""Makes the worker's image a Lambda container as well."""
NOT_CODE = shutil.ignore_patterns("__pycache__", "*.nbi", "*.nbc")


def main(arguments: Sequence[str] | None = None) -> None:
    """Build the named images in order and print name, bytes and seconds of each as a JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", nargs="*", default=["base", "process_group"], help="folders of ecs_tasks/")
    parser.add_argument("--base-image", default="debian:bookworm-slim", help="a Debian 12, or `debootstrap`")
    parser.add_argument("--ca", type=Path, help="folder of .crt files, or one file, that a proxy needs")
    parser.add_argument("--tag", default=version(), help="tag of the images; the version if not given")
    parser.add_argument("--network", default="default", help="docker build --network; `host` behind some proxies")
    options = parser.parse_args(arguments)
    base = debootstrap() if options.base_image == "debootstrap" else options.base_image
    for name in options.images:
        started = time.monotonic()
        image = build(name, base=base, ca=options.ca, tag=options.tag, network=options.network)
        line = {"image": image, "bytes": size(image), "seconds": round(time.monotonic() - started, 1)}
        sys.stdout.write(json.dumps(line) + "\n")


def version() -> str:
    """As in pyproject.toml."""
    text: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    return text


def commit() -> str:
    """Of the checkout, with `-dirty` where it has changes; `unknown` outside one."""
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude=*"], cwd=ROOT, capture_output=True, text=True
    )
    return asked.stdout.strip() or "unknown"


def build(name: str, *, base: str, ca: Path | None = None, tag: str = "", network: str = "default") -> str:
    """Build ecs_tasks/<name>; its image. Every image but `base` stands on `pileus-base` of the same tag."""
    tag = tag or version()
    image = f"pileus-{name.replace('_', '-')}:{tag}"
    stands_on = base if name == "base" else f"pileus-base:{tag}"
    with context(name, ca) as folder:
        values = {"BASE_IMAGE": stands_on, "VERSION": version(), "COMMIT": commit()}
        passed = [f"--build-arg={key}={value}" for key, value in values.items()]
        made = subprocess.run(
            ["docker", "build", f"--network={network}", f"--tag={image}", *passed, str(folder)],
            capture_output=True,
            text=True,
            env=os.environ | {"DOCKER_BUILDKIT": "0"},  # the classic builder needs nothing from a registry
        )
    if made.returncode:
        raise RuntimeError("\n".join([f"{image} cannot be built:", *(made.stdout + made.stderr).splitlines()[-20:]]))
    return image


@contextmanager
def context(name: str, ca: Path | None) -> Iterator[Path]:
    """A folder with what the Dockerfile of `name` copies."""
    with TemporaryDirectory(prefix="pileus-image-") as made:
        folder = Path(made)
        shutil.copytree(ROOT / "ecs_tasks" / name, folder, dirs_exist_ok=True, ignore=NOT_CODE)
        if name != "base":
            for part in ("pileus", "lambdas", "ecs_tasks"):
                shutil.copytree(ROOT / part, folder / part, ignore=NOT_CODE)
            shutil.copy(ROOT / "constraints.txt", folder)
            (folder / "requirements.txt").write_text("\n".join((*requirements(), *ONLY_IN_IMAGE)) + "\n")
        (folder / "ca").mkdir()
        (folder / "ca" / "README").write_text("Certificates that the build trusts; empty unless --ca was given.\n")
        for number, path in enumerate(certificates(ca)):
            shutil.copy(path, folder / "ca" / f"proxy-{number}.crt")
        yield folder


def requirements() -> list[str]:
    """What the library needs to run."""
    found: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    return found


def certificates(ca: Path | None) -> list[Path]:
    if ca is None:
        return []
    return sorted(ca.glob("*.crt")) if ca.is_dir() else [ca]


def size(image: str) -> int:
    """Bytes of all layers, uncompressed."""
    asked = subprocess.run(
        ["docker", "image", "inspect", "--format", "{{.Size}}", image], check=True, capture_output=True, text=True
    )
    return int(asked.stdout)


def debootstrap() -> str:
    """Make a minimal Debian 12 from its packages, once; its image. Needs root and the command debootstrap."""
    known = subprocess.run(["docker", "image", "inspect", DEBIAN], capture_output=True)
    if known.returncode == 0:
        return DEBIAN
    with TemporaryDirectory(prefix="pileus-debian-") as folder:
        subprocess.run(["debootstrap", "--variant=minbase", "bookworm", folder], check=True, stdout=subprocess.DEVNULL)
        for left in ("var/cache/apt", "var/lib/apt/lists", "var/log"):
            shutil.rmtree(Path(folder) / left)
            (Path(folder) / left).mkdir()
        packed = subprocess.Popen(["tar", "-C", folder, "-c", "."], stdout=subprocess.PIPE)
        subprocess.run(["docker", "import", "-", DEBIAN], check=True, stdin=packed.stdout, stdout=subprocess.DEVNULL)
        if packed.wait():
            raise subprocess.CalledProcessError(packed.returncode, "tar")
    return DEBIAN


if __name__ == "__main__":
    main()
