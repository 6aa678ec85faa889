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

import botocore
import numpy as np

import corpora
from sdk_v1 import Sdk

archive, work, *rest = sys.argv[1:]
sdk = Sdk(*rest[:1])
work = pathlib.Path(work)
s3, sagemaker, runtime, role, bucket = sdk.s3, sdk.sagemaker, sdk.runtime, sdk.role, sdk.bucket
output = "s3://%s/20newsgroups/output" % bucket
findings = {}

corpus = corpora.load(archive or None, cache=work / "corpus")
rows, held_out = corpus.split()
validation, unseen = np.array_split(held_out, 2)
for i, part in enumerate(np.array_split(rows, 8)):
    s3.upload_fileobj(io.BytesIO(corpora.recordio(corpus.counts[part])), bucket, "20newsgroups/train/data_part%d.pbr" % i)
s3.upload_fileobj(io.BytesIO(corpora.recordio(corpus.counts[validation])), bucket, "20newsgroups/val/data.pbr")

ntm_image = "174872318107.dkr.ecr.us-west-2.amazonaws.com/ntm:1"
ntm = "ntm-" + sdk.stamp
description, lines = sdk.train(ntm, ntm_image, [
    sdk.channel("train", "s3://%s/20newsgroups/train" % bucket, "ShardedByS3Key"),
    sdk.channel("test", "s3://%s/20newsgroups/val" % bucket, "FullyReplicated")],
    {"num_topics": "30", "feature_dim": str(corpus.counts.shape[1]), "mini_batch_size": "128",
     "epochs": os.environ.get("EPOCHS", "100"), "num_patience_epochs": "5", "tolerance": "0.001"}, output, instances=2)
findings["ntm_seconds"] = description["TrainingTimeInSeconds"]
findings["topic_lines"] = sum(1 for line in lines if line.startswith("Topics from epoch:final") or "Topics from epoch:final" in line)

sdk.deploy(ntm, ntm_image, description["ModelArtifacts"]["S3ModelArtifacts"], ntm)


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
options = ["--endpoint-url", sdk.endpoint] if sdk.endpoint else []
subprocess.run(["aws", *options, "--region", sdk.region, "s3", "cp", "--recursive", "s3://%s/20newsgroups/batch/test" % bucket, str(work / "batch")],
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
knn = "knn-" + sdk.stamp
description, lines = sdk.train(knn, knn_image, [sdk.channel("train", "s3://%s/20newsgroups/knn/train" % bucket, "FullyReplicated")],
                           {"feature_dim": "30", "k": "10", "sample_size": str(len(rows)), "predictor_type": "classifier",
                            "index_metric": "COSINE"}, output)
endpoint_name = "knn-ml-m4-xlarge-" + sdk.stamp
sdk.deploy(knn, knn_image, description["ModelArtifacts"]["S3ModelArtifacts"], endpoint_name)

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
