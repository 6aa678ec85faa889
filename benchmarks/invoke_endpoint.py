#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""InvokeEndpoint, SigV4 checked on every request, beside a Flask + gunicorn server of the same model, unsigned, and beside the
bare Beast server that is the ceiling of such a path. 1 and 64 connections (pictures, sentences: 16), one row, text, word, picture or sentence a
request:
requests per second, p50, p99, and the ratios that benchmarks/RESULTS.md records. Both answers are compared before anything is timed.
  knn                  10,000 rows of 30 numbers, classifier, k 10         peer: faiss
  linear-learner       the same rows, 20 classes                           peer: scikit-learn with our coefficients
  xgboost              the same rows, binary:logistic, 100 rounds, depth 6 peer: Python xgboost with our model file
  blazingtext          AG News, bigrams, dimension 10, JSON                peer: Python fasttext with our model.bin
  blazingtext-vectors  skip-gram on its words, dimension 100, JSON         peer: Python fasttext with our vectors.bin
  resnet-18, resnet-50 a JPEG of 300 x 250 to a network of 224 x 224       peer: frozen TorchScript of our model.onnx, OpenCV
  seq2seq              German to English, GRU 512, embeddings 256, mlp attention, beam 5, JSON; needs ../shared/data/multi30k
                                                                           peer: seq2seq_peer.py with our model.safetensors
  ...-int8             the same, with CLARY_INFERENCE_PRECISION=int8       peer: the same, float32
Where ../shared/data has no AG News, a made text takes its place. --artifact is a folder with an algorithm's finished model, which is hosted
instead of one that is trained for the run.
usage: invoke_endpoint.py [--algorithm NAME] [--artifact FOLDER] [RELEASE_BUILD] [BENCH_BUILD] [SECONDS]"""
import argparse
import atexit
import collections
import csv
import dataclasses
import io
import json
import lzma
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import typing
import urllib.request

import boto3
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
NAMES = ("knn", "linear-learner", "xgboost", "blazingtext", "blazingtext-vectors", "resnet-18", "resnet-50", "resnet-18-int8", "resnet-50-int8", "seq2seq",
         "seq2seq-int8")
parser.add_argument("--algorithm", choices=NAMES, action="append", help="only this one; may be repeated")
parser.add_argument("--artifact", type=pathlib.Path, help="host this model instead of training one")
parser.add_argument("release", nargs="?", type=pathlib.Path, default=ROOT / "build/release")
parser.add_argument("bench", nargs="?", type=pathlib.Path, default=ROOT / "build/bench")
parser.add_argument("seconds", nargs="?", default="5")
options = parser.parse_args()
RELEASE, BENCH, SECONDS = options.release, options.bench / "benchmarks", options.seconds
ROWS, WIDTH, CLASSES, K = 10_000, 30, 20, 10
sys.path[:0] = [str(ROOT / "tests/support"), str(ROOT / "examples")]
from paths import shared_data  # noqa: E402

AG_NEWS = shared_data() / "agnews"
REGION = "us-west-2"
ROLE = "arn:aws:iam::123456789012:role/bench"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait(what, seconds=120):
    end = time.monotonic() + seconds
    while True:
        answer = what()
        if answer:
            return answer
        assert time.monotonic() < end, "too late"
        time.sleep(0.02)


@dataclasses.dataclass
class Case:
    """One algorithm: what it learns from, what is asked, and which part of the answer must be the peer's."""
    image: str
    hyperparameters: dict
    train: typing.Union[str, bytes, dict]  # a dict: channel -> (file name, bytes) pairs
    query: typing.Union[str, bytes]
    picked: typing.Callable
    train_type: typing.Optional[str] = "text/csv"
    query_type: str = "text/csv"
    channels: tuple = ("train",)  # all of them get the same data, where train is no dict
    connections: tuple = (1, 64)
    environment: dict = dataclasses.field(default_factory=dict)  # of the model
    tolerance: float = 1e-5  # of each number
    equal: bool = True  # the peer's answer must be ours; else a difference is printed
    peers: tuple = ((2, 4, 1), (2, 32, 1))  # gunicorn's workers, threads of each, threads of the library for each request
    bars: tuple = (3, 0.5, 0.33)  # requests/s, p50 and p99, as multiples of the peer's

    def files(self):
        """channel -> [(file name, bytes)]"""
        return self.train if isinstance(self.train, dict) else {channel: [("x.rec", self.train)] for channel in self.channels}


