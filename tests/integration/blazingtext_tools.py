# SPDX-License-Identifier: Apache-2.0
"""What the tests of BlazingText share: one server, and the calls that take a text to an answer."""
import io
import json
import re
import tarfile

from conftest import wait_until
import job_helpers as jobs
from serving_tools import archive

IMAGE = "811284229777.dkr.ecr.us-east-1.amazonaws.com/blazingtext:1"
JSON, LINES = "application/json", "application/jsonlines"


class Platform:
    def __init__(self, server, role):
        self.server, self.role, self.count = server, role, 0
        for name, service in dict(s3="s3", sm="sagemaker", rt="sagemaker-runtime").items():
            setattr(self, name, jobs.client(server, service))
        self.s3.create_bucket(Bucket=jobs.BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})

    def put(self, key, body):
        self.s3.put_object(Bucket=jobs.BUCKET, Key=key, Body=body)

    def name(self, stem):
        self.count += 1
        return f"{stem.replace('_', '-')}-{self.count}"

    def job(self, hyperparameters, channels, stem="job", seconds=60, **more):
        name = self.name(stem)
        self.sm.create_training_job(**jobs.request(
            name, self.role, image=IMAGE, channels=channels, **more) | {"HyperParameters": {k: str(v) for k, v in hyperparameters.items()}})
        return jobs.end_of(self.server, name, seconds)

    def train(self, hyperparameters, channels, **more):
        job = self.job(hyperparameters, channels, **more)
        assert job["TrainingJobStatus"] == "Completed", (job.get("FailureReason"), jobs.lines(self.server, job["TrainingJobName"]))
        return job

    def files(self, job, folder):
        """Unpacks model.tar.gz; returns its names."""
        bucket, key = re.match("s3://([^/]+)/(.*)", job["ModelArtifacts"]["S3ModelArtifacts"]).groups()
        body = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(body)) as tar:
            tar.extractall(folder)
            return sorted(tar.getnames())

    def endpoint(self, model_url, stem="endpoint"):
        """Its description once it is up, or has failed."""
        name = self.name(stem)
        self.sm.create_model(ModelName=name, PrimaryContainer={"Image": IMAGE, "ModelDataUrl": model_url}, ExecutionRoleArn=self.role)
        self.sm.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[dict(
            VariantName="AllTraffic", ModelName=name, InstanceType="ml.m4.xlarge", InitialInstanceCount=1)])
        self.sm.create_endpoint(EndpointName=name, EndpointConfigName=name)
        return wait_until(lambda: self.sm.describe_endpoint(EndpointName=name), lambda e: e["EndpointStatus"] != "Creating")

    def deploy(self, model_url, stem="endpoint"):
        endpoint = self.endpoint(model_url, stem)
        assert endpoint["EndpointStatus"] == "InService", endpoint
        return endpoint["EndpointName"]

    def ask(self, endpoint, body, content_type=JSON, **more):
        text = body if isinstance(body, (str, bytes)) else json.dumps(body)
        arguments = dict(ContentType=content_type) if content_type else {}
        return self.rt.invoke_endpoint(EndpointName=endpoint, Body=text, **arguments, **more)["Body"].read().decode()

    def upload(self, files):
        key = f"{self.name('foreign')}/model.tar.gz"
        self.put(key, archive(files))
        return f"s3://{jobs.BUCKET}/{key}"

    def host(self, files, stem="endpoint"):
        return self.deploy(self.upload(files), stem)
