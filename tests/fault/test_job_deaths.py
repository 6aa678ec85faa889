# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the server, an agent or a program at any moment of a training job: the job goes on, or says what died."""
import io
import os
import pathlib
import signal
import sys
import tarfile
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from conftest import _remove, make_server, role, wait_until  # noqa: E402,F401
from job_helpers import (BUCKET, CONFIG, agent_pids, channel, children_of, describe, end_of, lines, request,  # noqa: E402
                         wait_for_line)


@pytest.fixture
def server():
    running = make_server("--dev", config=CONFIG).start()
    s3 = running.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    s3.put_object(Bucket=BUCKET, Key="train/a", Body=b"a\n")
    yield running
    running.stop()
    _remove(running)


def model_of(server, name):
    body = server.client("s3").get_object(Bucket=BUCKET, Key=f"out/{name}/output/model.tar.gz")["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body), mode="r:gz") as archive:
        return {member.name: member.size for member in archive if member.isfile()}


def test_server_dies_while_a_job_trains(server, role):
    server.client("sagemaker").create_training_job(**request(
        "j", role, "echo ready; while ! test -e /opt/ml/model/go; do sleep 0.02; done; echo after", channels=[channel("train", "train")], count=2))
    wait_for_line(server, "j", "ready")
    server.kill()
    for host in ("algo-1", "algo-2"):
        (server.folder / "jobs/j" / host / "ml/model/go").touch()
    server.start()
    job = end_of(server, "j")
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert lines(server, "j").count("after") == 2
    assert [t["Status"] for t in job["SecondaryStatusTransitions"]] == ["Starting", "Downloading", "Training", "Uploading", "Completed"]


@pytest.mark.parametrize("milliseconds", [0, 5, 10, 20, 40, 80, 150, 300])
def test_server_dies_at_any_moment_of_a_job(server, role, milliseconds):
    server.client("sagemaker").create_training_job(**request(
        "j", role, "sleep 0.1; cp /opt/ml/input/data/train/a /opt/ml/model/", channels=[channel("train", "train")]))
    time.sleep(milliseconds / 1000)
    server.kill()
    server.start()
    job = end_of(server, "j")
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert model_of(server, "j") == {"a": 2}


def test_server_dies_while_it_uploads(server, role):
    size = 64 << 20
    server.client("sagemaker").create_training_job(**request("j", role, f"head -c {size} /dev/urandom > /opt/ml/model/m"))
    wait_until(lambda: describe(server, "j"), lambda job: job["SecondaryStatus"] in ("Uploading", "Completed"), every=0.01)
    server.kill()
    server.start()
    objects = server.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="out/")
    assert describe(server, "j")["SecondaryStatus"] == "Completed" or objects["KeyCount"] == 0 or model_of(server, "j") == {"m": size}
    assert end_of(server, "j")["TrainingJobStatus"] == "Completed"
    assert model_of(server, "j") == {"m": size}
    wait_until(lambda: list((server.folder / "jobs").iterdir()), lambda left: not left)


def test_agent_dies(server, role):
    server.client("sagemaker").create_training_job(**request("j", role, "echo ready; sleep 60"))
    wait_for_line(server, "j", "ready")
    [agent] = agent_pids(server, "j")
    os.kill(agent, signal.SIGKILL)
    job = end_of(server, "j")
    assert job["TrainingJobStatus"] == "Failed"
    assert "agent of algo-1 was killed by signal 9" in job["FailureReason"]


def test_agent_dies_while_the_server_is_dead(server, role):
    server.client("sagemaker").create_training_job(**request("j", role, "echo ready; sleep 60"))
    wait_for_line(server, "j", "ready")
    [agent] = agent_pids(server, "j")
    server.kill()
    os.kill(agent, signal.SIGKILL)
    server.start()
    job = end_of(server, "j")
    assert job["TrainingJobStatus"] == "Failed"
    assert "agent of algo-1 was killed" in job["FailureReason"]


def test_job_starts_over_when_its_request_allows(server, role):
    server.client("sagemaker").create_training_job(**request(
        "j", role, "echo ready; test -e /opt/ml/checkpoints/c || { echo 1 > /opt/ml/checkpoints/c; sleep 60; }",
        CheckpointConfig={"S3Uri": f"s3://{BUCKET}/checkpoints"}, RetryStrategy={"MaximumRetryAttempts": 1}))
    checkpoint = server.folder / "jobs/j/algo-1/ml/checkpoints/c"
    wait_until(checkpoint.exists, bool)
    os.kill(agent_pids(server, "j")[0], signal.SIGKILL)
    job = end_of(server, "j")
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert "Launched instance was unhealthy, replacing it!" in [t["StatusMessage"] for t in job["SecondaryStatusTransitions"]]


def test_program_dies(server, role):
    server.client("sagemaker").create_training_job(**request("j", role, "echo ready; exec sleep 60"))
    wait_for_line(server, "j", "ready")
    [agent] = agent_pids(server, "j")
    program = agent
    while children_of(program):  # agent, bubblewrap, its init, the program
        program = children_of(program)[0]
    os.kill(program, signal.SIGKILL)
    job = end_of(server, "j")
    assert (job["TrainingJobStatus"], job["FailureReason"]) == (
        "Failed", "AlgorithmError: the program of algo-1 was killed by signal 9, exit code: 137")


def test_one_of_two_programs_dies(server, role):
    server.client("sagemaker").create_training_job(**request(
        "j", role, "echo ready; if [ $(hostname) = algo-2 ]; then kill -9 $$; fi; sleep 60", count=2))
    job = end_of(server, "j")
    assert job["FailureReason"] == "AlgorithmError: the program of algo-2 was killed by signal 9, exit code: 137"
    assert not agent_pids(server, "j")
