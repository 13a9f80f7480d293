"""What is recorded of an address: not what signs or opens it. Retries have the whole address."""

import json
from pathlib import Path

import pytest

from pileus.documents import Credentials, Grouping, Provider, SecretRef, parse_value
from pileus.edges.providers.reach import sent_in_clear
from pileus.errors import Refused
from pileus.group import group
from pileus.models import Granule, Group, Listed, Manifest, Partition
from pileus.outputs.stac import _source
from pileus.public_url import public_url

SIGNED = "https://b.example.org/k.tgz?X-Amz-Signature=TOPSECRET&versionId=3&X-Amz-Credential=TOPSECRET&token=TOPSECRET"
PLAIN = "https://b.example.org/k.tgz?versionId=3"
GRANULE = Granule(Listed("k.tgz", SIGNED, 5, sidecar=SIGNED), {"tile": "a"})


@pytest.mark.parametrize(
    ("url", "public"),
    [
        (SIGNED, PLAIN),
        ("https://me:TOPSECRET@x.org/a", "https://x.org/a"),
        ("https://x.org/a?sv=1&sig=TOPSECRET&f=x", "https://x.org/a?f=x"),
        ("https://x.org/a?X%2DGoog%2DSignature=TOPSECRET", "https://x.org/a"),
        ("https://x.org/a?f=x;token=TOPSECRET&g=1", "https://x.org/a?g=1"),
        ("https://x.org/a?apikey=TOPSECRET", "https://x.org/a"),
        ("https://x.org/a?author=me&f=2&empty", "https://x.org/a?author=me&f=2&empty"),
        ("https://[x/a?token=TOPSECRET", "https://[x/a"),
        ("s3://b/a?token=1#x@y", "s3://b/a?token=1#x@y"),
        ("a file, not an address?token=1", "a file, not an address?token=1"),
    ],
)
def test_what_opens_an_address_is_left_out(url: str, public: str) -> None:
    assert public_url(url) == public
    assert public_url(public) == public


def test_manifests_items_errors_and_problems_do_not_have_it() -> None:
    manifest = Manifest(Partition("c", "001", "2015", "all"), "f", (GRANULE,), {}, (), "1", "2015-01-01T00:00:00Z")
    other = Granule(Listed("k.tgz", SIGNED + "0", 6), {"tile": "a"})
    grouped = group([GRANULE, other], Grouping(by=("tile",)))
    told = [
        json.dumps(manifest.to_json()),
        json.dumps(_source(GRANULE)),
        str(Refused("the provider answered 403", where=SIGNED)),
        json.dumps([problem.to_json() for problem in grouped.problems]),
    ]
    assert all("TOPSECRET" not in text for text in told)
    assert [PLAIN in text for text in told[:3]] == [True] * 3


def test_a_task_keeps_the_whole_address_so_that_it_can_be_retried() -> None:
    sent = Group("a", (GRANULE,))
    assert Group.from_json(json.loads(json.dumps(sent.to_json()))).granules[0].file.url == SIGNED


BASIC = Credentials(type="basic", username=SecretRef(env="U"), password=SecretRef(env="P"))


@pytest.mark.parametrize(
    ("value", "warned"),
    [
        ({"protocol": "http", "host": "x.org"}, True),
        ({"protocol": "http", "host": "http://x.org:8080/a"}, True),
        ({"protocol": "ftp", "host": "x.org"}, True),
        ({"protocol": "https", "host": "x.org"}, False),
        ({"protocol": "sftp", "host": "x.org"}, False),
        ({"protocol": "http", "host": "127.0.0.1:8080"}, False),
        ({"protocol": "http", "host": "localhost"}, False),
        ({"protocol": "http", "host": "[::1]:80"}, False),
        ({"protocol": "http", "host": "x.org", "allowPrivate": True}, False),
        ({"protocol": "http", "host": "x.org", "credentials": None}, False),
    ],
)
def test_credentials_over_a_plain_connection_are_warned_of(value: dict[str, object], warned: bool) -> None:
    provider = parse_value(Provider, {"id": "x", "credentials": BASIC} | value, "x.json")
    warning = sent_in_clear(provider)
    assert (warning is not None) == warned
    assert warning is None or (warning.startswith("provider x: credentials of type basic") and "\n" not in warning)


def test_populate_warns_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from pileus.cli.main import app

    for folder in ("collections", "data/providers", "rules"):
        (tmp_path / folder).mkdir(parents=True)
    document = {"id": "x", "protocol": "http", "host": "x.org", "credentials": BASIC.model_dump(exclude_none=True)}
    (tmp_path / "data/providers/x.json").write_text(json.dumps(document))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["populate", "--check"])
    assert done.exit_code == 0, done.output
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("pileus: provider x: credentials of type basic are sent over plain http")
