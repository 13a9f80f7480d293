"""A project that works at once: the documents of the sample and, as its provider, a folder of made-up archives."""

from pathlib import Path

from pileus.errors import UsageError
from pileus.product import product_folder, product_module
from pileus.project.schemas import write_schemas

COLLECTION = "viirs_sample"
PROVIDER = "sample"
SITE = "sample-site"
"""The folder that the provider's document names."""
DOCUMENTS = {
    "README.md": "data/sample/README.md",
    f"data/providers/{PROVIDER}.json": f"data/providers/{PROVIDER}.json",
    "data/zones/sample.geojson": "data/zones/sample.geojson",
    f"collections/{COLLECTION}.json": f"collections/{COLLECTION}.json",
    f"rules/{COLLECTION}_once.json": f"rules/{COLLECTION}_once.json",
}
"""File in the project: file of the product that it is a copy of."""
SCHEMAS = "data/schemas"


def write_example(folder: Path) -> list[str]:
    """Write the example's documents, their schemas and its archives below `folder`; the names of what was written.

    Raises UsageError that names the files in the way; then nothing is written.
    """
    there = [name for name in (*DOCUMENTS, SCHEMAS, SITE) if (folder / name).exists()]
    if there:
        raise UsageError(
            f"in the way: {', '.join(there)}; nothing was written, choose an empty folder", where=str(folder)
        )
    product = product_folder()
    for name, source in DOCUMENTS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((product / source).read_bytes())
    schemas = [str(path.relative_to(folder)) for path in write_schemas(folder / SCHEMAS)]
    make_site(folder / SITE)
    return [*DOCUMENTS, *schemas, f"{SITE}/"]


def make_site(site: Path) -> None:
    """Make the sample's archives, three months of six tiles, below `site`; nothing where they are made already."""
    if not (site / "zones.geojson").exists():  # written last
        product_module("data/sample/make.py").make(site)