def case_of_rows(name, x, y):
    image, hyperparameters, label_of, key = {
        "knn": ("knn:1", {"feature_dim": WIDTH, "k": K, "sample_size": ROWS, "predictor_type": "classifier"}, int, "predicted_label"),
        "linear-learner": ("linear-learner:1", {"feature_dim": WIDTH, "predictor_type": "multiclass_classifier", "num_classes": CLASSES},
                           int, "predicted_label"),
        "xgboost": ("sagemaker-xgboost:1.7-1", {"objective": "binary:logistic", "num_round": 100, "max_depth": 6, "eta": 0.3},
                    lambda label: int(label < CLASSES // 2), "score"),
    }[name]
    rows = "".join(f"{label_of(label)}," + ",".join(map(str, row)) + "\n" for label, row in zip(y, x))
    return Case(image, hyperparameters, rows, ",".join(map(str, x[17])) + "\n", lambda answer: answer["predictions"][0][key])


def texts(random):
    """(label, words) pairs: AG News, or sentences whose words lean to their label."""
    path = AG_NEWS / "train-sample.csv.xz"
    if path.exists():
        with lzma.open(path, "rt", encoding="utf8") as file:
            return [(row[0], " ".join(row[2].lower().split())) for row in csv.reader(file)]
    words = np.array([f"word{i}" for i in range(20_000)])
    return [(str(label), " ".join(words[(random.zipf(1.3, 40) * (label + 1)) % len(words)])) for label in random.integers(1, 5, 12_000)]


def case_of_text(name, random):
    given = texts(random)
    if name == "blazingtext":
        return Case("blazingtext:1", {"mode": "supervised", "vector_dim": 10, "word_ngrams": 2, "min_count": 2, "epochs": 5, "learning_rate": 0.5},
                    "".join(f"__label__{label} {text}\n" for label, text in given), json.dumps({"instances": [given[17][1]]}),
                    lambda answer: answer[0]["label"] + answer[0]["prob"], "text/plain", "application/json")
    most_frequent = collections.Counter(word for _, text in given for word in text.split()).most_common(1)[0][0]
    return Case("blazingtext:1", {"mode": "skipgram", "vector_dim": 100, "epochs": 1, "evaluation": "False"},
                "".join(text + "\n" for _, text in given), json.dumps({"instances": [most_frequent]}),
                lambda answer: answer[0]["vector"], "text/plain", "application/json")


def case_of_pictures(name, random):
    """A network that has seen 16 pictures twice: its weights are as good as any for a measurement of time."""
    from image_classification import records
    from PIL import Image

    def picture():
        coarse = Image.fromarray(random.integers(0, 256, (10, 12, 3), dtype=np.uint8))
        out = io.BytesIO()
        coarse.resize((300, 250), Image.BICUBIC).save(out, "JPEG", quality=92)
        return out.getvalue()
    body, count = records({"a": [picture() for _ in range(8)], "b": [picture() for _ in range(8)]}, ["a", "b"])
    int8 = name.endswith("-int8")
    hyperparameters = {"num_layers": name.split("-")[1], "num_classes": 2, "num_training_samples": count, "mini_batch_size": 8, "epochs": 2,
                       "learning_rate": 0.01, "resize": 224}
    return Case("image-classification:1", hyperparameters, body, picture(), lambda answer: answer, "application/x-recordio", "application/x-image",
                ("train", "validation"), (1, 16), {"CLARY_INFERENCE_PRECISION": "int8"} if int8 else {}, 0.05 if int8 else 1e-5,
                bars=(2, 0.5, 0.33))


def case_of_sentences(name):
    """Multi30k with all of its words. 60 updates teach how long sentences are and which words are frequent, which is what time depends on."""
    from seq2seq import record, translations, vocabulary
    parts = translations(shared_data() / "multi30k", None)
    words = [vocabulary((pair[0] for pair in parts["train"]), 1), vocabulary((pair[1][0] for pair in parts["train"]), 1)]

    def records(part):
        sides = ((source, targets[0]) for source, targets in parts[part])
        return b"".join(record(*([ids.get(word, 1) for word in side] for ids, side in zip(words, pair))) for pair in sides)
    files = {"train": [("train.rec", records("train"))], "validation": [("val.rec", records("val"))],
             "vocab": [(f"vocab.{side}.json", json.dumps(ids).encode()) for side, ids in zip(("src", "trg"), words)]}
    hyperparameters = {"rnn_cell_type": "gru", "rnn_num_hidden": 512, "num_embed_source": 256, "num_embed_target": 256, "batch_size": 64,
                       "learning_rate": 0.003, "max_num_batches": 60, "max_seq_len_source": 60, "max_seq_len_target": 60}
    sentence = next(source for source, _ in parts["test"] if len(source) == 12)
    int8 = name.endswith("-int8")
    return Case("seq2seq:1", hyperparameters, files, json.dumps({"instances": [{"data": " ".join(sentence)}]}),
                lambda answer: answer["predictions"][0]["target"], None, "application/json", connections=(1, 16),
                environment={"CLARY_INFERENCE_PRECISION": "int8"} if int8 else {}, equal=not int8, peers=((2, 4, 1), (1, 16, 2)), bars=(6, 0.2, 0.33))


def case_of(name, x, y, random):
    if name.startswith("resnet"):
        return case_of_pictures(name, random)
    if name.startswith("seq2seq"):
        return case_of_sentences(name)
    return case_of_text(name, random) if name.startswith("blazingtext") else case_of_rows(name, x, y)


def same(a, b, tolerance):
    if isinstance(a, list):
        return len(a) == len(b) and all(same(x, y, tolerance) for x, y in zip(a, b))
    return a == b if isinstance(a, str) else abs(a - b) < tolerance


def load(port, connections, path, folder, case, key=None, secret=None):
    command = [str(BENCH / "signed_load"), "--port", str(port), "--connections", str(connections), "--seconds", SECONDS, "--path", path,
               "--body", str(folder / "body"), "--content-type", case.query_type]
    command += ["--access-key", key, "--secret", secret] if key else []
    subprocess.run(command + ["--seconds", "1"], capture_output=True, check=True)  # warm
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def start_clary(folder):
    process = subprocess.Popen([str(RELEASE / "bin/clary"), "serve", "--port", "0", "--data", str(folder)], stderr=subprocess.DEVNULL)
    atexit.register(process.terminate)  # also when something fails
    state = folder / "server.json"
    wait(state.exists)
    return process, json.loads(state.read_text())


class Hosting:
    """One server, and the calls that take training text to an endpoint."""

    def __init__(self, state):
        def client(service):
            return boto3.client(service, endpoint_url=state["url"], region_name=REGION, aws_access_key_id=state["access_key"],
                                aws_secret_access_key=state["secret_key"])
        self.s3, self.sm, self.runtime = client("s3"), client("sagemaker"), client("sagemaker-runtime")
        self.s3.create_bucket(Bucket="bench", CreateBucketConfiguration={"LocationConstraint": REGION})

    def train(self, name, case):
        """The artifact's address in S3."""
        inputs = []
        for channel, files in case.files().items():
            for file, body in files:
                self.s3.put_object(Bucket="bench", Key=f"{name}/{channel}/{file}", Body=body)
            inputs.append({"ChannelName": channel, "DataSource": {"S3DataSource": {
                "S3DataType": "S3Prefix", "S3Uri": f"s3://bench/{name}/{channel}"}}})
            if case.train_type:
                inputs[-1]["ContentType"] = case.train_type
        self.sm.create_training_job(
            TrainingJobName=name, RoleArn=ROLE, AlgorithmSpecification={"TrainingImage": case.image, "TrainingInputMode": "File"},
            HyperParameters={key: str(value) for key, value in case.hyperparameters.items()}, InputDataConfig=inputs,
            OutputDataConfig={"S3OutputPath": "s3://bench/out"}, StoppingCondition={"MaxRuntimeInSeconds": 600},
            ResourceConfig={"InstanceType": "ml.m4.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 5})
        job = wait(lambda: (lambda j: j if j["TrainingJobStatus"] != "InProgress" else None)(
            self.sm.describe_training_job(TrainingJobName=name)), 600)
        assert job["TrainingJobStatus"] == "Completed", job
        return job["ModelArtifacts"]["S3ModelArtifacts"]

    def upload(self, folder):
        """A finished model's folder as an artifact; its address in S3."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as tar:
            for file in sorted(folder.iterdir()):
                tar.add(file, file.name)
        self.s3.put_object(Bucket="bench", Key="given/model.tar.gz", Body=packed.getvalue())
        return "s3://bench/given/model.tar.gz"

    def deploy(self, name, case):
        """Trains or uploads, and deploys; the endpoint has the algorithm's name. Returns the bytes of model.tar.gz."""
        artifact = self.upload(options.artifact) if options.artifact else self.train(name, case)
        self.sm.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer={
            "Image": case.image, "ModelDataUrl": artifact, "Environment": case.environment})
        self.sm.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[{
            "VariantName": "A", "ModelName": name, "InstanceType": "ml.m4.xlarge", "InitialInstanceCount": 1}])
        begin = time.monotonic()
        self.sm.create_endpoint(EndpointName=name, EndpointConfigName=name)
        endpoint = wait(lambda: (lambda e: e if e["EndpointStatus"] != "Creating" else None)(
            self.sm.describe_endpoint(EndpointName=name)))
        assert endpoint["EndpointStatus"] == "InService", endpoint
        print(f"{name}: CreateEndpoint to InService: {time.monotonic() - begin:.3f} s")
        return self.s3.get_object(Bucket="bench", Key=artifact.removeprefix("s3://bench/"))["Body"].read()

    def predict(self, name, case):
        answer = self.runtime.invoke_endpoint(EndpointName=name, Body=case.query, ContentType=case.query_type, Accept="application/json")
        return case.picked(json.loads(answer["Body"].read()))


def start_flask(name, folder, workers, threads, library_threads):
    port = free_port()
    log = open(folder / "gunicorn.log", "w")
    process = subprocess.Popen([sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", "-w", str(workers), "-k", "gthread", "--threads",
                                str(threads), "--keep-alive", "60", "invoke_endpoint_peer:app"], cwd=ROOT / "benchmarks", stdout=log, stderr=log,
                               env=dict(os.environ, PEER=name.removesuffix("-int8"), PEER_DATA=str(folder), OMP_NUM_THREADS=str(library_threads)))
    atexit.register(process.terminate)

    def up():
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=1).status == 200
        except OSError:
            return False
    wait(up)
    return process, port


def measure_flask(name, folder, case, expected):
    """gunicorn's worker that keeps connections, as each of case.peers; the better one counts, for each number of connections."""
    results = {}
    for workers, threads, library_threads in case.peers:
        kind = f"{workers} workers x {threads} threads" + (f", {library_threads} of the library" if library_threads > 1 else "")
        flask, port = start_flask(name, folder, workers, threads, library_threads)
        body = case.query if isinstance(case.query, bytes) else case.query.encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port}/invocations", body, {"Content-Type": case.query_type})
        answer = case.picked(json.loads(urllib.request.urlopen(request).read()))
        if not same(answer, expected, case.tolerance):
            assert not case.equal, (answer, expected)
            print(f"{name}: answers differ: {answer!r}, ours {expected!r}")
        for c in case.connections:
            r = load(port, c, "/invocations", folder, case)
            if c not in results or r["requests_per_second"] > results[c]["requests_per_second"]:
                results[c] = dict(r, kind=kind)
        flask.send_signal(signal.SIGTERM)
        flask.wait()
    return results


