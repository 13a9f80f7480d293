"""The page of Cumulus's routes against the app, both ways, and against the routes that Cumulus itself has."""

import re
from pathlib import Path

from pileus.api.access import role_of
from pileus.api.app import create_app
from pileus.api.cumulus.undone import AREAS, ROUTES
from pileus.api.roles import Role
from spec.support.api import folder_services

PAGE = (Path(__file__).parents[2] / "docs/how-to/cumulus-api.md").read_text()
THEIRS = """
GET /version, GET /instanceMeta, GET /schemas/{}, GET /workflows, GET /workflows/{}, GET /stats, GET /stats/aggregate,
GET /collections, GET /collections/active, GET /collections/{}/{}, POST /collections, PUT /collections/{}/{},
DELETE /collections/{}/{}, GET /providers, GET /providers/{}, POST /providers, PUT /providers/{}, DELETE /providers/{},
GET /rules, GET /rules/{}, POST /rules, PUT /rules/{}, PATCH /rules/{}, DELETE /rules/{},
GET /granules, GET /granules/{}, GET /granules/{}/{}, POST /granules, PATCH /granules/{}, PATCH /granules/{}/{},
PUT /granules/{}/{}, DELETE /granules/{}, DELETE /granules/{}/{}, POST /granules/{}/executions, POST /granules/bulk,
POST /granules/bulkDelete, POST /granules/bulkReingest, POST /granules/bulkArchive, POST /granules/bulkChangeCollection,
PATCH /granules/bulkPatch, PATCH /granules/bulkPatchGranuleCollection, PATCH /granules/archive,
PATCH /granules/archiveAsync, GET /granules/files/get_collection_and_granule_id/{}/{},
GET /executions, GET /executions/{}, GET /executions/status/{}, POST /executions, PUT /executions/{},
DELETE /executions/{}, POST /executions/search-by-granules, POST /executions/workflows-by-granules,
POST /executions/bulk-delete-by-collection, PATCH /executions/archive,
GET /asyncOperations, GET /asyncOperations/{}, POST /asyncOperations, DELETE /asyncOperations/{},
GET /reconciliationReports, GET /reconciliationReports/{}, POST /reconciliationReports,
DELETE /reconciliationReports/{},
GET /logs, GET /logs/{}, GET /pdrs, GET /pdrs/{}, DELETE /pdrs/{}, POST /orca/recovery, POST /replays,
POST /replays/sqs, POST /replayArchivedS3Messages, POST /migrationCounts, GET /granule-csv,
POST /deadLetterArchive/recoverCumulusMessages, GET /token, POST /refresh, DELETE /token/{}, DELETE /tokenDelete/{},
GET /saml/login, POST /saml/auth, GET /dashboard/{}/{}, GET /elasticsearch/indices-status,
PUT /elasticsearch/create-snapshot, POST /elasticsearch/reindex, GET /elasticsearch/reindex-status,
POST /elasticsearch/change-index, POST /elasticsearch/index-from-database, GET /elasticsearch/current-index,
POST /ems, GET /s3credentials
"""
"""Method and path of each route of packages/api in nasa/cumulus (read in November 2026), {} for each parameter."""


def rows(kind: str) -> dict[str, str]:
    """Route and note of each row of the page of a kind: `yes` or `501`."""
    found = re.findall(r"^\| `([^`]+)` \| (yes|501) \| (.*?) ?\|$", PAGE, re.MULTILINE)
    assert len(found) == len({route for route, _, _ in found}), "no route has two rows"
    return {route: note for route, there, note in found if there == kind}


def test_the_page_names_every_route_that_is_answered_and_no_other() -> None:
    paths = create_app(folder_services(None, Path()), None).openapi()["paths"]  # type: ignore[arg-type]
    answered = {
        f"{method.upper()} {path.removeprefix('/cumulus')}"
        for path, of in paths.items()
        for method in of
        if path.startswith("/cumulus/")
    }
    assert set(rows("yes")) == answered


def test_the_page_says_of_every_route_that_is_not_there_what_its_answer_says() -> None:
    assert rows("501") == {f"{method} {path}": why for (method, path), why in ROUTES.items()} | AREAS


def test_the_page_tells_the_role_of_every_route() -> None:
    told = {route: note.partition(";")[0] for route, note in rows("yes").items()}
    app = create_app(folder_services(None, Path()), None)  # type: ignore[arg-type]
    for route in app.routes:
        for one in route.effective_route_contexts() if hasattr(route, "effective_route_contexts") else ():
            path = one.path.removeprefix("/cumulus").replace(":rest", "")
            for method in one.methods or ():
                if one.path.startswith("/cumulus/") and f"{method} {path}" in told:
                    role, note = role_of(one), told.pop(f"{method} {path}")
                    assert role is not None
                    assert (note in Role.__members__) == (role is not Role.read), path
                    assert role is Role.read or note == role.name, path
    assert not told, "every row was looked at"


def test_every_route_of_cumulus_is_on_the_page() -> None:
    """And every row without an area is a route of Cumulus."""
    theirs = set(re.findall(r"[A-Z]+ /[^\s,]+", THEIRS))
    assert len(theirs) > 80
    ours = {re.sub(r"\{[^}]*\}", "{}", row) for row in rows("yes") | rows("501")}
    single = {one for one in theirs if f"/{one.split('/')[1]}" not in AREAS}
    assert single == {row for row in ours if " " in row}
