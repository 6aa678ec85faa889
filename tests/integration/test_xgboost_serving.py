# SPDX-License-Identifier: Apache-2.0
"""Models that Python's xgboost trained, uploaded as model.tar.gz and served through unmodified boto3: every content type,
every Accept, selectable content, batch transform with filters and joins, bad bodies. Python's own predictions are the reference."""
import json
import pickle
import zlib

import numpy as np
import pytest
from botocore.exceptions import ClientError

from conftest import make_server, wait_until
from serving_tools import BUCKET, Hosting, archive

xgb = pytest.importorskip("xgboost")

REGISTRY = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:"
RNG = np.random.default_rng(4)
X = RNG.normal(size=(400, 5)).astype(np.float32)
X[RNG.random(X.shape) < 0.05] = np.nan
ROWS = X[:6]


def train(objective, label, **more):
    return xgb.train({"objective": objective, "max_depth": 3, "nthread": 1, **more}, xgb.DMatrix(X, label=label), 12)


REGRESSION = train("reg:squarederror", np.nan_to_num(X[:, 0] * 3 + X[:, 1]))
BINARY = train("binary:logistic", (np.nan_to_num(X[:, 0]) > 0).astype(int))
SOFTMAX = train("multi:softmax", np.digitize(np.nan_to_num(X[:, 2]), [-1, 0, 1]), num_class=4)
SOFTPROB = train("multi:softprob", np.digitize(np.nan_to_num(X[:, 2]), [-1, 0, 1]), num_class=4)


def saved(booster, form="binary"):
    if form == "pickle":
        return pickle.dumps(booster)
    return bytes(booster.save_raw({"binary": "deprecated"}.get(form, form)))


def predictions(booster, rows=ROWS):
    return booster.predict(xgb.DMatrix(rows)).astype(float).tolist()


def csv(rows, delimiter=","):
    return "\n".join(delimiter.join("" if np.isnan(v) else repr(float(v)) for v in row) for row in rows).encode()


def libsvm(rows):
    return "\n".join(" ".join(f"{i}:{float(v)!r}" for i, v in enumerate(row) if not np.isnan(v)) for row in rows).encode()


def records(rows):
    """RecordIO-protobuf, dense float32: features["values"], written by hand."""
    def field(number, payload):
        return bytes([number << 3 | 2]) + varint(len(payload)) + payload

    def varint(n):
        out = b""
        while n >= 0x80:
            out, n = out + bytes([n & 0x7F | 0x80]), n >> 7
        return out + bytes([n])

    body = b""
    for row in rows:
        tensor = field(1, np.asarray(row, "<f4").tobytes())
        record = field(1, field(1, b"values") + field(2, field(2, tensor)))
        body += b"\x0a\x23\xd7\xce" + len(record).to_bytes(4, "little") + record + b"\0" * (-len(record) % 4)
    return body


class XgbHosting(Hosting):
    def put(self, name, files, tag, **environment):
        """A model of the user's own in s3://serving/models/<name>/model.tar.gz."""
        self.s3.put_object(Bucket=BUCKET, Key=f"models/{name}/model.tar.gz", Body=archive(files))
        self.sm.create_model(ModelName=name, ExecutionRoleArn=self.role, PrimaryContainer={
            "Image": REGISTRY + tag, "ModelDataUrl": f"s3://{BUCKET}/models/{name}/model.tar.gz", "Environment": environment})

    def serve(self, name, booster, tag="1.7-1", form="binary", **environment):
        self.put(name, {"xgboost-model": saved(booster, form)}, tag, **environment)
        self.deploy(name, name)
        return name

    def ask(self, name, body, content_type="text/csv", accept=None):
        more = {} if accept is None else {"Accept": accept}
        return self.rt.invoke_endpoint(EndpointName=name, Body=body, ContentType=content_type, **more)


@pytest.fixture(scope="module")
def hosting(role):
    server = make_server("--dev").start()
    yield XgbHosting(server, role)
    server.stop()


