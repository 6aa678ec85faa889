# SPDX-License-Identifier: Apache-2.0
"""Image classification through unmodified boto3 as published scripts call it: image records, lists, a Ground Truth manifest, transfer and
incremental training, endpoint, batch transform, the log as a notebook reads it, and what happens to bad input."""
import base64
import io
import json
import struct
import tarfile

import numpy as np
import pytest
from PIL import Image

from conftest import make_server, wait_until
from job_helpers import GROUP, lines

BUCKET = "pictures"
IMAGE = "433757028032.dkr.ecr.us-west-2.amazonaws.com/image-classification:1"
NAMES = ["red", "green", "blue"]
SHAPE = "3,48,48"


def picture(label, number, size=(80, 70), form="JPEG", channels=3):
    """Noise that is brighter in one colour; `label` a class number, or a list of 0 and 1."""
    random = np.random.default_rng([number, 7])
    pixels = random.integers(0, 110, (size[1], size[0], 3))
    for channel, one in enumerate(label if isinstance(label, list) else [int(label == c) for c in range(3)]):
        pixels[..., channel] += 120 * one
    out = io.BytesIO()
    image = Image.fromarray(pixels.astype(np.uint8))
    (image if channels == 3 else image.convert("L")).save(out, form)
    return out.getvalue()


def record(label, number, body):
    """MXNet's image record: header of 24 bytes, labels, picture; framed as RecordIO."""
    labels = label if isinstance(label, list) else None
    header = struct.pack("<IfQQ", len(labels) if labels else 0, 0 if labels else label, number, 0)
    payload = header + (struct.pack(f"<{len(labels)}f", *labels) if labels else b"") + body
    return struct.pack("<II", 0xCED7230A, len(payload)) + payload + b"\0" * (-len(payload) % 4)


def records(count, first=0):
    return b"".join(record(i % 3, first + i, picture(i % 3, first + i)) for i in range(count))


class Client:
    """boto3 clients of one server, and the calls of the published scripts."""

    def __init__(self, server, role):
        self.server, self.role = server, role
        self.sm, self.s3, self.rt = server.client("sagemaker"), server.client("s3"), server.client("sagemaker-runtime")
        self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})

    def put(self, key, body):
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    def channel(self, name, prefix, content_type="application/x-recordio", **more):
        return {"ChannelName": name, "ContentType": content_type, "CompressionType": "None",
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{prefix}",
                                                "S3DataDistributionType": "FullyReplicated"}}, **more}

    def train(self, name, hyperparameters, channels, expect="Completed", instances=1, mode="File", **more):
        given = dict(num_layers=18, image_shape=SHAPE, num_classes=3, num_training_samples=48, mini_batch_size=8, epochs=2,
                     learning_rate=0.01) | hyperparameters
        self.sm.create_training_job(
            TrainingJobName=name, RoleArn=self.role,
            AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": mode},
            OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/out"},
            ResourceConfig={"InstanceCount": instances, "InstanceType": "ml.p2.xlarge", "VolumeSizeInGB": 50},
            HyperParameters={k: str(v) for k, v in given.items()},
            StoppingCondition={"MaxRuntimeInSeconds": 360000}, InputDataConfig=channels, **more)
        job = wait_until(lambda: self.sm.describe_training_job(TrainingJobName=name),
                         lambda j: j["TrainingJobStatus"] in ("Completed", "Failed", "Stopped"), 120)
        assert job["TrainingJobStatus"] == expect, (job.get("FailureReason"), lines(self.server, name)[-30:])
        return job

    def artifact(self, job):
        key = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix(f"s3://{BUCKET}/")
        body = self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(body)) as tar:
            return {m.name: tar.extractfile(m).read() for m in tar.getmembers() if m.isfile()}

    def model(self, name, job, **environment):
        self.sm.create_model(ModelName=name, ExecutionRoleArn=self.role, PrimaryContainer={
            "Image": IMAGE, "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"], "Environment": environment})

    def deploy(self, name, job, **environment):
        self.model(name, job, **environment)
        self.sm.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[
            {"InstanceType": "ml.m4.xlarge", "InitialInstanceCount": 1, "ModelName": name, "VariantName": "AllTraffic"}])
        self.sm.create_endpoint(EndpointName=name, EndpointConfigName=name)
        endpoint = wait_until(lambda: self.sm.describe_endpoint(EndpointName=name), lambda e: e["EndpointStatus"] != "Creating", 60)
        assert endpoint["EndpointStatus"] == "InService", endpoint

    def invoke(self, name, body, content_type="application/x-image", **more):
        return self.rt.invoke_endpoint(EndpointName=name, ContentType=content_type, Body=body, **more)["Body"].read()


