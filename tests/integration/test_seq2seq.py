# SPDX-License-Identifier: Apache-2.0
"""Seq2Seq through unmodified boto3 as the book's script calls it: files of AWS's helper, training with BLEU, endpoint, batch transform in
three forms, a model hosted without training, and what happens to bad input. The task: each word has a translation, and the order of
the words is turned round."""
import collections
import io
import json
import random
import re
import struct
import tarfile

import numpy as np
import pytest

from conftest import make_server, wait_until
from job_helpers import lines

BUCKET = "seq2seq-data"
IMAGE = "433757028032.dkr.ecr.us-west-2.amazonaws.com/seq2seq:1"
SYMBOLS = ["<pad>", "<unk>", "<s>", "</s>"]
WORDS = dict(zip("one two three four five six seven eight nine ten".split(),
                 "eins zwei drei vier fünf sechs sieben acht neun zehn".split()))
RECORDS = "application/x-recordio-protobuf"


def translated(sentence):
    return " ".join(WORDS[word] for word in reversed(sentence.split()))


def sentences(count, seed):
    draw = random.Random(seed)
    return [" ".join(draw.choice(list(WORDS)) for _ in range(draw.randint(1, 6))) for _ in range(count)]


# What AWS's create_vocab_proto.py does.

def make_vocabulary(texts, num_words=50000):
    counts = collections.Counter(token for text in texts for token in text.rstrip().split() if token not in SYMBOLS)
    kept = [word for _, word in sorted(((count, word) for word, count in counts.items()), reverse=True)][:num_words]
    return {word: number for number, word in enumerate(SYMBOLS + kept)}


def vocabulary_file(vocabulary):
    return json.dumps(vocabulary, indent=4, ensure_ascii=False).encode()


def varint(value):
    out = bytearray()
    value &= (1 << 64) - 1
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + bytes([value]))


def field(number, body):
    return varint(number << 3 | 2) + varint(len(body)) + body


def feature(name, ids, tensor=7):
    """An entry of Record.features: Int32Tensor, or with tensor=2 Float32Tensor."""
    packed = b"".join(map(varint, ids)) if tensor == 7 else struct.pack(f"<{len(ids)}f", *ids)
    return field(1, field(1, name.encode()) + field(2, field(tensor, field(1, packed))))


def frame(payload):
    return struct.pack("<II", 0xCED7230A, len(payload)) + payload + b"\0" * (-len(payload) % 4)


def record(**sides):
    return frame(b"".join(feature(name, ids) for name, ids in sides.items()))


def encode(text, vocabulary):
    return [vocabulary.get(token, 1) for token in text.rstrip().split()]


def records_of(sources, targets, source_vocabulary, target_vocabulary):
    return b"".join(record(source=encode(a, source_vocabulary), target=encode(b, target_vocabulary))
                    for a, b in zip(sources, targets) if a.strip() and b.strip())


def read_varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 128:
            return value, at


def fields_of(data):
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        assert key & 7 == 2, "only length-delimited fields are expected"
        size, at = read_varint(data, at)
        yield key >> 3, data[at:at + size]
        at += size


def targets_of(body):
    """Ids of features["target"] of each frame of an answer."""
    out, at = [], 0
    while at < len(body):
        magic, size = struct.unpack_from("<II", body, at)
        assert magic == 0xCED7230A
        features = [dict(fields_of(entry)) for number, entry in fields_of(body[at + 8:at + 8 + size]) if number == 1]
        assert [f[1] for f in features] == [b"target"]
        ids, values, position = [], dict(fields_of(dict(fields_of(features[0][2]))[7])).get(1, b""), 0
        while position < len(values):
            value, position = read_varint(values, position)
            ids.append(value)
        out.append(ids)
        at += 8 + size + -size % 4
    return out