@pytest.mark.parametrize("form", ["binary", "pickle", "json", "ubj"])
def test_models_of_the_users_own_answer_as_python_does(hosting, form):
    name = hosting.serve(f"own-{form}", REGRESSION, form=form)
    body = hosting.ask(name, csv(ROWS))["Body"].read().decode()
    assert body == "".join(f"{v!r}\n" for v in predictions(REGRESSION))
    hosting.sm.delete_endpoint(EndpointName=name)


def test_every_content_type_gives_the_same_answer(hosting):
    name = hosting.serve("types", BINARY)
    expected = predictions(BINARY)
    instances = [[None if np.isnan(v) else float(v) for v in row] for row in ROWS]
    for content_type, body in [("text/csv", csv(ROWS)), ("csv", csv(ROWS, ";")), ("text/csv;label_size=0", csv(ROWS, "\t")),
                               ("text/libsvm", libsvm(ROWS)), ("text/x-libsvm", libsvm(ROWS)), ("libsvm", libsvm(ROWS)),
                               ("application/x-recordio-protobuf", records(ROWS)), ("recordio-protobuf", records(ROWS)),
                               ("application/json", json.dumps({"instances": instances}).encode()),
                               ("application/json", json.dumps(instances).encode()),
                               ("application/jsonlines", "\n".join(map(json.dumps, instances)).encode())]:
        answer = hosting.ask(name, body, content_type, "application/json")
        assert answer["ContentType"] == "application/json"
        assert [p["score"] for p in json.loads(answer["Body"].read())["predictions"]] == expected, content_type


def test_accept_and_tag_choose_the_form(hosting):
    new, old = hosting.serve("softmax-new", SOFTMAX), hosting.serve("softmax-old", SOFTMAX, "1.0-1-cpu-py3", "pickle")
    values = predictions(SOFTMAX)
    answer = hosting.ask(old, csv(ROWS))
    assert answer["ContentType"] == "text/csv; charset=utf-8"
    assert answer["Body"].read().decode() == ",".join(map(str, values))
    assert hosting.ask(new, csv(ROWS))["Body"].read().decode() == "".join(f"{v}\n" for v in values)
    assert hosting.ask(new, csv(ROWS), accept="application/jsonlines")["Body"].read().decode() == "".join(
        json.dumps({"score": v}) + "\n" for v in values)
    prob = hosting.serve("softprob", SOFTPROB)
    rows = predictions(SOFTPROB)
    assert hosting.ask(prob, csv(ROWS), accept="text/csv")["Body"].read().decode() == "".join(",".join(map(str, r)) + "\n" for r in rows)
    assert json.loads(hosting.ask(prob, csv(ROWS), accept="application/json")["Body"].read()) == {"predictions": [{"score": r} for r in rows]}
    for name in (new, old, prob):
        hosting.sm.delete_endpoint(EndpointName=name)


def test_selectable_content_and_default_accept(hosting):
    name = hosting.serve("selected", BINARY, SAGEMAKER_INFERENCE_OUTPUT="predicted_label, PROBABILITIES, contributions",
                         SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT="application/json")
    answer = json.loads(hosting.ask(name, csv(ROWS))["Body"].read())["predictions"]
    contributions = BINARY.predict(xgb.DMatrix(ROWS), pred_contribs=True)
    for row, p, parts in zip(answer, predictions(BINARY), contributions):
        assert list(row) == ["predicted_label", "probabilities", "contributions"]
        assert row["predicted_label"] == int(p > 0.5)
        assert row["probabilities"][1] == p
        assert np.allclose(row["contributions"], parts, atol=1e-6)
    lines = hosting.ask(name, csv(ROWS[:1]), accept="text/csv")["Body"].read().decode()
    assert lines.startswith(f"{int(predictions(BINARY)[0] > 0.5)},\"[")
    hosting.sm.delete_endpoint(EndpointName=name)


def test_ensembles_are_averaged(hosting):
    other = train("reg:squarederror", np.nan_to_num(X[:, 3]))
    files = {"xgboost-model-0": saved(REGRESSION), "xgboost-model-1": saved(other), ".DS_Store": b"x"}
    hosting.put("ensemble", files, "1.7-1")
    hosting.deploy("ensemble", "ensemble")
    answer = [float(v) for v in hosting.ask("ensemble", csv(ROWS))["Body"].read().split()]
    assert np.allclose(answer, (np.array(predictions(REGRESSION)) + np.array(predictions(other))) / 2, rtol=1e-6)
    hosting.sm.delete_endpoint(EndpointName="ensemble")