@pytest.fixture(scope="module")
def client(role):
    server = make_server("--dev").start()
    client = Client(server, role)
    client.put("rec/train/train.rec", records(48))
    client.put("rec/validation/validation.rec", records(18, 1000))
    yield client
    server.stop()


@pytest.fixture(scope="module")
def trained(client):
    """The first job: the script of the book, on small pictures."""
    job = client.train("scratch", dict(epochs=5, top_k=2),
                       [client.channel("train", "rec/train/"), client.channel("validation", "rec/validation/")])
    client.deploy("scratch", job)
    return job


def accuracy_lines(messages):
    return [float(m.split("Validation-accuracy=")[1]) for m in messages if "Validation-accuracy" in m]


def test_script_of_the_book_trains_deploys_and_takes_the_argmax(client, trained):
    assert trained["AlgorithmSpecification"]["TrainingImage"] == IMAGE
    metrics = {m["MetricName"]: m["Value"] for m in trained["FinalMetricDataList"]}
    assert metrics["validation:accuracy"] > 0.8 and "train:accuracy" in metrics and "validation:top_k_accuracy" in metrics
    for number in range(6):
        answer = client.invoke("scratch", picture(number % 3, 5000 + number))
        result = json.loads(answer)
        assert isinstance(result, list) and len(result) == 3 and abs(sum(result) - 1) < 1e-5
        assert NAMES[int(np.argmax(result))] == NAMES[number % 3]


def test_artifact_holds_the_published_files_and_ours(client, trained):
    files = client.artifact(trained)
    params = [name for name in files if name.endswith(".params")]
    assert len(params) == 1 and params[0].startswith("image-classification-000")
    assert {"image-classification-symbol.json", "model-shapes.json", "model.json", "model.onnx"} <= set(files)
    assert files["model-shapes.json"] == b'[{"shape": [8, 3, 48, 48], "name": "data"}]'
    assert json.loads(files["model.json"])["metrics"]["validation:accuracy"] > 0.8


def test_notebook_of_ground_truth_reads_the_log(client, trained):
    """The notebook "from_unlabeled_data_to_deployed_machine_learning_model" as it parses the job's stream."""
    logs = client.server.client("logs")
    stream = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix="scratch")["logStreams"][0]["logStreamName"]
    messages = [e["message"] for e in logs.get_log_events(logGroupName=GROUP, logStreamName=stream, startFromHead=True)["events"]]
    accuracies, samples = [], None
    for message in messages:
        if "Final configuration" in message:
            samples = int(message.split("num_training_samples': u'")[1].split("'")[0])
        elif "Validation-accuracy" in message:
            accuracies.append(float(message.split("Validation-accuracy=")[1]))
    assert samples == 48 and len(accuracies) == 5 and max(accuracies) > 0.8
    assert sum("Final configuration" in m for m in messages) == 1
    text = "\n".join(messages)
    assert text.startswith("Docker entrypoint called with argument(s): train")
    order = ["Reading default configuration from", "Merging with provided configuration from", "Final configuration: {u'",
             "Searching for .rec files in /opt/ml/input/data/train.", "Searching for .rec files in /opt/ml/input/data/validation.",
             "use_pretrained_model: 0", "multi_label: 0", "---- Parameters ----", "num_layers: 18", "kv_store: device", "top_k: 2",
             "checkpoint_frequency not set, will store the best model", "--------------------", "Setting number of threads: ",
             "Epoch[0] Train-accuracy=", "Epoch[0] Train-top_k_accuracy_2=", "Epoch[0] Time cost=", "Epoch[0] Validation-accuracy=",
             "Storing the best model with validation accuracy: ",
             'Saved checkpoint to "/opt/ml/model/image-classification-0001.params"']
    at = 0
    for words in order:
        assert words in text[at:], (words, text)
        at = text.index(words, at)


