"""The raster hop: members become layers of pixels with their grid and their validity."""
