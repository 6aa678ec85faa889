#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A replica with a loaded residual network: seconds from its start to the first 200 of /ping, beside what people write with LibTorch: a
Python program that loads the frozen TorchScript of the same depth (torchvision's) and answers with http.server. Medians of --runs starts of
each side after one that is left out: files and programs are in the page cache. The peer has not run its network once, nor has ours.
usage: /usr/bin/python3 benchmarks/replica_start.py [--build build/release] [--layers 18,50] [--runs 5] [--precision float32|int8]"""
import argparse
import http.client
import io
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "examples")]
from image_classification import records  # noqa: E402

PEER = """
import http.server, sys, torch
model = torch.jit.load(sys.argv[1])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
"""
FREEZE = """
import sys, torch, torchvision
network = getattr(torchvision.models, "resnet" + sys.argv[1])(weights=None).eval()
torch.jit.freeze(torch.jit.trace(network, torch.zeros(1, 3, 224, 224))).save(sys.argv[2])
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def train(program, folder, layers):
    """One epoch on eight pictures: a model folder below `folder`."""
    random = np.random.default_rng(1)

    def picture():
        out = io.BytesIO()
        Image.fromarray(random.integers(0, 256, (224, 224, 3), dtype=np.uint8)).save(out, "JPEG")
        return out.getvalue()
    body, count = records({"a": [picture() for _ in range(4)], "b": [picture() for _ in range(4)]}, ["a", "b"])
    channel = {"ContentType": "application/x-recordio", "TrainingInputMode": "File", "S3DistributionType": "FullyReplicated",
               "RecordWrapperType": "None"}
    config = folder / "input/config"
    config.mkdir(parents=True)
    for name in ("train", "validation"):
        (folder / "input/data" / name).mkdir(parents=True)
        (folder / "input/data" / name / "pictures.rec").write_bytes(body)
    hyperparameters = {"num_layers": layers, "num_classes": 2, "num_training_samples": count, "mini_batch_size": 4, "epochs": 1,
                       "learning_rate": 0.01}
    (config / "hyperparameters.json").write_text(json.dumps({name: str(value) for name, value in hyperparameters.items()}))
    (config / "inputdataconfig.json").write_text(json.dumps({"train": channel, "validation": channel}))
    subprocess.run([program, "train"], env=dict(os.environ, CLARY_ML_ROOT=str(folder)), check=True, stdout=subprocess.DEVNULL)


def is_up(port):
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/ping")
        return connection.getresponse().status == 200
    except OSError:
        return False


def seconds_to_ping(command, port, environment):
    began = time.perf_counter()
    process = subprocess.Popen(command, env=dict(os.environ, **environment), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not is_up(port):
        if process.poll() is not None:
            raise SystemExit(f"{command[0]} ended with {process.returncode}")
        time.sleep(0.001)
    seconds = time.perf_counter() - began
    process.terminate()
    process.wait()
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--layers", default="18,50")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--precision", choices=("float32", "int8"), default="float32")
    options = parser.parse_args()
    program = str(ROOT / options.build / "libexec/clary/algorithms/image-classification")
    for layers in options.layers.split(","):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            train(program, folder / "ml", layers)
            subprocess.run([sys.executable, "-c", FREEZE, layers, str(folder / "model.pt")], check=True)
            def ours():
                port = free_port()
                return seconds_to_ping([program, "serve"], port, {
                    "SAGEMAKER_BIND_TO_PORT": str(port), "CLARY_ML_ROOT": str(folder / "ml"), "CLARY_INFERENCE_PRECISION": options.precision})

            def theirs():
                port = free_port()
                return seconds_to_ping([sys.executable, "-c", PEER, str(folder / "model.pt"), str(port)], port, {})
            a, b = (statistics.median([start() for _ in range(options.runs + 1)][1:]) for start in (ours, theirs))
        print(f"ResNet-{layers}, {options.precision}: {a * 1e3:.0f} ms from start to /ping, LibTorch by Python {b * 1e3:.0f} ms: "
              f"{b / a:.1f} times as fast", flush=True)


if __name__ == "__main__":
    main()
