# SPDX-License-Identifier: Apache-2.0
"""Linear Learner through the real server and unmodified boto3: every predictor type, channel form and answer form, two instances,
batch transform, the artifact read by plain Python, and bad input."""
import io
import json
import math
import re
import struct
import tarfile
import zipfile

import numpy as np
import pytest
import scipy.sparse as sp
from botocore.exceptions import ClientError
from sklearn import metrics as sk
from sklearn.linear_model import LinearRegression, LogisticRegression

from conftest import BINARY, REGION, wait_until
from job_helpers import BUCKET, channel, end_of, lines, request
from recordio import recordio

IMAGE = "174872318107.dkr.ecr.us-west-2.amazonaws.com/linear-learner:1"
FEATURES = 6


def table(task, rows=700, seed=2):
    """-> (x float32, y): labels follow a known linear rule with noise; feature 3 is zero everywhere, feature 4 is constant."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, FEATURES)) * [1, 10, 0.1, 1, 1, 1] + [0, 5, 0, 0, 0, 0]
    x[:, 3], x[:, 4] = 0, 7
    rule = np.array([[1.5, -2, 0.5], [0.2, 0.1, -0.3], [5, 3, -8], [0, 0, 0], [0, 0, 0], [-1, 1, 2]])
    f = x @ rule + [-1, 0, 1.5]
    if task == "regressor":
        y = 100 + 3 * f[:, 0] + random.normal(size=rows) * 0.5
    elif task == "binary_classifier":
        y = random.random(rows) < 1 / (1 + np.exp(-f[:, 0]))
    else:
        y = (f + random.gumbel(size=f.shape)).argmax(axis=1)
    return x.astype(np.float32), y.astype(np.float32)


def csv(x, y=None):
    rows = x if y is None else np.column_stack([y, x])
    return "".join(",".join(repr(float(v)) for v in row) + "\n" for row in rows).encode()


def libsvm(x, y):
    return "".join(f"{float(label)!r} " + " ".join(f"{j}:{v!r}" for j, v in enumerate(row.tolist()) if v) + "\n" for row, label in zip(x, y)).encode()


def hyperparameters(task, **more):
    base = {"predictor_type": task, "feature_dim": FEATURES, "mini_batch_size": 50, "num_models": 4}
    if task == "multiclass_classifier":
        base["num_classes"] = 3
    return {k: str(v) for k, v in {**base, **more}.items()}


class Lab:
    """One server with a bucket, and what every test does with it."""

    def __init__(self, server, role):
        self.server, self.role = server, role
        self.s3, self.sm, self.rt = (server.client(s) for s in ("s3", "sagemaker", "sagemaker-runtime"))
        self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.number = 0

    def put(self, key, body):
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    def train(self, channels, given, status="Completed", count=1, content_type=None, **channel_more):
        """channels: name -> body, or list of bodies (one object each). Returns the job's description."""
        self.number += 1
        name = f"ll-{self.number}"
        if content_type:
            channel_more["ContentType"] = content_type
        for part, bodies in channels.items():
            for i, body in enumerate(bodies if isinstance(bodies, list) else [bodies]):
                self.put(f"{name}/{part}/part-{i}", body)
        more = {"train": channel_more}
        self.sm.create_training_job(**request(
            name, self.role, image=IMAGE, HyperParameters=given, count=count,
            channels=[channel(part, f"{name}/{part}/", **{**channel_more, **more.get(part, {}),
                                                          **({} if part == "train" else {"S3DataDistributionType": "FullyReplicated"})})
                      for part in channels]))
        job = end_of(self.server, name, 120)
        assert job["TrainingJobStatus"] == status, (job.get("FailureReason"), lines(self.server, name)[-15:])
        return job

    def log(self, job):
        return lines(self.server, job["TrainingJobName"])

    def artifact(self, job):
        """The files of model.tar.gz."""
        uri = job["ModelArtifacts"]["S3ModelArtifacts"]
        data = self.s3.get_object(Bucket=BUCKET, Key=uri.split("/", 3)[3])["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            return {m.name.removeprefix("./"): tar.extractfile(m).read() for m in tar if m.isfile()}

    def deploy(self, job):
        name = job["TrainingJobName"]
        self.sm.create_model(ModelName=name, ExecutionRoleArn=self.role, PrimaryContainer={
            "Image": IMAGE, "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"]})
        self.sm.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[dict(
            VariantName="AllTraffic", ModelName=name, InstanceType="ml.m4.xlarge", InitialInstanceCount=1)])
        self.sm.create_endpoint(EndpointName=name, EndpointConfigName=name)
        endpoint = wait_until(lambda: self.sm.describe_endpoint(EndpointName=name), lambda e: e["EndpointStatus"] != "Creating")
        assert endpoint["EndpointStatus"] == "InService", endpoint
        return name

    def invoke(self, endpoint, body, content_type="text/csv", accept=None):
        more = {"Accept": accept} if accept else {}
        answer = self.rt.invoke_endpoint(EndpointName=endpoint, Body=body, ContentType=content_type, **more)
        return answer["ContentType"], answer["Body"].read()

    def refusal(self, endpoint, body, content_type="text/csv", accept=None):
        with pytest.raises(ClientError) as caught:
            self.invoke(endpoint, body, content_type, accept)
        response = caught.value.response
        return response["OriginalStatusCode"], response["Error"]["Message"]