class Client:
    """boto3 clients of one server, and the calls of the book's script."""

    def __init__(self, server, role):
        self.server, self.role = server, role
        self.sm, self.s3, self.rt = server.client("sagemaker"), server.client("s3"), server.client("sagemaker-runtime")
        self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})

    def put(self, key, body):
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    def get(self, key):
        return self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def channel(self, name, prefix, **more):
        return {"ChannelName": name, "CompressionType": "None", "RecordWrapperType": "None",
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{prefix}",
                                                "S3DataDistributionType": "FullyReplicated"}}, **more}

    def channels(self, folder="book", without=()):
        return [self.channel(name, f"{folder}/{name}/") for name in ("train", "vocab", "validation") if name not in without]

    def train(self, name, hyperparameters, channels, expect="Completed", instances=1):
        given = dict(max_seq_len_source=10, max_seq_len_target=10, batch_size=32, rnn_num_hidden=32, num_layers_encoder=1,
                     num_layers_decoder=1, num_embed_source=16, num_embed_target=16, checkpoint_frequency_num_batches=100,
                     checkpoint_threshold=3, max_num_batches=10, learning_rate=0.005, bucket_width=3) | hyperparameters
        self.sm.create_training_job(
            TrainingJobName=name, RoleArn=self.role, AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/out/"},
            ResourceConfig={"InstanceCount": instances, "InstanceType": "ml.p2.xlarge", "VolumeSizeInGB": 50},
            HyperParameters={k: str(v) for k, v in given.items()},
            StoppingCondition={"MaxRuntimeInSeconds": 48 * 3600}, InputDataConfig=channels)
        job = wait_until(lambda: self.sm.describe_training_job(TrainingJobName=name),
                         lambda j: j["TrainingJobStatus"] in ("Completed", "Failed", "Stopped"), 180)
        assert job["TrainingJobStatus"] == expect, (job.get("FailureReason"), lines(self.server, name)[-30:])
        return job

    def failure(self, name, hyperparameters, channels, **more):
        return self.train(name, hyperparameters, channels, expect="Failed", **more)["FailureReason"]

    def deploy(self, name, model_data):
        self.sm.create_model(ModelName=name, ExecutionRoleArn=self.role,
                             PrimaryContainer={"Image": IMAGE, "ModelDataUrl": model_data})
        self.sm.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[
            {"InstanceType": "ml.m4.xlarge", "InitialInstanceCount": 1, "ModelName": name, "VariantName": "AllTraffic"}])
        self.sm.create_endpoint(EndpointName=name, EndpointConfigName=name)
        endpoint = wait_until(lambda: self.sm.describe_endpoint(EndpointName=name), lambda e: e["EndpointStatus"] != "Creating", 60)
        assert endpoint["EndpointStatus"] == "InService", endpoint

    def invoke(self, name, body, content_type="application/json", **more):
        return self.rt.invoke_endpoint(EndpointName=name, ContentType=content_type, Body=body, **more)["Body"].read()

    def transform(self, name, model, key, content_type, **more):
        self.sm.create_transform_job(
            TransformJobName=name, ModelName=model, MaxConcurrentTransforms=2, MaxPayloadInMB=6, BatchStrategy="MultiRecord",
            TransformInput={"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{key}"}},
                            "ContentType": content_type, **more.pop("input", {})},
            TransformOutput={"S3OutputPath": f"s3://{BUCKET}/transformed/{name}", "Accept": content_type, **more.pop("output", {})},
            TransformResources={"InstanceType": "ml.m4.xlarge", "InstanceCount": 1})
        job = wait_until(lambda: self.sm.describe_transform_job(TransformJobName=name),
                         lambda j: j["TransformJobStatus"] not in ("InProgress", "Stopping"))
        assert job["TransformJobStatus"] == "Completed", job
        return self.get(f"transformed/{name}/{key.split('/')[-1]}.out")


TRAIN, VALIDATION = sentences(1500, 1), sentences(60, 2)
SOURCE = make_vocabulary(TRAIN)
TARGET = make_vocabulary(map(translated, TRAIN))


@pytest.fixture(scope="module")
def client(role):
    server = make_server("--dev").start()
    client = Client(server, role)
    client.put("book/train/train.rec", records_of(TRAIN, map(translated, TRAIN), SOURCE, TARGET))
    client.put("book/validation/val.rec", records_of(VALIDATION, map(translated, VALIDATION), SOURCE, TARGET))
    client.put("book/vocab/vocab.src.json", vocabulary_file(SOURCE))
    client.put("book/vocab/vocab.trg.json", vocabulary_file(TARGET))
    yield client
    server.stop()


@pytest.fixture(scope="module")
def trained(client):
    """The book's job."""
    job = client.train("book", dict(optimized_metric="bleu", rnn_num_hidden=64, num_embed_source=32, num_embed_target=32,
                                    max_num_batches=300), client.channels())
    client.deploy("book", job["ModelArtifacts"]["S3ModelArtifacts"])
    return job


