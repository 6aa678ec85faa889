# SPDX-License-Identifier: Apache-2.0
"""What the book does with Big Mart sales, call by call: Linear Learner through SDK v1, XGBoost through plain boto3. Written for AWS.

usage: big_mart_on_aws.py TABLE_OR_EMPTY [ENDPOINT_URL]
Prints one JSON object of findings on its last line.
"""
import io
import json
import sys
import time

import numpy as np

import big_mart
from recordio import recordio
from sdk_v1 import Sdk

table, *rest = sys.argv[1:]
sdk = Sdk(*rest[:1])
s3, sagemaker, runtime, bucket = sdk.s3, sdk.sagemaker, sdk.runtime, sdk.bucket
findings = {}

features, sales = big_mart.clean(big_mart.read_table(table) if table else big_mart.made_up_table(2000))
cut = int(.8 * len(sales))
labels = np.digitize(sales, np.quantile(sales, [.25, .5, .75])).astype(np.float32)
features_test, labels_test = features[cut:], labels[cut:]


def invoke(endpoint, rows):
    """Rows separated by newlines, without a final one, as numpy_to_csv of the SDK writes them."""
    body = "\n".join(",".join(str(v) for v in row) for row in rows)
    answer = runtime.invoke_endpoint(EndpointName=endpoint, ContentType="text/csv", Body=body)
    return answer["ContentType"], answer["Body"].read().decode()


# --- Linear Learner: only a train channel, no content type (RecordIO-protobuf), key equal to the channel's uri
linear_image = "174872318107.dkr.ecr.us-west-2.amazonaws.com/linear-learner:1"
for kind, target, more in (("multiclass_classifier", labels, {"num_classes": "4"}), ("regression", sales, {})):
    job = "linear-learner-%s-%s" % (kind.replace("_", "-"), sdk.stamp)
    key = "linear-learner/train/%s/recordio-pb-data" % kind
    s3.upload_fileobj(io.BytesIO(recordio(features[:cut], target[:cut])), bucket, key)
    description, lines = sdk.train(job, linear_image, [sdk.channel("train", "s3://%s/%s" % (bucket, key))],
                                   {"feature_dim": "11", "predictor_type": kind, "mini_batch_size": "100", **more},
                                   "s3://%s/linear-learner/output" % bucket, instance_type="ml.m4.xlarge")
    findings[kind + "_log"] = [line for line in lines if "regression" in line and "regressor" in line][:3]
    sdk.deploy(job, linear_image, description["ModelArtifacts"]["S3ModelArtifacts"], job)
    content_type, answer = invoke(job, features_test[:1])
    assert content_type == "application/json", content_type  # also when the request was CSV
    first = json.loads(answer)["predictions"][0]
    predictions = []
    for block in np.array_split(features_test, 100):
        predictions += json.loads(invoke(job, block)[1])["predictions"]
    assert predictions[0] == first and len(predictions) == len(features_test)
    if kind == "regression":
        error = np.sqrt(np.mean((np.array([p["score"] for p in predictions]) - sales[cut:]) ** 2))
        findings["rmse_of_mean"] = float(error / sales[cut:].std())
    else:
        guess = np.array([p["predicted_label"] for p in predictions])
        findings["accuracy"] = float(np.mean(guess == labels_test))
        findings["f1"] = [float(f1) for f1 in big_mart.scores(big_mart.confusion(labels_test, guess, 4))[:, 2]]
    sagemaker.delete_endpoint(EndpointName=job)

# --- XGBoost: https addresses; one prefix for train, validation and the output; the same job twice, so that the second finds
# the first one's model.tar.gz below its data
s3.put_object(Bucket=bucket, Key="xgboost/train.csv", Body=big_mart.csv_of(features[:cut], labels[:cut]))
xgboost_image = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:1.0-1-cpu-py3"
where = "https://s3-us-west-2.amazonaws.com/%s/xgboost" % bucket
for run in (1, 2):
    job = "xgboost-bigmart-%s-%d" % (sdk.stamp, run)
    sagemaker.create_training_job(
        TrainingJobName=job, RoleArn=sdk.role, AlgorithmSpecification={"TrainingImage": xgboost_image, "TrainingInputMode": "File"},
        HyperParameters={"max_depth": "5", "eta": "0.2", "gamma": "4", "min_child_weight": "6", "subsample": "0.7", "silent": "0",
                         "objective": "multi:softmax", "num_round": "50", "num_class": "4"},
        InputDataConfig=[sdk.channel(name, where + "/", ContentType="csv", CompressionType="None") for name in ("train", "validation")],
        OutputDataConfig={"S3OutputPath": where + "/xgboost"}, StoppingCondition={"MaxRuntimeInSeconds": 3600},
        ResourceConfig={"InstanceCount": 1, "InstanceType": "ml.m4.4xlarge", "VolumeSizeInGB": 5})
    description, _, lines = sdk.wait_for_training(job, 1)
    assert description["TrainingJobStatus"] == "Completed", (description.get("FailureReason"), lines[-20:])
    findings["xgboost_rounds"] = sum("#011train-merror:" in line or "#011train-mlogloss:" in line for line in lines)
findings["skipped"] = [line for line in lines if "exceeds the limit" in line or "model.tar.gz" in line][:2]
name = "xgboost-bigmart-endpoint-" + sdk.stamp
sagemaker.create_model(ModelName=job, ExecutionRoleArn=sdk.role, PrimaryContainer={
    "Image": xgboost_image, "ModelDataUrl": description["ModelArtifacts"]["S3ModelArtifacts"]})
sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[{
    "InstanceType": "ml.m4.xlarge", "InitialVariantWeight": 1, "InitialInstanceCount": 1, "ModelName": job, "VariantName": "AllTraffic"}])
sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
while sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "Creating":
    time.sleep(0.1)
content_type, answer = invoke(name, features_test)
guess = np.array([float(v) for v in answer.split(",")])
findings["xgboost_accuracy"] = float(np.mean(guess == labels_test))
sagemaker.delete_endpoint(EndpointName=name)
print(json.dumps(findings))