@pytest.fixture(scope="module")
def lab(server, role):
    return Lab(server, role)


def read_params(data):
    """mxnet.ndarray.load with nothing but struct and numpy."""
    stream = io.BytesIO(data)
    take = lambda form: struct.unpack("<" + form, stream.read(struct.calcsize("<" + form)))  # noqa: E731
    assert take("QQ") == (0x112, 0)
    arrays = []
    for _ in range(take("Q")[0]):
        magic, storage, dimensions = take("IiI")
        assert (magic, storage) == (0xF993FAC9, 0)
        shape = take(f"{dimensions}q")
        assert take("iii") == (1, 0, 0)
        arrays.append(np.frombuffer(stream.read(4 * math.prod(shape)), "<f4").reshape(shape))
    names = [stream.read(take("Q")[0]).decode() for _ in range(take("Q")[0])]
    assert stream.read() == b""
    return dict(zip(names, arrays))


def read_model(files):
    """What users of the real service do: unzip model_algo-1, read the weights. -> (weights [D, K], bias [K], additional params)"""
    with zipfile.ZipFile(io.BytesIO(files["model_algo-1"])) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["mx-mod-0000.params", "mx-mod-symbol.json", "manifest.json", "additional-params.json"]
        assert all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())
        params = read_params(archive.read("mx-mod-0000.params"))
        return params["arg:fc0_weight"], params["arg:fc0_bias"][0], json.loads(archive.read("additional-params.json"))


def final(job):
    return {m["MetricName"]: m["Value"] for m in job["FinalMetricDataList"]}


# --- training ----------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("mode", ["File", "Pipe"])
@pytest.mark.parametrize("form", ["csv", "libsvm", "dense", "sparse"])
@pytest.mark.parametrize("task", ["regressor", "binary_classifier", "multiclass_classifier"])
def test_every_task_trains_from_every_form(lab, task, form, mode):
    x, y = table(task)
    encode = {"csv": csv, "libsvm": libsvm, "dense": recordio, "sparse": lambda a, b: recordio(sp.csr_matrix(a), b)}[form]
    job = lab.train({"train": [encode(x[:300], y[:300]), encode(x[300:500], y[300:500])], "validation": encode(x[500:600], y[500:600]),
                     "test": encode(x[600:], y[600:])},
                    hyperparameters(task), content_type={"csv": "text/csv", "libsvm": "text/libsvm"}.get(form), InputMode=mode)
    weight, bias, additional = read_model(lab.artifact(job))
    assert additional["predictor_type"] == task and weight.shape == (FEATURES, 3 if task.startswith("multi") else 1)
    f = x[600:] @ weight + bias
    found = final(job)
    if task == "regressor":
        peer = LinearRegression().fit(x[:500], y[:500])
        assert found["test:mse"] == pytest.approx(np.mean((f[:, 0] - y[600:]) ** 2), rel=1e-4)
        assert found["test:mse"] < 1.03 * np.mean((peer.predict(x[600:]) - y[600:]) ** 2) + 1e-3
        assert found["test:rmse"] == pytest.approx(math.sqrt(found["test:mse"]), rel=1e-6)
    elif task == "binary_classifier":
        peer = LogisticRegression(C=1e3, max_iter=1000).fit(x[:500] / x[:500].std(axis=0).clip(1e-9), y[:500])
        accuracy = np.mean((1 / (1 + np.exp(-f[:, 0])) >= additional["threshold"]) == y[600:])
        assert found["test:binary_classification_accuracy"] == pytest.approx(accuracy, abs=1e-9)
        assert accuracy >= peer.score(x[600:] / x[:500].std(axis=0).clip(1e-9), y[600:]) - 0.04
        assert found["train:threshold"] == pytest.approx(additional["threshold"], rel=1e-6)
        assert found["test:roc_auc_score"] == pytest.approx(sk.roc_auc_score(y[600:], f[:, 0]), abs=1e-6)
    else:
        assert found["test:multiclass_accuracy"] == pytest.approx(np.mean(f.argmax(axis=1) == y[600:]), abs=1e-9)
        assert found["test:multiclass_accuracy"] > 0.7
    assert found["validation:objective_loss"] > 0 and "train:throughput" in found and found["train:progress"] > 0


