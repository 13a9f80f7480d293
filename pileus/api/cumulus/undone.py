"""Routes of Cumulus's API that Pileus does not have: each answers 501 and says why in one sentence."""

from collections.abc import Callable
from http import HTTPStatus

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from pileus.api.access import allow
from pileus.api.cumulus.errors import CumulusRoute, answer
from pileus.api.roles import Role

router = APIRouter(route_class=CumulusRoute, include_in_schema=False)
WHY: dict[str, str] = {
    "/pdrs": "Pileus reads no PDRs: a rule of type sqs, sns or kinesis takes CNM messages in their place.",
    "/orca": "Pileus keeps no ORCA archive: the storage classes of a bucket's own lifecycle rules do that.",
    "/ems": "Pileus reports nothing to EMS, which NASA has retired.",
    "/lzards": "Pileus makes no backups in LZARDS, which is a service inside NASA.",
    "/elasticsearch": "Pileus has no Elasticsearch: what it lists is read from its table and its buckets.",
    "/dashboard": "Pileus has its own page at /app/.",
    "/token": "Pileus signs nobody in with Earthdata Login: send Authorization: Bearer TOKEN with a token that "
    "`pileus token add` made, or of the stack's own OpenID Connect issuer on AWS.",
    "/refresh": "Pileus has no tokens to refresh: `pileus token add` makes another, and on AWS the issuer does.",
    "/tokenDelete": "Pileus takes a token away by `pileus token remove`, not by a request.",
    "/migrationCounts": "Pileus has one record of each granule: there are no databases to compare.",
    "/replays": "Pileus replays no Kinesis stream: `pileus rules run NAME --message FILE` fires a rule with a message.",
    "/s3credentials": "Pileus hands out no credentials of AWS.",
    "/cmr": "Pileus does not publish to the CMR: its collections are published as STAC.",
}
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
CHANGES = METHODS[1:]


def _refusal(why: str) -> Callable[[], JSONResponse]:
    def refuse() -> JSONResponse:
        """Say why there is no such route here."""
        return answer(HTTPStatus.NOT_IMPLEMENTED, why)

    return refuse


for _path, _why in WHY.items():
    for _place in (_path, f"{_path}/{{rest:path}}"):
        router.add_api_route(_place, _refusal(_why), methods=["GET"], dependencies=[allow(Role.read)])
        router.add_api_route(_place, _refusal(_why), methods=CHANGES, dependencies=[allow(Role.operate)])
