"""The life of backfills and partitions, as pure functions and records: no clock, no store, no network."""

from pileus.lifecycle.partition import (
    busy,
    claim,
    claimed,
    fail,
    finish,
    give_up,
    queue,
    release,
    renew,
    seen_from,
    void,
    wait,
)

__all__ = [
    "busy",
    "claim",
    "claimed",
    "fail",
    "finish",
    "give_up",
    "queue",
    "release",
    "renew",
    "seen_from",
    "void",
    "wait",
]
