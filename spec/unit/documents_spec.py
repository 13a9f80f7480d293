"""Documents: which are accepted, and the one line for one that is not."""

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from pileus.documents import Collection, Meta, Process, Provider, Rule, parse, parse_value, read
from pileus.edges.aws import Stack
from pileus.edges.store import FolderStore
from pileus.errors import DocumentError
from pileus.lifecycle.fingerprint import fingerprint
from pileus.project.populate import populate
from pileus.project.registry import Registry
from pileus.project.schemas import MODELS, schema
from pileus.wiring import wire_folder
from spec.support.forked import run_forked

ROOT = Path(__file__).parents[2]
ANCESTOR = r"""{
  "name": "viirs_template", "templated_name": "viirs_{{pointInTime}}", "version": "001",
  "files": [{"regex": "(.*)\\.tgz", "bucket": "internal",
             "sampleFileName": "SVDNB_npp_20180301-20180331_00N060E_vcmcfg_v10_c201804022005.tgz"}],
  "provider_path": "/instruments/viirs/dnb_composites/v10/{{pointInTime}}/vcmcfg/",
  "granuleIdExtraction": "(.*)\\.tgz",
  "granuleId": "SVDNB_npp_20180301-20180331_00N060E_vcmcfg_v10_c201804022005",
  "sampleFileName": "SVDNB_npp_20180301-20180331_00N060E_vcmcfg_v10_c201804022005.tgz",
  "dataType": "viirs-collection",
  "options": {"spanUnit": "month", "spanStart": "201311", "spanEnd": "201412"}
}"""
ANCESTOR_PROVIDER = """{"id": "viirs_provider", "globalConnectionLimit": 10, "protocol": "https",
  "host": "https://data.ngdc.noaa.gov/instruments/viirs/dnb_composites/v10/201803/vcmslcfg"}"""


def test_the_ancestors_collection_loads_unchanged() -> None:
    collection = parse(Collection, ANCESTOR, "viirs-collection.json")
    assert collection.options is not None
    assert (collection.options.spanStart, collection.options.spanEnd) == ("201311", "201412")


def test_the_ancestors_provider_loads_unchanged_scheme_in_the_host_and_all() -> None:
    assert parse(Provider, ANCESTOR_PROVIDER, "viirs-provider.json").globalConnectionLimit == 10


@pytest.mark.parametrize(
    ("model", "folder"), [(Collection, "collections"), (Provider, "data/providers"), (Rule, "rules")]
)
def test_the_projects_own_documents_load(model: type, folder: str) -> None:
    paths = list((ROOT / folder).glob("*.json"))
    assert paths
    for path in paths:
        read(model, path)


@pytest.mark.parametrize("name", MODELS)
def test_the_schemas_in_the_project_are_those_of_the_models(name: str) -> None:
    written = json.loads((ROOT / f"data/schemas/{name}.schema.json").read_text())
    assert written == schema(name), "run `make schemas`"


def changed(**changes: object) -> str:
    return json.dumps(json.loads(ANCESTOR) | changes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "x.json: not JSON: Expecting property name enclosed in double quotes at line 1 column 2"),
        ("[]", "x.json: Input should be a valid dictionary"),
        ('{"name": "x"}', "x.json: files: required, and missing"),
        (changed(regx="a"), "x.json: regx: unknown field"),
        (changed(provder="a"), r"x.json: provder: unknown field; did you mean provider"),
        (
            changed(files=[{"regex": "a", "sampelFileName": "a"}]),
            r"sampelFileName: unknown field; did you mean sampleFi",
        ),
        (
            changed(meta={"process": {"band": "b", "zones": "z", "stat": []}}),
            "meta.process.stat: unknown field; did you mean",
        ),
        (changed(files=[{"regex": "("}]), r"x.json: files\[0\].regex: not a regular expression: missing \)"),
        (changed(files=[{"regex": "a", "bucket": "my bucket"}]), r"files\[0\].bucket: String should match pattern"),
        (
            changed(sampleFileName="readme.txt"),
            r"sampleFileName: readme.txt: granuleIdExtraction .* finds no granule id",
        ),
        (changed(files=[], granuleIdExtraction=None), "x.json: files: expected at least one kind of files"),
        (changed(granuleId="^MOD09"), r"its granule id 'SVDNB.*' does not match granuleId '\^MOD09'"),
        (
            changed(url_path="{extractYer(file.time)}"),
            "url_path: unknown function of url_path 'extractYer': did you mean",
        ),
        (
            changed(files=[{"regex": "a[.]nc"}, {"regex": "a[.]md5", "checksumFor": "b[.]nc"}]),
            r"files\[1\].checksumFor: expected the regex of one other of files, not 'b\[.\]nc'",
        ),
        (changed(files=[{"regex": "a", "sampleFileName": "b"}]), "regex does not match sampleFileName 'b'"),
        (changed(provider_path="{{when}}"), "provider_path: unresolved placeholder {{when}}"),
        (
            changed(options={"spanUnit": "fortnight", "spanStart": "1"}),
            "options.spanUnit: Input should be 'day', 'week', 'dekad', 'month', 'quarter', 'season' or 'year'",
        ),
        (changed(meta={"group": {"by": ["start"]}}), r"group names start, which files\[0\].regex does not define"),
        (changed(meta={"group": {"expect": ["a"]}}), "expect needs each"),
        (changed(meta={"process": {"band": "b"}}), "meta.process.zones: required, and missing"),
        (changed(meta={"process": {"band": "b", "zones": "z", "stats": ["avg"]}}), "unknown statistic 'avg'"),
        (
            changed(meta={"bands": {"a": {}}, "process": {"band": "b", "zones": "z"}}),
            "unknown band 'b': expected one of a",
        ),
        (changed(templated_name=None), "templated_name: required with options"),
    ],
)
def test_one_line_names_file_place_and_what_was_expected(text: str, said: str) -> None:
    with pytest.raises(DocumentError, match=said) as caught:
        parse(Collection, text, "x.json")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"protocol": "gopher"}, "protocol: unknown protocol 'gopher': expected one of http, https, s3, ftp"),
        ({"protocol": "http"}, "host: begins with https:// but protocol is http"),
        ({"credentials": {"type": "basic"}}, "credentials: basic needs username, password"),
        ({"credentials": {"type": "bearer", "token": {}}}, "exactly one of secretsmanager, ssm, env"),
        ({"globalConnectionLimit": 0}, "globalConnectionLimit: Input should be greater than or equal to 1"),
    ],
)
def test_a_provider_that_is_wrong_is_refused_likewise(changes: dict[str, object], said: str) -> None:
    with pytest.raises(DocumentError, match=said):
        parse(Provider, json.dumps(json.loads(ANCESTOR_PROVIDER) | changes), "y.json")