def test_targets_of_precision_and_recall_are_met_or_the_log_says_so(lab):
    x, y = table("binary_classifier")
    channels = {"train": recordio(x[:500], y[:500]), "validation": recordio(x[500:], y[500:])}
    given = hyperparameters("binary_classifier", binary_classifier_model_selection_criteria="precision_at_target_recall", target_recall=0.95)
    assert final(lab.train(channels, given))["validation:recall"] >= 0.95
    given = hyperparameters("binary_classifier", binary_classifier_model_selection_criteria="recall_at_target_precision", target_precision=0.95)
    assert final(lab.train(channels, given))["validation:precision"] >= 0.95
    y[:] = np.arange(len(y)) % 2  # nothing to learn from
    x[:] = 1
    job = lab.train({"train": recordio(x, y)}, given)
    assert any("No threshold reaches target_precision 0.95: the one with the highest precision is kept." in line for line in lab.log(job))


def test_a_file_of_the_book_trains_as_regression_with_a_warning(lab):
    """predictor_type 'regression', only a train channel, no content type: records are assumed."""
    x, y = table("regressor")
    job = lab.train({"train": recordio(x, y)}, hyperparameters("regression", mini_batch_size=100))
    log = lab.log(job)
    assert any("WARNING" in line and "'regression'" in line and "taken as 'regressor'" in line for line in log)
    assert any("Test data is not provided." in line for line in log)
    assert final(job)["train:mse"] < 1
    candidates = json.loads(lab.artifact(job)["candidates.json"])
    assert candidates["criterion"] == "mse_objective" and all(c["value"] > 0 for c in candidates["candidates"]), "a loss, not its negative"


@pytest.mark.parametrize("task, loss, objective", [
    ("binary_classifier", "logistic", "binary_classification_cross_entropy_objective"), ("binary_classifier", "hinge_loss", "hinge_loss_objective"),
    ("multiclass_classifier", "softmax_loss", "multiclass_cross_entropy_objective"), ("regressor", "squared_loss", "mse_objective"),
    ("regressor", "absolute_loss", "absolute_loss_objective"), ("regressor", "huber_loss", "huber_loss_objective"),
    ("regressor", "quantile_loss", "quantile_loss_objective"), ("regressor", "eps_insensitive_squared_loss", "eps_insensitive_squared_loss_objective"),
    ("regressor", "eps_insensitive_absolute_loss", "eps_insensitive_absolute_loss_objective")])
def test_every_loss_trains_and_is_named(lab, task, loss, objective):
    x, y = table(task)
    job = lab.train({"train": recordio(x, y)}, hyperparameters(task, loss=loss, quantile=0.8, margin=2))
    weight, bias, additional = read_model(lab.artifact(job))
    assert additional["loss_type"] == loss
    assert additional["metrics_params"]["quantile"] == (0.8 if loss == "quantile_loss" else None)
    assert additional["metrics_params"]["margin"] == (2 if loss == "hinge_loss" else None)
    assert any(f"epoch=0, train {objective} <loss>=" in line for line in lab.log(job))
    f = (x @ weight + bias)[:, 0]
    if loss == "quantile_loss":
        assert np.mean(y < f) == pytest.approx(0.8, abs=0.04), "above the label with probability q"
    elif task == "regressor":
        assert np.mean(np.abs(f - y)) < 0.6
    elif loss == "hinge_loss":
        assert np.mean((f >= additional["threshold"]) == y) > 0.75


def test_every_name_of_the_table_is_taken_with_its_default(lab):
    """What the SDK sends when every argument is given."""
    program = BINARY.parents[1] / "libexec/clary/algorithms/linear-learner.json"
    table_ = {h["Name"]: h.get("DefaultValue", "regressor") for h in json.loads(program.read_text())["HyperParameters"]}
    assert len(table_) == 51 and table_["_kvstore"] == "auto" and table_["num_calibration_samples"] == "10000000"
    x, y = table("regressor")
    given = lab.artifact(lab.train({"train": recordio(x, y)}, {**{k: v for k, v in table_.items() if v}, "use_bias": "True"}))
    plain = lab.artifact(lab.train({"train": recordio(x, y)}, {"predictor_type": "regressor"}))
    assert given["model_algo-1"] == plain["model_algo-1"]


