"""Projects that work at once: documents of an example and, as their provider, a folder of made-up archives."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pileus.errors import UsageError
from pileus.near import unknown
from pileus.product import product_folder, product_module
from pileus.project.schemas import write_schemas

COLLECTION = "viirs_sample"
PROVIDER = "sample"
SITE = "sample-site"
"""The folder that the provider's document names."""
SCHEMAS = "data/schemas"
SAMPLE = f"data/providers/{PROVIDER}.json"
WORLD = "data/zones/sample_world.geojson"


@dataclass(frozen=True)
class Example:
    """One archive, as a project that runs on made-up files of its layout."""

    about: str
    folder: str
    """Where the product has its README.md and make.py."""
    collections: Mapping[str, Mapping[str, Any]]
    """By name: what differs from the product's document of that name, which is for the archive on the web."""
    others: tuple[str, ...]
    """Files that are copies of the product's."""

    def documents(self) -> dict[str, bytes]:
        """Return the content of each file of the project, by name."""
        product = product_folder()
        found = {"README.md": (product / self.folder / "README.md").read_bytes()}
        for name, changes in self.collections.items():
            path = f"collections/{name}.json"
            found[path] = _changed((product / path).read_bytes(), changes)
        return found | {name: (product / name).read_bytes() for name in self.others}


def _changed(document: bytes, changes: Mapping[str, Any]) -> bytes:
    if not changes:
        return document
    return (json.dumps(_merged(json.loads(document), changes), indent=2) + "\n").encode()


def _merged(value: Any, changes: Any) -> Any:
    """Return a value in which objects have the changed fields, and all else is replaced."""
    if not isinstance(value, Mapping) or not isinstance(changes, Mapping):
        return changes
    return {**value, **{name: _merged(value.get(name), one) for name, one in changes.items()}}


def _sampled(first: str, last: str, **meta: Any) -> dict[str, Any]:
    """Return the changes that make a collection one of a few points of the sample."""
    process = {"process": {"zones": WORLD}}
    return {"provider": PROVIDER, "options": {"spanStart": first, "spanEnd": last}, "meta": process | meta}


TILES = ("h11v11", "h18v07", "h19v07", "h23v04", "h24v04")
EXAMPLES = {
    "viirs": Example(
        "night lights of the Earth Observation Group, in .tgz of GeoTIFF",
        "data/sample",
        {COLLECTION: {}},
        (SAMPLE, "data/zones/sample.geojson", f"rules/{COLLECTION}_once.json"),
    ),
    "chirps": Example(
        "rain, monthly and daily, in .tif.gz",
        "data/sample/chirps",
        {"chirps_monthly": _sampled("201501", "201503"), "chirps_daily": _sampled("20150130", "20150203")},
        (SAMPLE, WORLD, "data/providers/chirps.json"),
    ),
    "black_marble": Example(
        "night lights of NASA (VNP46A3), in HDF5 tiles",
        "data/sample/black_marble",
        {
            "black_marble_monthly": {
                **_sampled("201501", "201503", group={"expect": TILES}),
                "files": [
                    {
                        "regex": r"VNP46A3[.]A{{year}}{{doy}}[.](?P<tile>h(?P<h>11|18|19|23|24)v(?P<v>04|07|11))"
                        r"[.]002[.](?P<created>\d{13})[.]h5"
                    }
                ],
            }
        },
        (SAMPLE, WORLD, "data/providers/laads.json"),
    ),
    "era5": Example(
        "air temperature of a reanalysis, in netCDF and GRIB with many times a file",
        "data/sample/era5",
        {"era5_netcdf": _sampled("201501", "201503"), "era5_grib": _sampled("201501", "201503")},
        (SAMPLE, WORLD, "data/providers/nsf_ncar_era5.json", "data/providers/era5_files.json"),
    ),
}


def example_of(name: str) -> Example:
    """Return an example by its name. Raises UsageError."""
    if name not in EXAMPLES:
        raise UsageError(unknown("example", name, EXAMPLES))
    return EXAMPLES[name]


def write_example(folder: Path, example: Example = EXAMPLES["viirs"]) -> list[str]:
    """Write the example's documents, their schemas and its archives below `folder`; the names of what was written.

    Raises UsageError that names the files in the way; then nothing is written.
    """
    documents = example.documents()
    there = [name for name in (*documents, SCHEMAS, SITE) if (folder / name).exists()]
    if there:
        raise UsageError(
            f"in the way: {', '.join(there)}; nothing was written, choose an empty folder", where=str(folder)
        )
    for name, body in documents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)
    schemas = [str(path.relative_to(folder)) for path in write_schemas(folder / SCHEMAS)]
    product_module(f"{example.folder}/make.py").make(folder / SITE)
    return [*documents, *schemas, f"{SITE}/"]


def make_site(site: Path) -> None:
    """Make the archives of VIIRS, three months of six tiles, below `site`; nothing where they are made already."""
    if not (site / "zones.geojson").exists():  # written last
        product_module("data/sample/make.py").make(site)