def targets(answer):
    return [p["target"] for p in json.loads(answer)["predictions"]]


def instances(texts, **configuration):
    return json.dumps({"instances": [{"data": t, **({"configuration": configuration} if configuration else {})} for t in texts]})


def test_script_of_the_book_learns_to_translate(client, trained):
    metrics = {m["MetricName"]: m["Value"] for m in trained["FinalMetricDataList"]}
    assert metrics["validation:bleu"] > 0.9 and metrics["validation:accuracy"] > 0.9 and metrics["validation:perplexity"] < 1.5
    assert "train:perplexity" in metrics and "train:accuracy" in metrics and metrics["train:throughput"] > 0
    unseen = sentences(20, 3)
    found = targets(client.invoke("book", instances(unseen)))
    assert np.mean([found[i] == translated(unseen[i]) for i in range(20)]) > 0.85, list(zip(unseen, found))


def test_log_has_sockeyes_lines(client, trained):
    text = "\n".join(lines(client.server, "book")).replace("#011", "\t")
    order = ["Docker entrypoint called with argument(s): train", "Reading default configuration from", "Final configuration: {",
             'Vocabulary (14 words) loaded from "/opt/ml/input/data/vocab/vocab.src.json"', "Source words: ", "Target words: ",
             "Vocab coverage source: 100%", "Total: 1500 samples in ", "Early stopping by optimizing 'bleu'", "Training started.",
             "Epoch[1] Batch [50]\tSpeed: ", "Checkpoint [1]\tUpdates=100 Epoch=", "Checkpoint [1]\tTrain-perplexity=",
             "Checkpoint [1]\tValidation-perplexity=", "Checkpoint [1]\tValidation-accuracy=", "Checkpoint [1]\tValidation-bleu=",
             "Validation-bleu improved to ", "Maximum # of updates (300) or epochs (None) reached.",
             "Training finished. Best checkpoint: "]
    at = 0
    for words in order:
        assert words in text[at:], (words, text)
        at = text.index(words, at)


def test_artifact_holds_weights_and_vocabularies(client, trained):
    key = trained["ModelArtifacts"]["S3ModelArtifacts"].removeprefix(f"s3://{BUCKET}/")
    with tarfile.open(fileobj=io.BytesIO(client.get(key))) as tar:
        files = {m.name: tar.extractfile(m).read() for m in tar.getmembers() if m.isfile()}
    assert {"model.safetensors", "model.json", "metrics.tsv", "vocab.src.json", "vocab.trg.json"} <= set(files)
    assert files["vocab.trg.json"] == vocabulary_file(TARGET), "as they were given"
    about = json.loads(files["model.json"])
    assert about["hyperparameters"]["rnn_num_hidden"] == "64" and len(about["training"]["history"]) == 3
    assert files["metrics.tsv"].decode().splitlines()[0].startswith("checkpoint\t")


def test_attention_matrix_has_a_row_for_every_target_word(client, trained):
    text = "one two three four"
    answer = json.loads(client.invoke("book", instances([text], attention_matrix="true")))["predictions"][0]
    matrix = np.array(answer["matrix"])
    assert matrix.shape == (len(answer["target"].split()), 4)
    assert np.allclose(matrix.sum(axis=1), 1, atol=1e-3)
    assert "matrix" not in json.loads(client.invoke("book", instances([text])))["predictions"][0]


def test_json_lines_and_protobuf_give_the_same_translations(client, trained):
    texts = sentences(5, 4)
    expected = targets(client.invoke("book", instances(texts)))
    body = "\n".join(json.dumps({"source": t}) for t in texts)
    answer = client.invoke("book", body, "application/jsonlines", Accept="application/jsonlines")
    assert [json.loads(line)["target"] for line in answer.splitlines()] == expected
    words = {number: word for word, number in TARGET.items()}
    for content_type in (RECORDS, "applications/x-recordio-protobuf"):
        answer = client.invoke("book", b"".join(record(source=encode(t, SOURCE)) for t in texts), content_type)
        assert [" ".join(words[i] for i in ids) for ids in targets_of(answer)] == expected
    with_target = record(source=encode(texts[0], SOURCE), target=[])
    assert targets_of(client.invoke("book", with_target, RECORDS)) == [encode(expected[0], TARGET)]


