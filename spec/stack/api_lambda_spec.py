"""The API as AWS runs it: a real process of Lambda's runtime client, events of the gateway, keys of an issuer over
https; and what it does is what its role may do, no more and no less.
"""

import io
import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pyarrow.parquet
import pytest

from pileus.models import Partition
from spec.support import tiny
from spec.support.gated import GatedSite
from spec.support.grants import api_grants, calls, ungranted, unused
from spec.support.http_api import HOST, NIGHT, Answered, answered, event
from spec.support.issuer import GROUPS, RSA, key_server, token
from spec.support.lambda_runtime import Function, here, running
from spec.support.stack import Project

NAME, HANDLER = "pileus-Api", "pileus.api.lambda_handler.handler"
NOT_BY_BOTO3 = {
    "logs:CreateLogStream": "Lambda's own runtime writes a function's log.",
    "logs:PutLogEvents": "Lambda's own runtime writes a function's log.",
    "s3:ListBucket": "Without it S3 answers 403, not 404, for an object that is not there.",
    "iam:PassRole": "EventBridge Scheduler asks IAM whether who makes a schedule may give it its role.",
    "secretsmanager:GetSecretValue": "A plan signs in at a provider; `grants_spec.py` has that call.",
    "s3:GetObject on arn:aws:s3:::open-archive/*": "A provider in a bucket is only listed; its zones are read.",
}
LETTERS = "Letters of messages: `messages_spec.py` runs one again, by the same code."
RARE = {
    "lambda:TagResource": "What CreateEventSourceMapping needs for the tags that it is given.",
    "s3:DeleteObject": "A worker that died after its commit: `grants_spec.py` has that, by the same code.",
    "s3:PutObject on arn:aws:s3:::pileus-internal-000000000000-us-east-1/archives/*": "The same.",
    "s3:GetObject on arn:aws:s3:::pileus-internal-000000000000-us-east-1/archives/*": "The same.",
    "s3:GetObject on arn:aws:s3:::pileus-internal-000000000000-us-east-1/staged/*": "The same.",
    "s3:PutObject on arn:aws:s3:::pileus-internal-000000000000-us-east-1/granules/*": "An end that nobody told.",
    "lambda:AddPermission on arn:aws:lambda:us-east-1:000000000000:function:pileus-StartFromMessage": "Topics.",
    "lambda:RemovePermission on arn:aws:lambda:us-east-1:000000000000:function:pileus-StartFromMessage": "Topics.",
    "sns:Publish on arn:aws:sns:us-east-1:000000000000:spec-grants": "An end that nobody told.",
    "sns:Publish on arn:aws:sns:us-east-1:000000000000:pileus-published": "The end of a payload that nobody told.",
    "sqs:SendMessage on arn:aws:sqs:us-east-1:000000000000:pileus-messages-dead": "An end that nobody told.",
    "sqs:SendMessage on arn:aws:sqs:us-east-1:000000000000:pileus-messages": "A rule without a collection: "
    "`messages_spec.py` fires one, by the same code.",
    "sqs:ChangeMessageVisibility on arn:aws:sqs:us-east-1:000000000000:pileus-messages-dead": LETTERS,
    "sqs:DeleteMessage on arn:aws:sqs:us-east-1:000000000000:pileus-messages-dead": LETTERS,
    "dynamodb:Scan on arn:aws:dynamodb:us-east-1:000000000000:table/pileus-partitions": "A span of 150 years.",
}
"""Grants that the spec does not use, and who does."""
Ask = Callable[..., Answered]


@pytest.fixture(scope="module")
def site(stack: Project) -> Iterator[GatedSite]:
    found = GatedSite(stack.path / "site")
    yield found
    found.close()


