"""Lists of what a wheel and the worker's image are made of, in the CycloneDX format: `make sbom` runs this.

    python -m infra.sbom FOLDER

writes FOLDER/wheel.cdx.json, from the pinned packages of infra/locks/image.txt with their hashes; and
FOLDER/image.cdx.json, which has the Debian packages of the image too, where a Docker engine has the image.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from pileus.deploy.images import engine
from pileus.embedded.containers import find_image
from pileus.errors import UsageError
from pileus.version import __version__

ROOT = Path(__file__).resolve().parent.parent
LISTED = "${binary:Package}\\t${Version}\\t${Architecture}\\n"
"""What dpkg prints of each package."""


def main(folder: Path) -> None:
    """Write the lists, and say what was written and what was not."""
    folder.mkdir(parents=True, exist_ok=True)
    wheel = python_packages()
    _write(folder / "wheel.cdx.json", wheel)
    try:
        image = find_image(__version__) if engine() else None
    except UsageError:
        image = None
    if image is None:
        print("no image.cdx.json: no Docker engine here has the worker's image; `pileus images` builds it")
        return
    listed = subprocess.run(
        ["docker", "run", "--rm", "--network=none", "--entrypoint=dpkg-query", image, "-W", f"-f={LISTED}"],
        check=True,
        capture_output=True,
        text=True,
    )
    _write(folder / "image.cdx.json", wheel | {"components": wheel["components"] + debian_packages(listed.stdout)})


def python_packages() -> dict[str, Any]:
    """Return the CycloneDX document of the pinned packages, Pileus as what they are for."""
    command = [sys.executable, "-m", "cyclonedx_py", "requirements", "--output-reproducible", "--pyproject"]
    done = subprocess.run(
        [*command, str(ROOT / "pyproject.toml"), str(ROOT / "infra/locks/image.txt")],
        check=True,
        capture_output=True,
        text=True,
    )
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def debian_packages(listed: str) -> list[dict[str, str]]:
    """Return the components of what dpkg printed.

    >>> debian_packages("libc6:amd64\\t2.36-9\\tamd64\\n")[0]["purl"]
    'pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12'
    """
    components = []
    for name, version, architecture in (line.split("\t") for line in listed.splitlines()):
        name = name.partition(":")[0]
        purl = f"pkg:deb/debian/{name}@{version.replace(':', '%3A')}?arch={architecture}&distro=debian-12"
        components.append({"type": "library", "name": name, "version": version, "bom-ref": purl, "purl": purl})
    return components


def _write(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=1) + "\n")
    print(f"{path}: {len(document['components'])} packages")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
