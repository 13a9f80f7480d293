"""Parts of the HTTP API, each alone: tokens, cursors, limits, shared reads."""

import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pileus.api.access import TooMany
from pileus.api.guard import Buckets, Lockout
from pileus.api.roles import Role, TokenFile
from pileus.api.rows import Rows
from pileus.api.snapshots import Snapshots
from pileus.backfills.status import Status
from pileus.client import examples
from pileus.client.answers import BackfillAnswer, PartitionAnswer
from pileus.client.asked import NewBackfill, NewRun
from pileus.client.paging import page
from pileus.client.run_answers import RunAnswer
from pileus.errors import NotNow, Unknown, UsageError
from pileus.lifecycle.backfill import Backfill
from pileus.processes import process_of


def test_a_token_is_shown_once_and_its_hash_kept_where_only_its_user_reads(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    token = file.add("anna", Role.operate)
    assert len(token) == 43, "256 bits in base64"
    assert token not in (tmp_path / "tokens.json").read_text()
    assert stat.S_IMODE((tmp_path / "tokens.json").stat().st_mode) == 0o600
    holder = TokenFile(tmp_path / "tokens.json").holder(token)
    assert holder is not None
    assert (holder.name, holder.role) == ("anna", Role.operate)
    assert file.holder(token[:-1] + ("B" if token[-1] == "A" else "A")) is None


def test_a_removed_token_is_worthless_at_once_for_a_server_that_runs(tmp_path: Path) -> None:
    server, command = TokenFile(tmp_path / "tokens.json"), TokenFile(tmp_path / "tokens.json")
    token = command.add("anna", Role.read)
    assert server.holder(token)
    command.remove("anna")
    assert server.holder(token) is None
    with pytest.raises(Unknown):
        command.remove("anna")


def test_a_name_has_one_token(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    file.add("anna", Role.read)
    with pytest.raises(NotNow):
        file.add("anna", Role.admin)
    with pytest.raises(UsageError):
        file.add("anna/x", Role.read)


def test_twenty_processes_that_add_at_once_lose_nothing(tmp_path: Path) -> None:
    adding = [
        threading.Thread(target=TokenFile(tmp_path / "tokens.json").add, args=(f"n{n}", Role.read)) for n in range(20)
    ]
    for one in adding:
        one.start()
    for one in adding:
        one.join(20)
    assert len(TokenFile(tmp_path / "tokens.json").holders()) == 20


def test_pages_hold_each_item_once_also_while_others_come_before() -> None:
    items = [f"{n:03}" for n in range(25)]
    seen, cursor = [], None
    for _ in range(4):
        found = page(items, lambda one: one, lambda one: one, limit=10, cursor=cursor)
        seen += found.items
        items.insert(0, f"new {len(items)}")
        cursor = found.next
        if cursor is None:
            break
    assert seen == [f"{n:03}" for n in range(25)]


def test_the_last_page_has_no_cursor() -> None:
    assert page([1, 2], str, int, limit=2, cursor=None).next is None
    assert page([], str, int, limit=2, cursor=None).items == []


@pytest.mark.parametrize("cursor", ["x", "WyJ4Il0", "W10", "bnVsbA", "é", "[" * 2000])
def test_a_cursor_that_nobody_made_is_refused(cursor: str) -> None:
    with pytest.raises(UsageError):
        page([1, 2], str, int, limit=1, cursor=cursor)


def test_a_bucket_of_two_a_second_lets_four_through_at_once_and_then_two_a_second() -> None:
    now = [0.0]
    buckets = Buckets(2, 4, lambda: now[0])
    for _ in range(4):
        buckets.take("a")
    with pytest.raises(TooMany) as told:
        buckets.take("a")
    assert told.value.wait == 0.5
    buckets.take("b")
    now[0] = 0.5
    buckets.take("a")
    with pytest.raises(TooMany):
        buckets.take("a")


def test_wrong_tokens_are_forgotten_after_a_minute() -> None:
    now = [0.0]
    lockout = Lockout(3, 60, lambda: now[0])
    for _ in range(3):
        lockout.check("a")
        lockout.failed("a")
    with pytest.raises(TooMany):
        lockout.check("a")
    lockout.check("b")
    now[0] = 60.0
    lockout.check("a")


def status_of(id: str) -> Status:
    return Status(Backfill(id, "c", "001", "2015-01", "2015-02", "month"), [])


def test_fifty_readers_share_one_read() -> None:
    reads, begun, go = [], threading.Barrier(51), threading.Event()

    def read(id: str) -> Status:
        reads.append(id)
        go.wait(10)
        return status_of(id)

    snapshots = Snapshots(read)

    def reader() -> None:
        begun.wait(10)
        snapshots.get("b")

    readers = [threading.Thread(target=reader) for _ in range(50)]
    for one in readers:
        one.start()
    begun.wait(10)
    go.set()
    for one in readers:
        one.join(10)
    assert reads == ["b"]


def test_a_status_is_read_again_when_it_is_old_or_was_changed() -> None:
    now, reads = [0.0], []

    def read(id: str) -> Status:
        reads.append(now[0])
        return status_of(id)

    snapshots = Snapshots(read, lambda: now[0])
    for at in (0.0, 0.9, 1.0, 1.5):
        now[0] = at
        snapshots.get("b")
    snapshots.forget("b")
    snapshots.get("b")
    assert reads == [0.0, 1.0, 1.5]


def test_an_error_while_reading_is_told_and_not_kept() -> None:
    asked = []

    def read(id: str) -> Status:
        asked.append(id)
        if len(asked) == 1:
            raise Unknown("there is none")
        return status_of(id)

    snapshots = Snapshots(read)
    with pytest.raises(Unknown):
        snapshots.get("b")
    assert snapshots.get("b").status.backfill.id == "b"


def test_rows_of_at_most_eight_collections_are_kept() -> None:
    now, reads = [0.0], []

    def read(name: str) -> str:
        reads.append(name)
        return name

    rows = Rows(read, lambda: now[0])  # type: ignore[arg-type]
    for name in "abcdefghi":
        rows.get(name)
        rows.get(name)
    rows.get("a")
    assert reads == [*"abcdefghi", "a"]
    now[0] = 11.0
    rows.get("a")
    assert reads[-1] == "a"
    assert len(reads) == 11


def test_the_command_line_imports_neither_the_api_nor_its_framework() -> None:
    code = (
        "import sys; from typer.main import get_command; from pileus.cli.main import app; "
        "command = get_command(app); [command.get_command(None, name) for name in ('status', 'serve', 'token')]; "
        "print([name for name in sys.modules if name.startswith(('fastapi', 'starlette', 'uvicorn', 'pileus.api.'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"


def test_each_example_of_the_openapi_document_is_a_document_of_its_model() -> None:
    for model, example in (
        (BackfillAnswer, examples.BACKFILL),
        (PartitionAnswer, examples.PARTITION),
        (RunAnswer, examples.RUN),
        (NewBackfill, examples.NEW_BACKFILL),
        (NewRun, examples.NEW_RUN),
    ):
        model.model_validate(example)
    process_of("zonal-statistics").checked(examples.NEW_RUN["inputs"])
