# SPDX-License-Identifier: Apache-2.0
"""Batch transform with unmodified boto3: splitting, batching, assembling, names, filters, failures, stop and restart."""
import gzip
import json
import struct
import time

import pytest
from botocore.exceptions import ClientError

from conftest import make_server, wait_until
from serving_tools import BUCKET, CONFIG, Hosting


@pytest.fixture(scope="module")
def hosting(role):
    server = make_server("--dev", config=CONFIG).start()
    hosting = Hosting(server, role)
    hosting.model("echo")
    yield hosting
    server.stop()


def request(name, prefix, model="echo", split="Line", output=None, source=None, **more):
    return dict(TransformJobName=name, ModelName=model,
                TransformInput={"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{prefix}"}},
                                "ContentType": "text/csv", "SplitType": split, **(source or {})},
                TransformOutput={"S3OutputPath": f"s3://{BUCKET}/out/{name}", **(output or {})},
                TransformResources={"InstanceType": "ml.m4.xlarge", "InstanceCount": 1}, **more)


def settled(hosting, name):
    return wait_until(lambda: hosting.sm.describe_transform_job(TransformJobName=name),
                      lambda job: job["TransformJobStatus"] not in ("InProgress", "Stopping"), seconds=60)


def run(hosting, name, objects, expect="Completed", **arguments):
    for key, body in objects.items():
        hosting.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    arn = hosting.sm.create_transform_job(**request(name, **arguments))["TransformJobArn"]
    assert arn == f"arn:aws:sagemaker:us-west-2:123456789012:transform-job/{name}"
    job = settled(hosting, name)
    assert job["TransformJobStatus"] == expect, (job, data_log(hosting, name))
    return job


def outputs(hosting, name):
    listed = hosting.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"out/{name}/").get("Contents", [])
    return {o["Key"].removeprefix(f"out/{name}/"): hosting.s3.get_object(Bucket=BUCKET, Key=o["Key"])["Body"].read() for o in listed}


def data_log(hosting, name):
    return hosting.log_text("/aws/sagemaker/TransformJobs", name + "/")


def test_tutorial_call_writes_the_object_beside_its_name(hosting):
    job = run(hosting, "tutorial", {"batch/train/trainvectors.csv": b"a,b\nc,d\n"}, prefix="batch/train/trainvectors.csv")
    assert outputs(hosting, "tutorial") == {"trainvectors.csv.out": b"A,B\nC,D\n"}
    assert job["TransformInput"]["CompressionType"] == "None" and job["TransformOutput"]["AssembleWith"] == "None"
    assert job["TransformOutput"]["KmsKeyId"] == "" and job["DataProcessing"] == {"InputFilter": "$", "OutputFilter": "$", "JoinSource": "None"}
    assert job["CreationTime"] <= job["TransformStartTime"] <= job["TransformEndTime"]
    assert "MaxConcurrentTransforms=1, MaxPayloadInMB=6, BatchStrategy=MULTI_RECORD" in data_log(hosting, "tutorial")


def test_folders_below_the_prefix_are_kept(hosting):
    run(hosting, "folders", {"tree/a/x.csv": b"1\n", "tree/y.csv": b"z\n"}, prefix="tree/")
    assert outputs(hosting, "folders") == {"a/x.csv.out": b"1\n", "y.csv.out": b"Z\n"}


def test_many_concurrent_requests_keep_the_order(hosting):
    rows = [f"row {i}" for i in range(300)]
    run(hosting, "order", {"order/x": "\n".join(rows).encode()}, prefix="order/x", BatchStrategy="SingleRecord", MaxConcurrentTransforms=8,
        MaxPayloadInMB=1, output={"AssembleWith": "Line"})
    assert outputs(hosting, "order")["x.out"].decode().splitlines() == [r.upper() for r in rows]