def test_batch_transform_in_three_forms(client, trained):
    texts = sentences(30, 5)
    expected = targets(client.invoke("book", instances(texts)))
    client.put("batch/lines/in.jsonl", "".join(json.dumps({"source": t}) + "\n" for t in texts))
    out = client.transform("lines", "book", "batch/lines/in.jsonl", "application/jsonlines", input={"SplitType": "Line"},
                           output={"AssembleWith": "Line"})
    assert [json.loads(line)["target"] for line in out.splitlines()] == expected
    client.put("batch/records/in.rec", b"".join(record(source=encode(t, SOURCE)) for t in texts))
    out = client.transform("records", "book", "batch/records/in.rec", RECORDS, input={"SplitType": "RecordIO"})
    assert targets_of(out) == [encode(t, TARGET) for t in expected]
    client.put("batch/json/in.json", instances(texts))
    assert targets(client.transform("json", "book", "batch/json/in.json", "application/json")) == expected


def test_a_model_is_hosted_without_training(client, trained):
    """The notebook's flow with a pretrained model: model.tar.gz from elsewhere, put into a bucket."""
    key = trained["ModelArtifacts"]["S3ModelArtifacts"].removeprefix(f"s3://{BUCKET}/")
    client.put("pretrained/model.tar.gz", client.get(key))
    client.deploy("pretrained", f"s3://{BUCKET}/pretrained/model.tar.gz")
    texts = ["two three", "nine one"]
    assert client.invoke("pretrained", instances(texts)) == client.invoke("book", instances(texts))


def test_training_goes_on_from_a_model(client, trained):
    source = client.channel("model", trained["ModelArtifacts"]["S3ModelArtifacts"].removeprefix(f"s3://{BUCKET}/"),
                            ContentType="application/x-sagemaker-model")
    sizes = dict(rnn_num_hidden=64, num_embed_source=32, num_embed_target=32, learning_rate=0.0001)
    job = client.train("goes-on", sizes, client.channels() + [source])
    metrics = {m["MetricName"]: m["Value"] for m in job["FinalMetricDataList"]}
    assert metrics["validation:accuracy"] > 0.9, "it starts from what was learned"
    reason = client.failure("goes-on-otherwise", sizes | dict(rnn_num_hidden=32), client.channels() + [source])
    assert reason.startswith("ClientError: channel model: rnn_num_hidden of the model is 64, of the job 32")


@pytest.mark.parametrize("kinds", [dict(encoder_type="cnn", decoder_type="cnn", cnn_num_hidden=32),
                                   dict(rnn_cell_type="gru", rnn_attention_type="bilinear", num_layers_encoder=2, num_layers_decoder=2,
                                        rnn_residual_connections="true", optimizer_type="rmsprop"),
                                   dict(encoder_type="cnn", cnn_num_hidden=32, rnn_attention_type="dot", rnn_decoder_state_init="avg",
                                        optimizer_type="sgd", momentum=0.9, lr_scheduler_type="fixed_rate_inv_t")])
def test_other_kinds_train_and_answer(client, kinds):
    name = re.sub("[^a-z]", "", "-".join(map(str, kinds.values())))[:30]
    job = client.train(name, kinds, client.channels())
    client.deploy(name, job["ModelArtifacts"]["S3ModelArtifacts"])
    answer = json.loads(client.invoke(name, instances(["one two"], attention_matrix="true")))["predictions"][0]
    assert len(answer["matrix"]) == len(answer["target"].split())


def vocabulary_with(**more):
    return vocabulary_file({**SOURCE, **{k.replace("_", " "): v for k, v in more.items()}})