def test_the_log_is_that_of_the_container(lab):
    x, y = table("binary_classifier")
    job = lab.train({"train": recordio(x[:500], y[:500]), "validation": recordio(x[500:], y[500:])},
                    hyperparameters("binary_classifier", epochs=3, early_stopping_patience=5))
    log = "\n".join(lab.log(job))
    wanted = [r"Reading default configuration from ", r"Merging with provided configuration from ", r"Final configuration: ",
              r"Create Store: local", r"Scaling model computed with parameters: \{'stdev_weight': \[",
              r'#metrics \{"StartTime": ?[\d.]+,.*"epoch": ?0, ?"model": ?0',
              r"#quality_metric: host=algo-1, epoch=0, train binary_classification_cross_entropy_objective <loss>=\d",
              r"#quality_metric: host=algo-1, epoch=0, validation binary_classification_cross_entropy_objective <loss>=\d",
              r"#early_stopping_criteria_metric: host=algo-1, epoch=0, criteria=sampled_accuracy, value=0\.\d",
              r"Epoch 0: Loss improved\. Updating best model", r"Saving model for epoch: 0",
              r"#progress_metric: host=algo-1, completed 33 % of epochs", r"#throughput_metric: host=algo-1, train throughput=\d",
              r"#progress_metric: host=algo-1, completed 100 % of epochs",
              r"#validation_score \(algo-1\) : \('binary_classification_accuracy', 0\.\d+\)",
              r"#quality_metric: host=algo-1, validation binary_classification_accuracy <score>=0\.\d",
              r"#quality_metric: host=algo-1, train binary_classification_accuracy <score>=0\.\d",
              r"Best model found for hyperparameters: \{\"optimizer\": \"adam\"", r"Test data is not provided\.", r'"totaltime"']
    at = 0
    for pattern in wanted:
        found = re.compile(pattern).search(log, at)
        assert found, f"{pattern!r} is missing or too early in:\n{log}"
        at = found.start()


def test_two_instances_agree_with_one(lab):
    x, y = table("multiclass_classifier", rows=1500)
    shards = [recordio(x[:700], y[:700]), recordio(x[700:1200], y[700:1200])]
    given = hyperparameters("multiclass_classifier", epochs=8)
    validation = recordio(x[1200:], y[1200:])
    alone = lab.train({"train": shards, "validation": validation}, given)
    both = lab.train({"train": shards, "validation": validation}, given, count=2, S3DataDistributionType="ShardedByS3Key")
    assert any("host=algo-2" in line for line in lab.log(both))
    assert final(both)["validation:multiclass_accuracy"] >= final(alone)["validation:multiclass_accuracy"] - 0.02
    w1, b1, _ = read_model(lab.artifact(alone))
    w2, b2, _ = read_model(lab.artifact(both))
    f1, f2 = x @ w1 + b1, x @ w2 + b2
    assert np.mean(f1.argmax(axis=1) == f2.argmax(axis=1)) > 0.97


