"""AWS's errors as ours: no foreign error leaves a client, and temporary errors can be told from others."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore import exceptions as e
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from pileus.edges.aws_errors import ABSENT, CONFLICT, DENIED, PASSING, translate
from pileus.edges.store import S3Store
from pileus.errors import Conflict, Denied, NotFound, StoreError, Unavailable


def refusal(code: str, status: int = 400) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Call"
    )  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        *((code, 400, Unavailable) for code in sorted(PASSING)),
        *((code, 400, Conflict) for code in sorted(CONFLICT)),
        *((code, 400, Denied) for code in sorted(DENIED)),
        ("NoSuchKey", 404, NotFound),
        ("SomethingNew", 503, Unavailable),
        ("SomethingNew", 429, Unavailable),
        ("SomethingNew", 400, StoreError),
    ],
)
def test_a_refusal_is_told_by_its_code_and_then_by_its_status(code: str, status: int, kind: type) -> None:
    assert type(translate(refusal(code, status), "S3", "s3://b/k")) is kind


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (e.EndpointConnectionError(endpoint_url="http://x"), Unavailable),
        (e.ReadTimeoutError(endpoint_url="http://x"), Unavailable),
        (e.ConnectionClosedError(endpoint_url="http://x"), Unavailable),
        (e.IncompleteReadError(actual_bytes=1, expected_bytes=2), Unavailable),
        (e.NoCredentialsError(), Denied),
        (e.ParamValidationError(report="bad"), StoreError),
    ],
)
def test_without_an_answer_connections_pass_and_credentials_do_not(error: Exception, kind: type) -> None:
    assert type(translate(error, "S3")) is kind


REFUSED = {
    # The call is wrong, or what it names is not there or not as it must be: the same call will not succeed later.
    "ActivityDoesNotExist",
    "AlreadyExistsException",
    "FilterPolicyLimitExceeded",
    "ReplayLimitExceeded",
    "SubscriptionLimitExceeded",
    "BatchRequestTooLong",
    "BlockedException",
    "BatchEntryIdsNotDistinct",
    "BucketAlreadyExists",
    "BucketAlreadyOwnedByYou",
    "ChangeSetNotFound",
    "ClientException",
    "ClusterNotFoundException",
    "DecryptionFailure",
    "EmptyBatchRequest",
    "EncryptionTypeMismatch",
    "EndpointDisabled",
    "ExecutionAlreadyExists",
    "ExecutionDoesNotExist",
    "IllegalArgumentException",
    "InsufficientCapabilitiesException",
    "InvalidAddress",
    "InvalidArn",
    "InvalidBatchEntryId",
    "InvalidChangeSetStatus",
    "InvalidExecutionInput",
    "InvalidIdFormat",
    "InvalidKeyId",
    "InvalidMessageContents",
    "InvalidName",
    "InvalidObjectState",
    "InvalidOutput",
    "InvalidParameter",
    "InvalidParameterException",
    "InvalidRequest",
    "InvalidRequestException",
    "InvalidSecurity",
    "InvalidToken",
    "InvalidWriteOffset",
    "ItemCollectionSizeLimitExceededException",
    "KMSDisabled",
    "KMSInvalidState",
    "KMSNotFound",
    "KmsDisabled",
    "KmsInvalidKeyUsage",
    "KmsInvalidState",
    "KmsInvalidStateException",
    "KmsNotFound",
    "MessageNotInflight",
    "NamespaceNotFoundException",
    "NoSuchResourceException",
    "ObjectNotInActiveTierError",
    "ParameterNotFound",
    "ParameterValueInvalid",
    "ParameterVersionNotFound",
    "PlatformApplicationDisabled",
    "PlatformTaskDefinitionIncompatibilityException",
    "PlatformUnknownException",
    "QueueDoesNotExist",
    "ReceiptHandleIsInvalid",
    "ResourceNotFound",
    "ResourceNotFoundException",
    "ServiceNotActiveException",
    "ServiceNotFoundException",
    "ServiceQuotaExceededException",
    "StateMachineDeleting",
    "StateMachineDoesNotExist",
    "StateMachineTypeNotSupported",
    "TaskDoesNotExist",
    "TaskTimedOut",
    "TokenAlreadyExistsException",
    "TooManyEntriesInBatchRequest",
    "TooManyParts",
    "UnsupportedFeatureException",
    "UnsupportedOperation",
    "ValidationException",
}
OTHERS = {("events", "CreateConnection"), ("events", "RemovePermission"), ("ssm", "ListCommands")}
"""Calls that have the name of a method which is none of a client."""
SERVICES = (
    "cloudformation",
    "dynamodb",
    "ecs",
    "events",
    "logs",
    "s3",
    "scheduler",
    "secretsmanager",
    "service-quotas",
    "sns",
    "sqs",
    "ssm",
    "stepfunctions",
    "sts",
)


def words() -> set[str]:
    """Every attribute and every text in the code of Pileus: among them the calls of every client."""
    found = set()
    for path in (Path(__file__).parents[2] / "pileus").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                found.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return found


def modelled() -> Iterator[tuple[str, str]]:
    """Call and code of every error that boto models for the calls that Pileus makes."""
    session, ours = botocore.session.get_session(), words()
    for service in SERVICES:
        model = session.get_service_model(service)
        for operation in model.operation_names:
            if xform_name(operation) in ours and (service, operation) not in OTHERS:
                for shape in model.operation_model(operation).error_shapes:
                    yield f"{service} {operation}", str(shape.error_code or shape.name)


def test_every_error_that_boto_models_for_a_call_of_ours_is_in_the_table_or_known_to_be_for_good() -> None:
    known = {*ABSENT, *CONFLICT, *DENIED, *PASSING, *REFUSED, "TransactionCanceledException"}
    found = list(modelled())
    assert len(found) > 100
    assert [(call, code) for call, code in found if code not in known] == []


def test_no_error_is_in_two_tables() -> None:
    tables = (ABSENT, CONFLICT, DENIED, PASSING, REFUSED)
    assert sum(map(len, tables)) == len(frozenset().union(*tables))


@pytest.mark.parametrize(
    ("reasons", "kind"),
    [
        (["None", "ConditionalCheckFailed"], Conflict),
        (["ThrottlingError", "ConditionalCheckFailed"], Conflict),
        (["None", "TransactionConflict"], Unavailable),
        (["ThrottlingError", "None"], Unavailable),
        (["ProvisionedThroughputExceeded", "TransactionConflict"], Unavailable),
        (["TransactionConflict", "ValidationError"], StoreError),
        (["ItemCollectionSizeLimitExceeded"], StoreError),
        ([], StoreError),
    ],
)
def test_a_cancelled_transaction_is_told_by_its_reasons(reasons: list[str], kind: type) -> None:
    error = refusal("TransactionCanceledException")
    error.response["CancellationReasons"] = [{"Code": reason} for reason in reasons]  # type: ignore[typeddict-unknown-key]
    assert type(translate(error, "DynamoDB")) is kind


@pytest.mark.parametrize(("code", "kind"), [("AccessDenied", Denied), ("SlowDown", Unavailable)])
def test_what_s3_could_not_delete_of_several_is_an_error(code: str, kind: type[Exception]) -> None:
    """The call as a whole has succeeded, says S3."""
    client: Any = boto3.client("s3", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stub:
        refused = {"Key": "b", "Code": code, "Message": "no"}
        stub.add_response("delete_objects", {"Errors": [refused]})
        with pytest.raises(kind, match="DeleteObjects operation: b: no"):
            S3Store(client).delete("s3://bucket/a", "s3://bucket/b")
