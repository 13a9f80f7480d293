"""The live index in DynamoDB."""

import json
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from pileus.edges.aws_errors import translated
from pileus.edges.dynamo_items import Items, Keys, brief_of, is_ours
from pileus.edges.index import Brief, PayloadQuery, new_tag
from pileus.edges.store import parsed
from pileus.errors import Conflict
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.partition import Entry
from pileus.models import safe
from pileus.subject import Subject

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

T = TypeVar("T")
BATCH = 100
"""Most items of one BatchGetItem."""
PARALLEL = 8
"""Years that are read in parallel."""
YEARS = 150
"""Longest span that is read year by year."""
QUICK = "pileus-quick"


class DynamoIndex:
    """The index in DynamoDB; `pileus.edges.dynamo_items` says what an item is.

    Of partitions the scope has the year, so that a query for one month does not read all others, and years are read in
    parallel.
    """

    def __init__(
        self, client: "DynamoDBClient", *, partitions: str, payloads: str, backfills: str, manifests: str = ""
    ) -> None:
        """`manifests`: beginning of the address of every manifest, which is then not stored with each."""
        self._client = client
        self._partitions = partitions
        self._backfills = backfills
        self._items = Items.of_tables(partitions, payloads, manifests)

    def entry(self, subject: Subject) -> Entry | None:
        keys = self._items.keys(subject.scope)
        with translated(subject.key, "DynamoDB"):
            found = self._client.get_item(TableName=keys.table, Key=keys.of(subject), ConsistentRead=True)
        return self._items.entry(found["Item"], keys) if "Item" in found else None

    def several(self, subjects: Collection[Subject]) -> list[Entry]:
        found: list[Entry] = []
        for keys in (self._items.partitions, self._items.payloads):
            mine = [keys.of(subject) for subject in subjects if self._items.keys(subject.scope) is keys]
            for start in range(0, len(mine), BATCH):
                items = self._batch(keys.table, mine[start : start + BATCH])
                found += [self._items.entry(item, keys) for item in items]
        return found

    def _batch(self, table: str, keys: list[Any]) -> list[Any]:
        found: list[Any] = []
        wanted: Any = {table: {"Keys": keys, "ConsistentRead": True}}
        while wanted:
            with translated(table, "DynamoDB"):
                answer = self._client.batch_get_item(RequestItems=wanted)
            found += answer["Responses"].get(table, [])
            wanted = answer.get("UnprocessedKeys")
        return found

    def listing(self, scope: str, *, limit: int, after: str = "", backwards: bool = False) -> list[Entry]:
        keys = self._items.keys(scope)
        wanted = {keys.hash: {"ComparisonOperator": "EQ", "AttributeValueList": [keys.scope(scope)]}}
        if after:
            wanted[keys.range] = _is("LT" if backwards else "GT", after)
        request = {"TableName": keys.table, "KeyConditions": wanted, "ConsistentRead": True}
        return self._first(request | _order(limit, backwards), keys, limit)

    def payloads(self, wanted: PayloadQuery, *, limit: int, after: tuple[str, str] | None = None) -> list[Entry]:
        keys, by = self._items.payloads, wanted.sorted_by
        request = self._of_payloads(wanted) | _order(limit, not wanted.ascending)
        if after:
            place = {by: {"S": wanted.within(after[0])}, keys.range: {"S": after[1]}}
            request["ExclusiveStartKey"] = {keys.hash: keys.scope(wanted.scope)} | place
        return self._first(request, keys, limit)

    def count_payloads(self, wanted: PayloadQuery, *, limit: int) -> int:
        request, counted = self._of_payloads(wanted) | {"Select": "COUNT"}, 0
        for page in self._answers(request):
            counted += page["Count"]
            if counted > limit:
                break
        return counted

    def _of_payloads(self, wanted: PayloadQuery) -> dict[str, Any]:
        keys, by = self._items.payloads, wanted.sorted_by
        conditions: dict[str, Any] = {keys.hash: _is("EQ", keys.scope(wanted.scope)["S"])}
        if span := wanted.span:
            conditions[by] = _is("BETWEEN", *span)
        return {"TableName": keys.table, "IndexName": by, "KeyConditions": conditions, "ConsistentRead": True}

    def _first(self, request: dict[str, Any], keys: Keys, limit: int) -> list[Entry]:
        """Return the first entries of a query. What Pileus has not written is left out."""
        items = (item for page in self._pages(request) for item in page if is_ours(item))
        return [self._items.entry(item, keys) for item in islice(items, limit)]

    def entries(self, collection: str, version: str, first: str, last: str) -> Iterator[Entry]:
        keys = self._items.partitions
        yield from self._found(collection, version, first, last, lambda item: self._items.entry(item, keys))

    def briefs(self, collection: str, version: str, first: str, last: str) -> Iterator[Brief]:
        yield from self._found(collection, version, first, last, brief_of)

    def _found(self, collection: str, version: str, first: str, last: str, make: Callable[[Any], T]) -> Iterator[T]:
        """Yield what `make` makes of each item, in order of key; the years are read in parallel. A projection would not
        save pages.
        """
        years = range(int(first[:4]), int(last[:4]) + 1)
        if len(years) > YEARS:
            yield from self._scanned(collection, version, first, last, make)
            return

        def year(number: int) -> list[T]:
            whole = (f"{number}" > first[:4] or len(first) == 4) and (f"{number}" < last[:4] or len(last) == 4)
            # KeyConditions, not an expression: MiniStack would parse an expression for each item.
            wanted = {"collection": _is("EQ", f"{safe(collection)}/{safe(version)}/{number:04}")}
            if not whole:
                wanted["partition"] = _is("BETWEEN", f"{first}/", f"{last}/~")
            request = {"TableName": self._partitions, "KeyConditions": wanted, "ConsistentRead": True}
            return [make(item) for page in self._pages(request) for item in page]

        if len(years) == 1:
            yield from year(years[0])
            return
        with ThreadPoolExecutor(PARALLEL, thread_name_prefix="record") as pool:
            for items in pool.map(year, years):
                yield from items

    def _pages(self, request: dict[str, Any]) -> Iterator[list[Any]]:
        _parse_quickly(self._client)
        for page in self._answers(request):
            yield page["Items"]

    def _answers(self, request: dict[str, Any]) -> Iterator[Any]:
        more: dict[str, Any] = {}
        while True:
            with translated(request["TableName"], "DynamoDB"):
                page: Any = self._client.query(**(request | more))
            yield page
            if "LastEvaluatedKey" not in page:
                return
            more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def _scanned(self, collection: str, version: str, first: str, last: str, make: Callable[[Any], T]) -> Iterator[T]:
        """Do as `_found` by a scan, for spans that no archive has, such as 0000 to 9999.

        What was yielded is not kept.
        """
        pages = self._client.get_paginator("scan").paginate(
            TableName=self._partitions,
            FilterExpression="begins_with(#c, :c) AND #p BETWEEN :first AND :last",
            ExpressionAttributeNames={"#c": "collection", "#p": "partition"},
            ExpressionAttributeValues={
                ":c": {"S": f"{safe(collection)}/{safe(version)}/"},
                ":first": {"S": f"{first}/"},
                ":last": {"S": f"{last}/~"},
            },
            ConsistentRead=True,
        )
        with translated(self._partitions, "DynamoDB"):
            found = [(item["partition"]["S"], make(item)) for page in pages for item in page["Items"]]
        found.sort(key=lambda pair: pair[0], reverse=True)
        while found:
            yield found.pop()[1]

    def put(self, entry: Entry) -> Entry:
        stored, keys = replace(entry, tag=new_tag()), self._items.keys(entry.subject.scope)
        self._swap(keys.table, self._items.item(stored), keys.of(entry.subject), entry.tag, entry.subject.key)
        return stored

    def remove(self, entry: Entry) -> None:
        keys = self._items.keys(entry.subject.scope)
        with translated(entry.subject.key, "DynamoDB"):
            self._client.delete_item(TableName=keys.table, Key=keys.of(entry.subject), **_follows(entry.tag, keys.hash))

    def backfill(self, id: str) -> Backfill | None:
        with translated(id, "DynamoDB"):
            found = self._client.get_item(TableName=self._backfills, Key={"id": {"S": id}}, ConsistentRead=True)
        return self._backfill(found["Item"]) if "Item" in found else None

    def backfills(self) -> Iterator[Backfill]:
        pages = self._client.get_paginator("scan").paginate(TableName=self._backfills, ConsistentRead=True)
        with translated(self._backfills, "DynamoDB"):
            found = [self._backfill(item) for page in pages for item in page["Items"]]
        yield from sorted(found, key=lambda backfill: backfill.started, reverse=True)

    def put_backfill(self, backfill: Backfill) -> Backfill:
        stored = replace(backfill, tag=new_tag())
        item = {
            "id": {"S": stored.id},
            "tag": {"S": stored.tag},
            "body": {"S": json.dumps(stored.to_json(), separators=(",", ":"))},
        }
        self._swap(self._backfills, item, {"id": item["id"]}, backfill.tag, backfill.id)
        return stored

    def remove_backfill(self, backfill: Backfill) -> None:
        with translated(backfill.id, "DynamoDB"):
            self._client.delete_item(
                TableName=self._backfills, Key={"id": {"S": backfill.id}}, **_follows(backfill.tag, "id")
            )

    def _swap(self, table: str, item: Any, key: Any, tag: str, where: str) -> None:
        """Store `item` if the stored tag is still `tag`. Raises Conflict."""
        try:
            with translated(where, "DynamoDB"):
                self._client.put_item(TableName=table, Item=item, **_follows(tag, next(iter(key))))
        except Conflict:
            with translated(where, "DynamoDB"):
                found = self._client.get_item(TableName=table, Key=key, ConsistentRead=True)
            if (
                found.get("Item", {}).get("tag") != item["tag"]
            ):  # else the first try was stored, and only its answer was lost
                raise

    def _backfill(self, item: Any) -> Backfill:
        where = f"{self._backfills}: {item['id']['S']}"
        return parsed(where, item["body"]["S"].encode(), lambda body: Backfill.from_json(json.loads(body)))


def _order(limit: int, backwards: bool) -> dict[str, Any]:
    return {"Limit": limit, "ScanIndexForward": not backwards}


def _is(operator: str, *values: str) -> dict[str, Any]:
    return {"ComparisonOperator": operator, "AttributeValueList": [{"S": value} for value in values]}


def _parse_quickly(client: "DynamoDBClient") -> None:
    """Read the items of a page with json alone: botocore's parser takes 30 microseconds an item."""

    def items_only(response_dict: Any, customized_response_dict: Any, **_: Any) -> None:
        if response_dict["status_code"] == 200:
            page = json.loads(response_dict["body"])
            customized_response_dict["Items"] = page.pop("Items", [])
            response_dict["body"] = json.dumps(page).encode()

    client.meta.events.register("before-parse.dynamodb.Query", items_only, unique_id=QUICK)


def _follows(tag: str, key: str) -> Any:
    """Return the condition that the stored tag is `tag`; an empty tag: nothing is stored, so there is no `key`."""
    if not tag:
        return {"ConditionExpression": "attribute_not_exists(#key)", "ExpressionAttributeNames": {"#key": key}}
    return {"ConditionExpression": "tag = :then", "ExpressionAttributeValues": {":then": {"S": tag}}}