def test_gzip_input_is_read_and_payloads_are_limited(hosting):
    rows = b"".join(b"%06d,%s\n" % (i, b"x" * 1000) for i in range(3000))
    run(hosting, "gzip", {"gz/x.csv.gz": gzip.compress(rows)}, prefix="gz/", source={"CompressionType": "Gzip"}, MaxPayloadInMB=1)
    assert outputs(hosting, "gzip") == {"x.csv.gz.out": rows.upper()}


def test_recordio_is_split_and_unframed(hosting):
    def record(data):
        return struct.pack("<II", 0xCED7230A, len(data)) + data + b"\0" * (-len(data) % 4)
    run(hosting, "recordio", {"rio/x.rec": record(b"one") + record(b"four")}, prefix="rio/", split="RecordIO", BatchStrategy="SingleRecord",
        output={"AssembleWith": "Line"})
    assert outputs(hosting, "recordio") == {"x.rec.out": b"ONE\nFOUR\n"}
    job = run(hosting, "recordio-bad", {"riobad/x.rec": record(b"one") + b"garbage!"}, expect="Failed", prefix="riobad/", split="RecordIO")
    assert job["FailureReason"] == "ClientError: See job logs for more information"
    assert "serving/riobad/x.rec: ClientError: record 2 at byte 12: RecordIO magic number" in data_log(hosting, "recordio-bad")


def test_join_and_filters(hosting):
    run(hosting, "join-csv", {"join/x.csv": b"7,a,b\n8,c,d\n"}, prefix="join/", output={"AssembleWith": "Line", "Accept": "text/csv"},
        DataProcessing={"InputFilter": "$[1:]", "OutputFilter": "$[0,-1]", "JoinSource": "Input"})
    assert outputs(hosting, "join-csv") == {"x.csv.out": b"7,B\n8,D\n"}
    lines = b'{"id":1,"f":["a"]}\n{"id":2,"f":["b"]}\n'
    run(hosting, "join-json", {"joinj/x.jsonl": lines}, prefix="joinj/", source={"ContentType": "application/jsonlines"},
        output={"AssembleWith": "Line", "Accept": "application/jsonlines"}, DataProcessing={"InputFilter": "$.f", "JoinSource": "Input"})
    assert [json.loads(line) for line in outputs(hosting, "join-json")["x.jsonl.out"].splitlines()] == [
        {"id": 1, "f": ["a"], "SageMakerOutput": ["A"]}, {"id": 2, "f": ["b"], "SageMakerOutput": ["B"]}]


def test_filters_and_joins_that_cannot_be_fail_instead_of_garbling(hosting):
    for number, path in enumerate(["$[9]", "$[0:2,246:]", "$[246:]"]):
        job = run(hosting, f"beyond-{number}", {"beyond/x.csv": b"7,a,b\n"}, expect="Failed", prefix="beyond/",
                  output={"AssembleWith": "Line", "Accept": "text/csv"}, DataProcessing={"OutputFilter": path, "JoinSource": "Input"})
        assert job["FailureReason"] == "ClientError: See job logs for more information" and outputs(hosting, f"beyond-{number}") == {}
        assert f"record 1: filter '{path}': element" in data_log(hosting, f"beyond-{number}")
    run(hosting, "unsplit", {"unsplit/x.csv": b"1,a\n2,b\n"}, expect="Failed", prefix="unsplit/", split="None",
        output={"Accept": "text/csv"}, DataProcessing={"JoinSource": "Input"})
    assert "the CSV has several lines" in data_log(hosting, "unsplit") and "SplitType" in data_log(hosting, "unsplit")
    run(hosting, "one-line", {"one/x.csv": b"1,a\n"}, prefix="one/", split="None", output={"Accept": "text/csv"},
        DataProcessing={"JoinSource": "Input"})
    assert outputs(hosting, "one-line") == {"x.csv.out": b"1,a,1,A"}


