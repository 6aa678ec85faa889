#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A user's own algorithm in plain Python: keeps the container contract, so that it trains and serves like a built-in one.

It predicts the mean label of its training rows. `train` reads /opt/ml/input, `serve` answers HTTP on port 8080.
docs/algorithms.md explains each step.
"""
import http.server
import json
import os
import pathlib
import signal
import sys

ROOT = pathlib.Path(os.environ.get("CLARY_ML_ROOT", "/opt/ml"))
stopping = False


def fail(text):
    (ROOT / "output").mkdir(parents=True, exist_ok=True)
    (ROOT / "output/failure").write_text(text[:1024])
    sys.exit(text)


def rows(channel, config):
    """Rows of a CSV channel, label first; in Pipe mode from its first FIFO."""
    folder = ROOT / "input/data"
    if config["TrainingInputMode"] == "Pipe":
        files = [folder / f"{channel}_0"]
    else:
        files = sorted(path for path in (folder / channel).rglob("*") if path.is_file())
    for path in files:
        with open(path) as lines:
            for number, line in enumerate(lines, 1):
                try:
                    yield [float(field) for field in line.split(",")]
                except ValueError as problem:
                    fail(f"ClientError: {path.name}: line {number}: {problem}")


def train():
    def stop(*_):
        global stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)  # 120 s to end well
    hyperparameters = json.loads((ROOT / "input/config/hyperparameters.json").read_text())
    channels = json.loads((ROOT / "input/config/inputdataconfig.json").read_text())
    if "train" not in channels:
        fail("ClientError: channel train: missing, but required")
    offset = float(hyperparameters.get("offset", "0"))
    total = count = 0
    for row in rows("train", channels["train"]):
        if stopping:
            break
        total += row[0]
        count += 1
    if not count:
        fail("ClientError: channel train: holds no rows")
    mean = total / count + offset
    print(f"rows={count} train_mean={mean}", flush=True)  # a MetricDefinition's regex finds this in the log
    (ROOT / "model").mkdir(parents=True, exist_ok=True)
    (ROOT / "model/mean.json").write_text(json.dumps(mean))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body=b"", content_type="text/plain"):
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(200 if self.path == "/ping" else 404)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/invocations":
            return self.answer(404)
        lines = [line for line in body.decode().splitlines() if line]
        self.answer(200, "".join(f"{self.server.mean}\n" for _ in lines).encode(), "text/csv")

    def log_message(self, *_):
        pass


def serve():
    port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080"))
    server = http.server.ThreadingHTTPServer(("", port), Handler)
    server.mean = json.loads((ROOT / "model/mean.json").read_text())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.serve_forever()


if __name__ == "__main__":
    {"train": train, "serve": serve}[sys.argv[1]]()
