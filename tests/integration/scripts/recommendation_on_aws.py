# SPDX-License-Identifier: Apache-2.0
"""What the AWS content-recommendation tutorial does through SageMaker SDK v1, call by call, in boto3: written for AWS.

usage: recommendation_on_aws.py NEWSGROUPS_ARCHIVE_OR_EMPTY WORK_FOLDER [ENDPOINT_URL]
Prints one JSON object of findings on its last line.
"""
import io
import json
import os
import pathlib
import subprocess
import sys
import time

import boto3
import botocore
import numpy as np

import corpora

archive, work, *rest = sys.argv[1:]
endpoint = rest[0] if rest else None
work = pathlib.Path(work)
region = "us-west-2"


def client(name):
    return boto3.client(name, region_name=region, endpoint_url=endpoint)


sts, s3, sagemaker, logs = client("sts"), client("s3"), client("sagemaker"), client("logs")
runtime = client("runtime.sagemaker")  # the alias that old scripts use
findings = {}

# get_execution_role() and default_bucket()
identity = sts.get_caller_identity()
assert ":assumed-role/AmazonSageMaker-ExecutionRole" in identity["Arn"], identity["Arn"]
account = sts.get_caller_identity()["Account"]
role = "arn:aws:iam::%s:role/service-role/AmazonSageMaker-ExecutionRole" % account
bucket = "sagemaker-%s-%s" % (region, account)
if bucket not in [b["Name"] for b in s3.list_buckets()["Buckets"]]:
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region})

corpus = corpora.load(archive or None, cache=work / "corpus")
rows, held_out = corpus.split()
validation, unseen = np.array_split(held_out, 2)
for i, part in enumerate(np.array_split(rows, 8)):
    s3.upload_fileobj(io.BytesIO(corpora.recordio(corpus.counts[part])), bucket, "20newsgroups/train/data_part%d.pbr" % i)
s3.upload_fileobj(io.BytesIO(corpora.recordio(corpus.counts[validation])), bucket, "20newsgroups/val/data.pbr")


def s3_channel(name, uri, distribution):
    return {"ChannelName": name, "DataSource": {"S3DataSource": {
        "S3DataType": "S3Prefix", "S3DataDistributionType": distribution, "S3Uri": uri}}}


def wait_for_training(job, instances):
    """Session.logs_for_job(): transitions and log events until the job ends."""
    transitions, lines, positions = [], [], {}
    done = False
    while True:
        description = sagemaker.describe_training_job(TrainingJobName=job)
        transitions = [(t["Status"], t["StatusMessage"]) for t in description["SecondaryStatusTransitions"]]
        try:
            streams = logs.describe_log_streams(logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=job + "/",
                                                orderBy="LogStreamName", limit=instances)["logStreams"]
        except logs.exceptions.ResourceNotFoundException:
            streams = []
        for stream in streams:
            token = positions.get(stream["logStreamName"])
            while True:
                page = logs.get_log_events(logGroupName="/aws/sagemaker/TrainingJobs", logStreamName=stream["logStreamName"],
                                           startTime=0, startFromHead=True, **({"nextToken": token} if token else {}))
                token = positions[stream["logStreamName"]] = page["nextForwardToken"]
                if not page["events"]:
                    break
                lines += [event["message"] for event in page["events"]]
        if done:
            assert len(streams) == instances, streams
            return description, transitions, lines
        done = description["TrainingJobStatus"] in ("Completed", "Failed", "Stopped")
        time.sleep(0.2)


def train(job, image, channels, hyperparameters, instances):
    sagemaker.create_training_job(
        TrainingJobName=job, AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"}, RoleArn=role,
        OutputDataConfig={"S3OutputPath": "s3://%s/20newsgroups/output" % bucket}, InputDataConfig=channels,
        ResourceConfig={"InstanceCount": instances, "InstanceType": "ml.c4.xlarge", "VolumeSizeInGB": 30},
        StoppingCondition={"MaxRuntimeInSeconds": 86400}, HyperParameters=hyperparameters)
    description, transitions, lines = wait_for_training(job, instances)
    assert description["TrainingJobStatus"] == "Completed", (description.get("FailureReason"), lines[-20:])
    assert transitions[-1] == ("Completed", "Training job completed"), transitions
    return description, lines


