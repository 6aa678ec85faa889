# SPDX-License-Identifier: Apache-2.0
"""Models, endpoint configurations, endpoints and InvokeEndpoint with unmodified boto3 and AWS CLI, over a user's own
serving program."""
import json
import os
import pathlib
import signal
import subprocess
import threading
import time

import pytest
from botocore.exceptions import ClientError

from conftest import REGION, make_server, wait_until
from serving_tools import BUCKET, CONFIG, Hosting


@pytest.fixture(scope="module")
def hosting(role):
    server = make_server("--dev", config=CONFIG).start()
    yield Hosting(server, role)
    server.stop()


def error(call, **arguments):
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    return raised.value.response["Error"]["Code"], raised.value.response["Error"]["Message"]


def arn(kind, name):
    return f"arn:aws:sagemaker:{REGION}:123456789012:{kind}/{name}"


def test_models_are_created_described_listed_and_deleted(hosting):
    assert hosting.model("Models-A") == arn("model", "models-a")
    container = {"Image": "echo", "ModelDataUrl": f"s3://{BUCKET}/models/Models-A/model.tar.gz"}
    assert error(hosting.sm.create_model, ModelName="Models-A", PrimaryContainer=container, ExecutionRoleArn=hosting.role) == (
        "ValidationException", f'Cannot create already existing model "{arn("model", "models-a")}".')
    described = hosting.sm.describe_model(ModelName="Models-A")
    assert described["PrimaryContainer"]["Mode"] == "SingleModel"
    assert described["EnableNetworkIsolation"] is False
    for i in range(3):
        hosting.model(f"models-{i}")
    pages = hosting.sm.get_paginator("list_models").paginate(NameContains="MODELS-", SortBy="Name", SortOrder="Ascending",
                                                             PaginationConfig={"PageSize": 2})
    assert [m["ModelName"] for page in pages for m in page["Models"]] == ["Models-A", "models-0", "models-1", "models-2"]
    hosting.sm.delete_model(ModelName="Models-A")
    assert error(hosting.sm.describe_model, ModelName="Models-A") == (
        "ValidationException", f'Could not find model "{arn("model", "models-a")}".')


def test_what_is_not_supported_says_so(hosting):
    hosting.model("plain")
    assert "Mode MultiModel is not supported" in error(hosting.sm.create_model, ModelName="mm", ExecutionRoleArn=hosting.role, PrimaryContainer={
        "Image": "echo", "Mode": "MultiModel", "ModelDataUrl": f"s3://{BUCKET}/models/"})[1]
    variant = {"VariantName": "A", "ModelName": "plain", "InstanceType": "ml.m4.xlarge", "InitialInstanceCount": 1}
    assert "AsyncInferenceConfig" in error(hosting.sm.create_endpoint_config, EndpointConfigName="async", ProductionVariants=[variant],
                                           AsyncInferenceConfig={"OutputConfig": {"S3OutputPath": "s3://serving/x"}})[1]
    code, message = error(hosting.sm.create_model, ModelName="x", ExecutionRoleArn=hosting.role,
                          PrimaryContainer={"Image": "nobody-knows-it:1", "ModelDataUrl": f"s3://{BUCKET}/models/plain/model.tar.gz"})
    assert code == "ValidationException" and "nobody-knows-it" in message
    assert "Could not access model data at s3://serving/none" in error(
        hosting.sm.create_model, ModelName="x", ExecutionRoleArn=hosting.role,
        PrimaryContainer={"Image": "echo", "ModelDataUrl": "s3://serving/none"})[1]


