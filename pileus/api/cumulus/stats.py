"""Statistics as Cumulus's API has them: how many rows of a list have each value of a field."""

from collections import Counter
from itertools import islice
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from pileus.api.access import allow
from pileus.api.cumulus.errors import RESPONSES, CumulusRoute
from pileus.api.cumulus.granules import rows_of
from pileus.api.cumulus.lists import MOST
from pileus.api.reach import Reached
from pileus.api.roles import Role

router = APIRouter(tags=["cumulus"], route_class=CumulusRoute, responses=RESPONSES)


@router.get("/stats/aggregate", dependencies=[allow(Role.read)], summary="Count granules by a field, as Cumulus does")
def aggregate(
    reach: Reached,
    type: Annotated[Literal["granules"], Query(description="What is counted.")],
    field: Annotated[Literal["status", "collectionId"], Query()] = "status",
    collectionId: Annotated[str | None, Query(max_length=400)] = None,  # noqa: N803 - Cumulus's name
) -> dict[str, Any]:
    """Return how many granules have each value, the most first. At most 10,000 granules are counted."""
    del type  # of which there is one
    found = Counter(str(one[field]) for one in islice(rows_of(reach, collectionId), MOST))
    count = [{"key": key, "count": number} for key, number in found.most_common()]
    return {"meta": {"name": "cumulus-api", "count": found.total(), "field": field}, "count": count}