def deploy(model, image, artifact, name):
    """Model.deploy() of SDK v1 with its look-up before creation."""
    sagemaker.create_model(ModelName=model, ExecutionRoleArn=role,
                           PrimaryContainer={"Image": image, "Environment": {}, "ModelDataUrl": artifact})
    try:
        sagemaker.describe_endpoint_config(EndpointConfigName=name)
        raise AssertionError("the endpoint configuration is not there yet")
    except botocore.exceptions.ClientError as e:
        assert e.response["Error"]["Code"] == "ValidationException" and "Could not find endpoint configuration" in str(e), e
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[{
        "VariantName": "AllTraffic", "ModelName": model, "InstanceType": "ml.m4.xlarge", "InitialInstanceCount": 1,
        "InitialVariantWeight": 1}])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name, Tags=[])
    while sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "Creating":
        time.sleep(0.1)
    description = sagemaker.describe_endpoint(EndpointName=name)
    assert description["EndpointStatus"] == "InService", description
    variants = sagemaker.describe_endpoint_config(EndpointConfigName=description["EndpointConfigName"])["ProductionVariants"]
    assert [v["ModelName"] for v in variants] == [model]


stamp = time.strftime("%Y-%m-%d-%H-%M-%S-000")
ntm_image = "174872318107.dkr.ecr.us-west-2.amazonaws.com/ntm:1"
ntm = "ntm-" + stamp
description, lines = train(ntm, ntm_image, [
    s3_channel("train", "s3://%s/20newsgroups/train" % bucket, "ShardedByS3Key"),
    s3_channel("test", "s3://%s/20newsgroups/val" % bucket, "FullyReplicated")],
    {"num_topics": "30", "feature_dim": str(corpus.counts.shape[1]), "mini_batch_size": "128",
     "epochs": os.environ.get("EPOCHS", "100"), "num_patience_epochs": "5", "tolerance": "0.001"}, instances=2)
findings["ntm_seconds"] = description["TrainingTimeInSeconds"]
findings["topic_lines"] = sum(1 for line in lines if line.startswith("Topics from epoch:final") or "Topics from epoch:final" in line)

deploy(ntm, ntm_image, description["ModelArtifacts"]["S3ModelArtifacts"], ntm)


def topic_weights(row):
    body = ",".join(str(v) for v in corpus.counts[row].toarray().ravel())  # 1.0,0.0,... as numpy's csv writer prints it
    answer = runtime.invoke_endpoint(EndpointName=ntm, ContentType="text/csv", Body=body)
    assert answer["ContentType"] == "application/json" and answer["InvokedProductionVariant"] == "AllTraffic"
    return json.loads(answer["Body"].read())["predictions"][0]["topic_weights"]


one_by_one = np.array([topic_weights(row) for row in rows[:20]])
assert one_by_one.shape == (20, 30) and np.allclose(one_by_one.sum(axis=1), 1, atol=1e-5)

# batch transform: the same model name again, then the whole file by its key
table = work / "trainvectors.csv"
np.savetxt(table, corpus.counts[rows].toarray(), fmt="%i", delimiter=",")
s3.upload_file(str(table), bucket, "20newsgroups/batch/train/trainvectors.csv")
try:
    sagemaker.create_model(ModelName=ntm, ExecutionRoleArn=role,
                           PrimaryContainer={"Image": ntm_image, "ModelDataUrl": description["ModelArtifacts"]["S3ModelArtifacts"]})
    raise AssertionError("the model exists already")