@pytest.fixture(scope="module")
def function(stack: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    """The function, with the environment that the template gives it."""
    folder = tmp_path_factory.mktemp("lambda-api")
    made = stack.aws.logs
    made.create_log_group(logGroupName="/pileus/pileus/workers")
    with key_server(RSA, certificate=folder / "issuer.pem") as served:
        issuer = {"issuer": "https://issuer.example.org/pool", "audience": ["client"], "groups": GROUPS}
        environ = stack.environ() | stack.running.stack | stack.running.credentials.to_env()
        environ |= {
            "AWS_ENDPOINT_URL": stack.running.endpoint,
            "PILEUS_API_HOSTS": f"pileus.example.org,{HOST}",
            "PILEUS_SIGN_IN": json.dumps(issuer | {"keys": served.url}),
            "PILEUS_DEPLOYMENT": json.dumps(deployment()),
            "REQUESTS_CA_BUNDLE": str(folder / "issuer.pem"),
        }
        with running(NAME, here(HANDLER), environ, folder / "log") as function:
            yield function


@pytest.fixture(scope="module")
def ask(function: Function) -> Ask:
    return lambda path, **more: answered(function(event(path, **more)))


def deployment() -> dict[str, Any]:
    from infra.api import COSTED
    from infra.settings import Settings

    return {name: getattr(Settings(), name) for name in COSTED}


def fresh(*groups: str) -> str:
    """A token of this moment."""
    now = int(time.time())
    return token(*groups, iat=now, exp=now + 300)


def signed(ask: Ask, role: str, path: str, **more: Any) -> Answered:
    answer = ask(f"/signed/{role}{path}", signed=NIGHT, **more)
    assert answer.status < 300, answer.body
    return answer


def documents(stack: Project, site: GatedSite, zones: str, *names: str) -> dict[str, Any]:
    """Collections of two months at a provider that a spec can hold back, and a rule with a schedule."""
    regex = [{"regex": r"tiny_(?P<month>\d{6})\.tgz"}]
    options = {"spanUnit": "month", "spanStart": "201501", "spanEnd": "201502"}
    meta = {"group": {"by": ["month"]}, "process": {"band": "light", "zones": zones}}
    provider = {"id": "site", "protocol": "http", "host": "127.0.0.1", "port": site.port, "allowPrivate": True}
    found: dict[str, Any] = {"collections": {}, "providers": {"site": provider}, "rules": {}}
    for name in names:
        tiny.publish(stack, name, "201501", "201502")
        found["collections"][f"{name}___001"] = {
            "name": name,
            "templated_name": f"{name}_{{{{pointInTime}}}}",
            "files": regex,
            "granuleIdExtraction": r"(.*)[.]tgz",
            "provider": "site",
            "provider_path": f"/{name}/{{{{pointInTime}}}}/",
            "options": options,
            "meta": meta,
        }
    weekly = {"type": "scheduled", "value": "rate(7 days)"}
    for name in ("weekly", "gone"):
        found["rules"][name] = {"name": name, "collection": {"name": names[0]}, "rule": weekly, "state": "DISABLED"}
    found["rules"]["once"] = {"name": "once", "collection": {"name": names[0]}, "rule": {"type": "onetime"}}
    return found


def test_the_public_part_and_both_ways_to_sign_in(ask: Ask) -> None:
    assert ask("/health").json["status"] == "ok"
    assert ask("/health", headers={"host": "evil.example"}).status == 403
    assert ask("/v1/backfills").status == 401
    assert ask("/v1/backfills", token=fresh("readers")).status == 200
    assert ask("/v1/backfills", token=token("readers", iat=1, exp=2)).status == 401
    assert ask("/v1/backfills", method="POST", token=fresh("readers"), body={"collection": "x"}).status == 403
    assert ask("/signed/read/v1/me", signed=NIGHT).json == {"name": NIGHT, "role": "read"}


def test_what_a_role_may_is_what_the_api_does(stack: Project, site: GatedSite, ask: Ask) -> None:
    """A machine populates, plans, runs, looks, stops and mends, all by the API; then calls and grants are compared."""
    key = signed(ask, "admin", "/v1/zones/tiny.geojson", method="PUT", body=json.dumps(tiny.ZONE).encode()).json["key"]
    given = documents(stack, site, key, "night", "held")
    queue = stack.aws.sqs.create_queue(QueueName="spec-grants")["QueueUrl"]
    sqs = {"type": "sqs", "value": queue}
    workflow = "DiscoverAndProcessGranules"
    announced = {"name": "announced", "workflow": workflow, "collection": {"name": "night"}, "rule": sqs}
    given["rules"]["announced"] = announced
    signed(ask, "admin", "/v1/registry", method="PUT", body=given, query={"check": "true"})
    assert "once" in signed(ask, "admin", "/v1/registry", method="PUT", body=given).json["started"]
    _runs(stack, ask)
    _rules(ask, given)
    _stops(stack, site, ask)
    _runs_of_a_process(stack, site, ask)
    _payloads(ask)
    _graphs(stack, ask)
    _granules(stack, ask)
    _mends(stack, ask)
    found = [call for call in calls(stack.calls) if call["role"] == NAME]
    assert len(found) > 100
    granted = api_grants()
    assert not ungranted(found, granted)
    mine = [one.removeprefix(f"{NAME}: ") for one in unused(found, granted) if one.startswith(NAME)]
    known = {**NOT_BY_BOTO3, **RARE}
    left = [one for one in mine if not {one, one.split()[0]} & set(known)]
    assert not left, "no call uses these grants:\n" + "\n".join(left)


def _runs(stack: Project, ask: Ask) -> None:
    """Plan and start a backfill, and read all there is of it."""
    assert signed(ask, "operate", "/v1/backfills/plan", method="POST", body={"collection": "night"}).json["totals"]
    asked = {"collection": "night", "id": "by-api", "order": "smallest"}
    started = signed(ask, "operate", "/v1/backfills", method="POST", body=asked)
    assert started.headers["location"] == "/signed/operate/v1/backfills/by-api"
    assert started.json["started_by"] == NIGHT
    over(stack, ask, "by-api")
    token_ = fresh("readers")
    at = "/v1/backfills/by-api"
    of_backfill = [f"{at}{rest}" for rest in ("", "/grid", "/status", "/history")]
    for path in (*of_backfill, "/v1/outputs", "/v1/outputs/night", "/v1/collections/night/zones"):
        assert ask(path, token=token_).status == 200, path
    for path in (f"{at}/events", "/v1/events"):
        events = ask(path, token=token_)
        assert events.body.startswith(b"retry: "), "it ends at once, and says when to ask again"
        assert events.headers["content-type"].startswith("text/event-stream")
    (first, _) = ask(f"{at}/partitions", token=token_).json["items"]
    where = f"{at}/partitions/{first['period']}/{first['group']}"
    assert ask(where, token=token_).json["outputs"]
    assert ask(f"{where}/logs", token=token_).status == 200
    parquet = ask("/v1/statistics/night", token=token_, headers={"accept": "application/vnd.apache.parquet"})
    table = pyarrow.parquet.read_table(io.BytesIO(parquet.body))
    assert (table.num_rows, set(table["mean"].to_pylist())) == (2, {1.0})
    assert ask("/v1/costs/night", token=token_).json["dollars"] > 0
    signed(ask, "operate", f"{at}/retry", method="POST", body={"select": "all"})
    over(stack, ask, "by-api")


def _rules(ask: Ask, given: dict[str, Any]) -> None:
    """Change a schedule, fire a rule, and leave one out."""
    for change in ("enable", "disable"):
        signed(ask, "admin", f"/v1/rules/weekly/{change}", method="POST")
    for change in ("disable", "enable"):
        signed(ask, "admin", f"/v1/rules/announced/{change}", method="POST")
    signed(ask, "operate", "/v1/rules/weekly/run", method="POST")
    assert {one["name"] for one in ask("/v1/rules", token=fresh("readers")).json} == {
        "weekly",
        "gone",
        "once",
        "announced",
    }
    rest = given | {"rules": {name: rule for name, rule in given["rules"].items() if name not in ("gone", "announced")}}
    signed(ask, "admin", "/v1/registry", method="PUT", body=rest)


def _stops(stack: Project, site: GatedSite, ask: Ask) -> None:
    """Pause, resume and cancel a backfill whose provider holds its archives back."""
    site.gate.clear()
    site.asked.clear()
    signed(ask, "operate", "/v1/backfills", method="POST", body={"collection": "held", "id": "held-back"})
    assert site.asked.wait(60)
    for change in ("pause", "resume", "cancel"):
        signed(ask, "operate", f"/v1/backfills/held-back/{change}", method="POST")
    site.gate.set()
    over(stack, ask, "held-back")


def _runs_of_a_process(stack: Project, site: GatedSite, ask: Ask) -> None:
    """Start a run, read what it has made, run it again, and stop it."""
    rasters = [f"http://127.0.0.1:{site.port}/night/201501/tiny_201501.tgz"]
    zones = {"type": "FeatureCollection", "features": [tiny.ZONE]}
    inputs = {"zones": zones, "stats": ["count", "sum"], "rasters": rasters, "bands": ["light"]}
    asked = {"process": "zonal-statistics", "id": "mine", "inputs": inputs}
    key = signed(ask, "operate", "/v1/runs", method="POST", body=asked).json["key"]
    at = f"/v1/runs/{quote(quote(key, safe=''), safe='')}"
    stack.wait_for(lambda: signed(ask, "read", at).json["state"] == "succeeded", 60)
    assert signed(ask, "read", f"{at}/result").json
    assert [row["sum"] for row in signed(ask, "read", f"{at}/rows").json] == [16.0]
    assert len(signed(ask, "read", "/v1/runs", query={"of": "zonal-statistics"}).json["items"]) == 1
    assert signed(ask, "read", f"{at}/input").json["inputs"] == inputs
    whats = [event["what"] for event in signed(ask, "read", f"{at}/events").json]
    assert {"queued", "running", "succeeded", "ExecutionStarted"} <= {*whats}
    assert signed(ask, "read", f"{at}/logs").json == []
    site.gate.clear()
    site.asked.clear()
    signed(ask, "operate", f"{at}/rerun", method="POST")
    assert site.asked.wait(60)
    assert signed(ask, "operate", at, method="DELETE").json["state"] == "cancelled"
    site.gate.set()


def _payloads(ask: Ask) -> None:
    """Hand in one whose workflow the stack has not, and look at it by both APIs."""
    items = [{"type": "Feature", "id": "a", "collection": "viirs"}]
    payload = {"type": "FeatureCollection", "features": items, "process": [{"workflow": "none"}]}
    refused = ask("/signed/operate/v1/payloads", signed=NIGHT, method="POST", body={"payload": payload})
    assert refused.status == 404
    (run,) = signed(ask, "read", "/v1/runs", query={"of": "payload:viirs_none"}).json["items"]
    assert run["key"] == "payload:viirs/workflow-none/a"
    kept = signed(ask, "read", f"/v1/runs/{quote(quote(run['key'], safe=''), safe='')}/input").json
    assert kept["process"] == payload["process"]
    at = "/cirrus/viirs/workflow-none"
    assert signed(ask, "read", "/cirrus/").json["links"][1]["title"] == "viirs - none"
    assert signed(ask, "read", at).json["counts"]["FAILED"] == 1
    for query in ({}, {"state": "FAILED"}, {"sort_index": "default"}):
        assert len(signed(ask, "read", f"{at}/items", query=query).json["items"]) == 1
    assert signed(ask, "read", f"{at}/a").json["last_error"].startswith("Unknown: the stack has no workflow")
    assert signed(ask, "read", "/cirrus/stats").json["payloads"] == 1


def _graphs(stack: Project, ask: Ask) -> None:
    """Ask for an operation over a file that is not there, look at it, and delete it."""
    uri = f"s3://{stack.running.stack['PILEUS_PROTECTED']}/none.nc"
    operation = {"name": "pileus:mean", "input": "v0", "axis": "t"}
    asked = {"rid": "graph", "input": [{"name": "v0", "uri": uri}], "operation": [operation]}
    assert signed(ask, "operate", "/stratus/core/exe", method="POST", body=asked).json["status"] == "executing"
    at = {"rid": "graph"}
    stack.wait_for(lambda: signed(ask, "read", "/stratus/core/status", query=at).json["status"] == "error", 60)
    assert ask("/signed/read/stratus/core/result", signed=NIGHT, query=at).status == 404
    assert "pileus-mean" in [one["id"] for one in signed(ask, "read", "/processes").json["processes"]]
    assert signed(ask, "operate", "/stratus/core/result", method="DELETE", query=at).json == {"deleted": "graph"}


def _granules(stack: Project, ask: Ask) -> None:
    """Look at granules, and process one again."""
    (one, *_) = signed(ask, "read", "/v1/collections/night/granules").json["items"]
    assert signed(ask, "read", f"/v1/collections/night/granules/{one['id']}").json["files"]
    wanted = {"action": "reingest", "collection": "night", "ids": [one["id"]]}
    asked = {"id": "again", "wanted": wanted}
    key = signed(ask, "operate", "/v1/granules", method="POST", body=asked).json["key"]
    at = f"/v1/runs/{quote(quote(key, safe=''), safe='')}"
    stack.wait_for(lambda: signed(ask, "read", at).json["state"] == "succeeded", 60)
    (backfill,) = signed(ask, "read", f"{at}/result").json["backfills"]
    assert [found["done"] for found in signed(ask, "read", "/v1/granules/again/outcomes").json["items"]] == [True]
    over(stack, ask, backfill)


def _mends(stack: Project, ask: Ask) -> None:
    """Reconcile after an output was lost, and an entry of the index; and run a dead letter again."""
    edges = stack.edges
    entry = edges.index.entry(Partition("night", "001", "2015-02", "201502"))
    assert entry is not None
    edges.index.remove(entry)
    lost = [url for url, _ in edges.store.list(edges.protected("stats/")) if "night" in url]
    edges.store.delete(*lost[:1])
    signed(ask, "operate", "/v1/reconcile", method="POST", body={"collection": "night", "repair": True})
    config = {"backfill": "by-api", "run": 1, "partition": "night/001/2015-01/201501"}
    body = json.dumps({"token": "gone", "task": {"config": config, "input": {}}})
    for queue in ("ingest", "backfill"):
        stack.aws.sqs.send_message(QueueUrl=getattr(edges.stack, f"{queue}_dead"), MessageBody=body)
    for letter in ask("/v1/dead-letters", token=fresh("readers")).json:
        again = signed(ask, "operate", f"/v1/dead-letters/{letter['id']}/redrive", method="POST").json
        over(stack, ask, again["id"])


def over(stack: Project, ask: Ask, id: str) -> None:
    def is_over() -> bool:
        found = ask(f"/v1/backfills/{id}", token=fresh("readers")).json
        return found["state"] not in ("running", "paused") and stack.edges.index.backfill(id).closed  # type: ignore[union-attr]

    stack.wait_for(is_over, 120)


def test_its_log_has_who_changed_what(ask: Ask, function: Function) -> None:
    ask("/signed/operate/v1/backfills/nobodys/pause", method="POST", signed=NIGHT)
    lines = [json.loads(line) for line in function.log.read_text().splitlines() if line.startswith('{"time"')]
    assert (lines[-1]["who"], lines[-1]["did"]) == (NIGHT, "POST /signed/operate/v1/backfills/nobodys/pause")
