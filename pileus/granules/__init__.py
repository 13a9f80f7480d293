"""Granules as records: each has an id, its files, and what last worked on it, whose state it has.

    note (discovery, workflows) ──> record ──> find, list ──> act: reingest, apply a workflow, move, remove

Records are kept for collections that say by `granuleIdExtraction` how a file's name tells the granule.
"""
