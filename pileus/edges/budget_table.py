"""The table of connection budgets: items of workers and of slots, each changed by conditional writes alone.

Partition key `provider`, sort key `lease`: `worker#NAME` with the worker's Holder, `slot#NUMBER` with the worker and
the token of the one taking that it stands for. No item is written by all
workers: a worker writes its own item, and a slot is written when a worker takes it or gives it back.
"""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from pileus.edges.aws_errors import translated
from pileus.edges.budget import Holder
from pileus.errors import Conflict

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class BudgetTable(Protocol):
    """Raises StoreError when the table cannot be read or written."""

    def holders(self, provider: str, *, now: bool = True) -> list[Holder]:
        """Return all workers that have or want connections.

        `now`: with a consistent read, which sees every finished write.
        """

    def put(self, provider: str, holder: Holder, known: Collection[str | None]) -> bool:
        """Write a worker's item if its tag is one of `known`; None stands for no item. Return whether it did."""

    def remove(self, provider: str, worker: str, known: Collection[str | None]) -> bool:
        """Delete a worker's item if its tag is one of `known`; None stands for no item. Return whether it is gone."""

    def take(self, provider: str, slot: int, worker: str, token: str, instead_of: str | None = None) -> str:
        """Take a slot that is free, or that was taken with the token `instead_of`.

        Return the token that has the slot now: `token` if this took it, another if a worker has it, "" if it is free
        again.
        """

    def free(self, provider: str, slot: int, *, worker: str, token: str | None = None) -> None:
        """Free a slot if `worker` has it with this token, or with any where none is given."""


class DynamoBudgetTable:
    """The table in DynamoDB."""

    def __init__(self, client: "DynamoDBClient", name: str) -> None:
        self._client, self._name = client, name

    def holders(self, provider: str, *, now: bool = True) -> list[Holder]:
        return list(self._pages(provider, now))

    def _pages(self, provider: str, now: bool) -> Iterator[Holder]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._name,
            KeyConditionExpression="provider = :provider AND begins_with(lease, :worker)",
            ExpressionAttributeValues={":provider": {"S": provider}, ":worker": {"S": "worker#"}},
            ConsistentRead=now,
        )
        with translated(provider, "DynamoDB"):
            for page in pages:
                for item in page["Items"]:
                    yield _holder(item)

    def put(self, provider: str, holder: Holder, known: Collection[str | None]) -> bool:
        item = {
            **_key(provider, f"worker#{holder.worker}"),
            "slots": {"S": " ".join(map(str, sorted(holder.slots)))},
            "ticket": {"N": str(holder.ticket)},
            "tag": {"S": holder.tag},
            "dead": {"BOOL": holder.dead},
        }
        if self._changed(provider, "put_item", Item=item, **_if_known(known)):
            return True
        stored = self._item(provider, f"worker#{holder.worker}")  # a retry after a lost answer finds its own write
        return bool(stored) and _holder(stored).tag == holder.tag

    def remove(self, provider: str, worker: str, known: Collection[str | None]) -> bool:
        key = _key(provider, f"worker#{worker}")
        if self._changed(provider, "delete_item", Key=key, **_if_known(known)):
            return True
        return not self._item(provider, f"worker#{worker}")

    def take(self, provider: str, slot: int, worker: str, token: str, instead_of: str | None = None) -> str:
        item = {**_key(provider, _slot(slot)), "worker": {"S": worker}, "tag": {"S": token}}
        if self._changed(provider, "put_item", Item=item, **_if_known({None, instead_of})):
            return token
        stored = self._item(provider, _slot(slot))
        return str(stored["tag"]["S"]) if stored else ""

    def free(self, provider: str, slot: int, *, worker: str, token: str | None = None) -> None:
        condition, values = "worker = :worker", {":worker": {"S": worker}}
        if token is not None:
            condition, values = f"{condition} AND tag = :tag", {**values, ":tag": {"S": token}}
        self._changed(
            provider,
            "delete_item",
            Key=_key(provider, _slot(slot)),
            ConditionExpression=condition,
            ExpressionAttributeValues=values,
        )

    def _item(self, provider: str, lease: str) -> Any:
        with translated(provider, "DynamoDB"):
            answer = self._client.get_item(TableName=self._name, Key=_key(provider, lease), ConsistentRead=True)
        return answer.get("Item", {})

    def _changed(self, provider: str, call: str, **request: Any) -> bool:
        """Return whether a conditional write was done. Raises StoreError."""
        try:
            with translated(provider, "DynamoDB"):
                getattr(self._client, call)(TableName=self._name, **request)
        except Conflict:
            return False
        return True


def _key(provider: str, lease: str) -> dict[str, Any]:
    return {"provider": {"S": provider}, "lease": {"S": lease}}


def _slot(number: int) -> str:
    return f"slot#{number:05}"


def _holder(item: Any) -> Holder:
    return Holder(
        worker=item["lease"]["S"].removeprefix("worker#"),
        slots=frozenset(map(int, item["slots"]["S"].split())),
        ticket=int(item["ticket"]["N"]),
        tag=item["tag"]["S"],
        dead=item["dead"]["BOOL"],
    )


def _if_known(known: Collection[str | None]) -> dict[str, Any]:
    """Return the condition that an item has one of these tags; None stands for no item."""
    tags = sorted(tag for tag in known if tag is not None)
    terms = ["attribute_not_exists(tag)"] if None in known else []
    if tags:
        terms.append(f"tag IN ({', '.join(f':tag{number}' for number in range(len(tags)))})")
    values = {f":tag{number}": {"S": tag} for number, tag in enumerate(tags)}
    return {"ConditionExpression": " OR ".join(terms), **({"ExpressionAttributeValues": values} if values else {})}
