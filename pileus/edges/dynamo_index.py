"""The live index in DynamoDB."""

import json
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from pileus.edges.aws_errors import translated
from pileus.edges.index import Brief, new_tag, why
from pileus.edges.store import parsed
from pileus.errors import Conflict
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.partition import Entry
from pileus.models import State, safe, unsafe
from pileus.subject import Subject, asks, key_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

T = TypeVar("T")
NUMBERS = ("lease", "size", "downloaded")
BATCH = 100
"""Most items of one BatchGetItem."""
PARALLEL = 8
"""Years that are read in parallel."""
YEARS = 150
"""Longest span that is read year by year."""
STATES = {str(state): state for state in State}
QUICK = "pileus-quick"
USUAL = "-"
"""Stored in place of a manifest's usual address."""


class DynamoIndex:
    """The index in DynamoDB. An item holds its keys and what a brief needs as attributes, the rest as JSON in `body`.

    The hash key, `collection`, is the subject's scope, and the range key, `partition`, its item. Of partitions the
    scope has the year, so that a query for one month does not read all others, and years are read in parallel.
    """

    def __init__(self, client: "DynamoDBClient", *, partitions: str, backfills: str, manifests: str = "") -> None:
        """`manifests`: beginning of the address of every manifest, which is then not stored with each."""
        self._client = client
        self._partitions = partitions
        self._backfills = backfills
        self._manifests = manifests

    def entry(self, subject: Subject) -> Entry | None:
        with translated(subject.key, "DynamoDB"):
            found = self._client.get_item(TableName=self._partitions, Key=_key(subject), ConsistentRead=True)
        return self._entry(found["Item"]) if "Item" in found else None

    def several(self, subjects: Collection[Subject]) -> list[Entry]:
        keys, found = [_key(subject) for subject in subjects], []
        for start in range(0, len(keys), BATCH):
            wanted: Any = {self._partitions: {"Keys": keys[start : start + BATCH], "ConsistentRead": True}}
            while wanted:
                with translated(self._partitions, "DynamoDB"):
                    answer = self._client.batch_get_item(RequestItems=wanted)
                found += answer["Responses"].get(self._partitions, [])
                wanted = answer.get("UnprocessedKeys")
        return [self._entry(item) for item in found]

    def listing(self, scope: str, *, limit: int, after: str = "", backwards: bool = False) -> list[Entry]:
        wanted = {"collection": _is("EQ", scope)}
        if after:
            wanted["partition"] = _is("LT" if backwards else "GT", after)
        request = {"TableName": self._partitions, "KeyConditions": wanted, "ConsistentRead": True}
        items = (item for page in self._pages(request | _first(limit, backwards)) for item in page)
        return [self._entry(item) for item in islice(items, limit)]

    def entries(self, collection: str, version: str, first: str, last: str) -> Iterator[Entry]:
        yield from self._found(collection, version, first, last, self._entry)

    def briefs(self, collection: str, version: str, first: str, last: str) -> Iterator[Brief]:
        yield from self._found(collection, version, first, last, _brief)

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
        more: dict[str, Any] = {}
        while True:
            with translated(self._partitions, "DynamoDB"):
                page: Any = self._client.query(**request, **more)
            yield page["Items"]
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
        stored = replace(entry, tag=new_tag())
        self._swap(self._partitions, self._item(stored), _key(entry.subject), entry.tag, entry.subject.key)
        return stored

    def remove(self, entry: Entry) -> None:
        with translated(entry.subject.key, "DynamoDB"):
            self._client.delete_item(TableName=self._partitions, Key=_key(entry.subject), **_follows(entry.tag))

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
                TableName=self._backfills, Key={"id": {"S": backfill.id}}, **_follows(backfill.tag)
            )

    def _swap(self, table: str, item: Any, key: Any, tag: str, where: str) -> None:
        """Store `item` if the stored tag is still `tag`. Raises Conflict."""
        try:
            with translated(where, "DynamoDB"):
                self._client.put_item(TableName=table, Item=item, **_follows(tag))
        except Conflict:
            with translated(where, "DynamoDB"):
                found = self._client.get_item(TableName=table, Key=key, ConsistentRead=True)
            if (
                found.get("Item", {}).get("tag") != item["tag"]
            ):  # else the first try was stored, and only its answer was lost
                raise

    def _item(self, entry: Entry) -> dict[str, Any]:
        """Return the item of an entry. The body leaves out what the attributes hold: small items are read faster."""
        body, subject = entry.to_json(), entry.subject
        del body["partition" if subject.kind == "partition" else "subject"]
        item: dict[str, Any] = {**_key(subject)}
        for name in ("state", "run", "tag", *NUMBERS):
            if value := body.pop(name, None):
                item[name] = {"N" if name in NUMBERS else "S": str(value)}
        if line := why(entry):
            item["why"] = {"S": line[:300]}
        if entry.manifest == self._manifest(subject.key):
            body["manifest"] = USUAL
        said = {name: value for name, value in body.items() if value}  # a missing attribute has its default
        return item | {"body": {"S": json.dumps(said, separators=(",", ":"))}}

    def _backfill(self, item: Any) -> Backfill:
        where = f"{self._backfills}: {item['id']['S']}"
        return parsed(where, item["body"]["S"].encode(), lambda body: Backfill.from_json(json.loads(body)))

    def _entry(self, item: Any) -> Entry:
        value = json.loads(item["body"]["S"])
        scope = item["collection"]["S"]
        key = key_of(scope, item["partition"]["S"])
        value["subject" if asks(scope) else "partition"] = key
        value |= {name: item[name]["S"] for name in ("state", "run", "tag")}
        value |= {name: _number(item[name]["N"]) for name in NUMBERS if name in item}
        if value.get("manifest") == USUAL:
            value["manifest"] = self._manifest(key)
        return Entry.from_json(value)

    def _manifest(self, key: str) -> str:
        return f"{self._manifests}{key}/manifest.json"


def _key(subject: Subject) -> dict[str, Any]:
    return {"collection": {"S": subject.scope}, "partition": {"S": subject.item}}


def _first(limit: int, backwards: bool) -> dict[str, Any]:
    return {"Limit": limit, "ScanIndexForward": not backwards}


def _is(operator: str, *values: str) -> dict[str, Any]:
    return {"ComparisonOperator": operator, "AttributeValueList": [{"S": value} for value in values]}


def _number(text: str) -> int | float:
    return int(text) if text.isdecimal() else float(text)


def _brief(item: Any) -> Brief:
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


def _parse_quickly(client: "DynamoDBClient") -> None:
    """Read the items of a page with json alone: botocore's parser takes 30 microseconds an item."""

    def items_only(response_dict: Any, customized_response_dict: Any, **_: Any) -> None:
        if response_dict["status_code"] == 200:
            page = json.loads(response_dict["body"])
            customized_response_dict["Items"] = page.pop("Items", [])
            response_dict["body"] = json.dumps(page).encode()

    client.meta.events.register("before-parse.dynamodb.Query", items_only, unique_id=QUICK)


def _follows(tag: str) -> Any:
    """Return the condition that the stored tag is `tag`; an empty tag: nothing is stored."""
    if not tag:
        return {"ConditionExpression": "attribute_not_exists(tag)"}
    return {"ConditionExpression": "tag = :then", "ExpressionAttributeValues": {":then": {"S": tag}}}
