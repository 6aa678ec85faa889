#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""InvokeEndpoint, SigV4 checked on every request, beside a Flask + gunicorn server of the same model, unsigned, and beside the
bare Beast server that is the ceiling of such a path. 1 and 64 connections (pictures: 16), one row, text, word or picture a request:
requests per second, p50, p99, and the ratios that benchmarks/RESULTS.md records. Both answers are compared before anything is timed.
  knn                  10,000 rows of 30 numbers, classifier, k 10         peer: faiss
  linear-learner       the same rows, 20 classes                           peer: scikit-learn with our coefficients
  xgboost              the same rows, binary:logistic, 100 rounds, depth 6 peer: Python xgboost with our model file
  blazingtext          AG News, bigrams, dimension 10, JSON                peer: Python fasttext with our model.bin
  blazingtext-vectors  skip-gram on its words, dimension 100, JSON         peer: Python fasttext with our vectors.bin
  resnet-18, resnet-50 a JPEG of 300 x 250 to a network of 224 x 224       peer: frozen TorchScript of our model.onnx, OpenCV
  ...-int8             the same, with CLARY_INFERENCE_PRECISION=int8       peer: the same, float32
Where ../shared/data has no AG News, a made text takes its place.
usage: invoke_endpoint.py [--algorithm NAME] [RELEASE_BUILD] [BENCH_BUILD] [SECONDS]"""
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
NAMES = ("knn", "linear-learner", "xgboost", "blazingtext", "blazingtext-vectors", "resnet-18", "resnet-50", "resnet-18-int8", "resnet-50-int8")
parser.add_argument("--algorithm", choices=NAMES, action="append", help="only this one; may be repeated")
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
    train: typing.Union[str, bytes]
    query: typing.Union[str, bytes]
    picked: typing.Callable
    train_type: str = "text/csv"
    query_type: str = "text/csv"
    channels: tuple = ("train",)  # all of them get the same data
    connections: tuple = (1, 64)
    environment: dict = dataclasses.field(default_factory=dict)  # of the model
    tolerance: float = 1e-5  # of each number


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
                ("train", "validation"), (1, 16), {"CLARY_INFERENCE_PRECISION": "int8"} if int8 else {}, 0.05 if int8 else 1e-5)


def case_of(name, x, y, random):
    if name.startswith("resnet"):
        return case_of_pictures(name, random)
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

    def deploy(self, name, case):
        """Trains and deploys; the endpoint has the algorithm's name. Returns the bytes of model.tar.gz."""
        for channel in case.channels:
            self.s3.put_object(Bucket="bench", Key=f"{name}/{channel}/x.rec", Body=case.train)
        role = "arn:aws:iam::123456789012:role/bench"
        self.sm.create_training_job(
            TrainingJobName=name, RoleArn=role, AlgorithmSpecification={"TrainingImage": case.image, "TrainingInputMode": "File"},
            HyperParameters={key: str(value) for key, value in case.hyperparameters.items()},
            InputDataConfig=[{"ChannelName": channel, "ContentType": case.train_type, "DataSource": {"S3DataSource": {
                "S3DataType": "S3Prefix", "S3Uri": f"s3://bench/{name}/{channel}"}}} for channel in case.channels],
            OutputDataConfig={"S3OutputPath": "s3://bench/out"}, StoppingCondition={"MaxRuntimeInSeconds": 600},
            ResourceConfig={"InstanceType": "ml.m4.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 5})
        job = wait(lambda: (lambda j: j if j["TrainingJobStatus"] != "InProgress" else None)(
            self.sm.describe_training_job(TrainingJobName=name)))
        assert job["TrainingJobStatus"] == "Completed", job
        artifact = job["ModelArtifacts"]["S3ModelArtifacts"]
        self.sm.create_model(ModelName=name, ExecutionRoleArn=role, PrimaryContainer={
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


def start_flask(name, folder, workers):
    port = free_port()
    log = open(folder / "gunicorn.log", "w")
    process = subprocess.Popen([sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", *workers, "invoke_endpoint_peer:app"],
                               cwd=ROOT / "benchmarks", stdout=log, stderr=log,
                               env=dict(os.environ, PEER=name.removesuffix("-int8"), PEER_DATA=str(folder), OMP_NUM_THREADS="1"))
    atexit.register(process.terminate)

    def up():
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=1).status == 200
        except OSError:
            return False
    wait(up)
    return process, port


def measure_flask(name, folder, case, expected):
    """gunicorn's worker that keeps connections, with few and many threads; the better one counts, for each number of connections."""
    results = {}
    for kind, threads in (("2 workers x 4 threads", "4"), ("2 workers x 32 threads", "32")):
        flask, port = start_flask(name, folder, ["-w", "2", "-k", "gthread", "--threads", threads, "--keep-alive", "60"])
        body = case.query if isinstance(case.query, bytes) else case.query.encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port}/invocations", body, {"Content-Type": case.query_type})
        answer = case.picked(json.loads(urllib.request.urlopen(request).read()))
        assert same(answer, expected, case.tolerance), (answer, expected)
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


def show(name, results):
    print(f"{name + ':':20} {'server':8} {'connections':>11} {'requests/s':>11} {'p50 us':>8} {'p99 us':>9}")
    for server in ("beast", "clary", "flask"):
        for c, r in results[server].items():
            print(f"{'':20} {server:8} {c:11} {r['requests_per_second']:11.0f} {r['p50_us']:8.0f} {r['p99_us']:9.0f} {r.get('kind', '')}")
    for c, us in results["clary"].items():
        them, ceiling = results["flask"][c], results["beast"][c]
        print(f"{name}, {c} connection(s): rps {us['requests_per_second'] / them['requests_per_second']:.1f}x of Flask (bar 3x; pictures 2x), p50 "
              f"{us['p50_us'] / them['p50_us']:.2f} of it (bar 0.5), p99 {us['p99_us'] / them['p99_us']:.2f} of it (bar 0.33); "
              f"{us['requests_per_second'] / ceiling['requests_per_second']:.0%} of the bare Beast ceiling", flush=True)


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
        show(name, results)
        shutil.rmtree(folder / "model")
    shutil.rmtree(folder, ignore_errors=True)


main()
