"""Routes of Cumulus's API that Pileus does not have: each answers 501 and says why in one sentence."""

from collections.abc import Callable
from http import HTTPStatus

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from pileus.api.access import allow
from pileus.api.cumulus import rest
from pileus.api.cumulus.errors import CumulusRoute, answer
from pileus.api.roles import Role
from pileus.errors import NotFound

router = APIRouter(route_class=CumulusRoute, include_in_schema=False)
AREAS: dict[str, str] = {
    "/pdrs": "Pileus reads no PDRs: a rule of type sqs, sns or kinesis takes CNM messages in their place.",
    "/orca": "Pileus keeps no ORCA archive: lifecycle rules of a bucket move its objects to colder storage.",
    "/ems": "Pileus reports nothing to EMS, as newer versions of Cumulus do not either.",
    "/lzards": "Pileus makes no backups in LZARDS, which is a service inside NASA.",
    "/cmr": "Pileus does not publish to the CMR: its collections are published as STAC.",
    "/elasticsearch": "Pileus has no Elasticsearch: what it lists is read from its table and its buckets.",
    "/dashboard": "Pileus has its own page at /app/.",
    "/token": "Pileus signs nobody in with Earthdata Login: send Authorization: Bearer TOKEN with a token that "
    "`pileus token add` made, or of the stack's own OpenID Connect issuer on AWS.",
    "/refresh": "Pileus has no tokens to refresh: `pileus token add` makes another, and on AWS the issuer does.",
    "/tokenDelete": "Pileus takes a token away by `pileus token remove`, not by a request.",
    "/saml": "Pileus signs nobody in by SAML: on AWS it takes tokens of an OpenID Connect issuer.",
    "/migrationCounts": "Pileus has one record of each granule: there are no databases to compare.",
    "/replays": "Pileus replays no Kinesis stream: `pileus rules run NAME --message FILE` fires a rule with a message.",
    "/replayArchivedS3Messages": "Pileus archives no messages that it has taken: those that it could not take are "
    "dead letters, and POST /v1/dead-letters/ID/redrive runs one again.",
    "/s3credentials": "Pileus hands out no credentials of AWS.",
    "/logs": "Pileus keeps no logs of executions in one place: CloudWatch Logs has those of tasks, and "
    "GET /v1/backfills/ID/partitions/PERIOD/GROUP/logs tells the lines of one partition.",
    "/granule-csv": "Pileus writes no CSV of granules: GET /v1/collections/NAME/granules lists any number of them.",
    "/reconciliationReports": "Pileus keeps no reports: POST /v1/reconcile compares provider, objects, index and rows "
    "of a collection, and answers what differs at once.",
    "/distribution": "Pileus distributes no files: the owner of a bucket says who may read it.",
}
"""What there is nothing of, whatever method and whatever follows: the beginning of the path, and why."""
_WRITTEN = "a backfill, a message or a workflow writes granules down, and nobody else does."
_RUNS = "the run of an execution stays as long as the stack: its start and its end write it down, and nobody else does."
ROUTES: dict[tuple[str, str], str] = {
    ("POST", "/granules"): f"Pileus takes no records of granules: {_WRITTEN}",
    ("PUT", "/granules/{collection_id}/{id}"): f"Pileus takes no records of granules: {_WRITTEN}",
    ("PATCH", "/granules/bulkPatch"): f"Pileus takes no records of granules: {_WRITTEN}",
    ("PATCH", "/granules/bulkPatchGranuleCollection"): "Pileus moves no granules to another collection.",
    ("PATCH", "/granules/archive"): "Pileus archives no records of granules: they are objects in S3, and cheap.",
    ("PATCH", "/granules/archiveAsync"): "Pileus archives no records of granules: they are objects in S3, and cheap.",
    ("POST", "/granules/bulkArchive"): "Pileus archives no records of granules: they are objects in S3, and cheap.",
    ("POST", "/granules/bulkChangeCollection"): "Pileus moves no granules to another collection.",
    (
        "POST",
        "/granules/{id}/executions",
    ): "Pileus takes no executions of granules: the run that works on them says so.",
    ("GET", "/granules/files/get_collection_and_granule_id/{bucket}/{key}"): "Pileus has no index of granules by their "
    "files: the record of a granule names its files.",
    ("POST", "/executions"): f"Pileus takes no records of executions: {_RUNS}",
    ("PUT", "/executions/{arn}"): f"Pileus takes no records of executions: {_RUNS}",
    ("DELETE", "/executions/{arn}"): f"Pileus deletes no records of executions: {_RUNS}",
    ("PATCH", "/executions/archive"): f"Pileus archives no records of executions: {_RUNS}",
    ("POST", "/executions/bulk-delete-by-collection"): f"Pileus deletes no records of executions: {_RUNS}",
    ("POST", "/asyncOperations"): "Pileus begins an asynchronous operation by the route that asks for its work.",
    ("DELETE", "/asyncOperations/{id}"): "Pileus keeps what came of work on granules: `pileus runs stop` ends one.",
}
"""Single routes, and why."""
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
CHANGES = METHODS[1:]


def _refusal(why: str) -> Callable[[], JSONResponse]:
    def refuse() -> JSONResponse:
        """Say why there is no such route here."""
        return answer(HTTPStatus.NOT_IMPLEMENTED, why)

    return refuse


for (_method, _path), _why in ROUTES.items():
    _role = Role.read if _method == "GET" else Role.operate
    _path = _path.replace("{key}", f"{{key:{rest.NAME}}}")
    router.add_api_route(_path, _refusal(_why), methods=[_method], dependencies=[allow(_role)])
for _path, _why in AREAS.items():
    for _place in (_path, f"{_path}/{{rest:{rest.NAME}}}"):
        router.add_api_route(_place, _refusal(_why), methods=["GET"], dependencies=[allow(Role.read)])
        router.add_api_route(_place, _refusal(_why), methods=CHANGES, dependencies=[allow(Role.operate)])

last = APIRouter(route_class=CumulusRoute, include_in_schema=False)


def _unknown(place: str) -> None:
    """Say that neither Cumulus nor Pileus has such a route."""
    raise NotFound("Cumulus's API has no such route, or not with this method", where=place[:200])


ANYTHING = f"/{{place:{rest.NAME}}}"
last.add_api_route(ANYTHING, _unknown, methods=["GET"], dependencies=[allow(Role.read)])
last.add_api_route(ANYTHING, _unknown, methods=CHANGES, dependencies=[allow(Role.operate)])
