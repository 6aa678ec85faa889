# SPDX-License-Identifier: Apache-2.0
"""Bad input of every kind the issue names: a clear AWS-shaped error or a Failed job whose FailureReason says what, where and why; the
server lives on and loses nothing."""
import concurrent.futures
import datetime
import socket
import struct
import urllib.parse

import boto3
import corpora
import numpy as np
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from conftest import REGION, wait_until

BUCKET = "bad-input"
GOOD_ROWS = np.arange(40, dtype=np.float32).reshape(10, 4)


@pytest.fixture(scope="module")
def s3(server):
    client = server.client("s3")
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    return client


_job_number = iter(range(10000))


def run_job(server, s3, role, body, image="knn:1", content_type=None, hyperparameters=None, **channel):
    """Trains on one object and returns the job's description."""
    name = "bad-%d" % next(_job_number)
    if body is not None:
        s3.put_object(Bucket=BUCKET, Key="%s/train/part" % name, Body=body)
    else:
        s3.put_object(Bucket=BUCKET, Key="%s/train/empty" % name, Body=b"")
    if hyperparameters is None:
        hyperparameters = {"feature_dim": "4", "k": "2", "sample_size": "10", "predictor_type": "classifier"}
    train = {"ChannelName": "train", "DataSource": {"S3DataSource": {
        "S3DataType": "S3Prefix", "S3Uri": "s3://%s/%s/train/" % (BUCKET, name)}}, **channel}
    if content_type:
        train["ContentType"] = content_type
    sagemaker = server.client("sagemaker")
    sagemaker.create_training_job(
        TrainingJobName=name, RoleArn=role, AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
        HyperParameters=hyperparameters, InputDataConfig=[train], OutputDataConfig={"S3OutputPath": "s3://%s/output" % BUCKET},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 600})
    return wait_until(lambda: sagemaker.describe_training_job(TrainingJobName=name),
                      lambda d: d["TrainingJobStatus"] in ("Completed", "Failed", "Stopped"))


def labelled(rows=GOOD_ROWS):
    return corpora.recordio(rows, labels=np.arange(len(rows)) % 2)


def cut(data):
    return data[: len(data) - 7]


def wrong_magic(data):
    second = 8 + (struct.unpack("<I", data[4:8])[0] + 3) // 4 * 4
    return data[:second] + b"\xff\xff\xff\xff" + data[second + 4 :]


CSV = "text/csv;label_size=1"
DATA_CASES = [
    # name, body, content type, words that the FailureReason must hold
    ("truncated RecordIO", cut(labelled()), None, ["ClientError", "part", "record", "byte"]),
    ("wrong magic", wrong_magic(labelled()), None, ["ClientError", "part", "magic", "byte"]),
    ("corrupt protobuf", struct.pack("<II", 0xCED7230A, 8) + b"\xff" * 8, None, ["ClientError", "part", "record"]),
    ("no RecordIO at all", b"hello, I am a text file\n", None, ["ClientError", "part", "magic"]),
    ("wrong feature_dim", labelled(np.ones((5, 3))), None, ["ClientError", "part", "3", "4"]),
    ("ragged CSV", b"1,1,2,3,4\n0,1,2,3\n", CSV, ["ClientError", "part", "line 2", "4", "5"]),
    ("text in a number column", b"1,1,2,3,4\n0,1,two,3,4\n", CSV, ["ClientError", "part", "line 2", "two"]),
    ("NaN", b"1,1,2,3,4\n0,1,nan,3,4\n", CSV, ["ClientError", "part", "line 2", "nan"]),
    ("NaN in RecordIO", labelled(np.array([[1, 2, np.nan, 4]])), None, ["ClientError", "NaN"]),
    ("not UTF-8", b"1,1,2,3,4\n0,1,\xff\xfe,3,4\n", CSV, ["ClientError", "part", "line 2"]),
    ("no label", corpora.recordio(GOOD_ROWS), None, ["ClientError", "label"]),
    ("empty object", None, None, ["ClientError", "train"]),
]


