"""Grants equal calls: a role of the deployed stack may do what its code does, and nothing that its code never does.

That no call lacks a grant is checked for every stack of the specs, when it goes down (`spec/support/stack.py`). Here
one stack goes through what uses every grant.
"""

import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pileus.client.connect import connect
from pileus.models import Manifest, Output, Partition, State
from pileus.outputs.commit import fence
from pileus.stratus.request import StratusRequest
from pileus.subject import parse_subject
from spec.servers.web import python_server
from spec.support import tiny
from spec.support.cumulus_tasks import COLLECTION, DISCOVER, INGEST, message, provider, publish
from spec.support.gated import GatedSite, published
from spec.support.grants import SETTINGS, calls, grants, unused
from spec.support.graphs import netcdf
from spec.support.stack import Project, project_of

SENT = {"StartAt": "Sent", "States": {"Sent": {"Type": "Pass", "End": True}}}
NOT_BY_BOTO3 = {
    "logs:CreateLogStream": "Lambda's own runtime writes a function's log.",
    "logs:PutLogEvents": "Lambda's own runtime writes a function's log.",
    "s3:ListBucket": "Without it S3 answers 403, not 404, for an object that is not there.",
    "ecs:UpdateTaskProtection": "Asked of the ECS agent by HTTP, which checks the role.",
    "ecs:GetTaskProtection": "Asked of the ECS agent by HTTP, which checks the role.",
}
"""Grants that no call of boto3 uses, and why they are there all the same."""
OF_MESSAGES = ("pileus-StartFromMessage",)
POLLED = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes", "GetQueueUrl")
"""What Lambda itself does to the queues of StartFromMessage, with the function's role."""
NOT_HIDDEN = {"sqs:ChangeMessageVisibility on arn:aws:sqs:us-east-1:000000000000:pileus-process"}
"""CDK grants it to whoever takes from a queue. A payload is wrong or not, and never hidden for a while."""
RARE = """
import os
from pileus.documents import SecretRef
from pileus.edges.aws import Aws
from pileus.edges.budget_table import DynamoBudgetTable
from pileus.edges.queues import Message
from pileus.errors import PileusError
from pileus.models import Partition
from pileus.outputs.commit import clean
from pileus.edges.workflows import execution_arn
from pileus.wiring import wire, wire_queues, wire_workflows

edges, role = wire(os.environ), os.environ["PILEUS_ROLE"]


def tried(call, *given):
    try:
        return call(*given)
    except PileusError as error:
        print(role, error)  # this engine has no such secret or bucket: what counts is that the call was made


if role == "worker":
    queues = wire_queues(Aws(), edges.stack)
    for queue in ("ingest", "backfill"):  # in a run it takes 200 receipts
        queues.post_anew(Message(queue, "receipt", "{}", "", {}))
fetches = role in ("worker", "pileus-DiscoverGranules", "pileus-QueueGranules", "pileus-SyncGranule")
of_cumulus = role in ("pileus-SyncGranule", "pileus-MoveGranules")
if fetches:  # a provider with secrets, or in a bucket
    tried(edges.secrets.resolve, SecretRef(secretsmanager=SECRET), "provider")
    tried(list, edges.store.list("s3://open-archive/"))
    tried(edges.store.get, "s3://open-archive/key")
if fetches:  # two that want one connection, or one group, at once
    table = DynamoBudgetTable(Aws().dynamodb, edges.stack.connections)
    for token in ("one", "other"):
        tried(table.take, "rare", 7, role, token)
    if not of_cumulus:
        edges.index.entry(Partition("rare", "001", "2015-01", "g"))
if role in ("worker", "pileus-ReportStatus"):  # a worker that died just after its commit, with outputs to delete
    clean(edges.place(Partition("dead", "001", "2015-01", role)), role)
tried(edges.store.put, edges.internal(f"events/{role}"), b"{}", "application/json")  # of a Cumulus message
tried(edges.store.get, edges.internal(f"events/{role}"))
if role == "pileus-SyncGranule":  # a provider that counts connections
    with edges.connections.acquire("rare", 1):
        pass
if role in ("pileus-GenerateCollections", "pileus-AdvanceGraph") or of_cumulus:
    raise SystemExit
if role == "pileus-ActOnGranules":  # a backfill that was stopped before its execution was known
    workflows = wire_workflows(Aws(), edges.stack)
    points = ("DiscoverAndProcessGranules", "DiscoverAndProcessPayloads")
    for name in ("GenerateCollectionsTriggerWorkflows", *points):
        tried(workflows.stop, execution_arn(edges.stack.workflow_arn(name), "x"), "y")
    for name in points:
        tried(workflows.exists, name)
        tried(list, workflows.running(name, "x"))
    raise SystemExit
if role == "pileus-QueueGranules":  # a provider that counts connections, and a file that lies beside its folder
    with edges.connections.acquire("rare", 1):
        pass
    kept = edges.internal("announced/rare/001/2015-01/a.json")
    edges.store.put(kept, b"{}")
    edges.store.get(kept)
    tried(edges.store.get, edges.protected("manifests/rare"))  # of a granule that a partition has kept files of
if role == "pileus-ReportStatus":  # the payload of a group that has ended, and one that is stopped with its backfill
    edges.store.put(edges.internal("staged/rare"), b"{}")
    for name in ("IngestGranules", "Sent"):
        tried(wire_workflows(Aws(), edges.stack).stop, execution_arn(edges.stack.workflow_arn(name), "x"), "y")
    for name in ("BulkGranules", "IngestGranules", "Sent", "DiscoverGranules", "IngestGranule"):  # events of long ones
        tried(wire_workflows(Aws(), edges.stack).outcome, execution_arn(edges.stack.workflow_arn(name), "x"))
if role in ("pileus-StartFromMessage", "pileus-ReportStatus"):  # a message that no queue takes
    edges.letters.put_aside({"message": {"id": "rare", "body": "x" * 300_000}})
    tried(edges.store.get, edges.internal("cirrus/rare"))  # the copy of a payload that others have changed meanwhile
if role not in ("pileus-QueueGranules", "pileus-StartFromMessage"):
    list(edges.index.briefs("a", "001", "0001", "9999"))  # in a run it takes a span of 150 years
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with project_of(tmp_path_factory.mktemp("grants")) as project:
        (project.path / "site").mkdir()
        project.document("workflows/Sent.asl.json", SENT)
        project.document("workflows/DiscoverGranules.asl.json", DISCOVER)
        project.document("workflows/IngestGranule.asl.json", INGEST)
        project.up(workers=2, visibility_seconds=6)
        yield project


def test_every_grant_is_used(own: Project) -> None:
    archives_in_both_buckets(own)
    slow_groups_of_a_rule_and_a_backfill(own)
    failures(own)
    odd_messages(own)
    a_stopped_execution(own)
    runs_of_a_process(own)
    runs_of_graphs(own)
    granules_are_worked_on(own)
    a_point_that_is_listed_late(own)
    messages(own)
    payloads(own)
    tasks_of_cumulus(own)
    dies_after_its_commit(own, "worker")
    dies_after_its_commit(own, "pileus-ReportStatus")
    roles = ("worker", "pileus-DiscoverGranules", "pileus-QueueGranules", "pileus-ReportStatus", *OF_MESSAGES)
    roles += ("pileus-SyncGranule", "pileus-MoveGranules")
    for role in (*roles, "pileus-ActOnGranules", "pileus-GenerateCollections", "pileus-AdvanceGraph"):
        rare(own, role)
    own.pileus("down")
    left = [one for one in unused(calls(own.calls), grants()) if one.partition(": ")[2].split()[0] not in NOT_BY_BOTO3]
    left = [one for one in left if not one.startswith(tuple(f"{OF_MESSAGES[0]}: sqs:{verb} " for verb in POLLED))]
    left = [one for one in left if not one.endswith(tuple(NOT_HIDDEN))]
    assert not left, "no call uses these grants:\n" + "\n".join(left)


def dies_after_its_commit(own: Project, claim: str) -> None:
    """Commit, as a worker does, an archive that replaces an older one, and one clip less; and publish nothing."""
    edges = own.edges
    place, archive = edges.place(Partition("dead", "001", "2015-01", claim)), edges.internal(f"archives/{claim}.tgz")
    clip = Output(edges.protected(f"clips/{claim}.tif"), 1, "", "clip")
    published = (Output(archive, 1, "", "archive"), clip)
    dying = (Output(archive, 1, "", "archive", previous=f"{archive}.v1"),)
    for token, outputs in ((f"{claim}-before", published), (claim, dying)):
        held = fence(place, token)
        staged = [held.stage(output.url) for output in outputs]
        for url in staged:
            edges.store.put(url, b"x")
        committed = held.commit(Manifest(place.partition, token, (), {}, outputs, "0", "2015-02-01"))
        if outputs is published:
            held.publish(committed, staged)


def archives_in_both_buckets(own: Project) -> None:
    """Twice, with other bytes the second time: renamed, replaced, kept; then with other zones, so that some go."""
    meta = {"group": {"by": ["month"]}}
    process = {"band": "light", "zones": "data/zones/tiny.geojson", "archive": True, "clips": True, "pictures": True}
    for bucket in ("internal", "protected"):
        name = f"kept-{bucket}"
        files = [{"regex": r"tiny_(?P<month>\d{6})\.tgz", "bucket": bucket}]
        ids = {"granuleIdExtraction": r"(.*)[.]tgz"}
        for clips, handling in ((True, "version"), (False, "version")):
            changed = {"meta": meta | {"process": process | {"clips": clips}}, "duplicateHandling": handling} | ids
            tiny.collection(own, name, "201501", "201501", files=files, **changed)
            tiny.publish(own, name, "201501", body=tiny.archive() if clips else tiny.archive(tiny.raster(size=0.9)))
            own.pileus("populate")
            own.pileus("backfill", name, "--wait")
            own.pileus("backfill", name, "--select", "all", "--wait")


def granules_are_worked_on(own: Project) -> None:
    """Kept in both buckets: processed again, handed to a workflow, moved and removed."""
    for bucket in ("internal", "protected"):
        name = f"kept-{bucket}"
        wanted = [name, "tiny_201501", "--wait"]
        own.pileus("granules", "reingest", *wanted)
        own.pileus("granules", "apply-workflow", name, "Sent", "tiny_201501", "--id", f"sent-{bucket}", "--wait")
        own.pileus("granules", "reingest", *wanted)  # the workflow again
        own.pileus("granules", "list", name)
        (key,) = [one["detail"] for one in own.json("granules", "outcomes", f"sent-{bucket}")]
        own.wait_for(lambda key=key: own.json("runs", "show", key)["ended"])
        own.pileus("granules", "apply-workflow", name, "Sent", "--state", "succeeded", "--wait")
        place = "file-staging" if bucket == "internal" else "moved"
        for to in (f"{bucket}:{place}", f"{bucket}:archives/moved", f"{bucket}:{place}"):
            own.pileus("granules", "move", name, "tiny_201501", "--to", to, "--wait")
        own.pileus("granules", "remove", *wanted)


def runs_of_a_process(own: Project) -> None:
    """One that reads a collection, and one that fails: its workflow reports that."""
    inputs = {"zones": {"type": "FeatureCollection", "features": [tiny.ZONE]}, "collection": "kept-internal"}
    own.document("inputs.json", inputs | {"periods": ["2015-01"]})
    own.pileus("runs", "start", "zonal-statistics", "--input", "inputs.json", "--wait")
    own.document("wrong.json", inputs | {"periods": ["2031-01"]})
    own.pileus("runs", "start", "zonal-statistics", "--input", "wrong.json", "--id", "wrong", "--wait", code=1)
    execution = f"{own.running.stack['PILEUS_WORKFLOWS']}RunProcess:zonal-statistics_wrong_1"
    arn = execution.replace(":stateMachine:", ":execution:")
    own.wait_for(lambda: own.aws.stepfunctions.describe_execution(executionArn=arn)["status"] == "FAILED")


def runs_of_graphs(own: Project) -> None:
    """Two rounds, of which the second reads what the first has made; and an operation that fails."""
    graphs = connect(own.path).graphs
    reads = [{"name": "a:v0", "uri": graphs.upload(io.BytesIO(netcdf(1, 2)))}]
    first = [{"name": "pileus:subset", "input": "v0", "result": one} for one in ("a", "b")]
    more = [{"name": "pileus:subset", "input": "a", "result": one} for one in ("c", "d")]
    wrong = [{"name": "pileus:mean", "input": "v0", "axis": "nowhere", "result": "a"}]
    for rid, operations in (("rounds", [*first, *more]), ("wrong", wrong)):
        outputs = sorted({"b", "c", "d"} & {one["result"] for one in operations}) or ["a"]
        graphs.start(
            StratusRequest.from_json({"rid": rid, "input": reads, "operation": operations, "outputs": outputs})
        )
        state = graphs.wait(rid, seconds=90).state
        assert state is (State.failed if rid == "wrong" else State.succeeded)


def slow_groups_of_a_rule_and_a_backfill(own: Project) -> None:
    """Each takes longer than a third of the lease, so that message, token and claim are renewed."""
    site = GatedSite(own.path / "site")
    try:
        site.gate.set()
        site.seconds = 4
        published(own, site, "slow", "201501", "201502")
        own.document("rules/slow.json", {"name": "slow", "collection": {"name": "slow"}, "rule": {"type": "onetime"}})
        own.pileus("populate")
        own.wait_for(lambda: own.edges.index.backfill(own_backfill(own)) and own_ended(own))
        own.pileus("backfill", "slow", "--select", "all", "--max-running", "1", "--wait")
    finally:
        site.close()


def own_backfill(own: Project) -> str:
    return next((one.id for one in own.edges.index.backfills() if one.started_by == "rule slow"), "none")


def own_ended(own: Project) -> bool:
    found = own.edges.index.backfill(own_backfill(own))
    return found is not None and found.closed


def payloads(own: Project) -> None:
    """One that is published and followed by another workflow, and one that is wrong."""
    features = [{"type": "Feature", "id": "a", "collection": "viirs"}]
    url = own.edges.stack.process
    steps = [{"workflow": "Sent"}, [{"workflow": name} for name in ("Sent", "IngestGranules")]]
    good = {"type": "FeatureCollection", "features": features, "process": steps, "id": "first/workflow-Sent/a"}
    bad = good | {"process": [], "id": "bad/workflow-Sent/a"}  # not the same: whichever comes first would decide
    for one in (good, bad):
        own.aws.sqs.send_message(QueueUrl=url, MessageBody=json.dumps(one))
    for key in ("payload:viirs/workflow-Sent/a", "payload:viirs/workflow-IngestGranules/a"):
        own.wait_for(lambda key=key: own.edges.index.entry(parse_subject(key)))
        own.wait_for(lambda key=key: own.json("runs", "show", key)["ended"])


def messages(own: Project) -> None:
    """A CNM of a granule that is answered, of a month that could not be listed before; and two that start nothing."""
    sqs, topic = own.aws.sqs, own.aws.sns.create_topic(Name="spec-grants")["TopicArn"]
    queue = sqs.create_queue(QueueName="spec-grants", Attributes={"VisibilityTimeout": "30"})["QueueUrl"]
    files = [{"regex": r"(?P<id>tiny)_(?P<month>\d{6})\.tgz"}]
    ids = {"granuleIdExtraction": r"(tiny_\d{6})\.tgz", "granuleId": r"tiny_\d{6}"}
    own.document("data/providers/nobody.json", {"id": "nobody", "protocol": "ftp", "host": "127.0.0.1", "port": 9})
    tiny.collection(own, "told", "201501", "201501", files=files, provider="nobody", **ids)
    own.pileus("populate")
    own.pileus("backfill", "told", "--name", "told", "--wait", code=1)
    tiny.collection(own, "told", "201501", "201501", files=files, **ids)
    tiny.publish(own, "told", "201501")
    meta = {"retries": 1, "visibilityTimeout": 1, "cnmResponse": {"topic": topic}}
    collection = {"collection": {"name": "told"}, "workflow": "IngestGranules", "meta": meta}
    for kind, value in (("sqs", queue), ("sns", topic)):
        own.document(f"rules/{kind}.json", {"name": kind, "rule": {"type": kind, "value": value}} | collection)
    own.pileus("populate")
    path = own.path / "site/told/201501/tiny_201501.tgz"
    for month in ("201501", "209912"):
        file = {"type": "data", "uri": path.as_uri().replace("201501", month), "name": f"tiny_{month}.tgz"}
        product = {"name": month, "dataVersion": "001", "files": [file | {"size": path.stat().st_size}]}
        told = {"version": "1.5", "identifier": month, "submissionTime": "2015-02-01", "collection": "told"}
        sqs.send_message(QueueUrl=queue, MessageBody=json.dumps(told | {"product": product}))
    sqs.send_message(QueueUrl=queue, MessageBody="no json")
    own.aws.sns.publish(TopicArn=topic, Message="no json")
    own.wait_for(lambda: depth(own, own.edges.stack.messages_dead) >= 3)
    own.wait_for(lambda: list(own.edges.store.list(own.edges.internal("granules/told/"))))


def tasks_of_cumulus(own: Project) -> None:
    """Granules that are discovered, queued, staged and moved: twice, into both buckets."""
    kinds = [{"regex": "hdf$", "bucket": "protected"}, {"regex": "jpg$", "bucket": "internal"}]
    folders = ("mod", "file-staging/kept")
    files = [kind | {"url_path": folder} for kind, folder in zip(kinds, folders, strict=True)]
    collection = {"name": "MOD09GQ", "version": "006", "granuleIdExtraction": COLLECTION["granuleIdExtraction"]}
    own.document("collections/mod.json", collection | {"files": files})
    publish(own.path / "mod/a", "g1")
    with python_server(own.path / "mod", own.path) as server:
        own.document("data/providers/mod.json", provider(server.port, id="mod"))
        own.pileus("populate")
        told, place = collection | {"files": files}, own.edges.internal("executions/IngestGranule/")
        for number, granules in enumerate(("skip", "replace")):
            meta = {"handling": "version", "granules": granules, "collection": told, "provider": {"id": "mod"}}
            own.document("message.json", message(own.edges, **meta))
            start = ("runs", "start", "workflow:DiscoverGranules", "--input", "message.json", "--wait")
            own.pileus(*start, "--id", f"mod-{number}")
            own.wait_for(lambda: all_ended(own, "workflow:IngestGranule"))
    assert len(list(own.edges.store.list(place))) == 4, "input and run of two executions"


def all_ended(own: Project, process: str) -> bool:
    return all(run["ended"] for run in own.json("runs", "list", process))


def failures(own: Project) -> None:
    """Groups that fail, one too many; and a month that is listed and gone."""
    tiny.collection(own, "bad", "201501", "201506")
    for month in range(201501, 201507):
        tiny.publish(own, "bad", str(month), body=b"no archive")
    own.pileus("populate")
    own.pileus("backfill", "bad", "--max-failures", "1", "--wait", code=1)
    own.pileus("retry", "bad", code=None)


def a_point_that_is_listed_late(own: Project) -> None:
    """Its failure to be listed stops the backfill, is told, and is in the index until it is listed."""
    nobody = {"id": "folder", "protocol": "ftp", "host": "127.0.0.1", "port": 9, "attempts": 1, "allowPrivate": True}
    tiny.collection(own, "late", "201501", "201502")
    own.document("data/providers/folder.json", nobody)
    own.pileus("populate")
    own.pileus("backfill", "late", "--name", "late", "--max-failures", "0", "--report-failures", "--wait", code=1)
    tiny.collection(own, "late", "201501", "201502")
    tiny.publish(own, "late", "201501", "201502")
    own.pileus("populate")
    own.pileus("retry", "late", "--wait")


def odd_messages(own: Project) -> None:
    stack = own.edges.stack
    for url in (stack.ingest, stack.backfill):
        own.aws.sqs.send_message(QueueUrl=url, MessageBody="{}")
    for url in (stack.ingest_dead, stack.backfill_dead):
        own.wait_for(lambda url=url: depth(own, url) >= 1)


def depth(own: Project, url: str) -> int:
    name = "ApproximateNumberOfMessages"
    return int(own.aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])


def a_stopped_execution(own: Project) -> None:
    """As a person does in Step Functions: EventBridge tells ReportStatus."""
    tiny.collection(own, "stopped", "201501", "201512")
    for month in range(201501, 201513):
        tiny.publish(own, "stopped", str(month))
    own.pileus("populate")
    own.pileus("backfill", "stopped", "--name", "stopped")
    found = own.edges.index.backfill("stopped")
    assert found is not None
    assert found.execution is not None
    own.aws.stepfunctions.stop_execution(executionArn=found.execution)
    own.wait_for(lambda: (now := own.edges.index.backfill("stopped")) and now.closed)


def rare(own: Project, role: str) -> None:
    """Call what a run calls only after very long, with the code that a run calls it by."""
    named = own.running.stack | own.running.credentials.to_env() | {"AWS_ENDPOINT_URL": own.running.endpoint}
    environ = own.environ(named | {"PILEUS_ROLE": role})
    code = f"SECRET = {SETTINGS['secret_arns'][0]!r}\n{RARE}"
    done = subprocess.run([own.python, "-c", code], env=environ, capture_output=True, text=True, cwd=own.path)
    assert done.returncode == 0, done.stderr
    assert list(Path(own.calls).glob("*.jsonl"))
