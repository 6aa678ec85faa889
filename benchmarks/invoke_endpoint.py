#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""InvokeEndpoint on a k-NN classifier (10,000 rows x 30, k 10: the tutorial's size), SigV4 checked on every request, beside
a Flask + gunicorn server of the same model, unsigned, and beside the bare Beast server that is the ceiling of such a path.
1 and 64 connections, one row a request: requests per second, p50, p99, and the ratios that benchmarks/RESULTS.md records.
usage: invoke_endpoint.py [RELEASE_BUILD] [BENCH_BUILD] [SECONDS]"""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import boto3
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
RELEASE = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/release")
BENCH = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else ROOT / "build/bench") / "benchmarks"
SECONDS = sys.argv[3] if len(sys.argv) > 3 else "5"
ROWS, WIDTH, CLASSES, K = 10_000, 30, 20, 10
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


def deploy(state, x, y):
    def client(service):
        return boto3.client(service, endpoint_url=state["url"], region_name=REGION, aws_access_key_id=state["access_key"],
                            aws_secret_access_key=state["secret_key"])
    s3, sm = client("s3"), client("sagemaker")
    s3.create_bucket(Bucket="bench", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="bench", Key="train/x.csv", Body="".join(f"{label}," + ",".join(map(str, row)) + "\n" for label, row in zip(y, x)))
    role = "arn:aws:iam::123456789012:role/bench"
    sm.create_training_job(
        TrainingJobName="knn", RoleArn=role, AlgorithmSpecification={"TrainingImage": "knn:1", "TrainingInputMode": "File"},
        HyperParameters={"feature_dim": str(WIDTH), "k": str(K), "sample_size": str(ROWS), "predictor_type": "classifier"},
        InputDataConfig=[{"ChannelName": "train", "ContentType": "text/csv", "DataSource": {"S3DataSource": {
            "S3DataType": "S3Prefix", "S3Uri": "s3://bench/train"}}}],
        OutputDataConfig={"S3OutputPath": "s3://bench/out"}, StoppingCondition={"MaxRuntimeInSeconds": 600},
        ResourceConfig={"InstanceType": "ml.m4.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 5})
    job = wait(lambda: (lambda j: j if j["TrainingJobStatus"] != "InProgress" else None)(sm.describe_training_job(TrainingJobName="knn")))
    assert job["TrainingJobStatus"] == "Completed", job
    sm.create_model(ModelName="knn", ExecutionRoleArn=role, PrimaryContainer={
        "Image": "knn:1", "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"]})
    sm.create_endpoint_config(EndpointConfigName="e", ProductionVariants=[{
        "VariantName": "A", "ModelName": "knn", "InstanceType": "ml.m4.xlarge", "InitialInstanceCount": 1}])
    begin = time.monotonic()
    sm.create_endpoint(EndpointName="e", EndpointConfigName="e")
    endpoint = wait(lambda: (lambda e: e if e["EndpointStatus"] != "Creating" else None)(sm.describe_endpoint(EndpointName="e")))
    assert endpoint["EndpointStatus"] == "InService", endpoint
    print(f"CreateEndpoint to InService: {time.monotonic() - begin:.3f} s")
    return client("sagemaker-runtime")


def start_flask(data, workers):
    port = free_port()
    log = open(data.parent / "gunicorn.log", "w")
    process = subprocess.Popen([sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", *workers, "invoke_endpoint_peer:app"],
                               cwd=ROOT / "benchmarks", env=dict(os.environ, KNN_DATA=str(data)), stdout=log, stderr=log)

    def up():
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=1).status == 200
        except OSError:
            return False
    wait(up)
    return process, port


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="clary-bench-"))
    random = np.random.default_rng(1)
    centres = random.normal(size=(CLASSES, WIDTH))
    y = random.integers(0, CLASSES, ROWS)
    x = (centres[y] + random.normal(scale=0.7, size=(ROWS, WIDTH))).astype(np.float32)
    np.savez(folder / "knn.npz", x=x, y=y, k=K)
    query = ",".join(map(str, x[17])) + "\n"
    (folder / "body").write_text(query)
    results = {}

    beast = subprocess.Popen([str(BENCH / "edge_server"), "beast"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    port = json.loads(beast.stdout.readline())["port"]
    results["beast"] = {c: load(port, c, "/endpoints/e/invocations", folder / "body") for c in (1, 64)}
    beast.stdin.close()
    beast.wait()

    clary, state = start_clary(folder / "data")
    runtime = deploy(state, x, y)
    ours = json.loads(runtime.invoke_endpoint(EndpointName="e", Body=query, ContentType="text/csv")["Body"].read())
    port = int(state["url"].rsplit(":", 1)[1])
    results["clary"] = {c: load(port, c, "/endpoints/e/invocations", folder / "body", state["access_key"], state["secret_key"]) for c in (1, 64)}
    clary.send_signal(signal.SIGTERM)
    clary.wait()

    # gunicorn's worker that keeps connections, with few and many threads; the better one counts, for each number of connections.
    for name, threads in (("2 workers x 4 threads", "4"), ("2 workers x 32 threads", "32")):
        workers = ["-w", "2", "-k", "gthread", "--threads", threads, "--keep-alive", "60"]
        flask, port = start_flask(folder / "knn.npz", workers)
        theirs = json.loads(urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/invocations", query.encode())).read())
        assert theirs["predictions"][0]["predicted_label"] == ours["predictions"][0]["predicted_label"], (ours, theirs)
        for c in (1, 64):
            r = load(port, c, "/invocations", folder / "body")
            best = results.setdefault("flask", {}).get(c)
            if best is None or r["requests_per_second"] > best["requests_per_second"]:
                results["flask"][c] = dict(r, kind=name)
        flask.send_signal(signal.SIGTERM)
        flask.wait()

    print(f"{'server':8} {'connections':>11} {'requests/s':>11} {'p50 us':>8} {'p99 us':>9}")
    for name in ("beast", "clary", "flask"):
        for c in (1, 64):
            r = results[name][c]
            print(f"{name:8} {c:11} {r['requests_per_second']:11.0f} {r['p50_us']:8.0f} {r['p99_us']:9.0f} {r.get('kind', '')}")
    for c in (1, 64):
        us, them, ceiling = results["clary"][c], results["flask"][c], results["beast"][c]
        print(f"{c} connection(s): rps {us['requests_per_second'] / them['requests_per_second']:.1f}x of Flask (bar 3x), p50 "
              f"{us['p50_us'] / them['p50_us']:.2f} of it (bar 0.5), p99 {us['p99_us'] / them['p99_us']:.2f} of it (bar 0.33); "
              f"{us['requests_per_second'] / ceiling['requests_per_second']:.0%} of the bare Beast ceiling")
    shutil.rmtree(folder, ignore_errors=True)


main()