@pytest.mark.parametrize("name, body, content_type, words", DATA_CASES, ids=[case[0] for case in DATA_CASES])
def test_bad_data_fails_the_job_with_a_reason(server, s3, role, name, body, content_type, words):
    description = run_job(server, s3, role, body, content_type=content_type)
    assert description["TrainingJobStatus"] == "Failed"
    reason = description["FailureReason"]
    assert all(word.lower() in reason.lower() for word in words), reason
    assert len(reason) <= 1024
    assert description["SecondaryStatusTransitions"][-1]["Status"] == "Failed"


def test_good_data_after_all_that_trains(server, s3, role):
    assert run_job(server, s3, role, labelled())["TrainingJobStatus"] == "Completed"


def test_a_label_where_none_belongs(server, s3, role):
    """NTM with plain text/csv: the first column is a label, so a row of feature_dim columns is one feature short or taken whole; one
    more column than that is an error that names both widths."""
    description = run_job(server, s3, role, b"1,0,0,2,1,5\n" * 8, image="ntm:1", content_type="text/csv;label_size=0",
                          hyperparameters={"num_topics": "2", "feature_dim": "4"})
    reason = description.get("FailureReason", "")
    assert description["TrainingJobStatus"] == "Failed" and "6" in reason and "4" in reason, reason


def test_all_wrong_hyperparameters_in_one_message(server, s3, role):
    description = run_job(server, s3, role, labelled(), hyperparameters={
        "feature_dim": "0", "k": "two", "predictor_type": "clasifier", "smaple_size": "10"})
    reason = description["FailureReason"]
    assert reason.startswith("ClientError: ")
    for word in ("feature_dim", "two", "clasifier", "smaple_size", "sample_size"):
        assert word in reason, reason


def test_unknown_content_type(server, s3, role):
    description = run_job(server, s3, role, b"x", content_type="application/x-parrot")
    assert "application/x-parrot" in description["FailureReason"] and description["FailureReason"].startswith("ClientError")


def error_of(call, *arguments, **keywords):
    with pytest.raises(ClientError) as caught:
        call(*arguments, **keywords)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"], caught.value.response


def training_job_request(role, **changes):
    request = dict(
        TrainingJobName="request", RoleArn=role, AlgorithmSpecification={"TrainingImage": "knn:1", "TrainingInputMode": "File"},
        HyperParameters={"feature_dim": "4", "k": "2", "sample_size": "10", "predictor_type": "classifier"},
        InputDataConfig=[{"ChannelName": "train", "DataSource": {"S3DataSource": {
            "S3DataType": "S3Prefix", "S3Uri": "s3://%s/nowhere/" % BUCKET}}}],
        OutputDataConfig={"S3OutputPath": "s3://%s/output" % BUCKET},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 600})
    request.update(changes)
    return request


def test_missing_prefix_and_missing_bucket(server, s3, role):
    create = server.client("sagemaker").create_training_job
    code, message, _ = error_of(create, **training_job_request(role))
    assert code == "ValidationException" and 'No S3 objects found under S3 URL "s3://%s/nowhere/"' % BUCKET in message
    missing = [{"ChannelName": "train", "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://no-such-bucket-here/x"}}}]
    code, message, _ = error_of(create, **training_job_request(role, InputDataConfig=missing))
    assert code == "ValidationException" and "no-such-bucket-here" in message


def test_broken_limits_are_told_in_the_words_of_aws(server, s3, role):
    create = server.client("sagemaker").create_training_job
    code, message, _ = error_of(create, **training_job_request(role, TrainingJobName="under_score"))
    assert code == "ValidationException"
    assert message.startswith("1 validation error detected: Value 'under_score' at 'trainingJobName' failed to satisfy constraint: "
                              "Member must satisfy regular expression pattern: "), message
    resources = {"InstanceType": "ml.bogus", "InstanceCount": 1, "VolumeSizeInGB": 1}
    code, message, _ = error_of(create, **training_job_request(role, ResourceConfig=resources))
    assert "Value 'ml.bogus' at 'resourceConfig.instanceType' failed to satisfy constraint: Member must satisfy enum value set: [" in message


@pytest.mark.parametrize("count, code, words", [
    (0, "ValidationException", ["'0'", "resourceConfig.instanceGroups.1.member.instanceCount", "greater than or equal to 1"]),
    (1_000_000, "ResourceLimitExceeded", ["250", "1000000", "instanceCount"])])