def test_every_form_of_request_and_answer(client, trained):
    body = picture(1, 6000)
    plain = json.loads(client.invoke("scratch", body))
    for content_type in ("image/jpeg", "application/octet-stream"):
        assert json.loads(client.invoke("scratch", body, content_type)) == plain
    png = picture(2, 6001, form="PNG")
    assert np.argmax(json.loads(client.invoke("scratch", png, "image/png"))) == 2
    assert len(json.loads(client.invoke("scratch", picture(1, 6002, channels=1)))) == 3, "grey pictures become RGB"
    line = client.invoke("scratch", body, Accept="application/jsonlines")
    assert json.loads(line) == {"prediction": plain} and line.startswith(b'{"prediction": [')
    top = json.loads(client.invoke("scratch", body, Accept="application/json; verbose=1"))["predictions"]
    assert [t["index"] for t in top] == list(np.argsort(plain)[::-1]) and top[0] == {"class": "1", "index": 1, "probability": max(plain)}
    several = json.dumps({"instances": [{"data": {"b64": base64.b64encode(b).decode()}} for b in (body, png)]})
    answer = json.loads(client.invoke("scratch", several, "application/json"))["predictions"]
    assert answer[0] == {"prediction": plain} and np.argmax(answer[1]["prediction"]) == 2


@pytest.mark.parametrize("body, content_type, accept, status, words", [
    (b"no picture", "application/x-image", "", 400, "JPEG"),
    (picture(0, 1)[:400], "image/jpeg", "", 400, ""),
    (b"1,2,3", "text/csv", "", 415, "text/csv not supported"),
    (picture(0, 1), "application/x-image", "text/csv", 406, "text/csv not supported"),
    (b'{"instances": [{"data": "x"}]}', "application/json", "", 400, "instances[0]: data.b64"),
    (b'{"instances": []}', "application/json", "", 400, "instances"),
])
def test_bad_requests_are_refused_with_a_reason(client, trained, body, content_type, accept, status, words):
    with pytest.raises(client.rt.exceptions.ModelError) as error:
        client.invoke("scratch", body, content_type, **({"Accept": accept} if accept else {}))
    assert error.value.response["OriginalStatusCode"] == status and words in error.value.response["OriginalMessage"]


def put_lists(client):
    for number in range(60):
        label = number % 3
        client.put(f"lst/pictures/{NAMES[label]}/{number}.jpg", picture(label, 2000 + number))
    rows = [f"{n}\t{n % 3}\t{NAMES[n % 3]}/{n}.jpg\n" for n in range(60)]
    client.put("lst/train_lst/train.lst", "".join(rows[:45]))
    client.put("lst/validation_lst/validation.lst", "".join(rows[45:]))


def list_channels(client):
    return [client.channel(name, f"lst/{prefix}/", "application/x-image") for name, prefix in
            (("train", "pictures"), ("validation", "pictures"), ("train_lst", "train_lst"), ("validation_lst", "validation_lst"))]


def test_lists_checkpoints_and_batch_transform_of_a_folder(client):
    put_lists(client)
    job = client.train("lists", dict(num_training_samples=52, epochs=4, checkpoint_frequency=2, resize=70, augmentation_type="crop"),
                       list_channels(client))
    files = client.artifact(job)
    assert sorted(f for f in files if f.endswith(".params")) == ["image-classification-0002.params", "image-classification-0004.params"]
    assert json.loads(files["model.json"])["class_names"] == NAMES, "the folders of the list"
    messages = "\n".join(lines(client.server, "lists"))
    assert "Searching for .lst files in /opt/ml/input/data/train_lst." in messages and "image resize size: 70" in messages
    assert "num_training_samples is 52, but the train channel holds 45 pictures" in messages

    client.model("lists", job)
    client.sm.create_transform_job(
        TransformJobName="lists", ModelName="lists", MaxConcurrentTransforms=16, MaxPayloadInMB=6,
        TransformInput={"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/lst/pictures/blue"}},
                        "ContentType": "application/x-image", "SplitType": "None", "CompressionType": "None"},
        TransformOutput={"S3OutputPath": f"s3://{BUCKET}/transformed"},
        TransformResources={"InstanceType": "ml.p2.xlarge", "InstanceCount": 1})
    transform = wait_until(lambda: client.sm.describe_transform_job(TransformJobName="lists"),
                           lambda j: j["TransformJobStatus"] not in ("InProgress", "Stopping"))
    assert transform["TransformJobStatus"] == "Completed", transform
    logs = client.server.client("logs")
    stream = logs.describe_log_streams(logGroupName="/aws/sagemaker/TransformJobs", logStreamNamePrefix="lists/")["logStreams"]
    events = [logs.get_log_events(logGroupName="/aws/sagemaker/TransformJobs", logStreamName=s["logStreamName"])["events"] for s in stream]
    assert any("BatchStrategy=SINGLE_RECORD" in e["message"] for page in events for e in page)
    listed = client.s3.list_objects_v2(Bucket=BUCKET, Prefix="transformed/")["Contents"]
    assert len(listed) == 20 and all(o["Key"].endswith(".jpg.out") for o in listed)
    answers = [json.loads(client.s3.get_object(Bucket=BUCKET, Key=o["Key"])["Body"].read()) for o in listed]
    assert all(list(a) == ["prediction"] and len(a["prediction"]) == 3 for a in answers)
    assert np.mean([np.argmax(a["prediction"]) == 2 for a in answers]) > 0.8


