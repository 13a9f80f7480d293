"""Longitudes from 0 to 360 degrees, as many reanalyses have them, as -180 to 180."""

import math
from dataclasses import replace

from pileus.raster.grid import Grid

CIRCLE = 360.0


def rolled(grid: Grid) -> tuple[Grid, int]:
    """Return the grid with longitudes from about -180 to 180, and the column of the file that its first column is.

    A grid around the whole Earth is rolled so that its first column is the first whose middle lies at or east of 180.
    One that lies east of 180 as a whole is moved. Any other is returned as it is.

    >>> world = Grid(4, 2, -45, 90, 90, -90, "EPSG:4326")
    >>> rolled(world)[0].west, rolled(world)[1]
    (-225.0, 2)
    >>> rolled(Grid(4, 2, 190, 90, 10, -90, "EPSG:4326"))[0].west
    -170.0
    """
    east = grid.west + grid.width * grid.dx
    if east <= 180 + grid.dx / 2 or not grid.geographic:
        return grid, 0
    if grid.west >= 180 - grid.dx / 2:
        return replace(grid, west=grid.west - CIRCLE), 0
    if abs(grid.width * grid.dx - CIRCLE) > grid.dx / 2:
        return grid, 0
    column = math.ceil((180 - grid.west) / grid.dx - 0.5)
    return replace(grid, west=grid.west + column * grid.dx - CIRCLE), column


def reaches_beyond(grid: Grid) -> bool:
    """Return whether a grid has pixels east of 180 degrees, where zones in -180 to 180 never lie."""
    return grid.geographic and grid.west + grid.width * grid.dx > 180 + grid.dx / 2