def test_the_limit_of_instances_holds_for_groups(server, s3, role, count, code, words):
    s3.put_object(Bucket=BUCKET, Key="groups/train", Body=labelled())
    channels = [{"ChannelName": "train", "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://%s/groups/" % BUCKET}}}]
    group = {"InstanceType": "ml.m5.large", "InstanceCount": count, "InstanceGroupName": "g"}
    got, message, _ = error_of(server.client("sagemaker").create_training_job, **training_job_request(
        role, InputDataConfig=channels, ResourceConfig={"InstanceGroups": [group], "VolumeSizeInGB": 1}))
    assert got == code and all(word in message for word in words), message


def test_unknown_image_is_named(server, s3, role):
    s3.put_object(Bucket=BUCKET, Key="nowhere-else/x", Body=b"x")
    channels = [{"ChannelName": "train", "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://%s/nowhere-else/" % BUCKET}}}]
    code, message, _ = error_of(server.client("sagemaker").create_training_job, **training_job_request(
        role, InputDataConfig=channels, AlgorithmSpecification={"TrainingImage": "parrot:1", "TrainingInputMode": "File"}))
    assert code == "ValidationException" and "parrot" in message and "knn" in message


def test_two_creates_of_one_name_at_once(server, s3, role):
    s3.put_object(Bucket=BUCKET, Key="twice/train", Body=labelled())
    channels = [{"ChannelName": "train", "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://%s/twice/" % BUCKET}}}]
    clients = [server.client("sagemaker") for _ in range(8)]
    request = training_job_request(role, TrainingJobName="twice", InputDataConfig=channels)

    def create(client):
        try:
            return client.create_training_job(**request)["TrainingJobArn"]
        except ClientError as e:
            return e.response["Error"]["Code"]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        results = list(pool.map(create, clients))
    assert sorted(results)[:7] == ["ResourceInUse"] * 7 and sum(r.startswith("arn:") for r in results) == 1, results


def test_nul_in_an_environment_is_refused(server, s3, role):
    """A value with NUL became options of bubblewrap: the program left its sandbox."""
    sagemaker = server.client("sagemaker")
    environment = {"GOOD": "1", "BAD": "x\0--bind\0/\0/host"}
    s3.put_object(Bucket=BUCKET, Key="nul/train", Body=labelled())
    channels = [{"ChannelName": "train", "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://%s/nul/" % BUCKET}}}]
    code, message, _ = error_of(sagemaker.create_training_job, **training_job_request(
        role, InputDataConfig=channels, Environment=environment))
    assert code == "ValidationException" and "BAD" in message and "NUL" in message, message
    container = {"Image": "knn:1", "ModelDataUrl": "s3://%s/nul/train" % BUCKET}
    code, message, _ = error_of(sagemaker.create_model, ModelName="nul", ExecutionRoleArn=role,
                                PrimaryContainer={**container, "Environment": environment})
    assert code == "ValidationException" and "BAD" in message and "NUL" in message, message
    sagemaker.create_model(ModelName="nul", ExecutionRoleArn=role, PrimaryContainer=container)
    code, message, _ = error_of(
        sagemaker.create_transform_job, TransformJobName="nul", ModelName="nul", Environment=environment,
        TransformInput={"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://%s/nul/" % BUCKET}}},
        TransformOutput={"S3OutputPath": "s3://%s/nul-output" % BUCKET},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1})
    assert code == "ValidationException" and "BAD" in message and "NUL" in message, message


def test_operation_not_there_yet_is_named(server):
    code, message, response = error_of(server.client("sagemaker").create_notebook_instance, NotebookInstanceName="n",
                                       InstanceType="ml.t2.medium", RoleArn="arn:aws:iam::123456789012:role/x")
    assert code == "NotImplementedException" and "CreateNotebookInstance" in message
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400


# --- signatures, on a server without --dev ------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def strict():
    from conftest import make_server, _remove
    running = make_server("--region", REGION).start()
    yield running
    running.stop()
    _remove(running)


def signed_client(server, service, access_key=None, secret=None):
    return boto3.client(service, endpoint_url=server.url, region_name=REGION, config=Config(retries={"max_attempts": 1}),
                        aws_access_key_id=access_key or server.state["access_key"],
                        aws_secret_access_key=secret or server.state["secret_key"])


