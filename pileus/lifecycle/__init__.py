"""The life of backfills, partitions and requests, as pure functions and records: no clock, no store, no network."""

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
    stop,
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
    "stop",
    "void",
    "wait",
]