def test_blank_lines_are_no_records(hosting):
    run(hosting, "blank", {"blank/x.csv": b"1,a\n\n2,b\n\n"}, prefix="blank/", output={"AssembleWith": "Line", "Accept": "text/csv"},
        DataProcessing={"InputFilter": "$[1:]", "JoinSource": "Input"})
    assert outputs(hosting, "blank") == {"x.csv.out": b"1,a,A\n2,b,B\n"}


def test_failed_object_leaves_no_output_and_names_its_record(hosting):
    job = run(hosting, "partly", {"partly/bad.csv": b"ok\nstatus 400 not my kind\n", "partly/good.csv": b"fine\n"}, expect="Failed",
              prefix="partly/", BatchStrategy="SingleRecord")
    assert job["FailureReason"] == "ClientError: See job logs for more information"
    assert outputs(hosting, "partly") == {"good.csv.out": b"FINE\n".rstrip()}
    text = data_log(hosting, "partly")
    assert "serving/partly/bad.csv: ClientError: 400" in text and "Message: record 2: not my kind" in text


def test_missing_input_and_silent_model_fail_with_a_reason(hosting):
    job = run(hosting, "nothing", {}, expect="Failed", prefix="no/such/prefix")
    assert job["FailureReason"].startswith("ClientError: Data download failed") and "no/such/prefix" in job["FailureReason"]
    hosting.model("exits", environment={"MODE": "exit"})
    job = run(hosting, "exits", {"e/x": b"a\n"}, expect="Failed", prefix="e/", model="exits")
    assert job["FailureReason"].startswith("AlgorithmError: Model container failed to respond to ping.")


def test_bad_requests_are_refused_at_once(hosting):
    def error(**arguments):
        with pytest.raises(ClientError) as raised:
            hosting.sm.create_transform_job(**arguments)
        return raised.value.response["Error"]["Code"], raised.value.response["Error"]["Message"]
    assert error(**request("x", "in/", model="none")) == (
        "ValidationException", 'Could not find model "arn:aws:sagemaker:us-west-2:123456789012:model/none".')
    assert "exceeds 100" in error(**request("x", "in/", MaxConcurrentTransforms=50, MaxPayloadInMB=6))[1]
    assert "JSONPath '$[' " in error(**request("x", "in/", output={"AssembleWith": "Line", "Accept": "text/csv"}, DataProcessing={"InputFilter": "$["}))[1]
    run(hosting, "twice", {"tw/x": b"a\n"}, prefix="tw/")
    code, message = error(**request("TWICE", "tw/"))
    assert code == "ResourceInUse" and message.startswith("Transform job names must be unique within an AWS account and region")


def test_stopped_job_leaves_no_output(hosting):
    hosting.s3.put_object(Bucket=BUCKET, Key="stop/x", Body=b"sleep 0.1\n" * 300)
    hosting.sm.create_transform_job(**request("stop", "stop/", BatchStrategy="SingleRecord"))
    time.sleep(0.5)
    hosting.sm.stop_transform_job(TransformJobName="stop")
    assert settled(hosting, "stop")["TransformJobStatus"] == "Stopped"
    assert outputs(hosting, "stop") == {}
    with pytest.raises(ClientError, match="The request was rejected because the transform job is in status Stopped."):
        hosting.sm.stop_transform_job(TransformJobName="stop")
    assert [j["TransformJobName"] for j in hosting.sm.list_transform_jobs(StatusEquals="Stopped")["TransformJobSummaries"]] == ["stop"]


def test_job_runs_again_after_kill_of_the_server(fresh_server, role):
    server = fresh_server("--dev", config=CONFIG)
    hosting = Hosting(server, role)
    hosting.model("echo")
    hosting.s3.put_object(Bucket=BUCKET, Key="again/x", Body=b"sleep 0.05\n" * 40)
    hosting.sm.create_transform_job(**request("again", "again/", BatchStrategy="SingleRecord"))
    time.sleep(0.7)
    server.kill()
    server.start()
    hosting.connect()
    assert settled(hosting, "again")["TransformJobStatus"] == "Completed"
    assert outputs(hosting, "again") == {"x.out": b"slept" * 40}