def test_a_stopped_job_keeps_its_model(lab):
    x, y = table("regressor")
    lab.put("stop/train/part", recordio(np.tile(x, (100, 1)), np.tile(y, 100)))  # epochs that take some milliseconds
    lab.sm.create_training_job(**request("ll-stop", lab.role, image=IMAGE, channels=[channel("train", "stop/train/")], HyperParameters=hyperparameters(
        "regressor", epochs=10_000_000, early_stopping_patience=20_000_000)))
    logs = lab.server.client("logs")

    def first_page():  # not the whole log: it grows faster than it is read
        group = "/aws/sagemaker/TrainingJobs"
        try:
            streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix="ll-stop/")["logStreams"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        return [event["message"] for stream in streams for event in logs.get_log_events(
            logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True)["events"]]
    wait_until(first_page, lambda log: any("epoch=3," in line for line in log))
    lab.sm.stop_training_job(TrainingJobName="ll-stop")
    job = end_of(lab.server, "ll-stop", 60)
    assert job["TrainingJobStatus"] == "Stopped" and job["SecondaryStatus"] == "Stopped"
    weight, bias, _ = read_model(lab.artifact(job))
    assert np.mean((x @ weight[:, 0] + bias - y) ** 2) < 2


def test_same_seed_same_model(lab):
    x, y = table("binary_classifier")
    models = [lab.artifact(lab.train({"train": recordio(x, y)}, hyperparameters("binary_classifier", seed=seed)))["model_algo-1"]
              for seed in (5, 5)]
    assert models[0] == models[1]


# --- the artifact ------------------------------------------------------------------------------------------------------------

def test_plain_files_read_in_one_line_and_agree_with_the_contract_file(lab):
    x, y = table("binary_classifier")
    files = lab.artifact(lab.train({"train": recordio(x[:500], y[:500]), "validation": recordio(x[500:], y[500:])},
                                   hyperparameters("binary_classifier")))
    weight, bias, additional = read_model(files)
    plain = json.loads(files["linear-learner-coefficients.json"])
    assert [f["weight"] for f in plain["features"]] == weight[:, 0].tolist()
    assert plain["intercept"] == bias[0] and plain["classes"] == [0, 1] and plain["threshold"] == additional["threshold"]
    assert plain["features"][0]["standardised_weight"] == pytest.approx(weight[0, 0] * x[:500, 0].std(), rel=0.05)
    assert 0.5 < plain["metrics"]["validation"]["roc_auc_score"] <= 1
    np.testing.assert_array_equal(np.load(io.BytesIO(files["coefficients.npy"])), weight.T)
    np.testing.assert_array_equal(np.load(io.BytesIO(files["intercept.npy"])), bias)
    candidates = json.loads(files["candidates.json"])
    assert len(candidates["candidates"]) == 4 and candidates["criterion"] == "sampled_accuracy"
    assert {c["learning_rate"] for c in candidates["candidates"]} >= {0.1, 0.005}
    assert additional["metrics_params"]["accuracy_top_k"] == 3 and additional["metrics_params"]["f_beta"] == 1.0


def test_standard_errors_are_those_of_the_textbook(lab):
    for task in ("regressor", "binary_classifier"):
        x, y = table(task)
        files = lab.artifact(lab.train({"train": recordio(x, y)}, hyperparameters(task, wd=0, l1=0)))
        weight, bias, _ = read_model(files)
        plain = json.loads(files["linear-learner-coefficients.json"])
        used = [0, 1, 2, 5]  # 3 is zero, 4 constant
        z, f = np.column_stack([x[:, used], np.ones(len(x))]).astype(float), x.astype(float) @ weight[:, 0] + bias[0]
        p = 1 / (1 + np.exp(-f))
        information = z.T @ (z if task == "regressor" else z * (p * (1 - p))[:, None])
        errors = np.sqrt(np.diag(np.linalg.inv(information)) * (np.sum((f - y) ** 2) / (len(y) - 5) if task == "regressor" else 1))
        found = [plain["features"][j]["standard_error"] for j in used] + [plain["intercept_standard_error"]]
        np.testing.assert_allclose(found, errors, rtol=1e-3)
        assert plain["features"][3]["standard_error"] is None, "the data say nothing of a column of zeros"


def test_an_artifact_of_the_real_service_is_served(lab):
    """Made by hand in the published layout, deflated: y = 2 x0 - x1 + 0.5."""
    def array(shape, values):
        return (struct.pack("<Iii", 0xF993FAC9, 0, len(shape)) + struct.pack(f"<{len(shape)}q", *shape) + struct.pack("<iii", 1, 0, 0)
                + struct.pack(f"<{len(values)}f", *values))
    names = [b"arg:fc0_bias", b"arg:fc0_weight"]
    params = (struct.pack("<QQQ", 0x112, 0, 2) + array((1, 1), [0.5]) + array((2, 1), [2, -1]) + struct.pack("<Q", 2)
              + b"".join(struct.pack("<Q", len(n)) + n for n in names))
    model = io.BytesIO()
    with zipfile.ZipFile(model, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mx-mod-0000.params", params)
        archive.writestr("additional-params.json", json.dumps({"threshold": 0.5, "loss_type": "squared_loss", "predictor_type": "regressor"}))
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:gz") as out:
        entry = tarfile.TarInfo("model_algo-1")
        entry.size = len(model.getvalue())
        out.addfile(entry, io.BytesIO(model.getvalue()))
    lab.put("brought/model.tar.gz", tar.getvalue())
    endpoint = lab.deploy({"TrainingJobName": "brought", "ModelArtifacts": {"S3ModelArtifacts": f"s3://{BUCKET}/brought/model.tar.gz"}})
    assert lab.invoke(endpoint, b"1,2\n3,4") == ("application/json", b'{"predictions": [{"score": 0.5}, {"score": 2.5}]}')


# --- answers -----------------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module", params=["regressor", "binary_classifier", "multiclass_classifier"])
def served(request, lab):
    """-> (task, endpoint name, function from rows to expected scores, threshold)"""
    x, y = table(request.param)
    job = lab.train({"train": recordio(x, y)}, hyperparameters(request.param, num_models=2))
    weight, bias, additional = read_model(lab.artifact(job))

    def scores(rows):
        f = rows.astype(np.float64) @ weight.astype(np.float64) + bias
        if request.param == "regressor":
            return f[:, 0]
        if request.param == "binary_classifier":
            return 1 / (1 + np.exp(-f[:, 0]))
        e = np.exp(f - f.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)
    return request.param, lab.deploy(job), scores, additional["threshold"], job["TrainingJobName"]


def requests_of(rows):
    """The same rows in every content type."""
    sparse = [{"data": {"features": {"keys": np.flatnonzero(r).tolist(), "shape": [FEATURES], "values": r[r != 0].tolist()}}} for r in rows]
    return [("text/csv", csv(rows)), ("text/csv;label_size=0", csv(rows)),
            ("application/json", json.dumps({"instances": [{"features": r.tolist()} for r in rows]}).encode()),
            ("application/json", json.dumps({"instances": [{"data": {"features": {"values": r.tolist()}}} for r in rows]}).encode()),
            ("application/json", json.dumps({"instances": sparse}).encode()),
            ("application/jsonlines", b"\n".join(json.dumps({"features": r.tolist()}).encode() for r in rows)),
            ("application/x-recordio-protobuf", recordio(rows)), ("application/x-recordio-protobuf", recordio(sp.csr_matrix(rows))),
            ("text/libsvm", libsvm(rows, np.zeros(len(rows))))]


def test_every_content_type_gives_the_same_answer(lab, served):
    task, endpoint, scores, threshold, _ = served
    rows = table(task, seed=9)[0][:20]
    expected = scores(rows)
    answers = [lab.invoke(endpoint, body, content_type) for content_type, body in requests_of(rows)]
    assert {kind for kind, _ in answers} == {"application/json"}, "JSON even for CSV"
    first = json.loads(answers[0][1])["predictions"]
    np.testing.assert_allclose([p["score"] for p in first], expected, rtol=1e-5, atol=1e-6)
    assert all(body == answers[0][1] for _, body in answers)
    if task == "regressor":
        assert set(first[0]) == {"score"}
    else:
        assert list(first[0]) == ["score", "predicted_label"] and b'"predicted_label": 1}' in answers[0][1], "an integer"
        labels = [p["predicted_label"] for p in first]
        assert labels == ([int(s >= threshold) for s in expected] if task.startswith("binary") else expected.argmax(axis=1).tolist())


def test_every_accept(lab, served):
    task, endpoint, scores, threshold, _ = served
    rows = table(task, seed=9)[0][:7]
    kind, body = lab.invoke(endpoint, csv(rows))
    predictions = json.loads(body)["predictions"]
    kind, body = lab.invoke(endpoint, csv(rows), accept="*/*")
    assert kind == "application/json"
    kind, body = lab.invoke(endpoint, csv(rows), accept="application/jsonlines")
    assert kind == "application/jsonlines" and [json.loads(line) for line in body.splitlines()] == predictions
    kind, body = lab.invoke(endpoint, csv(rows), accept="text/csv")
    cells = [line.split(",") for line in body.decode().splitlines()]
    if task == "regressor":
        assert [float(c[0]) for c in cells] == [p["score"] for p in predictions]
    else:
        assert [int(c[0]) for c in cells] == [p["predicted_label"] for p in predictions]
        assert [[float(v) for v in c[1:]] for c in cells] == [np.atleast_1d(p["score"]).tolist() for p in predictions]
    kind, body = lab.invoke(endpoint, csv(rows), accept="application/x-recordio-protobuf")
    assert body[:4] == struct.pack("<I", 0xCED7230A) and body.count(b"score") == len(rows)
    assert body.count(b"predicted_label") == (0 if task == "regressor" else len(rows))
    score = np.atleast_1d(predictions[0]["score"]).astype("<f4").tobytes()
    assert score in body


def test_one_row_at_a_time_is_the_same_as_blocks(lab, served):
    task, endpoint, _, _, _ = served
    rows = table(task, seed=11)[0][:30]
    together = json.loads(lab.invoke(endpoint, csv(rows))[1])["predictions"]
    alone = [json.loads(lab.invoke(endpoint, csv(rows[i:i + 1]))[1])["predictions"][0] for i in range(len(rows))]
    assert alone == together


def test_bad_requests_are_named(lab, served):
    _, endpoint, _, _, _ = served
    status, message = lab.refusal(endpoint, b"1,2,3\n")
    assert status == 400 and "3" in message and "6" in message, message
    for body in (b"1,2,three,4,5,6\n", b"1,2,nan,4,5,6\n", b"1,2,,4,5,6\n", b"1;2;3;4;5;6\n"):
        assert lab.refusal(endpoint, body)[0] == 400, body
    assert lab.refusal(endpoint, b"{", "application/json")[0] == 400
    assert lab.refusal(endpoint, b'{"instances": [{"features": [1, 2]}]}', "application/json")[0] == 400
    assert lab.refusal(endpoint, b"x", "application/x-parrot")[0] == 415
    status, message = lab.refusal(endpoint, b"0:1 6:2", "text/libsvm")
    assert status == 400 and "index 6 is not below feature_dim 6" in message
    assert lab.refusal(endpoint, csv(np.ones((1, FEATURES))), accept="image/png")[0] == 406


def test_batch_transform_joins_json_lines(lab, served):
    task, endpoint, scores, _, name = served
    rows = table(task, seed=13)[0][:50]
    lab.put(f"{name}/in/rows.jsonl", b"".join(json.dumps({"id": i, "features": r.tolist()}).encode() + b"\n" for i, r in enumerate(rows)))

    def transform(suffix, content_type, source, accept, **processing):
        job = f"{name}-{suffix}"
        lab.sm.create_transform_job(
            TransformJobName=job, ModelName=name, TransformResources={"InstanceType": "ml.m4.xlarge", "InstanceCount": 1},
            TransformInput={"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{source}"}},
                            "ContentType": content_type, "SplitType": "Line"},
            TransformOutput={"S3OutputPath": f"s3://{BUCKET}/{job}", "AssembleWith": "Line", "Accept": accept},
            DataProcessing=processing)
        done = wait_until(lambda: lab.sm.describe_transform_job(TransformJobName=job), lambda d: d["TransformJobStatus"] != "InProgress")
        assert done["TransformJobStatus"] == "Completed", done
        return lab.s3.get_object(Bucket=BUCKET, Key=f"{job}/{source.split('/')[-1]}.out")["Body"].read()

    joined = [json.loads(line) for line in transform("join", "application/jsonlines", f"{name}/in/rows.jsonl", "application/jsonlines",
                                                     JoinSource="Input").splitlines()]
    assert [row["id"] for row in joined] == list(range(50)), "in the order of the rows"
    np.testing.assert_allclose([row["SageMakerOutput"]["score"] for row in joined], scores(rows), rtol=1e-5, atol=1e-6)
    lab.put(f"{name}/csv/rows.csv", csv(rows))
    plain = transform("plain", "text/csv", f"{name}/csv/rows.csv", "application/jsonlines").splitlines()
    assert [json.loads(line) for line in plain] == [row["SageMakerOutput"] for row in joined]
    lines_ = transform("csv", "text/csv", f"{name}/csv/rows.csv", "text/csv", JoinSource="Input").splitlines()
    assert [line.startswith(row) for line, row in zip(lines_, csv(rows).splitlines(), strict=True)] == [True] * 50