def test_incremental_training_goes_on_from_the_first_job(client, trained):
    model = client.channel("model", trained["ModelArtifacts"]["S3ModelArtifacts"].removeprefix(f"s3://{BUCKET}/"),
                           "application/x-sagemaker-model")
    records = [client.channel("train", "rec/train/"), client.channel("validation", "rec/validation/")]
    client.train("incremental", dict(epochs=1, learning_rate=0.0001), records + [model])
    first = accuracy_lines(lines(client.server, "incremental"))[0]
    assert first >= max(accuracy_lines(lines(client.server, "scratch"))) - 0.12, "it starts from what was learned"
    job = client.train("incremental-other", dict(num_layers=34, num_classes=4), records + [model], expect="Failed")
    assert job["FailureReason"].startswith("ClientError: channel model: num_layers of the model is 18, of the job 34; "
                                           "num_classes of the model is 3, of the job 4")


def test_transfer_from_the_servers_folder_of_weights(client, trained):
    channels = [client.channel("train", "rec/train/"), client.channel("validation", "rec/validation/")]
    job = client.train("no-weights", dict(use_pretrained_model=1), channels, expect="Failed")
    for words in ("ClientError: ", "resnet-18", str(client.server.folder / "pretrained"), "torchvision"):
        assert words in job["FailureReason"], job["FailureReason"]
    folder = client.server.folder / "pretrained"
    folder.mkdir()
    files = client.artifact(trained)
    (folder / "resnet-18-0000.params").write_bytes(next(body for name, body in files.items() if name.endswith(".params")))
    client.train("transfer", dict(use_pretrained_model=1, epochs=1, image_shape="3,56,72"), channels)
    messages = "\n".join(lines(client.server, "transfer"))
    assert "Using pretrained model for initializing weights and transfer learning." in messages and "resnet-18-0000.params" in messages
    source = client.channel("pretrained", trained["ModelArtifacts"]["S3ModelArtifacts"].removeprefix(f"s3://{BUCKET}/"))
    source["ContentType"] = "application/x-sagemaker-model"
    client.train("transfer-channel", dict(use_pretrained_model=1, epochs=1), channels + [source])
    assert any("Pretrained weights: " in m and "params" in m for m in lines(client.server, "transfer-channel"))


def test_ground_truth_manifest_in_pipe_mode(client):
    manifest = []
    for number in range(48):
        client.put(f"gt/{number}.jpg", picture(number % 3, 3000 + number))
        manifest.append(json.dumps({"source-ref": f"s3://{BUCKET}/gt/{number}.jpg", "category": number % 3,
                                    "category-metadata": {"class-name": NAMES[number % 3], "type": "groundtruth/image-classification"}}))
    client.put("gt.manifest", "\n".join(manifest))
    channels = []
    for name in ("train", "validation"):
        channel = client.channel(name, "gt.manifest", RecordWrapperType="RecordIO")
        channel["DataSource"]["S3DataSource"].update(S3DataType="AugmentedManifestFile", AttributeNames=["source-ref", "category"])
        channels.append(channel)
    client.train("ground-truth", dict(epochs=3, lr_scheduler_step="10,20", resize=64), channels, mode="Pipe")
    assert max(accuracy_lines(lines(client.server, "ground-truth"))) > 0.7


def answers(client, name, bodies):
    """Probabilities, [pictures, classes], of one request."""
    request = json.dumps({"instances": [{"data": {"b64": base64.b64encode(body).decode()}} for body in bodies]})
    return np.array([a["prediction"] for a in json.loads(client.invoke(name, request, "application/json"))["predictions"]])


def hard_picture(label, number):
    """Of another aspect than the network's, and with a label that its brightness does not always follow."""
    random = np.random.default_rng([number, 11])
    seen = [one if random.random() < .7 else 1 - one for one in label] if isinstance(label, list) else label if random.random() < .7 else 2
    return picture(seen, number, size=(110, 60))


