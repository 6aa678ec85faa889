# SPDX-License-Identifier: Apache-2.0
"""What every example needs of boto3: the clients, and the few waiting loops that the SageMaker SDK would do for us."""
import sys
import time

import boto3
from botocore.config import Config

FINISHED = ("Completed", "Failed", "Stopped")


class Session:
    """The boto3 clients, and the few waiting loops that the SageMaker SDK would do for us."""

    def __init__(self, endpoint_url=None, region="us-west-2", bucket=None):
        session = boto3.session.Session(region_name=region)

        def client(name):
            return session.client(name, endpoint_url=endpoint_url, config=Config(read_timeout=80))

        self.s3, self.sagemaker, self.runtime, self.logs = map(client, ("s3", "sagemaker", "sagemaker-runtime", "logs"))
        identity = client("sts").get_caller_identity()
        self.role = "arn:aws:iam::%s:role/service-role/AmazonSageMaker-ExecutionRole" % identity["Account"]
        self.bucket = bucket or "sagemaker-%s-%s" % (region, identity["Account"])
        self.region = region
        self.stamp = time.strftime("%Y-%m-%d-%H-%M-%S")

    def make_bucket(self):
        try:
            self.s3.create_bucket(Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": self.region})
        except self.s3.exceptions.BucketAlreadyOwnedByYou:
            pass

    def put(self, key, body):
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return "s3://%s/%s" % (self.bucket, key)

    def train(self, name, image, channels, hyperparameters, instances=1, show=lambda line: None):
        """Starts a training job and follows its log until it ends; returns its description.

        channels: {name: (uri, distribution)} or {name: (uri, distribution, content type)}
        """
        def channel(name, uri, distribution, content_type=None):
            out = {"ChannelName": name, "DataSource": {"S3DataSource": {
                "S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": distribution}}}
            return {**out, "ContentType": content_type} if content_type else out

        self.sagemaker.create_training_job(
            TrainingJobName=name, RoleArn=self.role,
            AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
            HyperParameters={k: str(v) for k, v in hyperparameters.items()},
            InputDataConfig=[channel(name, *where) for name, where in channels.items()],
            OutputDataConfig={"S3OutputPath": "s3://%s/output" % self.bucket},
            ResourceConfig={"InstanceType": "ml.c4.xlarge", "InstanceCount": instances, "VolumeSizeInGB": 30},
            StoppingCondition={"MaxRuntimeInSeconds": 86400})
        seen = {}
        while True:
            description = self.sagemaker.describe_training_job(TrainingJobName=name)
            for line in self.new_log_lines("/aws/sagemaker/TrainingJobs", name, seen):
                show(line)
            if description["TrainingJobStatus"] in FINISHED:
                break
            time.sleep(0.2)
        if description["TrainingJobStatus"] != "Completed":
            raise SystemExit("training job %s: %s: %s" % (
                name, description["TrainingJobStatus"], description.get("FailureReason")))
        return description

    def new_log_lines(self, group, job, seen):
        try:
            streams = self.logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=job + "/")["logStreams"]
        except self.logs.exceptions.ResourceNotFoundException:
            return
        for name in sorted(s["logStreamName"] for s in streams):
            while True:
                token = {"nextToken": seen[name]} if name in seen else {}
                page = self.logs.get_log_events(logGroupName=group, logStreamName=name, startFromHead=True, **token)
                seen[name] = page["nextForwardToken"]
                yield from (event["message"] for event in page["events"])
                if not page["events"]:
                    break

    def deploy(self, name, image, model_data):
        self.sagemaker.create_model(ModelName=name, ExecutionRoleArn=self.role,
                                    PrimaryContainer={"Image": image, "ModelDataUrl": model_data})
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[{
            "VariantName": "AllTraffic", "ModelName": name, "InstanceType": "ml.m4.xlarge", "InitialInstanceCount": 1}])
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        while True:
            description = self.sagemaker.describe_endpoint(EndpointName=name)
            if description["EndpointStatus"] == "InService":
                return name
            if description["EndpointStatus"] == "Failed":
                raise SystemExit("endpoint %s: %s" % (name, description.get("FailureReason")))
            time.sleep(0.1)

    def invoke(self, endpoint, rows, accept="application/json"):
        body = "\n".join(",".join("%g" % v for v in row) for row in rows)
        answer = self.runtime.invoke_endpoint(EndpointName=endpoint, ContentType="text/csv", Accept=accept, Body=body)
        return answer["Body"].read().decode()

    def transform(self, name, model, input_uri, output_uri, accept="application/jsonlines", content_type="text/csv", **more):
        self.sagemaker.create_transform_job(
            TransformJobName=name, ModelName=model, TransformResources={"InstanceType": "ml.m4.xlarge", "InstanceCount": 1},
            TransformInput={"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": input_uri}},
                            "ContentType": content_type, "SplitType": "Line"},
            TransformOutput={"S3OutputPath": output_uri, "Accept": accept, "AssembleWith": "Line"}, **more)
        while True:
            description = self.sagemaker.describe_transform_job(TransformJobName=name)
            if description["TransformJobStatus"] in FINISHED:
                break
            time.sleep(0.1)
        if description["TransformJobStatus"] != "Completed":
            raise SystemExit("transform job %s: %s" % (name, description.get("FailureReason")))

    def get(self, uri):
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def clean_up(self, *names):
        for name in names:
            self.sagemaker.delete_endpoint(EndpointName=name)
            self.sagemaker.delete_endpoint_config(EndpointConfigName=name)
            self.sagemaker.delete_model(ModelName=name)


def shown(step, text):
    print("\n\033[1m%s\033[0m  %s" % (step, text) if sys.stdout.isatty() else "\n%s  %s" % (step, text), flush=True)