# --- bad input ---------------------------------------------------------------------------------------------------------------

GOOD = b"1,1,2,3\n0,2,1,3\n1,1,3,3\n0,3,1,2\n" * 5


def bad(lab, body, content_type="text/csv", **given):
    given = {"predictor_type": "binary_classifier", "num_models": "2", **{k: str(v) for k, v in given.items()}}
    reason = lab.train({"train": body}, given, status="Failed", content_type=content_type)["FailureReason"]
    assert reason.startswith("ClientError: ") and len(reason) <= 1024, reason
    return reason


@pytest.mark.parametrize("body, words, given", [
    (GOOD + b"2,1,1,1\n", ["part-0", "line 21", "column 1", "label 2", "0 or 1"], {}),
    (GOOD + b"3,1,1,1\n", ["part-0", "line 21", "label 3", "0 to 2", "num_classes 3"], dict(predictor_type="multiclass_classifier", num_classes=3)),
    (GOOD + b"0.5,1,1,1\n", ["line 21", "label 0.5"], dict(predictor_type="multiclass_classifier", num_classes=3)),
    (GOOD + b"-1,1,1,1\n", ["line 21", "label -1"], dict(predictor_type="multiclass_classifier", num_classes=3)),
    (b"label,a,b,c\n" + GOOD, ["part-0", "line 1", "header"], {}),
    (GOOD + b"1,1,two,3\n", ["part-0", "line 21", "column 3", "two"], {}),
    (GOOD + b"1,1,2\n", ["part-0", "line 21", "3", "4"], {}),
    (GOOD.replace(b",", b";"), ["part-0", "line 1"], {}),
    (GOOD + b"1,1,nan,3\n", ["part-0", "line 21", "column 3", "nan"], {}),
    (GOOD + b"1,1,,3\n", ["part-0", "line 21", "column 3"], {}),
    (b"", ["train"], {}),
], ids=["label 2 of two classes", "label beyond num_classes", "label between classes", "negative label", "header", "text", "ragged",
        "wrong delimiter", "NaN", "empty field", "empty"])
