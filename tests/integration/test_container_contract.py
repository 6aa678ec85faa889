# SPDX-License-Identifier: Apache-2.0
"""The example of a user's own algorithm and the shell's toy algorithm under the same folder: one contract, two programs."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CLARY_BUILD", ROOT / "build/release"))
PROGRAMS = {"own": ["/usr/bin/python3", str(ROOT / "examples/own_algorithm.py")],
            "toy": [str(BUILD / "src/learning/shell/toy_algorithm")]}
HYPERPARAMETERS = {"own": {"offset": "0.5"}, "toy": {"offset": "0.5", "feature_dim": "2"}}


@pytest.fixture(params=PROGRAMS)
def program(request, tmp_path):
    config = tmp_path / "input/config"
    config.mkdir(parents=True)
    (config / "hyperparameters.json").write_text(json.dumps(HYPERPARAMETERS[request.param]))
    (config / "resourceconfig.json").write_text(json.dumps({"current_host": "algo-1", "hosts": ["algo-1"]}))
    return PROGRAMS[request.param], tmp_path, dict(os.environ, CLARY_ML_ROOT=str(tmp_path))


def channel(root, mode):
    text = {"train": {"TrainingInputMode": mode, "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None",
                      "ContentType": "text/csv"}}
    (root / "input/config/inputdataconfig.json").write_text(json.dumps(text))
    (root / "input/data").mkdir()


def test_trains_from_files_and_serves(program):
    argv, root, environment = program
    channel(root, "File")
    (root / "input/data/train").mkdir()
    (root / "input/data/train/a.csv").write_text("1,5,5\n3,5,5\n")
    subprocess.run([*argv, "train"], env=environment, check=True, timeout=60)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([*argv, "serve"], env=dict(environment, SAGEMAKER_BIND_TO_PORT=str(port)))
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(2000):
            try:
                assert urllib.request.urlopen(url + "/ping", timeout=5).status == 200
                break
            except OSError:
                time.sleep(0.01)
        request = urllib.request.Request(url + "/invocations", b"1,2\n3,4\n", {"Content-Type": "text/csv", "Accept": "text/csv"})
        assert urllib.request.urlopen(request, timeout=5).read() == b"2.5\n2.5\n"
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0
    finally:
        server.kill()


def test_trains_from_a_pipe(program):
    argv, root, environment = program
    channel(root, "Pipe")
    os.mkfifo(root / "input/data/train_0")
    child = subprocess.Popen([*argv, "train"], env=environment)
    (root / "input/data/train_0").write_text("1,5,5\n3,5,5\n")
    assert child.wait(60) == 0
    assert "2.5" in (root / "model/mean.json").read_text()


def test_names_a_bad_line_in_the_failure_file(program):
    argv, root, environment = program
    channel(root, "File")
    (root / "input/data/train").mkdir()
    (root / "input/data/train/a.csv").write_text("1,5,5\n3,five,5\n")
    assert subprocess.run([*argv, "train"], env=environment, timeout=60).returncode != 0
    failure = (root / "output/failure").read_text()
    assert failure.startswith("ClientError: ") and "a.csv" in failure and "line 2" in failure and "five" in failure