def test_bad_bodies_are_refused_with_the_containers_texts(hosting):
    name = hosting.serve("bad", REGRESSION)
    for body, content_type, accept, status, text in [
            (b"1,2,x,4,5", "text/csv", "", 415, "Loading csv data failed with Exception, please ensure data is in csv format:"),
            (b"1,2,3", "text/csv", "", 400, "Feature size of csv inference data 3 is not consistent with feature size of trained model 5."),
            (b"1:1 12:4", "text/libsvm", "", 400, "Feature size of libsvm inference data 13 is larger than feature size of trained model 5."),
            (b"zzz:1", "text/libsvm", "", 415, "Loading libsvm data failed with Exception"),
            (b"\0\1\2", "application/x-recordio-protobuf", "", 415, "Loading recordio-protobuf data failed with Exception"),
            (b"x", "image/png", "", 415, "image/png is not an accepted ContentType"),
            (csv(ROWS), "text/csv", "image/png", 406, "Accept type image/png is not supported. Please use supported accept types: "
                                                      "['application/json', 'application/jsonlines', 'application/x-recordio-protobuf', 'text/csv'].")]:
        with pytest.raises(ClientError) as raised:
            hosting.ask(name, body, content_type, accept or None)
        response = raised.value.response
        assert response["Error"]["Code"] == "ModelError"
        assert response["OriginalStatusCode"] == status, (body, response)
        assert text in response["OriginalMessage"]


def rewritten(booster, version, **parameters):
    """The model in JSON as another version of the library would have written it."""
    document = json.loads(bytes(booster.save_raw("json")))
    document["version"] = version
    document["learner"]["learner_model_param"].update(parameters)
    return json.dumps(document).encode()


def test_base_scores_in_brackets_are_read_as_newer_libraries_mean_them(hosting):
    for name, booster in [("regression", REGRESSION), ("binary", BINARY)]:
        name = f"list-{name}"
        base = json.loads(bytes(booster.save_raw("json")))["learner"]["learner_model_param"]["base_score"]
        hosting.put(name, {"xgboost-model": rewritten(booster, [3, 1, 0], base_score=f"[{base}]")}, "1.7-1")
        hosting.deploy(name, name)
        scores = [float(line) for line in hosting.ask(name, csv(ROWS))["Body"].read().split()]
        assert scores == pytest.approx(predictions(booster), abs=1e-6), name
        hosting.sm.delete_endpoint(EndpointName=name)
    hosting.put("list-classes", {"xgboost-model": rewritten(SOFTPROB, [3, 1, 0], base_score="[1E0,2E0,3E0,4E0]")}, "1.7-1")
    hosting.deploy("list-classes", "list-classes")
    margins = SOFTPROB.predict(xgb.DMatrix(ROWS), output_margin=True) - 0.5 + np.array([1, 2, 3, 4])
    expected = np.exp(margins) / np.exp(margins).sum(axis=1, keepdims=True)
    rows = [[float(v) for v in line.split(b",")] for line in hosting.ask("list-classes", csv(ROWS))["Body"].read().split()]
    assert np.allclose(rows, expected, atol=1e-5)


@pytest.mark.parametrize("what, words", [
    (lambda: rewritten(REGRESSION, [3, 1, 0], base_score="half"), "base_score 'half' is neither a number nor a list of numbers"),
    (lambda: saved(REGRESSION, "json")[:-200], "its JSON ends early"),
    (lambda: saved(REGRESSION)[:300], "it is cut short, or none of the forms that XGBoost writes"),
    (lambda: saved(REGRESSION, "json").replace(b"reg:squarederror", b"reg:tomorrow"), "objective 'reg:tomorrow' is not known to the library"),
    (lambda: "".join(REGRESSION.get_dump()).encode(), "it is text (as dump_model writes it, perhaps)"),
    (lambda: REGRESSION.save_config().encode(), "learner.gradient_booster.model is missing"),
])
def test_the_failure_reason_says_what_is_wrong_with_a_model(hosting, what, words):
    name = f"bad-{zlib.crc32(words.encode())}"
    hosting.put(name, {"xgboost-model": what()}, "1.7-1")
    hosting.config(name, name)
    hosting.sm.create_endpoint(EndpointName=name, EndpointConfigName=name)
    endpoint = wait_until(lambda: hosting.status(name), lambda e: e["EndpointStatus"] == "Failed", 60)
    assert "Unable to load model: xgboost-model: " in endpoint["FailureReason"]
    assert words in endpoint["FailureReason"], endpoint


