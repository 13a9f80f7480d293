"""Zonal statistics as a task of Cirrus: `pileus.cirrus.zonal:ZonalStatistics`.

STAC items come in, whose assets are rasters; of remote ones, such as COGs, only the bytes that the zones need are read.
For each item one comes out, derived from it, with a table of a row for each zone and asset.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
from pystac import Item
from stactask import Task
from stactask.exceptions import InvalidInput

from pileus.cirrus.zonal_parameters import ZonalParameters
from pileus.documents import parse_value
from pileus.edges.rasters import Rasters
from pileus.edges.secrets import Secrets
from pileus.errors import DocumentError, ZonesError
from pileus.outputs.stac import table_facts
from pileus.outputs.tables import parquet_of, to_csv, with_unit
from pileus.version import __version__
from pileus.zonal import MemoryCache, Zones, measure, read_zones
from pileus.zonal.requests import place_of

TABLE = "statistics"
"""The asset of the items that come out."""
TYPES = {"parquet": "application/vnd.apache.parquet", "csv": "text/csv"}
EXTENSIONS = ("https://stac-extensions.github.io/table/v1.2.0/schema.json",)


class ZonalStatistics(Task):
    """The task. Raises InvalidInput for parameters, zones or an item that it cannot do anything with."""

    name = "zonal-statistics"
    description = "Statistics of the rasters of STAC items in zones."
    version = __version__

    @classmethod
    def pileus_warm(cls) -> None:
        """Load what is compiled, before the first payload."""
        from pileus.zonal.warm import warm

        warm()

    def process(self, **parameters: Any) -> list[dict[str, Any]]:
        """Return an item for each, derived from it, with its table as the asset `statistics`."""
        try:
            told = self._told(parameters)
            secrets = Secrets(environ=os.environ)
            with (
                TemporaryDirectory(dir=self._workdir) as scratch,
                Rasters(Path(scratch), place_of(told.grid, {}, ""), secrets) as opened,
            ):
                rasters = _Measuring(told, opened, Path(scratch))
                found = [self._derived(item, told, *rasters.rows(item)) for item in self.payload["features"]]
                for note in (*rasters.notes, *opened.notes):
                    self.logger.info(note)
                return found
        except (DocumentError, ZonesError) as exc:
            raise InvalidInput(str(exc)) from exc

    def _told(self, parameters: Mapping[str, Any]) -> ZonalParameters:
        """Return the parameters; of `workflow_options`, which all tasks have, those that this one knows."""
        known = ZonalParameters.model_fields
        own = {name: value for name, value in parameters.items() if name in known or name in self.task_options}
        found = parse_value(ZonalParameters, own, f"tasks.{self.name}")
        found.rules("asset")
        return found

    def _derived(
        self, item: dict[str, Any], told: ZonalParameters, rows: pa.Table, units: Mapping[str, str]
    ) -> dict[str, Any]:
        """Return the item with the table in place of its rasters; the table is uploaded where a place is named."""
        made = self.create_item_from_item({"links": [], **item})
        made["id"] = f"{item['id']}-{self.name}"
        path = self._workdir / f"{made['id'].replace('/', '_')}.{told.format}"
        about = {"pileus": "statistics", "item": str(item["id"])}
        path.write_bytes(parquet_of(rows, about, units) if told.format == "parquet" else to_csv(rows))
        facts = table_facts(rows, units)
        asset = {"href": str(path), "type": TYPES[told.format], "roles": ["data"], "title": "zonal statistics"}
        made["assets"] = {TABLE: asset | facts}
        made["stac_extensions"] = sorted({*made.get("stac_extensions", ()), *EXTENSIONS})
        made = self.add_software_version_to_item(made)
        if not self.payload.get_collection_upload_options(made.get("collection")).get("path_template"):
            return made
        uploaded: dict[str, Any] = self.upload_item_assets_to_s3(Item.from_dict(made)).to_dict(transform_hrefs=False)
        return uploaded


class _Measuring:
    """Measures items, one after the other, in the same zones."""

    def __init__(self, told: ZonalParameters, opened: Rasters, scratch: Path) -> None:
        self._told, self._opened, self._scratch = told, opened, scratch
        self._zones, self._cache = _zones(told, opened), MemoryCache()
        self.notes = list(self._zones.notes)

    def rows(self, item: Mapping[str, Any]) -> tuple[pa.Table, dict[str, str]]:
        """Return a row for each zone and asset of an item, and the units of the assets. Raises DocumentError, and what
        measuring raises.
        """
        tables, units = [], dict[str, str]()
        masks = tuple(dict.fromkeys(one.band for one in self._told.valid))
        for name in self._told.measured(item):
            of_both = {one: item["assets"][one] for one in (name, *masks)}
            found = measure(
                [self._opened.source(_path(asset["href"]), _ignore, one) for one, asset in of_both.items()],
                self._told.rules(name),
                self._zones,
                bands={one: self._told.band(one, asset) for one, asset in of_both.items()},
                cache=self._cache,
                scratch=self._scratch,
            )
            tables.append(with_unit(found.table, found.units))
            units |= found.units
            self.notes += found.notes
        table = pa.concat_tables(tables, promote_options="default")
        properties = item.get("properties") or {}
        moment = properties.get("datetime") or properties.get("start_datetime")
        for number, (column, text) in enumerate((("item", item["id"]), ("datetime", moment))):
            table = table.add_column(number, column, pa.array([text] * table.num_rows, pa.string()))
        return table, units


def _zones(told: ZonalParameters, opened: Rasters) -> Zones:
    if not isinstance(told.zones, str):
        return read_zones(json.dumps(told.zones).encode(), zone_id=told.zone_id, where="zones")
    path = _path(told.zones)
    content = opened.bytes_of(path) if "://" in path else Path(path)
    return read_zones(content, zone_id=told.zone_id, where=told.zones)


def _path(href: str) -> str:
    """Return the address of a file; its path where it lies here."""
    return href.removeprefix("file://")


def _ignore(_: int) -> None:
    return None