def measure_ceiling(folder, case):
    beast = subprocess.Popen([str(BENCH / "edge_server"), "beast"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    port = json.loads(beast.stdout.readline())["port"]
    results = {c: load(port, c, "/endpoints/e/invocations", folder, case) for c in case.connections}
    beast.stdin.close()
    beast.wait()
    return results


def show(name, case, results):
    print(f"{name + ':':20} {'server':8} {'connections':>11} {'requests/s':>11} {'p50 us':>8} {'p99 us':>9}")
    for server in ("beast", "clary", "flask"):
        for c, r in results[server].items():
            print(f"{'':20} {server:8} {c:11} {r['requests_per_second']:11.0f} {r['p50_us']:8.0f} {r['p99_us']:9.0f} {r.get('kind', '')}")
    for c, us in results["clary"].items():
        them, ceiling = results["flask"][c], results["beast"][c]
        rate, p50, p99 = (us[key] / them[key] for key in ("requests_per_second", "p50_us", "p99_us"))
        print(f"{name}, {c} connection(s): rps {rate:.1f}x of Flask (bar {case.bars[0]}x), p50 {p50:.2f} of it (bar {case.bars[1]}), p99 {p99:.2f} of it "
              f"(bar {case.bars[2]}); {us['requests_per_second'] / ceiling['requests_per_second']:.0%} of the bare Beast ceiling", flush=True)


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="clary-bench-"))
    random = np.random.default_rng(1)
    centres = random.normal(size=(CLASSES, WIDTH))
    y = random.integers(0, CLASSES, ROWS)
    x = (centres[y] + random.normal(scale=0.7, size=(ROWS, WIDTH))).astype(np.float32)
    np.savez(folder / "rows.npz", x=x, y=y, k=K)
    for name in options.algorithm or NAMES:
        case = case_of(name, x, y, random)
        (folder / "body").write_bytes(case.query if isinstance(case.query, bytes) else case.query.encode())
        results = {"beast": measure_ceiling(folder, case)}
        clary, state = start_clary(folder / ("data-" + name))
        hosting = Hosting(state)
        with tarfile.open(fileobj=io.BytesIO(hosting.deploy(name, case))) as tar:
            tar.extractall(folder / "model")
        ours = hosting.predict(name, case)
        port = int(state["url"].rsplit(":", 1)[1])
        results["clary"] = {c: load(port, c, f"/endpoints/{name}/invocations", folder, case, state["access_key"], state["secret_key"])
                            for c in case.connections}
        clary.send_signal(signal.SIGTERM)
        clary.wait()
        results["flask"] = measure_flask(name, folder, case, ours)
        print(f"{name}: {case.query if isinstance(case.query, str) else ''} -> {ours!r}")
        show(name, case, results)
        shutil.rmtree(folder / "model")
    shutil.rmtree(folder, ignore_errors=True)


main()