@pytest.mark.parametrize("mode", ["File", "Pipe"])
def test_served_answers_are_those_of_the_trainers_validation(client, mode):
    name = "as-validated-" + mode.lower()
    rows = [record(n % 3, n, hard_picture(n % 3, 7000 + n)) for n in range(48)]
    labels = [n % 3 for n in range(45)]
    bodies = [hard_picture(label, 7500 + n) for n, label in enumerate(labels)]
    client.put("hard/train/a.rec", b"".join(rows))
    client.put("hard/validation/a.rec", b"".join(record(label, n, body) for n, (label, body) in enumerate(zip(labels, bodies))))
    job = client.train(name, dict(epochs=2, resize=56, learning_rate=0.003), mode=mode,
                       channels=[client.channel("train", "hard/train/"), client.channel("validation", "hard/validation/")])
    metrics = json.loads(client.artifact(job)["model.json"])["metrics"]
    assert any("Served-accuracy of the validation pictures: stretch=" in m for m in lines(client.server, name))

    client.deploy(name, job, CLARY_INFERENCE_PREPROCESS="resize_crop")
    found = answers(client, name, bodies)
    assert (found.argmax(1) == labels).mean() == pytest.approx(metrics["validation:accuracy"], abs=1e-9)
    assert -np.log(found[np.arange(45), labels]).mean() == pytest.approx(metrics["validation:loss"], rel=1e-5)
    client.deploy(name + "-stretched", job)
    stretched = answers(client, name + "-stretched", bodies)
    assert np.abs(stretched - found).max() > 1e-4
    assert (stretched.argmax(1) == labels).mean() == pytest.approx(metrics["served:accuracy:stretch"], abs=1e-9)


def test_several_labels_are_judged_as_scikit_learn_judges_the_served_answers(client):
    """The last class has no validation picture: it is left out of the mean."""
    from sklearn.metrics import average_precision_score, f1_score
    random = np.random.default_rng(5)
    labels = np.concatenate([random.integers(0, 2, (90, 3)), np.zeros((90, 1), int)], 1)
    labels[:48, 3] = random.integers(0, 2, 48)
    bodies = [hard_picture(label[:3], 8000 + n) for n, label in enumerate(labels.tolist())]
    rows = [record(label, n, body) for n, (label, body) in enumerate(zip(labels.tolist(), bodies))]
    client.put("labels/train/a.rec", b"".join(rows[:48]))
    client.put("labels/validation/a.rec", b"".join(rows[48:]))
    job = client.train("labels", dict(num_classes=4, multi_label=1, epochs=3), mode="Pipe",
                       channels=[client.channel("train", "labels/train/"), client.channel("validation", "labels/validation/")])
    metrics = json.loads(client.artifact(job)["model.json"])["metrics"]
    client.deploy("labels", job, CLARY_INFERENCE_PREPROCESS="resize_crop")
    truth, found = labels[48:], answers(client, "labels", bodies[48:])
    expected = average_precision_score(truth[:, :3], found[:, :3], average="macro")
    assert 0.2 < expected < 0.99, "a model that neither fails nor is right in all"
    assert metrics["validation:mean_average_precision"] == pytest.approx(expected, abs=1e-6)
    guessed = found >= 0.5
    used = (truth + guessed).any(0)
    assert metrics["validation:f1"] == pytest.approx(f1_score(truth[:, used], guessed[:, used], average="macro"), abs=1e-6)
    assert metrics["validation:accuracy"] == pytest.approx((truth == guessed).mean(), abs=1e-9)
    summed = -(truth * np.log(found) + (1 - truth) * np.log1p(-found))
    assert metrics["validation:loss"] == pytest.approx(summed.mean(), rel=1e-4), "the mean over classes of the binary losses"


def test_two_instances_learn_together(client):
    client.train("two", dict(kv_store="dist_async", mini_batch_size=8), instances=2,
                 channels=[client.channel("train", "rec/train/"), client.channel("validation", "rec/validation/")])
    messages = lines(client.server, "two")
    assert any("kv_store dist_async is run as dist_sync" in m for m in messages)
    accuracies = accuracy_lines(messages)
    assert len(accuracies) == 4 and sorted(accuracies[:2]) == sorted(accuracies[2:]), "both report the same"


def test_bad_hyperparameters_fail_the_job_in_the_containers_words(client):
    channels = [client.channel("train", "rec/train/"), client.channel("validation", "rec/validation/")]
    job = client.train("bad-value", dict(augmentation_type="crop_color_transformation"), channels, expect="Failed")
    assert job["FailureReason"].startswith(
        "ClientError: The value 'crop_color_transformation' is not valid for the 'augmentation_type' hyperparameter which accepts "
        "one of the following: 'crop', 'crop_color', 'crop_color_transform' (caused by ValidationError)")
    job = client.train("one-channel", {}, channels[:1], expect="Failed")
    assert "validation" in job["FailureReason"]
