"""Collections as Cumulus has them, end to end: one without a template, buckets of the user's own, another provider."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from spec.support import tiny
from spec.support.stack import Project

BUCKETS = {"public": {"name": "spec-public", "type": "public"}, "browse": {"name": "spec-browse", "type": "public"}}
PROCESS = {"band": "light", "zones": "data/zones/tiny.geojson", "stats": ["mean"], "archive": True}


def test_a_collection_without_options_is_one_point_whose_archives_go_to_the_buckets_of_their_kinds(
    project: Project,
) -> None:
    tiny.collection(project, "unused", "201501", "201501")
    files = [
        {"regex": r"^tiny_2015[\d]{2}\.tgz$", "bucket": "public", "sampleFileName": "tiny_201501.tgz"},
        {"regex": r"^tiny_2016[\d]{2}\.tgz$", "bucket": "browse", "sampleFileName": "tiny_201601.tgz"},
    ]
    cumulus = {
        "name": "CUMULUS.tiny",
        "version": "006",
        "granuleId": r"^tiny_[\d]{6}$",
        "granuleIdExtraction": r"^(.*)(\.tgz)",
        "sampleFileName": "tiny_201501.tgz",
        "files": files,
        "createdAt": 1717200000000,
        "updatedAt": 1717200000000,
        "provider_path": f"{project.path}/mirror",
        "meta": {"process": PROCESS},
    }
    project.document("collections/cumulus.json", cumulus)
    project.document("data/providers/mirror.json", {"id": "mirror", "protocol": "file"})
    project.up(buckets=BUCKETS)
    project.pileus("populate")
    (project.path / "mirror").mkdir()
    for month in ("201501", "201601"):
        (project.path / f"mirror/tiny_{month}.tgz").write_bytes(tiny.archive())

    backfill = ("backfill", "CUMULUS.tiny", "--provider", "mirror", "--name", "once")
    (found,) = project.json("discover", "CUMULUS.tiny", "--provider", "mirror")["groups"]
    assert (found["key"], len(found["granules"])) == ("all", 2), "a regex without named groups: one group"
    assert "expected that one, as --point 2017-01-25" in project.pileus(*backfill, code=2)
    assert "unknown provider 'miror'" in project.pileus(*backfill[:3], "miror", "--point", "2015", code=2)
    (planned,) = project.json("plan", "CUMULUS.tiny", "--provider", "mirror", "--point", "2015")["partitions"]
    assert (planned["partition"], planned["files"]) == ("CUMULUS.tiny/006/2015/all", 2)
    project.pileus(*backfill, "--point", "2015", "--wait")
    assert project.counts("once") == {"succeeded": 1}
    kept = [
        url for name in ("spec-public", "spec-browse") for url, _ in project.edges.store.list(f"s3://{name}/archives/")
    ]
    assert kept == [
        "s3://spec-public/archives/CUMULUS.tiny/006/tiny_201501.tgz",
        "s3://spec-browse/archives/CUMULUS.tiny/006/tiny_201601.tgz",
    ]
    listed = project.pileus("outputs", "ls", "CUMULUS.tiny")
    assert all(url in listed for url in kept)
    (project.path / "mirror/tiny_201502.tgz").write_bytes(tiny.archive())
    project.pileus("retry", "once", "--only", "all", "--wait")
    assert project.edges.index.backfill("once").provider == "mirror"  # type: ignore[union-attr]
    assert project.counts("once") == {"succeeded": 1}

    cumulus["files"] = [files[0] | {"bucket": "publick"}]
    project.document("collections/cumulus.json", cumulus)
    said = project.pileus("populate", code=2)
    assert "files[0].bucket: unknown bucket 'publick': did you mean public?" in said
    assert json.loads(project.running.stack["PILEUS_BUCKETS"]) == BUCKETS


PASSWORD = "s3same-open"


class Asking(SimpleHTTPRequestHandler):
    """Files of a folder, for who signs in."""

    def do_GET(self) -> None:
        wanted = "Basic " + base64.b64encode(f"reader:{PASSWORD}".encode()).decode()
        if self.headers["Authorization"] == wanted:
            super().do_GET()
        else:
            self.send_error(401)

    do_HEAD = do_GET

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def asking(folder: Path) -> Iterator[int]:
    """The port of a server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Asking, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_password_in_a_document_signs_in_and_is_shown_nowhere(stack: Project) -> None:
    """Not in answers, logs, queues or executions: only in the registry and in the documents of a run."""
    tiny.publish(stack, "plain", "201501")
    tiny.publish(stack, "plain", "201502", body=b"no archive")
    with asking(stack.path / "site") as port:
        login = {"username": "reader", "password": PASSWORD, "attempts": 2}
        place = {"id": "asking", "protocol": "http", "host": "127.0.0.1", "port": port}
        stack.document("data/providers/asking.json", place | login)
        tiny.collection(stack, "plain", "201501", "201502", provider="asking", provider_path="/plain/{{pointInTime}}/")
        said = [stack.pileus("populate"), stack.pileus("plan", "plain")]
        said.append(stack.pileus("backfill", "plain", "--name", "plain", "--wait", code=1))
    assert stack.counts("plain") == {"succeeded": 1, "failed": 1}, "it signs in"
    said += [stack.pileus(*call.split(), "--json") for call in ("dead-letters list", "status plain", "rules list")]
    assert "its password stands in the document" in said[0]
    runs = stack.aws.stepfunctions
    machines = [one["stateMachineArn"] for one in runs.list_state_machines()["stateMachines"]]
    for execution in [one for arn in machines for one in runs.list_executions(stateMachineArn=arn)["executions"]]:
        said.append(json.dumps(runs.get_execution_history(executionArn=execution["executionArn"]), default=str))
    assert not [text[:200] for text in (*said, stack.logs()) if PASSWORD in text]
    holding = {
        url.rpartition("/")[2]
        for bucket in (stack.edges.stack.internal, stack.edges.stack.protected)
        for url, _ in stack.edges.store.list(f"s3://{bucket}/")
        if PASSWORD.encode() in stack.edges.store.get(url)
    }
    assert holding == {"registry.json", "documents.json"}
