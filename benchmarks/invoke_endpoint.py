#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""InvokeEndpoint, SigV4 checked on every request, beside a Flask + gunicorn server of the same model, unsigned, and beside the
bare Beast server that is the ceiling of such a path. 1 and 64 connections, one CSV row of 30 numbers a request: requests per
second, p50, p99, and the ratios that benchmarks/RESULTS.md records. Models, each trained on the same 10,000 rows:
  knn             classifier, k 10 (the tutorial's size)              peer: faiss
  linear-learner  20 classes                                          peer: scikit-learn with our coefficients
  xgboost         binary:logistic, 100 rounds, depth 6, image 1.7-1   peer: Python xgboost with our model file
usage: invoke_endpoint.py [--algorithm NAME] [RELEASE_BUILD] [BENCH_BUILD] [SECONDS]"""
import argparse
import io
import json
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
import urllib.request

import boto3
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--algorithm", choices=("knn", "linear-learner", "xgboost"), action="append", help="only this one; may be repeated")
parser.add_argument("release", nargs="?", type=pathlib.Path, default=ROOT / "build/release")
parser.add_argument("bench", nargs="?", type=pathlib.Path, default=ROOT / "build/bench")
parser.add_argument("seconds", nargs="?", default="5")
options = parser.parse_args()
RELEASE, BENCH, SECONDS = options.release, options.bench / "benchmarks", options.seconds
ROWS, WIDTH, CLASSES, K = 10_000, 30, 20, 10
# image, hyperparameters, label of a row from its class, score of a row from an answer's prediction
MODELS = {
    "knn": ("knn:1", {"feature_dim": WIDTH, "k": K, "sample_size": ROWS, "predictor_type": "classifier"}, int, "predicted_label"),
    "linear-learner": ("linear-learner:1", {"feature_dim": WIDTH, "predictor_type": "multiclass_classifier", "num_classes": CLASSES}, int,
                       "predicted_label"),
    "xgboost": ("sagemaker-xgboost:1.7-1", {"objective": "binary:logistic", "num_round": 100, "max_depth": 6, "eta": 0.3},
                lambda label: int(label < CLASSES // 2), "score"),
}
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


def load(port, connections, path, body, key=None, secret=None):
    command = [str(BENCH / "signed_load"), "--port", str(port), "--connections", str(connections), "--seconds", SECONDS, "--path", path,
               "--body", str(body)]
    command += ["--access-key", key, "--secret", secret] if key else []
    subprocess.run(command + ["--seconds", "1"], capture_output=True, check=True)  # warm
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def start_clary(folder):
    process = subprocess.Popen([str(RELEASE / "bin/clary"), "serve", "--port", "0", "--data", str(folder)], stderr=subprocess.DEVNULL)
    state = folder / "server.json"
    wait(state.exists)
    return process, json.loads(state.read_text())


class Hosting:
    """One server with the rows in its object store."""

    def __init__(self, state):
        def client(service):
            return boto3.client(service, endpoint_url=state["url"], region_name=REGION, aws_access_key_id=state["access_key"],
                                aws_secret_access_key=state["secret_key"])
        self.s3, self.sm, self.runtime = client("s3"), client("sagemaker"), client("sagemaker-runtime")
        self.s3.create_bucket(Bucket="bench", CreateBucketConfiguration={"LocationConstraint": REGION})

    def deploy(self, name, x, y):
        """Trains and deploys; the endpoint has the algorithm's name. Returns the bytes of model.tar.gz."""
        image, hyperparameters, label_of, _ = MODELS[name]
        rows = "".join(f"{label_of(label)}," + ",".join(map(str, row)) + "\n" for label, row in zip(y, x))
        self.s3.put_object(Bucket="bench", Key=f"{name}/train/x.csv", Body=rows)
        role = "arn:aws:iam::123456789012:role/bench"
        self.sm.create_training_job(
            TrainingJobName=name, RoleArn=role, AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
            HyperParameters={key: str(value) for key, value in hyperparameters.items()},
            InputDataConfig=[{"ChannelName": "train", "ContentType": "text/csv", "DataSource": {"S3DataSource": {
                "S3DataType": "S3Prefix", "S3Uri": f"s3://bench/{name}/train"}}}],
            OutputDataConfig={"S3OutputPath": "s3://bench/out"}, StoppingCondition={"MaxRuntimeInSeconds": 600},
            ResourceConfig={"InstanceType": "ml.m4.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 5})
        job = wait(lambda: (lambda j: j if j["TrainingJobStatus"] != "InProgress" else None)(
            self.sm.describe_training_job(TrainingJobName=name)))
        assert job["TrainingJobStatus"] == "Completed", job
        artifact = job["ModelArtifacts"]["S3ModelArtifacts"]
        self.sm.create_model(ModelName=name, ExecutionRoleArn=role, PrimaryContainer={"Image": image, "ModelDataUrl": artifact})
        self.sm.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[{
            "VariantName": "A", "ModelName": name, "InstanceType": "ml.m4.xlarge", "InitialInstanceCount": 1}])
        begin = time.monotonic()
        self.sm.create_endpoint(EndpointName=name, EndpointConfigName=name)
        endpoint = wait(lambda: (lambda e: e if e["EndpointStatus"] != "Creating" else None)(
            self.sm.describe_endpoint(EndpointName=name)))
        assert endpoint["EndpointStatus"] == "InService", endpoint
        print(f"{name}: CreateEndpoint to InService: {time.monotonic() - begin:.3f} s")
        return self.s3.get_object(Bucket="bench", Key=artifact.removeprefix("s3://bench/"))["Body"].read()

    def predict(self, name, query):
        answer = self.runtime.invoke_endpoint(EndpointName=name, Body=query, ContentType="text/csv", Accept="application/json")
        return json.loads(answer["Body"].read())["predictions"][0][MODELS[name][3]]


def start_flask(name, folder, workers):
    port = free_port()
    log = open(folder / "gunicorn.log", "w")
    process = subprocess.Popen([sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", *workers, "invoke_endpoint_peer:app"],
                               cwd=ROOT / "benchmarks", stdout=log, stderr=log,
                               env=dict(os.environ, PEER=name, PEER_DATA=str(folder), OMP_NUM_THREADS="1"))

    def up():
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=1).status == 200
        except OSError:
            return False
    wait(up)
    return process, port


def measure_flask(name, folder, query, expected):
    """gunicorn's worker that keeps connections, with few and many threads; the better one counts, for each number of connections."""
    results = {}
    for kind, threads in (("2 workers x 4 threads", "4"), ("2 workers x 32 threads", "32")):
        flask, port = start_flask(name, folder, ["-w", "2", "-k", "gthread", "--threads", threads, "--keep-alive", "60"])
        answer = json.loads(urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/invocations", query.encode())).read())
        assert abs(answer["predictions"][0][MODELS[name][3]] - expected) < 1e-5, (answer, expected)
        for c in (1, 64):
            r = load(port, c, "/invocations", folder / "body")
            if c not in results or r["requests_per_second"] > results[c]["requests_per_second"]:
                results[c] = dict(r, kind=kind)
        flask.send_signal(signal.SIGTERM)
        flask.wait()
    return results


def measure_ceiling(folder):
    beast = subprocess.Popen([str(BENCH / "edge_server"), "beast"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    port = json.loads(beast.stdout.readline())["port"]
    results = {c: load(port, c, "/endpoints/e/invocations", folder / "body") for c in (1, 64)}
    beast.stdin.close()
    beast.wait()
    return results


def show(name, results):
    print(f"{name + ':':16} {'server':8} {'connections':>11} {'requests/s':>11} {'p50 us':>8} {'p99 us':>9}")
    for server in ("beast", "clary", "flask"):
        for c in (1, 64):
            r = results[server][c]
            print(f"{'':16} {server:8} {c:11} {r['requests_per_second']:11.0f} {r['p50_us']:8.0f} {r['p99_us']:9.0f} {r.get('kind', '')}")
    for c in (1, 64):
        us, them, ceiling = results["clary"][c], results["flask"][c], results["beast"][c]
        print(f"{name}, {c} connection(s): rps {us['requests_per_second'] / them['requests_per_second']:.1f}x of Flask (bar 3x), p50 "
              f"{us['p50_us'] / them['p50_us']:.2f} of it (bar 0.5), p99 {us['p99_us'] / them['p99_us']:.2f} of it (bar 0.33); "
              f"{us['requests_per_second'] / ceiling['requests_per_second']:.0%} of the bare Beast ceiling", flush=True)


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="clary-bench-"))
    random = np.random.default_rng(1)
    centres = random.normal(size=(CLASSES, WIDTH))
    y = random.integers(0, CLASSES, ROWS)
    x = (centres[y] + random.normal(scale=0.7, size=(ROWS, WIDTH))).astype(np.float32)
    np.savez(folder / "rows.npz", x=x, y=y, k=K)
    query = ",".join(map(str, x[17])) + "\n"
    (folder / "body").write_text(query)
    for name in options.algorithm or list(MODELS):
        results = {"beast": measure_ceiling(folder)}
        clary, state = start_clary(folder / ("data-" + name))
        hosting = Hosting(state)
        with tarfile.open(fileobj=io.BytesIO(hosting.deploy(name, x, y))) as tar:
            tar.extractall(folder / "model")
        ours = hosting.predict(name, query)
        port = int(state["url"].rsplit(":", 1)[1])
        results["clary"] = {c: load(port, c, f"/endpoints/{name}/invocations", folder / "body", state["access_key"], state["secret_key"])
                            for c in (1, 64)}
        clary.send_signal(signal.SIGTERM)
        clary.wait()
        results["flask"] = measure_flask(name, folder, query, ours)
        show(name, results)
    shutil.rmtree(folder, ignore_errors=True)


main()