ONE = record(source=[4, 5], target=[6])
BAD_DATA = {
    "no-source": ({"train/train.rec": ONE + record(source_ids=[4], target_ids=[5])},
                  "train: record 1 has no feature 'source' (found: source_ids, target_ids)"),
    "bytes-tensor": ({"train/train.rec": frame(field(1, field(1, b"source") + field(2, field(9, field(1, b"text")))))}, "train: record 0"),
    "negative-id": ({"train/train.rec": ONE + record(source=[4, -3], target=[5])}, "train: record 1"),
    "id-past-the-end": ({"train/train.rec": ONE + record(source=[4, 1000], target=[5])},
                        "record 1 feature 'source': value 1 is 1000, must be an id of vocab.src.json"),
    "cut-frame": ({"train/train.rec": ONE + ONE[:-3]}, "train"),
    "no-pairs": ({"validation/val.rec": record(source=[4], target=[])}, "validation"),
    "word-with-blank": ({"vocab/vocab.src.json": vocabulary_with(two_words=14)}, "vocab.src.json"),
    "no-symbols": ({"vocab/vocab.trg.json": vocabulary_file({"a": 0, "b": 1, "c": 2, "d": 3})}, "vocab.trg.json"),
    "no-vocabulary": ({"vocab/vocab.trg.json": None}, "Vocab files are not present in the input directory"),
    "not-json": ({"vocab/vocab.src.json": b"{"}, "vocab.src.json"),
}


@pytest.mark.parametrize("name", BAD_DATA)
def test_bad_data_fail_the_job_with_their_place_and_reason(client, name):
    changes, words = BAD_DATA[name]
    files = {"train/train.rec": ONE * 3, "validation/val.rec": ONE, "vocab/vocab.src.json": vocabulary_file(SOURCE),
             "vocab/vocab.trg.json": vocabulary_file(TARGET)} | changes
    for key, body in files.items():
        if body is not None:
            client.put(f"{name}/{key}", body)
    reason = client.failure(name, {}, client.channels(name))
    assert reason.startswith("ClientError: ") and words in reason, reason


def test_gaps_and_long_lines_are_taken(client):
    client.put("odd/vocab/vocab.src.json", vocabulary_with(far=40))
    client.put("odd/vocab/vocab.trg.json", vocabulary_file(TARGET))
    client.put("odd/validation/val.rec", ONE)
    client.put("odd/train/a.rec", record(source=[4, 30], target=[5]) + record(source=[4] * 300_000, target=[5] * 300_000))
    client.put("odd/train/b.rec", ONE + record(source=[], target=[5]))
    client.train("odd", dict(batch_size=2, max_num_batches=3), client.channels("odd"))
    text = "\n".join(lines(client.server, "odd"))
    assert "1 of 4 records are left out" in text and "1 sources are cut to max_seq_len_source 10" in text


def test_jobs_that_cannot_be_are_refused_in_the_containers_words(client):
    reason = client.failure("unknown-name", dict(x=1), client.channels())
    assert "Additional hyperparameters are not allowed (u'x' was unexpected)" in reason
    assert reason.startswith("ClientError: ") and "ValidationError" in reason
    assert "num_hidden must be a multiple of 2" in client.failure("odd-units", dict(rnn_num_hidden=5), client.channels())
    assert "channel vocab: missing" in client.failure("no-vocab", {}, client.channels(without=("vocab",)))
    assert "channel validation: missing" in client.failure("no-validation", {}, client.channels(without=("validation",)))
    assert "InstanceCount: 2" in client.failure("two-instances", {}, client.channels(), instances=2)
    assert "nothing is decoded without" in client.failure("objective", {"_tuning_objective_metric": "validation:bleu"}, client.channels())


@pytest.mark.parametrize("body, content_type, words", [
    ('{"source": [4, 5]}', "application/json", "instances"),
    ('{"instances": [{"text": "x"}]}', "application/json", "data"),
    ('{"instances": [{"data": 7}]}', "application/json", "data"),
    ("no json", "application/json", ""),
    ("{}", "application/jsonlines", "source"),
    (record(target=[4]), RECORDS, "source"),
])
def test_bad_requests_are_refused_with_a_reason(client, trained, body, content_type, words):
    with pytest.raises(client.rt.exceptions.ModelError) as error:
        client.invoke("book", body, content_type)
    assert error.value.response["OriginalStatusCode"] == 400 and words in error.value.response["OriginalMessage"]
    with pytest.raises(client.rt.exceptions.ModelError) as error:
        client.invoke("book", body, "text/csv")
    assert error.value.response["OriginalStatusCode"] == 415


def test_odd_requests_are_answered(client, trained):
    assert targets(client.invoke("book", instances(["", "one unheard-of", "one\u3000two"])))[0] == ""
    assert targets_of(client.invoke("book", record(source=[4, 9999]), RECORDS))