def test_bad_rows_fail_the_job_with_place_value_and_rule(lab, body, words, given):
    reason = bad(lab, body, **given)
    assert all(word in reason for word in words), reason


def test_bad_records_fail_the_job(lab):
    x, y = table("regressor", rows=20)
    x[7, 2] = np.nan
    reason = bad(lab, recordio(x, y), None, predictor_type="regressor")
    assert all(word.lower() in reason.lower() for word in ("part-0", "record 8", "nan")), reason
    reason = bad(lab, recordio(np.ones((5, 2))), None, predictor_type="regressor")
    assert "part-0: record 1: " in reason and "the record has 0 labels" in reason, reason
    reason = bad(lab, recordio(np.ones((5, 2)), [0, 1, 0, 5, 1]), None)
    assert "part-0: record 4: " in reason and "label 5 is not 0 or 1" in reason, reason


def test_feature_dim_that_disagrees_has_the_published_text(lab):
    assert "cannot copy sequence with size 3 to array axis with dimension 4" in bad(lab, GOOD, feature_dim=4)


def test_a_test_channel_without_labels_is_named(lab):
    x, y = table("binary_classifier", rows=60)
    reason = lab.train({"train": recordio(x, y), "test": recordio(x)}, hyperparameters("binary_classifier"), status="Failed")["FailureReason"]
    assert reason.startswith("ClientError") and "test" in reason and "label" in reason, reason


