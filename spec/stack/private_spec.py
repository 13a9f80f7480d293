"""The embedded AWS answers the user who started it, and nobody else: no other user, and no web page."""

import http.client
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pileus.edges.aws import Aws, Credentials
from pileus.embedded.home import Home
from pileus.embedded.private import new_credentials
from pileus.errors import StoreError
from spec.support.stack import Project

LIST = "/?Action=ListQueues"


def ask(project: Project, method: str, path: str, **headers: str) -> http.client.HTTPResponse:
    """One request without a signature. `Host` is that of the address where no other is given."""
    connection = http.client.HTTPConnection("127.0.0.1", int(project.running.endpoint.rpartition(":")[2]), timeout=10)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def token(project: Project) -> str:
    return project.running.credentials.token


def test_who_has_the_token_is_answered(stack: Project) -> None:
    assert stack.aws.s3.list_buckets()["Buckets"]
    assert ask(stack, "GET", "/", X_Amz_Security_Token=token(stack)).status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("POST", LIST), ("POST", "/_ministack/reset"), ("POST", "/_ministack/config"), ("GET", "/nothing")],
)
def test_a_request_without_the_token_is_refused(stack: Project, method: str, path: str) -> None:
    answer = ask(stack, method, path)
    assert (answer.status, answer.getheader("Access-Control-Allow-Origin")) == (403, None)
    assert stack.aws.s3.list_buckets()["Buckets"], "nothing was reset"


@pytest.mark.parametrize("token", ["", "test"])
def test_another_token_is_refused_with_a_sentence(stack: Project, token: str) -> None:
    aws = Aws(stack.running.endpoint, Credentials("test", "test", token))
    with pytest.raises(StoreError, match="the session token is not that of this stack"):
        aws.s3.list_buckets()
    with pytest.raises(StoreError, match="the session token is not that of this stack"):
        aws.dynamodb.list_tables()


def test_a_signed_address_is_answered(stack: Project) -> None:
    bucket = stack.running.stack["PILEUS_INTERNAL"]
    address = stack.aws.s3.generate_presigned_url("list_objects_v2", Params={"Bucket": bucket})
    path = address.removeprefix(stack.running.endpoint)
    assert ask(stack, "GET", path).status == 200
    assert ask(stack, "GET", path.replace(token(stack), "x")).status == 403


@pytest.mark.parametrize("path", ["/", "/_ministack/health"])
@pytest.mark.parametrize("header", [{"Origin": "http://evil.example"}, {"Sec_Fetch_Site": "cross-site"}])
def test_a_web_page_is_refused_though_it_had_the_token(stack: Project, path: str, header: dict[str, str]) -> None:
    answer = ask(stack, "GET", path, X_Amz_Security_Token=token(stack), **header)
    assert (answer.status, answer.getheader("Access-Control-Allow-Origin")) == (403, None)


def test_a_browser_that_asks_whether_it_may_is_told_no(stack: Project) -> None:
    asked = {"Origin": "http://evil.example", "Access_Control_Request_Method": "PUT"}
    answer = ask(stack, "OPTIONS", "/", **asked)
    assert answer.status == 403
    assert not [name for name, _ in answer.getheaders() if name.lower().startswith("access-control")]


def test_an_answer_says_nothing_of_other_origins(stack: Project) -> None:
    answer = ask(stack, "GET", "/", X_Amz_Security_Token=token(stack))
    assert not [name for name, _ in answer.getheaders() if name.lower().startswith("access-control")]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""])
def test_another_name_that_leads_here_is_refused(stack: Project, host: str) -> None:
    """As with DNS rebinding: a web page's own name is made to lead to this machine."""
    assert ask(stack, "GET", "/", X_Amz_Security_Token=token(stack), Host=host).status == 403


def test_the_token_is_random_and_no_message_shows_it(stack: Project) -> None:
    assert len(token(stack)) == 43, "256 bits in base64"
    assert token(stack) not in repr(stack.running) + repr(stack.running.credentials)
    assert new_credentials().token != token(stack)


def test_other_users_cannot_look_into_the_folder(stack: Project) -> None:
    home = stack.home.path.resolve()
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root with setpriv can become another user")
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    told = subprocess.run([*nobody, "ls", str(home)], capture_output=True, text=True, check=False)
    assert told.returncode != 0
    assert "Permission denied" in told.stderr


def test_a_folder_of_an_earlier_version_is_made_private(tmp_path: Path) -> None:
    (tmp_path / ".pileus").mkdir(mode=0o755)
    Home(tmp_path).make()
    assert stat.S_IMODE((tmp_path / ".pileus").stat().st_mode) == 0o700


def test_no_command_line_shows_the_token(stack: Project) -> None:
    """Any user of the machine can read the command lines of all processes."""
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert "pileus.embedded.ministack" in listed or sys.platform != "linux"
    assert token(stack) not in listed
