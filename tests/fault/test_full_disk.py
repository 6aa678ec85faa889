# SPDX-License-Identifier: Apache-2.0
"""A full disk: the data folder lies on a small tmpfs in a mount namespace of its own (no root needed where user namespaces work)."""
import json
import os
import pathlib
import subprocess
import sys
import time

import pytest
from botocore.exceptions import ClientError

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from conftest import BINARY, REGION, Server  # noqa: E402

SIZE_MIB = 48


class ServerOnSmallDisk(Server):
    def start(self):
        script = 'mount -t tmpfs -o size=%dm tmpfs "$1" && exec "$2" serve --dev --port 0 --data "$1"' % SIZE_MIB
        self.log = open(str(self.folder) + ".log", "wb")
        self.process = subprocess.Popen(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", str(self.folder), str(BINARY)],
                                        stdout=self.log, stderr=subprocess.STDOUT)
        state = pathlib.Path("/proc/%d/root%s/server.json" % (self.process.pid, self.folder))
        deadline = time.monotonic() + 20
        while not state.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(pathlib.Path(str(self.folder) + ".log").read_text())
            time.sleep(0.01)
        self.state = json.loads(state.read_text())
        self.url = self.state["url"]
        return self


@pytest.fixture
def small(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    probe = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", str(folder)],
                           stderr=subprocess.PIPE, text=True)
    if probe.returncode != 0:
        pytest.fail("this test needs user namespaces: " + probe.stderr)
    server = ServerOnSmallDisk(folder).start()
    yield server
    server.stop()


def test_a_full_disk_refuses_writes_clearly_and_loses_nothing(small):
    s3 = small.client("s3")
    s3.create_bucket(Bucket="full", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="full", Key="kept", Body=b"k" * 100_000)
    stored, refused = [], None
    for i in range(SIZE_MIB):
        body = os.urandom(1 << 20) * 2
        try:
            s3.put_object(Bucket="full", Key="fill/%03d" % i, Body=body)
            stored.append((i, body))
        except ClientError as e:
            refused = e
            break
    assert refused is not None, "the disk never filled up"
    assert refused.response["ResponseMetadata"]["HTTPStatusCode"] in (500, 503, 507)
    assert "space" in str(refused) or "disk" in str(refused) or "full" in str(refused), str(refused)

    # what was acknowledged is whole, what was refused is not there, the server lives on
    assert s3.get_object(Bucket="full", Key="kept")["Body"].read() == b"k" * 100_000
    listed = {o["Key"] for o in s3.list_objects_v2(Bucket="full", Prefix="fill/")["Contents"]}
    assert listed == {"fill/%03d" % i for i, _ in stored}
    for i, body in stored[-3:]:
        assert s3.get_object(Bucket="full", Key="fill/%03d" % i)["Body"].read() == body

    # deleting makes room again, even when not a byte is free
    for i, _ in stored[:6]:
        s3.delete_object(Bucket="full", Key="fill/%03d" % i)
    deadline = time.monotonic() + 20
    while True:
        try:
            s3.put_object(Bucket="full", Key="again", Body=b"a" * (2 << 20))
            break
        except ClientError:
            assert time.monotonic() < deadline, "no room after deleting 12 MiB"
            time.sleep(0.2)
    assert s3.get_object(Bucket="full", Key="again")["ContentLength"] == 2 << 20


def test_a_job_on_a_full_disk_fails_with_a_reason(small):
    s3, sagemaker = small.client("s3"), small.client("sagemaker")
    s3.create_bucket(Bucket="full", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="full", Key="train/rows", Body=b"".join(b"1,%d,2,3,4\n" % (i % 9) for i in range(200_000)))
    filler = pathlib.Path("/proc/%d/root%s/filler" % (small.process.pid, small.folder))
    with open(filler, "wb") as f:
        try:
            while True:
                f.write(b"x" * (1 << 20))
        except OSError:
            pass
    os.truncate(filler, max(0, filler.stat().st_size - (1 << 20)))  # 1 MiB left: enough to begin, not to end
    sagemaker.create_training_job(
        TrainingJobName="full", RoleArn="arn:aws:iam::123456789012:role/x",
        AlgorithmSpecification={"TrainingImage": "knn:1", "TrainingInputMode": "File"},
        HyperParameters={"feature_dim": "4", "k": "2", "sample_size": "200000", "predictor_type": "classifier"},
        InputDataConfig=[{"ChannelName": "train", "ContentType": "text/csv;label_size=1", "DataSource": {"S3DataSource": {
            "S3DataType": "S3Prefix", "S3Uri": "s3://full/train/"}}}],
        OutputDataConfig={"S3OutputPath": "s3://full/output"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}, StoppingCondition={"MaxRuntimeInSeconds": 600})
    deadline = time.monotonic() + 30
    while True:
        description = sagemaker.describe_training_job(TrainingJobName="full")
        if description["TrainingJobStatus"] in ("Failed", "Completed", "Stopped"):
            break
        assert time.monotonic() < deadline, (description, open(str(small.folder) + ".log").read()[-3000:])
        time.sleep(0.1)
    assert description["TrainingJobStatus"] == "Failed"
    reason = description["FailureReason"]
    assert "space" in reason or "disk" in reason, reason
    assert s3.list_objects_v2(Bucket="full", Prefix="output/")["KeyCount"] == 0  # nothing half-written