def test_endpoint_from_creation_to_deletion(hosting):
    hosting.model("life", environment={"GREETING": "hello"})
    assert error(hosting.sm.create_endpoint, EndpointName="life", EndpointConfigName="life") == (
        "ValidationException", f'Could not find endpoint configuration "{arn("endpoint-config", "life")}".')
    endpoint = hosting.deploy("life", "life")
    assert endpoint["EndpointArn"] == arn("endpoint", "life")
    variant = endpoint["ProductionVariants"][0]
    assert (variant["CurrentWeight"], variant["CurrentInstanceCount"]) == (1.0, 1)
    assert "@sha256:" in variant["DeployedImages"][0]["ResolvedImage"]
    assert hosting.sm.describe_endpoint_config(EndpointConfigName="life")["ProductionVariants"][0]["ModelName"] == "life"

    answer = hosting.rt.invoke_endpoint(EndpointName="life", Body=b"abc", ContentType="text/csv", Accept="text/x", CustomAttributes="mine")
    assert answer["Body"].read() == b"ABC"
    assert (answer["ContentType"], answer["InvokedProductionVariant"], answer["CustomAttributes"]) == ("text/x", "AllTraffic", "mine")
    assert set(json.loads(hosting.invoke("life", "headers", ContentType="a/b"))) <= {
        "Host", "Content-Type", "Content-Length", "Accept", "X-Amzn-SageMaker-Custom-Attributes"}
    assert json.loads(hosting.invoke("life", "environment"))["GREETING"] == "hello"
    assert len(hosting.invoke("life", "big 5000000")) == 5_000_000
    body = os.urandom(1000).hex().encode() * 2000
    assert hosting.invoke("life", body) == body.upper()
    assert "listening on port" in hosting.log_text("/aws/sagemaker/Endpoints/life", "AllTraffic/i-")

    names = [e["EndpointName"] for e in hosting.sm.list_endpoints(NameContains="life", StatusEquals="InService")["Endpoints"]]
    assert names == ["life"]
    hosting.sm.delete_endpoint_config(EndpointConfigName="life")
    hosting.sm.delete_model(ModelName="life")
    assert hosting.invoke("life", "still") == b"STILL"
    hosting.sm.delete_endpoint(EndpointName="life")
    hosting.sm.get_waiter("endpoint_deleted").wait(EndpointName="life", WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    assert error(hosting.rt.invoke_endpoint, EndpointName="life", Body=b"x") == (
        "ValidationError", "Endpoint life of account 123456789012 not found.")


def test_errors_of_the_model_are_model_errors(hosting):
    hosting.model("errors")
    hosting.deploy("errors", "errors")
    with pytest.raises(hosting.rt.exceptions.ModelError) as raised:
        hosting.invoke("errors", "status 415 what is this?")
    answer = raised.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert answer["OriginalStatusCode"] == 415
    assert answer["OriginalMessage"] == "what is this?"
    assert answer["LogStreamArn"] == f"arn:aws:logs:{REGION}:123456789012:log-group:/aws/sagemaker/Endpoints/errors"
    assert answer["Error"]["Message"].startswith('Received client error (415) from primary with message "what is this?". See ')
    assert "Received server error (503)" in error(hosting.rt.invoke_endpoint, EndpointName="errors", Body=b"status 503 later")[1]
    code, message = error(hosting.rt.invoke_endpoint, EndpointName="errors", Body=b"x" * (6291456 + 1))
    assert code == "ValidationError" and "oversize body" in message
    assert error(hosting.rt.invoke_endpoint, EndpointName="errors", Body=b"x", TargetVariant="B")[0] == "ValidationError"
    assert hosting.invoke("errors", "fine") == b"FINE"
    metrics = subprocess.run(["curl", "-s", hosting.server.url + "/_clary/metrics"], capture_output=True, text=True).stdout
    assert 'clary_endpoint_4xx_errors_total{endpoint="errors",variant="AllTraffic"} 1' in metrics


@pytest.mark.parametrize("name,reason", [
    ("text", 'Failed to extract model data archive for container "container_1" from URL "s3://serving/models/text/model.tar.gz". Please ensure that '
             "the object located at the URL is a valid tar.gz archive."),
    ("gone", 'Failed to download model data for container "container_1" from URL: "s3://serving/models/gone/model.tar.gz". Please ensure that there '
             "is an object located at the URL and that the role passed to CreateModel has permissions to download the object."),
    ("exits", "The primary container for production variant AllTraffic did not pass the ping health check. Please check CloudWatch logs for this "
              "endpoint. Its last line: no model, no service")])
def test_deployment_that_fails_says_why(hosting, name, reason):
    hosting.model(name, environment={"MODE": "exit"} if name == "exits" else {})
    if name == "text":
        hosting.s3.put_object(Bucket=BUCKET, Key="models/text/model.tar.gz", Body=b"no archive")
    if name == "gone":
        hosting.s3.delete_object(Bucket=BUCKET, Key="models/gone/model.tar.gz")
    hosting.config(name, name)
    hosting.sm.create_endpoint(EndpointName=name, EndpointConfigName=name)
    endpoint = hosting.settled(name)
    assert endpoint["EndpointStatus"] == "Failed"
    assert endpoint["FailureReason"].startswith(reason)
    hosting.sm.delete_endpoint(EndpointName=name)


def test_update_under_load_loses_no_request(hosting):
    hosting.model("u1", "one")
    hosting.model("u2", "two")
    hosting.deploy("update", "u1")
    hosting.config("update2", "u2")
    seen, stop = [], threading.Event()

    def load():
        client = hosting.server.client("sagemaker-runtime")
        while not stop.is_set():
            try:
                seen.append(client.invoke_endpoint(EndpointName="update", Body=b"version")["Body"].read())
            except Exception as e:
                seen.append(repr(e))

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    hosting.sm.update_endpoint(EndpointName="update", EndpointConfigName="update2")
    assert "Cannot update in-progress endpoint" in error(hosting.sm.delete_endpoint, EndpointName="update")[1]
    assert hosting.settled("update")["EndpointConfigName"] == "update2"
    time.sleep(0.3)
    stop.set()
    for thread in threads:
        thread.join()
    assert set(seen) == {b"one", b"two"}
    assert hosting.invoke("update", "version") == b"two"


def test_weights_route_the_traffic(hosting):
    hosting.model("w1", "one")
    hosting.model("w2", "two")
    variants = [dict(VariantName=f"V{i}", ModelName=f"w{i}", InstanceType="ml.m4.xlarge", InitialInstanceCount=1, InitialVariantWeight=weight)
                for i, weight in ((1, 3), (2, 1))]
    hosting.sm.create_endpoint_config(EndpointConfigName="weights", ProductionVariants=variants)
    hosting.sm.create_endpoint(EndpointName="weights", EndpointConfigName="weights")
    assert hosting.settled("weights")["EndpointStatus"] == "InService"
    ones = sum(hosting.invoke("weights", "version") == b"one" for _ in range(200))
    assert 115 < ones < 185  # 150 expected; 5 standard deviations
    assert hosting.invoke("weights", "version", TargetVariant="V2") == b"two"
    hosting.sm.update_endpoint_weights_and_capacities(EndpointName="weights", DesiredWeightsAndCapacities=[{"VariantName": "V1", "DesiredWeight": 0}])
    hosting.settled("weights")
    assert {hosting.invoke("weights", "version") for _ in range(20)} == {b"two"}
    hosting.sm.delete_endpoint(EndpointName="weights")


def pid_of(hosting, name):
    """The process as this machine sees it: the one whose PID namespace the program names."""
    namespace = hosting.invoke(name, "pid").split()[1].decode()
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.readlink(entry / "ns/pid") == namespace and b"echo_server" in (entry / "cmdline").read_bytes().split(b"\0bwrap")[0]:
                if b"bwrap" not in (entry / "cmdline").read_bytes():
                    return int(entry.name)
        except OSError:
            pass
    raise AssertionError("no process in " + namespace)


def test_kill_of_a_replica_is_healed(hosting):
    hosting.model("heal")
    hosting.deploy("heal", "heal")
    for _ in range(3):
        os.kill(pid_of(hosting, "heal"), signal.SIGKILL)
        assert hosting.invoke("heal", "abc") == b"ABC"  # waits for the next process
    assert "ended with exit code 137" in hosting.log_text("/aws/sagemaker/Endpoints/heal", "AllTraffic/")


def test_kill_of_the_server_is_healed(fresh_server, role):
    server = fresh_server("--dev", config=CONFIG)
    hosting = Hosting(server, role)
    hosting.model("m")
    hosting.deploy("e", "m", instances=2)
    hosting.model("slow", environment={"MODE": "silent"})
    hosting.config("slow", "slow", ContainerStartupHealthCheckTimeoutInSeconds=60)
    hosting.sm.create_endpoint(EndpointName="slow", EndpointConfigName="slow")
    program = pid_of(hosting, "e")
    server.kill()
    wait_until(lambda: pathlib.Path(f"/proc/{program}").exists(), lambda there: not there, seconds=10)
    server.start()
    hosting.connect()
    assert hosting.status("e")["EndpointStatus"] == "InService"
    assert wait_until(lambda: invoke_or_none(hosting, "e"), lambda answer: answer == b"ABC", seconds=20)
    assert hosting.status("slow")["EndpointStatus"] == "Creating"  # goes on


def sandboxes_of(server):
    """PIDs of bubblewrap's processes that show a program something of this server's endpoints."""
    shown, found = str(server.folder / "endpoints").encode(), set()
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if command.startswith(b"/usr/bin/bwrap\0") and shown in command:
                found.add(int(entry.name))
    return found


def test_kill_of_the_server_while_it_makes_a_sandbox_leaves_nothing(fresh_server, role):
    """bubblewrap that dies in its first milliseconds leaves its child, and so the program, to the next server."""
    server = fresh_server("--dev", config=CONFIG)
    hosting = Hosting(server, role)
    hosting.model("m")
    hosting.deploy("e", "m", instances=2)
    for _ in range(8):
        server.kill()
        wait_until(lambda: sandboxes_of(server), lambda pids: not pids, seconds=10)
        server.start()
        wait_until(lambda: sandboxes_of(server), bool, seconds=10, every=0.0005)
        server.kill()
        time.sleep(0.3)
        orphans = sandboxes_of(server)
        server.start()
        hosting.connect()
        assert not orphans & sandboxes_of(server)  # a zombie has no command line
        if orphans:
            break
    assert wait_until(lambda: invoke_or_none(hosting, "e"), lambda answer: answer == b"ABC", seconds=20)


def invoke_or_none(hosting, name):
    try:
        return hosting.invoke(name, "abc")
    except ClientError:
        return None


def test_aws_cli_invokes(hosting, tmp_path):
    hosting.model("cli")
    hosting.deploy("cli", "cli")
    (tmp_path / "body").write_bytes(b"hello")
    aws = ["aws", "--endpoint-url", hosting.server.url, "--region", REGION]
    done = subprocess.run([*aws, "sagemaker-runtime", "invoke-endpoint", "--endpoint-name", "cli", "--body", f"fileb://{tmp_path}/body",
                           "--content-type", "text/csv", str(tmp_path / "out")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out").read_bytes() == b"HELLO"
    assert json.loads(done.stdout)["InvokedProductionVariant"] == "AllTraffic"
    done = subprocess.run([*aws, "sagemaker", "describe-endpoint", "--endpoint-name", "none"], capture_output=True, text=True)
    assert "An error occurred (ValidationException) when calling the DescribeEndpoint operation: Could not find endpoint" in done.stderr
