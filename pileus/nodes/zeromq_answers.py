"""Answers to the questions that ZeroMQ clients ask of a service."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pileus.errors import DocumentError, PileusError, StoreError
from pileus.nodes.told_errors import error_value
from pileus.nodes.zeromq_files import LARGEST_UPLOAD, Coming, Sending
from pileus.nodes.zeromq_messages import Ask, answer_frames, ask_of, number, progress_value, word
from pileus.stratus.request import MOST_NODES, StratusRequest
from pileus.stratus.service import NETCDF, Service


class Answers:
    """Answers questions, each of a known type, with what a service says."""

    def __init__(self, service: Service, folder: Path, follow: Callable[[str], None]) -> None:
        self._service, self._follow = service, follow
        self._sending, self._coming = Sending(), Coming(folder)

    def __call__(self, frames: list[bytes]) -> list[bytes]:
        """Return the frames of the answer to some frames: of an error too."""
        rid = ""
        try:
            ask = ask_of(frames)
            rid = ask.rid
            value, piece = getattr(self, f"_{ask.kind}")(ask)
            return answer_frames(rid, value, piece)
        except PileusError as error:
            return answer_frames(rid, error_value(error))
        except OSError as error:
            return answer_frames(rid, error_value(StoreError(f"the node cannot keep it: {error.strerror}")))

    def _epas(self, _: Ask) -> tuple[Mapping[str, Any], None]:
        found = (one.pattern.partition(":")[0] for one in self._service.capabilities())
        return {"epas": list(dict.fromkeys(found))}, None

    def _capabilities(self, ask: Ask) -> tuple[Mapping[str, Any], None]:
        found = [one.to_json() for one in self._service.capabilities(_via(ask))]
        return {"capabilities": found, **self._epas(ask)[0]}, None

    def _exe(self, ask: Ask) -> tuple[Mapping[str, Any], None]:
        given = ask.value.get("rid", "")
        if ask.rid and given and given != ask.rid:
            raise DocumentError(f"rid: {ask.rid} before the request, and another in it")
        request = StratusRequest.from_json({**ask.value, "rid": ask.rid or given})
        progress = self._service.start(request)
        self._follow(progress.rid)
        return progress_value(progress), None

    def _status(self, ask: Ask) -> tuple[Mapping[str, Any], None]:
        return progress_value(self._service.find(_rid(ask))), None

    def _list(self, ask: Ask) -> tuple[Mapping[str, Any], None]:
        limit = number(ask.value, "limit", 1000) if "limit" in ask.value else 100
        found = self._service.list(word(ask.value, "cid", ""), limit)
        return {"requests": [progress_value(one) for one in found]}, None

    def _result(self, ask: Ask) -> tuple[Mapping[str, Any], None]:
        content = self._service.result(_rid(ask), word(ask.value, "name", ""), word(ask.value, "form", NETCDF))
        return {"id": self._sending.begin(content)}, None

    def _piece(self, ask: Ask) -> tuple[Mapping[str, Any], bytes]:
        piece, last = self._sending.piece(word(ask.value, "id"), number(ask.value, "number", LARGEST_UPLOAD))
        return {"last": last}, piece

    def _upload(self, ask: Ask) -> tuple[Mapping[str, Any], None]:
        size, offset = (number(ask.value, key, LARGEST_UPLOAD) for key in ("size", "offset"))
        length, whole = self._coming.take(ask.rid, size, offset, ask.piece)
        if whole is None:
            return {"length": length}, None
        try:
            with whole.open("rb") as file:
                return {"length": length, "uri": self._service.upload(file)}, None
        finally:
            whole.unlink()

    def _stop(self, ask: Ask) -> tuple[Mapping[str, Any], None]:
        return progress_value(self._service.stop(_rid(ask))), None

    def _delete(self, ask: Ask) -> tuple[Mapping[str, Any], None]:
        self._service.delete(_rid(ask))
        return {}, None


def _via(ask: Ask) -> tuple[str, ...]:
    via = ask.value.get("via", [])
    if not isinstance(via, list) or len(via) > MOST_NODES or not all(isinstance(one, str) for one in via):
        raise DocumentError(f"via: expected the ids of at most {MOST_NODES} nodes")
    return tuple(via)


def _rid(ask: Ask) -> str:
    if not ask.rid:
        raise DocumentError(f"{ask.kind}: expected the rid of a request before it")
    return ask.rid
