"""Zonal statistics: zones are compiled once, then each month takes one pass over its bytes.

    zones  -> index    which pixels of a grid each zone covers, kept in a cache
    source -> layers   bands of rasters, in files or streams (`pileus.raster`, `pileus.unpack`)
    index x layers     -> accumulators -> table

>>> import numpy, shapely, pathlib, rasterio, tempfile
>>> from pileus.documents import Process
>>> folder = pathlib.Path(tempfile.mkdtemp())
>>> with rasterio.open(folder / "a.tif", "w", driver="GTiff", width=3, height=3, count=1, dtype="float32",
...                    crs="EPSG:4326", transform=rasterio.Affine(1, 0, 0, 0, -1, 3)) as file:
...     file.write(numpy.arange(1, 10, dtype="float32").reshape(1, 3, 3))
>>> zones = make_zones(["left"], ["left"], [shapely.box(0, 0, 1.5, 3)], "EPSG:4326")
>>> process = Process(band="a", zones="", stats=("count", "sum"))
>>> measure([Source("a.tif", path=folder / "a.tif")], process, zones, scratch=folder).table.to_pylist()
[{'zone': 'left', 'zone_name': 'left', 'band': 'a', 'count': 4.5, 'sum': 19.5}]
"""

from pileus.zonal.cache import FolderCache, MemoryCache, TieredCache, ZoneIndexCache
from pileus.zonal.measure import Measured, measure
from pileus.zonal.source import Source
from pileus.zonal.zones import Zones, make_zones, read_zones

__all__ = [
    "FolderCache",
    "Measured",
    "MemoryCache",
    "Source",
    "TieredCache",
    "ZoneIndexCache",
    "Zones",
    "make_zones",
    "measure",
    "read_zones",
]
