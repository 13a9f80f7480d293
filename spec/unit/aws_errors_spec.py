"""AWS's errors as ours: no foreign error leaves a client, and temporary errors can be told from others."""

from typing import Any

import pytest
from botocore import exceptions as e
from botocore.exceptions import ClientError

from pileus.edges.aws import Aws
from pileus.edges.aws_errors import CONFLICT, DENIED, PASSING, translate
from pileus.errors import Conflict, Denied, NotFound, StoreError, Unavailable
from spec.servers import free_port


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


def test_every_error_that_boto_models_for_our_services_is_one_of_ours() -> None:
    """What is not in the table is a StoreError: nothing raw, and nothing taken for a success."""
    import botocore.session

    session, seen = botocore.session.get_session(), 0
    for service in ("s3", "dynamodb", "sqs", "sns", "stepfunctions", "scheduler", "logs", "cloudformation"):
        model = session.get_service_model(service)
        for shape in model.error_shapes:
            code = str(shape.error_code or shape.name)
            assert isinstance(translate(refusal(code), service), StoreError | NotFound), code
            seen += 1
    assert seen > 100


@pytest.mark.parametrize(
    "call",
    [
        lambda aws: aws.s3.get_object(Bucket="b", Key="k"),
        lambda aws: list(aws.s3.get_paginator("list_objects_v2").paginate(Bucket="b")),
        lambda aws: aws.sqs.receive_message(QueueUrl="http://127.0.0.1:9/q"),
        lambda aws: aws.dynamodb.get_item(TableName="t", Key={}),
        lambda aws: aws.stepfunctions.start_execution(stateMachineArn="a", name="n", input="{}"),
        lambda aws: aws.sns.publish(TopicArn="t", Message="m"),
    ],
)
def test_no_raw_error_leaves_a_client_whose_service_is_out_of_reach(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.retries.standard.StandardRetryConditions.is_retryable", lambda *_: False)
    with pytest.raises(Unavailable):
        call(Aws(f"http://127.0.0.1:{free_port()}"))
