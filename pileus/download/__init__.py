"""The download hop: granules of a group become verified files in a folder."""