def test_good_signature_is_taken(strict):
    assert signed_client(strict, "s3").list_buckets()["Buckets"] == []
    assert signed_client(strict, "sagemaker").list_training_jobs()["TrainingJobSummaries"] == []
    assert signed_client(strict, "sts").get_caller_identity()["Account"] == strict.state["account"]


def test_wrong_secret(strict):
    assert error_of(signed_client(strict, "s3", secret="wrong").list_buckets)[0] == "SignatureDoesNotMatch"
    code, message, _ = error_of(signed_client(strict, "sagemaker", secret="wrong").list_training_jobs)
    assert code == "InvalidSignatureException" and message.startswith("The request signature we calculated does not match")


def test_unknown_access_key(strict):
    assert error_of(signed_client(strict, "s3", access_key="AKIANOBODY").list_buckets)[0] == "InvalidAccessKeyId"
    assert error_of(signed_client(strict, "sagemaker", access_key="AKIANOBODY").list_models)[0] == "UnrecognizedClientException"


def test_stale_request(strict, monkeypatch):
    import botocore.auth
    real = datetime.datetime

    class Yesterday(real):
        @classmethod
        def utcnow(cls):
            return real.utcnow() - datetime.timedelta(days=1)

    monkeypatch.setattr(botocore.auth.datetime, "datetime", Yesterday)
    assert error_of(signed_client(strict, "s3").list_buckets)[0] == "RequestTimeTooSkewed"


def test_expired_presigned_url(strict):
    import time
    import urllib.request
    client = signed_client(strict, "s3")
    client.create_bucket(Bucket="presigned", CreateBucketConfiguration={"LocationConstraint": REGION})
    client.put_object(Bucket="presigned", Key="k", Body=b"content")
    url = client.generate_presigned_url("get_object", Params={"Bucket": "presigned", "Key": "k"}, ExpiresIn=1)
    assert urllib.request.urlopen(url).read() == b"content"
    time.sleep(2.1)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url)
    assert caught.value.code == 403 and b"Request has expired" in caught.value.read()


def test_unsigned_request_is_refused(strict):
    import urllib.request
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(strict.url + "/presigned/k")
    assert caught.value.code == 403 and b"AccessDenied" in caught.value.read()


# --- framing -------------------------------------------------------------------------------------------------------------------

def raw_answer(server, head, body=b""):
    address = urllib.parse.urlparse(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall(head.encode() + b"\r\n\r\n" + body)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
        return answer.decode("latin-1")


@pytest.mark.parametrize("length", ["99999999999999999999999", "-1", "12, 13", "abc"])
def test_impossible_content_length(server, length):
    answer = raw_answer(server, "PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: " + length)
    assert answer.startswith(("HTTP/1.1 400", "HTTP/1.1 413")), answer


def test_lying_content_length_loses_nothing(server, s3):
    s3.put_object(Bucket=BUCKET, Key="kept", Body=b"old")
    authorization = "AWS4-HMAC-SHA256 Credential=x/20260101/us-west-2/s3/aws4_request, SignedHeaders=host, Signature=0"
    raw_answer(server, "PUT /%s/kept HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nx-amz-content-sha256: UNSIGNED-PAYLOAD\r\n"
               "Content-Length: 1000" % (BUCKET, authorization), b"only this much")
    assert s3.get_object(Bucket=BUCKET, Key="kept")["Body"].read() == b"old"


def test_huge_json_body_is_refused_before_it_is_read(server):
    authorization = "AWS4-HMAC-SHA256 Credential=x/20260101/us-west-2/sagemaker/aws4_request, SignedHeaders=host, Signature=0"
    answer = raw_answer(server, "POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: SageMaker.ListModels\r\nAuthorization: %s\r\n"
                        "Content-Length: 1099511627776" % authorization, b"{")
    assert answer.startswith(("HTTP/1.1 400", "HTTP/1.1 413")), answer


def test_server_lives_on(server, s3):
    import urllib.request
    assert urllib.request.urlopen(server.url + "/_clary/health").status == 200
    assert server.process.poll() is None
