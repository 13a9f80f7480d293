"""The STAC API: core, collections, features and item search over the items of the outputs."""
