"""A request: operations, their inputs, and domains; in both spellings of Stratus.

this                Stratus's hpda     what
operation           operations         what is done, each with its own result
input               variables          what is read
domain              domains            parts of space and time
name "epa:op"       epa, name          an operation's two names: of the endpoint, and within it
epa:key                                a key at the top that the endpoint of this name alone gets;
                                       inputs and domains under such a key are like all others
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pileus.errors import DocumentError
from pileus.near import unknown

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
"""Form of the names of inputs, results, domains and requests."""
MOST_OPERATIONS = 10_000
LONGEST = 4 << 20
"""Bytes of a request."""
AXES = {
    "lat": "lat",
    "y": "lat",
    "lon": "lon",
    "x": "lon",
    "lev": "lev",
    "level": "lev",
    "z": "lev",
    "time": "time",
    "t": "time",
}
"""Names that a domain may give an axis, and which axis each is."""
SYSTEMS = ("values", "indices", "timestamps")
SPELLINGS = {"operations": "operation", "variables": "input", "inputs": "input", "domains": "domain"}
LISTED = ("input", "domain", *SPELLINGS)
"""Keys that an endpoint's name may stand before, or that have another spelling."""
KEYS = ("rid", "cid", "operation", "input", "domain", "outputs", "epa", "via")
MOST_NODES = 32
"""Nodes that a request may pass."""
_OPERATION = ("name", "epa", "input", "inputs", "result", "domain")
_INPUT = ("name", "uri", "domain")


@dataclass(frozen=True, slots=True)
class Axis:
    """Bounds on one axis, both included."""

    start: float | str
    """A number; for `timestamps` a moment in ISO 8601."""
    end: float | str
    system: Literal["values", "indices", "timestamps"]
    """`values`: of the coordinate. `indices`: positions from 0. `timestamps`: moments."""


@dataclass(frozen=True, slots=True)
class Domain:
    """A part of space and time."""

    name: str
    axes: Mapping[str, Axis]
    """By `lat`, `lon`, `lev` and `time`; what is not named is whole."""


@dataclass(frozen=True, slots=True)
class Input:
    """What is read."""

    id: str
    """As operations name it."""
    uri: str
    variable: str
    """Of the data set; empty: all."""
    domain: str = ""
    """Name of the domain that is read; empty: all."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What is done with some inputs and results of others."""

    epa: str
    """Name of the endpoint, before the colon."""
    op: str
    """What it is to do, after the colon."""
    inputs: tuple[str, ...]
    """Ids of inputs, and names of results of others; in this order."""
    result: str
    """Name of what it makes: unique in the request."""
    domain: str = ""
    """Name of the domain to which what it makes is cut; empty: none."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """All its other keys."""

    @property
    def name(self) -> str:
        """`epa:op`."""
        return f"{self.epa}:{self.op}"


@dataclass(frozen=True, slots=True)
class StratusRequest:
    """One request. `from_json` and `to_json` are inverses."""

    operations: tuple[Operation, ...]
    inputs: Mapping[str, Input] = field(default_factory=dict)
    """By id."""
    domains: Mapping[str, Domain] = field(default_factory=dict)
    """By name."""
    rid: str = ""
    """Id of the request; empty: its receiver makes one."""
    cid: str = ""
    """Whoever asks, by a name of its own; empty: none."""
    outputs: tuple[str, ...] = ()
    """Results that are wanted; empty: the one that no operation reads."""
    keys: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By endpoint, what the top of the request says to it alone."""
    via: tuple[str, ...] = ()
    """Ids of the nodes that it has passed, the first one first; nodes write it, and no user."""

    @classmethod
    def from_json(cls, value: object) -> "StratusRequest":
        """Return the request of a JSON document. Raises DocumentError with all that is wrong, each with its path.

        >>> request = StratusRequest.from_json({
        ...     "input": [{"name": "tas:v0", "uri": "https://example.org/tas.nc"}],
        ...     "operation": [{"name": "xop:mean", "input": "v0", "axis": "time"}],
        ... })
        >>> request.operations[0].name, request.operations[0].inputs, request.operations[0].result
        ('xop:mean', ('v0',), 'r1')
        """
        if not isinstance(value, Mapping):
            raise DocumentError("a request: expected an object")
        if len(json.dumps(value)) > LONGEST:
            raise DocumentError(f"a request: more than {LONGEST:,} bytes")
        return _Reader(value).request()

    def to_json(self) -> dict[str, Any]:
        """Return the document, in the first spelling."""
        told: dict[str, Any] = {
            "operation": [_operation_json(one) for one in self.operations],
            "input": [
                _given(name=":".join(filter(None, (one.variable, one.id))), uri=one.uri, domain=one.domain)
                for one in self.inputs.values()
            ],
            "domain": [
                {"name": one.name} | {axis: _axis_json(bounds) for axis, bounds in one.axes.items()}
                for one in self.domains.values()
            ],
        }
        named = _given(rid=self.rid, cid=self.cid, outputs=list(self.outputs), via=list(self.via))
        apart = {f"{epa}:{key}": value for epa, keys in self.keys.items() for key, value in keys.items()}
        return named | told | apart