def test_libsvm_rows_say_how_wide_they_are_together(lab):
    """Without feature_dim the largest index decides; with it a larger one is an error."""
    rows = b"1 0:1 2:3\n0 1:1\n1 0:2 5:1\n0 3:1\n" * 10
    weight, _, _ = read_model(lab.artifact(lab.train({"train": rows}, {"predictor_type": "binary_classifier", "num_models": "2"}, content_type="text/libsvm")))
    assert weight.shape == (6, 1) and abs(weight[4, 0]) < 0.07, "what it started with at most"
    reason = bad(lab, rows, "text/libsvm", feature_dim=5)
    assert "part-0" in reason and "line 3" in reason and "index 5 is not below feature_dim 5" in reason
    reason = bad(lab, b"1 0:1\n7 0:2\n", "text/libsvm")
    assert all(word in reason for word in ("part-0", "line 2", "column 1", "label 7", "0 or 1")), reason


def test_a_header_is_skipped_when_it_is_announced(lab):
    files = lab.artifact(lab.train({"train": b'label,a,"b b",c\n' + GOOD}, {"predictor_type": "binary_classifier", "num_models": "2"},
                                   content_type="text/csv;header=present"))
    assert read_model(files)[0].shape == (3, 1)
    assert [f["name"] for f in json.loads(files["linear-learner-coefficients.json"])["features"]] == ["a", "b b", "c"]


@pytest.mark.parametrize("given, words", [
    (dict(loss="cross"), ["loss: 'cross' is not valid under any of the given schemas", "logistic, hinge_loss"]),
    (dict(predictor_type="regressor", loss="softmax_loss"), ["squared_loss", "loss=softmax_loss", "predictor_type=regressor"]),
    (dict(minibatch_size=3), ["Additional properties are not allowed ('minibatch_size' was unexpected)", "did you mean 'mini_batch_size'?"]),
    (dict(predictor_type="multiclass_classifier"), ["num_classes must be given, from 3"]),
    (dict(predictor_type="multiclass_classifier", num_classes=2), ["num_classes=2"]),
    (dict(predictor_type="classifier"), ["binary_classifier, multiclass_classifier, regressor"]),
    (dict(epochs="many", wd=-1), ["2 problems", "epochs: 'many'", "wd: '-1'"]),
], ids=["unknown loss", "loss of another task", "unknown key", "no num_classes", "two classes", "unknown type", "two at once"])
def test_bad_hyperparameters_fail_with_all_problems(lab, given, words):
    reason = bad(lab, GOOD, **given)
    assert all(word in reason for word in words), reason


def test_constant_labels_and_zero_columns_train(lab):
    """Nothing to learn is no error: the model says the constant."""
    x = np.ones((60, 3), dtype=np.float32)
    x[:, 1] = 0
    weight, bias, _ = read_model(lab.artifact(lab.train({"train": recordio(x, np.full(60, 5.0))},
                                                        {"predictor_type": "regressor", "num_models": "2"})))
    np.testing.assert_allclose(x @ weight + bias, 5, rtol=1e-3)
    for task, more in (("binary_classifier", {}), ("multiclass_classifier", {"num_classes": "4"})):
        job = lab.train({"train": recordio(x, np.full(60, 1.0))}, {"predictor_type": task, "num_models": "2", **more})
        weight, bias, additional = read_model(lab.artifact(job))
        assert np.isfinite(weight).all() and np.isfinite(bias).all()
        f = x @ weight + bias
        assert (f.argmax(axis=1) == 1).all() if more else (1 / (1 + np.exp(-f)) >= additional["threshold"]).all()


def test_a_batch_larger_than_the_data_shrinks(lab):
    x, y = table("regressor", rows=30)
    job = lab.train({"train": recordio(x, y)}, hyperparameters("regressor", mini_batch_size=5000))
    assert any("mini_batch_size 5000" in line for line in lab.log(job))


def test_an_unknown_channel_is_refused(lab):
    x, y = table("regressor", rows=30)
    reason = lab.train({"train": recordio(x, y), "model": b"x"}, hyperparameters("regressor"), status="Failed")["FailureReason"]
    assert "model" in reason and reason.startswith("ClientError")
