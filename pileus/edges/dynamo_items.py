"""The items of DynamoDB that entries are kept as, in two tables.

    table        hash key               range key   it has
    partitions   collection             partition   partitions, requests and runs of workflows
    payloads     collections_workflow   itemids     payloads of Cirrus; its schema is Cirrus's own

An item holds its keys and what a brief needs as attributes, the rest as JSON in `body`. That of a payload also has what
Cirrus's tools read, derived from the entry as it is written: there is no second write that could be lost. The hash key
is the scope of the subject, in the table of payloads without the kind, and the range key its item.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pileus.cirrus.rows import attributes
from pileus.edges.index import Brief, why
from pileus.errors import DamagedObject
from pileus.lifecycle.partition import Entry
from pileus.models import State, unsafe
from pileus.subject import PayloadId, Subject, asks, key_of

NUMBERS = ("lease", "size", "downloaded")
STATES = {str(state): state for state in State}
USUAL = "-"
"""Stored in place of a manifest's usual address."""
EXECUTIONS = "executions"
OF_PAYLOADS = f"{PayloadId.kind}:"


@dataclass(frozen=True, slots=True)
class Keys:
    """A table of entries, and what its keys are called."""

    table: str
    hash: str
    range: str
    kind: str = ""
    """What the scopes of its subjects begin with, and its hash key leaves out."""

    def of(self, subject: Subject) -> dict[str, Any]:
        """Return the key of a subject's item."""
        return {self.hash: self.scope(subject.scope), self.range: {"S": subject.item}}

    def scope(self, scope: str) -> dict[str, str]:
        """Return the hash key of a scope."""
        return {"S": scope.removeprefix(self.kind)}

    def subject(self, item: Mapping[str, Any]) -> tuple[str, str]:
        """Return the scope and the key of the subject of an item."""
        scope = self.kind + item[self.hash]["S"]
        return scope, key_of(scope, item[self.range]["S"])


@dataclass(frozen=True, slots=True)
class Items:
    """Makes items of entries and back."""

    partitions: Keys
    payloads: Keys
    manifests: str
    """Beginning of the address of every manifest, which is then not stored with each; or empty."""

    @classmethod
    def of_tables(cls, partitions: str, payloads: str, manifests: str) -> "Items":
        """Return what makes the items of two tables of these names."""
        return cls(
            Keys(partitions, "collection", "partition"),
            Keys(payloads, "collections_workflow", "itemids", OF_PAYLOADS),
            manifests,
        )

    def keys(self, scope: str) -> Keys:
        """Return the table that the entries of a scope are in."""
        return self.payloads if scope.startswith(OF_PAYLOADS) else self.partitions

    def item(self, entry: Entry) -> dict[str, Any]:
        """Return the item of an entry. The body leaves out what the attributes hold: small items are read faster."""
        body, subject = entry.to_json(), entry.subject
        del body["partition" if subject.kind == "partition" else "subject"]
        item: dict[str, Any] = self.keys(subject.scope).of(subject)
        for name in ("state", "run", "tag", *NUMBERS):
            if value := body.pop(name, None):
                item[name] = {"N" if name in NUMBERS else "S": str(value)}
        if line := why(entry):
            item["why"] = {"S": line[:300]}
        if subject.kind == PayloadId.kind:
            extra = {**body.get("extra", {})}
            item[EXECUTIONS] = {"L": [{"S": arn} for arn in extra.pop(EXECUTIONS, ())]}
            body["extra"] = extra
            item |= {name: {"S": text} for name, text in attributes(entry).items()}
        if entry.manifest == self._manifest(subject.key):
            body["manifest"] = USUAL
        said = {name: value for name, value in body.items() if value}  # a missing attribute has its default
        return item | {"body": {"S": json.dumps(said, separators=(",", ":"))}}

    def entry(self, item: Mapping[str, Any], keys: Keys) -> Entry:
        """Return the entry of an item of this table. Raises DamagedObject for one that other software has written."""
        scope, key = keys.subject(item)
        if not is_ours(item):
            raise DamagedObject("this row was not written by Pileus, which leaves it alone", where=key)
        value = json.loads(item["body"]["S"])
        value["subject" if asks(scope) else "partition"] = key
        value |= {name: item[name]["S"] for name in ("state", "run", "tag")}
        value |= {name: _number(item[name]["N"]) for name in NUMBERS if name in item}
        if value.get("manifest") == USUAL:
            value["manifest"] = self._manifest(key)
        if keys is self.payloads:
            known = [arn["S"] for arn in item[EXECUTIONS]["L"]]
            value["extra"] = value.get("extra", {}) | ({EXECUTIONS: known} if known else {})
        return Entry.from_json(value)

    def _manifest(self, key: str) -> str:
        return f"{self.manifests}{key}/manifest.json"


def is_ours(item: Mapping[str, Any]) -> bool:
    """Return whether Pileus has written an item: Cirrus's own Lambdas leave out the body."""
    return "body" in item


def brief_of(item: Mapping[str, Any]) -> Brief:
    """Return the brief of the item of a partition."""
    period, _, group = item["partition"]["S"].partition("/")
    return Brief(
        period,
        unsafe(group) if "%" in group else group,
        STATES[item["state"]["S"]],
        item["run"]["S"],
        float(item["lease"]["N"]) if "lease" in item else 0,
        int(item["size"]["N"]) if "size" in item else 0,
        int(item["downloaded"]["N"]) if "downloaded" in item else 0,
        item["why"]["S"] if "why" in item else "",
    )


def _number(text: str) -> int | float:
    return int(text) if text.isdecimal() else float(text)