class _Reader:
    """Reads one document, and gathers what is wrong with it."""

    def __init__(self, value: Mapping[str, Any]) -> None:
        self._wrong: list[str] = []
        self._value: dict[str, Any] = {}
        apart: dict[str, list[Any]] = {}
        for key, one in value.items():
            epa, _, last = key.rpartition(":")
            plain = SPELLINGS.get(last, last) if last in LISTED else key
            if epa and last in LISTED:
                apart.setdefault(plain, []).extend(one if isinstance(one, list) else [one])
            elif plain in self._value:
                self._wrong.append(f"{key}: given twice, as {plain} too")
            else:
                self._value[plain] = one
        for plain, listed in apart.items():
            there = self._value.get(plain, [])
            self._value[plain] = [*(there if isinstance(there, list) else [there]), *listed]

    def request(self) -> StratusRequest:
        operations = [self._operation(at, one) for at, one in self._each("operation", required=True)]
        inputs = [self._input(at, one) for at, one in self._each("input")]
        domains = [self._domain(at, one) for at, one in self._each("domain")]
        keys = self._keys()
        outputs = self._words("outputs", self._value.get("outputs", []))
        via = self._words("via", self._value.get("via", []))
        if len(via) > MOST_NODES:
            self._wrong.append(f"via: has passed {len(via)} nodes, and {MOST_NODES} are the most")
        rid, cid = self._name("rid", self._value.get("rid", "")), self._name("cid", self._value.get("cid", ""))
        for what, names in (
            ("result", [one.result for one in operations if one] + [one.id for one in inputs if one]),
            ("domain", [one.name for one in domains if one]),
        ):
            self._wrong += [f"{what} {one!r}: named twice" for one in _twice(names)]
        if self._wrong:
            raise DocumentError("; ".join(self._wrong[:20]))
        return StratusRequest(
            tuple(one for one in operations if one),
            {one.id: one for one in inputs if one},
            {one.name: one for one in domains if one},
            rid,
            cid,
            outputs,
            keys,
            via,
        )

    def _each(self, key: str, *, required: bool = False) -> list[tuple[str, Mapping[str, Any]]]:
        listed = self._value.get(key, [])
        listed = [listed] if isinstance(listed, Mapping) else listed
        if not isinstance(listed, Sequence) or isinstance(listed, str) or (required and not listed):
            self._wrong.append(f"{key}: expected a list of {'at least one object' if required else 'objects'}")
            return []
        if len(listed) > MOST_OPERATIONS:
            self._wrong.append(f"{key}: {len(listed):,}, and {MOST_OPERATIONS:,} are the most")
            return []
        found = [(f"{key}[{number}]", one) for number, one in enumerate(listed)]
        self._wrong += [f"{at}: expected an object" for at, one in found if not isinstance(one, Mapping)]
        return [(at, one) for at, one in found if isinstance(one, Mapping)]

    def _operation(self, at: str, one: Mapping[str, Any]) -> Operation | None:
        name, epa = one.get("name"), one.get("epa", self._value.get("epa"))
        parts = re.split(r"[:.]", name, maxsplit=1) if isinstance(name, str) else []
        if len(parts) == 1 and isinstance(epa, str):
            parts = [*re.split(r"[:.]", epa, maxsplit=1)[:1], *parts]
        elif name is None and isinstance(epa, str):
            parts = re.split(r"[:.]", epa, maxsplit=1)
        if len(parts) != 2 or not all(NAME.fullmatch(part) for part in parts):
            self._wrong.append(f"{at}.name: expected ENDPOINT:OPERATION, not {str(name)[:80]!r}")
            return None
        number = at[at.index("[") + 1 : -1]
        result = self._name(f"{at}.result", one.get("result", f"r{int(number) + 1}"))
        inputs = self._words(f"{at}.input", one.get("input", one.get("inputs", [])))
        domain = self._name(f"{at}.domain", one.get("domain", ""))
        rest = {key: value for key, value in one.items() if key not in _OPERATION}
        return Operation(parts[0], parts[1], inputs, result, domain, rest)

    def _input(self, at: str, one: Mapping[str, Any]) -> Input | None:
        self._only(at, one, _INPUT)
        name, uri = one.get("name"), one.get("uri")
        if not isinstance(uri, str) or not 0 < len(uri) <= 2000:
            self._wrong.append(f"{at}.uri: expected an address")
            return None
        if not isinstance(name, str):
            self._wrong.append(f"{at}.name: expected VARIABLE:ID, or an id")
            return None
        variable, _, id = name.rpartition(":")
        return Input(
            self._name(f"{at}.name", id, required=True),
            uri,
            variable,
            self._name(f"{at}.domain", one.get("domain", "")),
        )

    def _domain(self, at: str, one: Mapping[str, Any]) -> Domain | None:
        axes: dict[str, Axis] = {}
        for key, bounds in one.items():
            if key == "name":
                continue
            if key not in AXES:
                self._wrong.append(f"{at}: {unknown('axis', key, AXES)}")
            elif AXES[key] in axes:
                self._wrong.append(f"{at}.{key}: given twice")
            elif axis := self._axis(f"{at}.{key}", bounds, time=AXES[key] == "time"):
                axes[AXES[key]] = axis
        return Domain(self._name(f"{at}.name", one.get("name"), required=True), axes)

    def _axis(self, at: str, bounds: object, *, time: bool) -> Axis | None:
        if not isinstance(bounds, Mapping):
            self._wrong.append(f"{at}: expected start and end")
            return None
        self._only(at, bounds, ("start", "end", "system", "crs"))
        system = bounds.get("system", bounds.get("crs", "timestamps" if time else "values"))
        if system not in SYSTEMS or (system == "timestamps" and not time):
            self._wrong.append(f"{at}.system: expected values or indices{' or timestamps' if time else ''}")
            return None
        kinds: tuple[type, ...] = (str,) if system == "timestamps" else (int,) if system == "indices" else (int, float)
        start, end = bounds.get("start"), bounds.get("end", bounds.get("start"))
        if any(not isinstance(one, kinds) or isinstance(one, bool) for one in (start, end)):
            self._wrong.append(f"{at}: expected start and end as {'moments' if kinds == (str,) else 'numbers'}")
            return None
        return Axis(start, end, system)  # type: ignore[arg-type]  # their kinds are checked above

    def _keys(self) -> dict[str, dict[str, Any]]:
        keys: dict[str, dict[str, Any]] = {}
        for key, value in self._value.items():
            epa, colon, name = key.partition(":")
            if colon and NAME.fullmatch(epa) and name:
                keys.setdefault(epa, {})[name] = value
            elif key not in KEYS:
                self._wrong.append(unknown("key", key, [*KEYS, *SPELLINGS]))
        return keys

    def _only(self, at: str, one: Mapping[str, Any], known: Iterable[str]) -> None:
        self._wrong += [f"{at}: {unknown('key', key, known)}" for key in one if key not in known]

    def _words(self, at: str, value: object) -> tuple[str, ...]:
        words = [word.strip() for word in value.split(",")] if isinstance(value, str) else value
        if not isinstance(words, Sequence) or not all(isinstance(word, str) for word in words):
            self._wrong.append(f"{at}: expected names, in a list or with commas between them")
            return ()
        return tuple(self._name(at, word, required=True) for word in words if word or not isinstance(value, str))

    def _name(self, at: str, value: object, *, required: bool = False) -> str:
        if value == "" and not required:
            return ""
        if not isinstance(value, str) or not NAME.fullmatch(value):
            self._wrong.append(f"{at}: expected a name of up to 64 letters, digits, _ and -, not {str(value)[:80]!r}")
            return ""
        return value


def _twice(names: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    return sorted({name for name in names if name and (name in seen or seen.add(name))})  # type: ignore[func-returns-value]


def _operation_json(one: Operation) -> dict[str, Any]:
    named = _given(name=one.name, input=list(one.inputs), result=one.result, domain=one.domain)
    return named | dict(one.parameters)


def _axis_json(axis: Axis) -> dict[str, Any]:
    return {"start": axis.start, "end": axis.end, "system": axis.system}


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in ("", [])}
