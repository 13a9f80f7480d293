"""Cloud-optimised GeoTIFFs: one a zone and band."""

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.io import MemoryFile

from pileus.outputs.windows import Window

BLOCK = 512
"""Rows and columns of a block."""


def cog(window: Window, unit: str = "") -> bytes:
    """Return a cloud-optimised GeoTIFF with a mask band, overviews, predictor and ZSTD.

    The mask is 0 where nothing was observed. Pixels around the zone are kept, for comparison with it.
    """
    values = window.values if window.values.dtype != np.bool_ else window.values.astype("u1")
    rows, columns = values.shape
    profile = {"driver": "GTiff", "height": rows, "width": columns, "count": 1, "dtype": values.dtype}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        MemoryFile() as plain,
        MemoryFile(ext=".tif") as optimised,
    ):
        with plain.open(**profile, crs=window.crs, transform=window.transform) as raster:
            raster.write(np.where(window.valid, values, 0).astype(values.dtype), 1)
            raster.write_mask(window.valid)
            raster.set_band_description(1, window.band)
            raster.set_band_unit(1, unit)
            raster.update_tags(zone=window.zone[:500], zone_name=window.name[:500])
        with plain.open() as raster:
            options = {"compress": "ZSTD", "level": 9, "predictor": "YES", "blocksize": _block(rows, columns)}
            rasterio.shutil.copy(raster, optimised.name, driver="COG", overview_resampling="average", **options)
        return bytes(optimised.read())


def _block(rows: int, columns: int) -> int:
    """Return the size of a block: a multiple of 16, as TIFF requires, and small for small clips, since a block is
    stored whole.

    >>> _block(40, 100), _block(4000, 100)
    (128, 512)
    """
    return min(BLOCK, max(128, -(-max(rows, columns) // 16) * 16))
