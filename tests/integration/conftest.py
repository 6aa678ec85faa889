# SPDX-License-Identifier: Apache-2.0
"""The real server, started on a free port with its own data folder, and boto3 clients that speak to it.

CLARY_BUILD names the build folder. CLARY_SERVER_BUILD may name another one, built with a sanitizer, whose server then runs the
agents and algorithms of CLARY_BUILD; a test fails when that server reported anything by the time it stopped.
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import boto3
import pytest
from botocore.config import Config

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CLARY_BUILD", ROOT / "build/release"))
SANITIZED = "CLARY_SERVER_BUILD" in os.environ
BINARY = pathlib.Path(os.environ.get("CLARY_SERVER_BUILD", BUILD)) / "bin/clary"
REGION = "us-west-2"

sys.path[:0] = [str(ROOT / "examples"), str(ROOT / "tests/support")]
os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_DEFAULT_REGION=REGION, AWS_EC2_METADATA_DISABLED="true")
for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "AWS_PROFILE", "AWS_CA_BUNDLE"):
    os.environ.pop(name, None)


class Server:
    """One `clary serve` process. start() may be called again after stop() or kill(): the data folder stays."""

    def __init__(self, folder, *options, config=None):
        self.folder = pathlib.Path(folder)
        self.options = list(options)
        self.process = None
        if config is not None:
            path = self.folder / "config.json"
            path.write_text(json.dumps(config))
            self.options += ["--config", str(path)]

    def start(self):
        state = self.folder / "server.json"
        state.unlink(missing_ok=True)
        self.log = open(self.folder / "server.log", "ab")
        environment = dict(os.environ)
        if SANITIZED:
            # The agents are CLARY_BUILD's too: setns() refuses the second thread that ThreadSanitizer starts after fork().
            environment.update(CLARY_ALGORITHMS=str(BUILD / "libexec/clary/algorithms"), CLARY_AGENT=str(BUILD / "libexec/clary/agent"),
                               TSAN_OPTIONS=os.environ.get("TSAN_OPTIONS", "") + f" log_path={self.folder}/sanitizer")
        self.process = subprocess.Popen([str(BINARY), "serve", "--port", "0", "--data", str(self.folder), *self.options],
                                        stdout=self.log, stderr=subprocess.STDOUT, env=environment)
        deadline = time.monotonic() + 20
        while not state.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError("clary serve did not start:\n" + (self.folder / "server.log").read_text())
            time.sleep(0.005)
        self.state = json.loads(state.read_text())
        self.url = self.state["url"]
        return self

    def client(self, service, **config):
        options = dict(retries={"max_attempts": 1}, read_timeout=80)
        options.update(config)
        return boto3.client(service, endpoint_url=self.url, region_name=REGION, config=Config(**options))

    def resource(self, service):
        return boto3.resource(service, endpoint_url=self.url, region_name=REGION)

    def kill(self):
        """kill -9, as a crash of the machine would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError("clary serve did not stop within 20 s of SIGTERM")
        for report in self.folder.glob("sanitizer.*"):
            raise AssertionError(report.read_text())


def make_server(*options, config=None):
    folder = tempfile.mkdtemp(prefix="clary-test-")
    return Server(folder, *(options or ("--dev",)), config=config)


@pytest.fixture(scope="module")
def server():
    """One development server for a test file."""
    running = make_server().start()
    yield running
    running.stop()
    _remove(running)


@pytest.fixture
def fresh_server():
    """A factory: fresh_server(*options, config=...) starts a server that this test may kill; all are stopped at its end."""
    started = []

    def start(*options, config=None):
        started.append(make_server(*options, config=config))
        return started[-1].start()

    yield start
    for one in started:
        one.stop()
        _remove(one)


def _remove(server):
    import shutil
    server.log.close()
    shutil.rmtree(server.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def role():
    return "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole"


def wait_until(read, done, seconds=60, every=0.05):
    """Calls read() until done(value) is true; returns the value, or fails with the last one."""
    deadline = time.monotonic() + seconds
    while True:
        value = read()
        if done(value):
            return value
        assert time.monotonic() < deadline, "still waiting after %s s: %s" % (seconds, value)
        time.sleep(every)