except botocore.exceptions.ClientError as e:
    assert e.response["Error"]["Code"] == "ValidationException" and "Cannot create already existing model" in str(e), e
assert sagemaker.describe_model(ModelName=ntm)["PrimaryContainer"]["Image"] == ntm_image
sagemaker.create_transform_job(
    TransformJobName=ntm, ModelName=ntm, TransformResources={"InstanceCount": 1, "InstanceType": "ml.m4.xlarge"},
    TransformInput={"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix",
                                                    "S3Uri": "s3://%s/20newsgroups/batch/train/trainvectors.csv" % bucket}},
                    "ContentType": "text/csv", "SplitType": "Line"},
    TransformOutput={"S3OutputPath": "s3://%s/20newsgroups/batch/test" % bucket})
while sagemaker.describe_transform_job(TransformJobName=ntm)["TransformJobStatus"] == "InProgress":
    time.sleep(0.1)
transform = sagemaker.describe_transform_job(TransformJobName=ntm)
assert transform["TransformJobStatus"] == "Completed", transform
options = ["--endpoint-url", endpoint] if endpoint else []
subprocess.run(["aws", *options, "--region", region, "s3", "cp", "--recursive", "s3://%s/20newsgroups/batch/test" % bucket, str(work / "batch")],
               check=True, stdout=subprocess.DEVNULL)
text = (work / "batch" / "trainvectors.csv.out").read_text()
vectors, decoder, at = [], json.JSONDecoder(), 0
while at < len(text):  # JSON documents run together, one per mini-batch
    document, at = decoder.raw_decode(text, at)
    vectors += [p["topic_weights"] for p in document["predictions"]]
    while at < len(text) and text[at].isspace():
        at += 1
vectors = np.array(vectors, dtype=np.float64)
assert vectors.shape == (len(rows), 30), vectors.shape
assert np.allclose(vectors[:20], one_by_one, atol=1e-6)

# k-NN with cosine distance on the topic vectors; the label is the row number, so that answers name documents
s3.upload_fileobj(io.BytesIO(corpora.recordio(vectors, labels=np.arange(len(rows)))), bucket, "20newsgroups/knn/train")
knn_image = "174872318107.dkr.ecr.us-west-2.amazonaws.com/knn:1"
knn = "knn-" + stamp
description, lines = train(knn, knn_image, [s3_channel("train", "s3://%s/20newsgroups/knn/train" % bucket, "FullyReplicated")],
                           {"feature_dim": "30", "k": "10", "sample_size": str(len(rows)), "predictor_type": "classifier",
                            "index_metric": "COSINE"}, instances=1)
endpoint_name = "knn-ml-m4-xlarge-" + stamp
deploy(knn, knn_image, description["ModelArtifacts"]["S3ModelArtifacts"], endpoint_name)

normalised = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
same, chance = [], []
for row in unseen[:100]:
    query = topic_weights(row)
    answer = runtime.invoke_endpoint(EndpointName=endpoint_name, ContentType="text/csv", Accept="application/jsonlines; verbose=true",
                                     Body=",".join(repr(v) for v in query))
    result = json.loads(answer["Body"].read())
    neighbours = [int(label) for label in result["labels"][::-1]]
    cosines = normalised @ (np.array(query) / np.linalg.norm(query))
    assert np.allclose(result["distances"], sorted(result["distances"])) and len(neighbours) == 10
    assert abs(cosines[neighbours[0]] - cosines.max()) < 1e-5
    same.append(np.mean(corpus.labels[rows[neighbours]] == corpus.labels[row]))
    chance.append(np.mean(corpus.labels[rows] == corpus.labels[row]))
findings["same_group"], findings["chance"] = float(np.mean(same)), float(np.mean(chance))

for name in (ntm, endpoint_name):
    sagemaker.delete_endpoint(EndpointName=name)
findings["documents"] = len(rows)
print(json.dumps(findings))