def test_to_json_and_parse_are_inverses() -> None:
    for path in (ROOT / "collections").glob("*.json"):
        collection = read(Collection, path)
        assert parse(Collection, json.dumps(collection.to_json()), "again") == collection


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project's documents, which a spec may damage."""
    for folder in ("collections", "rules", "data/providers", "data/zones", "infra/workflows"):
        (tmp_path / folder).mkdir(parents=True)
        for path in (ROOT / folder).glob("*.*json"):
            (tmp_path / folder / path.name).write_bytes(path.read_bytes())
    return tmp_path


def check(project: Path) -> subprocess.CompletedProcess[str]:
    return run_forked(["populate", "--check"], project, os.environ, seconds=120)


def spoil(project: Path, file: str, **changes: object) -> None:
    path = project / file
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def zones(project: Path, text: str) -> None:
    (project / "data/zones/sample.geojson").write_text(text)


def test_populate_check_needs_no_stack(project: Path) -> None:
    done = check(project)
    assert done.returncode == 0, done.stderr
    assert "15 documents are valid" in done.stdout


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda p: spoil(p, "collections/viirs_sample.json", provider="nobody"), "provider: unknown provider 'nobody'"),
        (
            lambda p: spoil(p, "collections/viirs_sample.json", workflow="Nothing"),
            "workflow: unknown workflow 'Nothing'",
        ),
        (
            lambda p: spoil(
                p,
                "collections/viirs_sample.json",
                options={"spanUnit": "month", "spanStart": "201502", "spanEnd": "201501"},
            ),
            "options: spanStart 201502 is after spanEnd 201501",
        ),
        (
            lambda p: spoil(p, "collections/viirs_sample.json", templated_name="one"),
            "201501 and 201502 both become 'one'",
        ),
        (lambda p: (p / "data/zones/sample.geojson").unlink(), "data/zones/sample.geojson cannot be read"),
        (lambda p: zones(p, '{"type": "FeatureCollection", "features": []}'), "has no features"),
        (lambda p: zones(p, "once upon a time"), "data/zones/sample.geojson"),
        (lambda p: (p / "rules/x.json").write_text("{}"), "rules/x.json: name: required"),
    ],
)
def test_what_is_wrong_between_documents_is_one_line_and_exit_2(project: Path, harm: object, said: str) -> None:
    harm(project)  # type: ignore[operator]
    done = check(project)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_populate_check_answers_in_json(project: Path) -> None:
    done = run_forked(["populate", "--check", "--json"], project, os.environ, seconds=120)
    assert json.loads(done.stdout) == {"valid": True, "collections": 7, "providers": 6, "rules": 2}


def test_the_old_name_of_the_classic_csv_is_read_and_makes_no_result_stale() -> None:
    event = json.loads((ROOT / "ecs_tasks/process_group/event.json").read_text())
    rules = event["config"]["collection"]["meta"]["process"]
    old = {"ancestor_csv" if name == "classic_csv" else name: value for name, value in rules.items()}
    for written in (rules, old):
        process = parse_value(Process, written, "meta.process")
        assert process.classic_csv
        assert fingerprint([], Meta(process=process)).parameters == "5dd9bb002793", "as the first version made it"


