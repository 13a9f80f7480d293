"""What a ZeroMQ node and those who ask it say: `rid!type!json`, and for files a frame of bytes after it.

asked         with                         answered
epas          nothing                      epas: patterns of endpoints
capabilities  nothing                      capabilities, epas
exe           a request                    where it stands
status        nothing                      where it stands
list          cid, limit                   requests
result        name, form                   id: by which `piece` gives it
piece         id, number                   last: whether it was the last; the bytes
upload        size, offset; the bytes      length: that it has; at the end uri
stop          nothing                      where it stands
delete        nothing                      nothing

Answers are `rid!json`; one that begins with `error` says in `kind` which of the errors of Pileus it is. Where a request
stands is published as well: a frame `rid!status`, and one of JSON. Results are published to those who subscribed, in
order: a frame `rid!result`, one of JSON with name, number and last, and one of bytes.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pileus.errors import DocumentError
from pileus.models import State
from pileus.near import unknown
from pileus.nodes.told_errors import raise_told
from pileus.stratus.request import LONGEST, NAME
from pileus.stratus.service import STATUS, Progress
from pileus.strict_json import parse_json, plain_json

PIECE = 1 << 20
"""Most bytes of a file in one message."""
LARGEST = LONGEST + 1000
"""Most bytes of a frame: more, and the connection is closed."""
REQUEST_PORT, RESPONSE_PORT = 4556, 4557
KINDS = (
    "epas",
    "capabilities",
    "exe",
    "status",
    "list",
    "result",
    "piece",
    "upload",
    "stop",
    "delete",
)
_KIND = re.compile(r"[a-z]{1,20}")


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked. `ask_frames` and `ask_of` are inverses."""

    rid: str
    """Of the request that it is about, or of the upload; empty: neither."""
    kind: str
    value: Mapping[str, Any] = field(default_factory=dict)
    piece: bytes = b""


def ask_frames(ask: Ask) -> list[bytes]:
    """Return the frames of a question."""
    text = "!".join((ask.rid, ask.kind, json.dumps(ask.value)))
    return [text.encode(), ask.piece] if ask.piece else [text.encode()]


def ask_of(frames: Sequence[bytes]) -> Ask:
    """Return the question of some frames. Raises DocumentError for what is none."""
    if not 1 <= len(frames) <= 2:
        raise DocumentError(f"a message of {len(frames):,} frames: expected rid!type!json, and at most one of bytes")
    if len(frames) == 2 and len(frames[1]) > PIECE:
        raise DocumentError(f"a piece of {len(frames[1]):,} bytes, and {PIECE:,} are the most")
    rid, _, rest = _text(frames[0]).partition("!")
    kind, _, body = rest.partition("!")
    if rid and not NAME.fullmatch(rid):
        raise DocumentError("rid: expected a name of up to 64 letters, digits, _ and -")
    if kind not in KINDS:
        raise DocumentError(unknown("type", kind if _KIND.fullmatch(kind) else "?", KINDS))
    return Ask(rid, kind, _object(body or "{}"), frames[1] if len(frames) == 2 else b"")


def answer_frames(rid: str, value: Mapping[str, Any], piece: bytes | None = None) -> list[bytes]:
    """Return the frames of an answer."""
    text = f"{rid}!{plain_json(value)}".encode()
    return [text] if piece is None else [text, piece]


def answer_of(frames: Sequence[bytes]) -> tuple[dict[str, Any], bytes]:
    """Return an answer, and the bytes with it. Raises the error that it tells; DocumentError for what is no answer."""
    if not 1 <= len(frames) <= 2:
        raise DocumentError(f"an answer of {len(frames):,} frames")
    value = _object(_text(frames[0]).partition("!")[2])
    raise_told(value)
    return value, frames[1] if len(frames) == 2 else b""


def progress_value(progress: Progress) -> dict[str, Any]:
    """Return where a request stands, as JSON."""
    return {
        "rid": progress.rid,
        "cid": progress.cid,
        "status": STATUS[progress.state],
        "state": progress.state.value,
        "outputs": list(progress.outputs),
        "done": progress.done,
        "operations": progress.operations,
        "why": progress.why,
    }


def progress_of(value: Mapping[str, Any]) -> Progress:
    """Return what `progress_value` wrote. Raises DocumentError."""
    try:
        return Progress(
            str(value["rid"]),
            str(value.get("cid", "")),
            State(value["state"]),
            tuple(str(one) for one in value["outputs"]),
            int(value["done"]),
            int(value["operations"]),
            str(value.get("why", "")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DocumentError(f"where a request stands: not understood ({type(error).__name__} {error})") from error


def number(value: Mapping[str, Any], key: str, most: int) -> int:
    """Return a whole number from 0 to `most` of a message. Raises DocumentError."""
    found = value.get(key)
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found <= most:
        raise DocumentError(f"{key}: expected a whole number from 0 to {most:,}")
    return found


def word(value: Mapping[str, Any], key: str, default: str | None = None) -> str:
    """Return a text of a message, of up to 200 characters. Raises DocumentError."""
    found = value.get(key, default)
    if not isinstance(found, str) or len(found) > 200:
        raise DocumentError(f"{key}: expected a text of up to 200 characters")
    return found


def _text(frame: bytes) -> str:
    try:
        return frame.decode()
    except UnicodeDecodeError as error:
        raise DocumentError("a message: is not in UTF-8") from error


def _object(text: str) -> dict[str, Any]:
    try:
        value = parse_json(text)
    except ValueError as error:
        raise DocumentError(f"a message: {error}") from error
    if not isinstance(value, dict):
        raise DocumentError("a message: expected an object")
    return value
