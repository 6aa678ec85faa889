# SPDX-License-Identifier: Apache-2.0
"""What SageMaker SDK v1 does around a training job and an endpoint, call by call, in boto3: written for AWS."""
import time

import boto3
import botocore


class Sdk:
    def __init__(self, endpoint=None, region="us-west-2"):
        def client(name):
            return boto3.client(name, region_name=region, endpoint_url=endpoint)

        self.endpoint, self.region = endpoint, region
        self.s3, self.sagemaker, self.logs = client("s3"), client("sagemaker"), client("logs")
        self.runtime = client("runtime.sagemaker")  # the alias that old scripts use
        self.stamp = time.strftime("%Y-%m-%d-%H-%M-%S-000")
        # get_execution_role() and default_bucket()
        identity = client("sts").get_caller_identity()
        assert ":assumed-role/AmazonSageMaker-ExecutionRole" in identity["Arn"], identity["Arn"]
        self.role = "arn:aws:iam::%s:role/service-role/AmazonSageMaker-ExecutionRole" % identity["Account"]
        self.bucket = "sagemaker-%s-%s" % (region, identity["Account"])
        if self.bucket not in [b["Name"] for b in self.s3.list_buckets()["Buckets"]]:
            self.s3.create_bucket(Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": region})

    def channel(self, name, uri, distribution="FullyReplicated", **more):
        return {"ChannelName": name, "DataSource": {"S3DataSource": {
            "S3DataType": "S3Prefix", "S3DataDistributionType": distribution, "S3Uri": uri}}, **more}

    def wait_for_training(self, job, instances):
        """Session.logs_for_job(): transitions and log events until the job ends."""
        transitions, lines, positions = [], [], {}
        done = False
        group = "/aws/sagemaker/TrainingJobs"
        while True:
            description = self.sagemaker.describe_training_job(TrainingJobName=job)
            transitions = [(t["Status"], t["StatusMessage"]) for t in description["SecondaryStatusTransitions"]]
            try:
                streams = self.logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=job + "/",
                                                         orderBy="LogStreamName", limit=instances)["logStreams"]
            except self.logs.exceptions.ResourceNotFoundException:
                streams = []
            for stream in streams:
                token = positions.get(stream["logStreamName"])
                while True:
                    page = self.logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"], startTime=0,
                                                    startFromHead=True, **({"nextToken": token} if token else {}))
                    token = positions[stream["logStreamName"]] = page["nextForwardToken"]
                    if not page["events"]:
                        break
                    lines += [event["message"] for event in page["events"]]
            if done:
                assert len(streams) == instances, streams
                return description, transitions, lines
            done = description["TrainingJobStatus"] in ("Completed", "Failed", "Stopped")
            time.sleep(0.2)

    def train(self, job, image, channels, hyperparameters, output, instances=1, instance_type="ml.c4.xlarge"):
        """-> (description, log lines) of a job that must complete."""
        self.sagemaker.create_training_job(
            TrainingJobName=job, AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"}, RoleArn=self.role,
            OutputDataConfig={"S3OutputPath": output}, InputDataConfig=channels,
            ResourceConfig={"InstanceCount": instances, "InstanceType": instance_type, "VolumeSizeInGB": 30},
            StoppingCondition={"MaxRuntimeInSeconds": 86400}, HyperParameters=hyperparameters)
        description, transitions, lines = self.wait_for_training(job, instances)
        assert description["TrainingJobStatus"] == "Completed", (description.get("FailureReason"), lines[-20:])
        assert transitions[-1] == ("Completed", "Training job completed"), transitions
        return description, lines

    def deploy(self, model, image, artifact, name):
        """Model.deploy() of SDK v1 with its look-up before creation."""
        self.sagemaker.create_model(ModelName=model, ExecutionRoleArn=self.role,
                                    PrimaryContainer={"Image": image, "Environment": {}, "ModelDataUrl": artifact})
        try:
            self.sagemaker.describe_endpoint_config(EndpointConfigName=name)
            raise AssertionError("the endpoint configuration is not there yet")
        except botocore.exceptions.ClientError as e:
            assert e.response["Error"]["Code"] == "ValidationException" and "Could not find endpoint configuration" in str(e), e
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[{
            "VariantName": "AllTraffic", "ModelName": model, "InstanceType": "ml.m4.xlarge", "InitialInstanceCount": 1,
            "InitialVariantWeight": 1}])
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name, Tags=[])
        while self.sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "Creating":
            time.sleep(0.1)
        description = self.sagemaker.describe_endpoint(EndpointName=name)
        assert description["EndpointStatus"] == "InService", description
        variants = self.sagemaker.describe_endpoint_config(EndpointConfigName=description["EndpointConfigName"])["ProductionVariants"]
        assert [v["ModelName"] for v in variants] == [model]