def test_rows_of_another_width_or_form_are_refused(hosting):
    name = hosting.serve("widths", REGRESSION)
    for body, content_type, status in [("1,2,3,4", "text/csv", 400), ("1:1 2:2 3:3 4:4 5:5", "text/libsvm", 400),
                                       ("1,2,3,4,5", "application/octet-stream", 415), ("1 2 3 4 5", "text/libsvm", 415)]:
        with pytest.raises(ClientError) as raised:
            hosting.ask(name, body.encode(), content_type)
        assert raised.value.response["OriginalStatusCode"] == status, body
    tabs = hosting.ask(name, b"\t2\t3\t4\t5\n", "text/csv")["Body"].read()
    assert tabs == hosting.ask(name, b",2,3,4,5", "text/csv")["Body"].read()
    hosting.s3.put_object(Bucket=BUCKET, Key="widths/in.csv", Body=b"id-1,1,2,3,4,5\n")
    hosting.sm.create_transform_job(
        TransformJobName="widths", ModelName="widths",
        TransformInput={"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/widths/"}},
                        "ContentType": "text/csv", "SplitType": "Line"},
        TransformOutput={"S3OutputPath": f"s3://{BUCKET}/out", "AssembleWith": "Line", "Accept": "text/csv"},
        TransformResources={"InstanceType": "ml.m7i.large", "InstanceCount": 1},
        DataProcessing={"InputFilter": "$[2:]", "JoinSource": "Input"})
    job = wait_until(lambda: hosting.sm.describe_transform_job(TransformJobName="widths"), lambda j: j["TransformJobStatus"] != "InProgress")
    assert job["TransformJobStatus"] == "Failed", job


def test_unreadable_models_say_why(hosting):
    hosting.put("broken", {"xgboost-model": b"this is no model"}, "1.7-1")
    hosting.config("broken", "broken")
    hosting.sm.create_endpoint(EndpointName="broken", EndpointConfigName="broken")
    assert wait_until(lambda: hosting.status("broken"), lambda e: e["EndpointStatus"] == "Failed", 60)
    assert "Unable to load model" in hosting.log_text("/aws/sagemaker/Endpoints/broken", "AllTraffic")


def test_batch_transform_filters_and_joins(hosting):
    hosting.put("batch", {"xgboost-model": saved(BINARY, "pickle")}, "1.0-1-cpu-py3")
    lines = [f"id-{i}," + row for i, row in enumerate(csv(ROWS).decode().split("\n"))]
    hosting.s3.put_object(Bucket=BUCKET, Key="batch/in.csv", Body="\n".join(lines).encode() + b"\n")
    hosting.sm.create_transform_job(
        TransformJobName="batch", ModelName="batch", BatchStrategy="MultiRecord",
        TransformInput={"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/batch/"}},
                        "ContentType": "text/csv", "SplitType": "Line"},
        TransformOutput={"S3OutputPath": f"s3://{BUCKET}/joined", "AssembleWith": "Line", "Accept": "text/csv"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
        DataProcessing={"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"})
    job = wait_until(lambda: hosting.sm.describe_transform_job(TransformJobName="batch"), lambda j: j["TransformJobStatus"] != "InProgress")
    assert job["TransformJobStatus"] == "Completed", job
    output = hosting.s3.get_object(Bucket=BUCKET, Key="joined/in.csv.out")["Body"].read().decode()
    assert output == "".join(f"id-{i},{v}\n" for i, v in enumerate(predictions(BINARY)))