PLAIN = {
    "id": "archive",
    "protocol": "https",
    "host": "archive.example.org",
    "username": "reader",
    "password": "s3same",
}


def test_a_plain_password_is_written_where_pileus_reads_it_and_masked_where_anybody_else_does() -> None:
    provider = parse_value(Provider, PLAIN, "archive.json")
    assert provider.revealed() == PLAIN
    shown = provider.model_dump(mode="json", exclude_defaults=True)
    assert (shown["username"], shown["password"]) == ("********", "********")
    assert "s3same" not in repr(provider) + str(provider) + provider.model_dump_json()


def test_a_wrong_password_is_not_in_what_is_said_of_it() -> None:
    with pytest.raises(DocumentError, match="password: Input should be a valid string") as caught:
        parse_value(Provider, PLAIN | {"password": 90210}, "archive.json")
    assert "90210" not in str(caught.value)


def test_a_registry_that_was_shown_may_be_given_back_and_keeps_its_passwords(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    given = Registry(providers={"archive": parse_value(Provider, PLAIN, "archive.json")})
    populate(store, "internal", given, {})
    shown = {**PLAIN, "username": "********", "password": "********", "globalConnectionLimit": 3}
    written, _ = populate(store, "internal", Registry(providers={"archive": parse_value(Provider, shown, "x")}), {})
    assert written.providers["archive"].revealed() == PLAIN | {"globalConnectionLimit": 3}
    other = Registry(providers={"other": parse_value(Provider, shown | {"id": "other"}, "x")})
    with pytest.raises(DocumentError, match="provider other: username: stars stand for it"):
        populate(store, "internal", other, {})


def test_populate_warns_of_a_password_in_a_document_and_names_the_way_to_secrets_manager(project: Path) -> None:
    (project / "data/providers/archive.json").write_text(json.dumps(PLAIN))
    done = check(project)
    assert done.returncode == 0, done.stderr
    assert "provider archive: its password stands in the document" in done.stderr
    assert '"password": {"secretsmanager": "NAME", "key": "password"}' in done.stderr
    assert "s3same" not in done.stderr + done.stdout


def test_the_shorter_of_two_limits_of_time_counts() -> None:
    assert parse_value(Provider, PLAIN | {"maxDownloadTime": 900}, "x").file_seconds == 900
    assert parse_value(Provider, PLAIN | {"maxDownloadTime": 900, "total_seconds": 60}, "x").file_seconds == 60


def test_named_groups_may_be_written_as_javascript_writes_them() -> None:
    value = json.loads(ANCESTOR)
    value["files"] = [{"regex": "(?<tile>h[0-9]{2}v[0-9]{2})[.]hdf", "sampleFileName": "h01v02.hdf"}]
    value["meta"] = {"group": {"each": "tile"}}
    assert parse_value(Collection, value, "x").meta.group.each == "tile"


def test_unknown_fields_are_left_alone_only_where_a_document_says_so() -> None:
    value = json.loads(ANCESTOR) | {"oldField": 1, "meta": {"cumulus": {"lenient": True}}}
    value["files"][0]["older"] = "x"
    assert parse_value(Collection, value, "x").name == "viirs_template"
    with pytest.raises(DocumentError, match="files: required, and missing"):
        parse_value(Collection, {"name": "x", "old": 1, "meta": value["meta"]}, "x")
    value["meta"] = {"cumulus": {"lenient": False}}
    with pytest.raises(DocumentError, match=r"files\[0\].older: unknown field; oldField: unknown field"):
        parse_value(Collection, value, "x")


def test_a_bucket_is_any_key_of_the_setting_and_another_is_refused_with_near_ones(project: Path) -> None:
    files = [{"regex": "a", "bucket": "public"}, {"regex": "b", "bucket": "protectd"}]
    (project / "collections/kept.json").write_text(json.dumps({"name": "kept", "files": files}))
    environ = os.environ | {"PILEUS_SETTINGS": '{"buckets": {"public": {"name": "archive-public", "type": "public"}}}'}
    done = run_forked(["populate", "--check"], project, environ, seconds=120)
    assert done.returncode == 2
    told = "collections/kept.json: files[1].bucket: unknown bucket 'protectd': did you mean protected?"
    assert told in done.stderr.replace("\n", " ")


def test_the_stack_knows_the_bucket_of_each_key(tmp_path: Path) -> None:
    stack = wire_folder(tmp_path, {}).stack
    assert (stack.bucket("internal"), stack.bucket("protected")) == ("internal", "protected")
    named = replace(stack, buckets='{"public": {"name": "archive-public", "type": "public"}}')
    assert Stack.from_env(named.to_env()).bucket("public") == "archive-public"
    assert named.bucket_map["public"] == {"name": "archive-public", "type": "public"}
    with pytest.raises(DocumentError, match="unknown bucket 'pubic': did you mean public"):
        named.bucket("pubic")
