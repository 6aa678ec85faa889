# SPDX-License-Identifier: Apache-2.0
"""What the tests of endpoints and of batch transform share: the echo program as an image, models, deployments."""
import io
import pathlib
import tarfile

from conftest import ROOT, wait_until

PROGRAM = str(ROOT / "tests/programs/echo_server.py")
CONFIG = {"images": {"echo": {"Program": ["/usr/bin/python3", PROGRAM], "ReadOnly": [PROGRAM]}}}
BUCKET = "serving"


def archive(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


class Hosting:
    """boto3 clients of one server, and the calls that every test makes."""

    def __init__(self, server, role):
        self.server, self.role = server, role
        self.connect()
        self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})

    def connect(self):
        """After a restart the server has another port."""
        self.sm, self.s3 = self.server.client("sagemaker"), self.server.client("s3")
        self.rt, self.logs = self.server.client("sagemaker-runtime"), self.server.client("logs")

    def model(self, name, version="1", environment=None):
        self.s3.put_object(Bucket=BUCKET, Key=f"models/{name}/model.tar.gz", Body=archive({"version": version.encode()}))
        container = {"Image": "174872318107.dkr.ecr.us-west-2.amazonaws.com/echo:latest",
                     "ModelDataUrl": f"s3://{BUCKET}/models/{name}/model.tar.gz", "Environment": environment or {}}
        return self.sm.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=self.role)["ModelArn"]

    def config(self, name, model, instances=1, **more):
        variant = dict(VariantName="AllTraffic", ModelName=model, InstanceType="ml.m4.xlarge", InitialInstanceCount=instances, **more)
        return self.sm.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])["EndpointConfigArn"]

    def status(self, name):
        return self.sm.describe_endpoint(EndpointName=name)

    def settled(self, name):
        return wait_until(lambda: self.status(name), lambda e: e["EndpointStatus"] not in ("Creating", "Updating"), every=0.02)

    def deploy(self, name, model, instances=1):
        self.config(name, model, instances)
        self.sm.create_endpoint(EndpointName=name, EndpointConfigName=name, Tags=[])
        endpoint = self.settled(name)
        assert endpoint["EndpointStatus"] == "InService", endpoint
        return endpoint

    def invoke(self, name, body, **more):
        answer = self.rt.invoke_endpoint(EndpointName=name, Body=body, **more)
        return answer["Body"].read()

    def log_text(self, group, prefix=""):
        streams = self.logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=prefix)["logStreams"]
        return "\n".join(event["message"] for stream in streams
                         for event in self.logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True)["events"])
