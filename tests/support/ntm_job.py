# SPDX-License-Identifier: Apache-2.0
"""Runs the ntm program under the container contract without a server: lays out /opt/ml below a folder and starts `ntm train`."""
import json
import os
import pathlib
import random
import re
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("CLARY_BUILD", ROOT / "build/release")) / "libexec/clary/algorithms/ntm"


def lay_out(root, hyperparameters, channels, hosts=("algo-1",), current="algo-1", checkpoints=False):
    """channels: name -> dict(path=folder, **inputdataconfig members); the folder becomes the channel's."""
    root = pathlib.Path(root)
    config = root / "input/config"
    for folder in (config, root / "input/data", root / "model", root / "output/data"):
        folder.mkdir(parents=True, exist_ok=True)
    data = {}
    for name, channel in channels.items():
        channel = dict(channel)
        target = root / "input/data" / name
        if not target.exists():
            os.symlink(pathlib.Path(channel.pop("path")).resolve(), target)
        channel.pop("path", None)
        data[name] = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None", **channel}
    (config / "hyperparameters.json").write_text(json.dumps({k: str(v) for k, v in hyperparameters.items()}))
    (config / "inputdataconfig.json").write_text(json.dumps(data))
    (config / "resourceconfig.json").write_text(json.dumps(
        {"current_host": current, "hosts": sorted(hosts), "network_interface_name": "lo"}))
    if checkpoints:
        (root / "checkpoints").mkdir(exist_ok=True)
        (config / "checkpointconfig.json").write_text(json.dumps(
            {"S3Uri": "s3://none/", "LocalPath": str(root / "checkpoints")}))
    return root


def start(root, threads=1, **environment):
    return subprocess.Popen([str(PROGRAM), "train"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            env={**os.environ, "CLARY_ML_ROOT": str(root), "CLARY_THREADS": str(threads), **environment})


def train(root, hyperparameters, channels, threads=1, expect_failure=False, checkpoints=False, **environment):
    """The log; raises unless the program ends as expected."""
    shutil.rmtree(pathlib.Path(root) / "model", ignore_errors=True)
    lay_out(root, hyperparameters, channels, checkpoints=checkpoints)
    process = start(root, threads, **environment)
    log = process.communicate()[0]
    if (process.returncode != 0) != expect_failure:
        raise AssertionError(f"ntm train ended with {process.returncode}:\n{log[-4000:]}")
    return log


def failure(root):
    return (pathlib.Path(root) / "output/failure").read_text()


def metric(log, name):
    """Values of "train total_loss" and the like, in order."""
    return [float(v) for v in re.findall(rf"#quality_metric: host=\S+,(?: epoch=\S+,)? {name} <loss>=(\S+)", log)]


def uniqueness(log):
    return float(re.search(r"Topics from epoch:final .*tu (\d\.\d+)\]", log).group(1))


def train_on_hosts(root, hyperparameters, channels_of, count, threads=1, seconds=600):
    """`count` hosts of one job on this machine, each in its own folder; channels_of(rank) gives a host's channels. The logs.

    Host names resolve through an /etc/hosts of their own (bubblewrap), as the agent does it.
    """
    root = pathlib.Path(root)
    root.mkdir(parents=True, exist_ok=True)
    names = [f"algo-{i + 1}" for i in range(count)]
    block = random.randint(1, 250)
    hosts = root / "hosts"
    hosts.write_text("127.0.0.1 localhost\n" + "".join(f"127.77.{block}.{i + 1} {n}\n" for i, n in enumerate(names)))
    running = []
    for i, name in enumerate(names):
        ml = lay_out(root / name, hyperparameters, channels_of(i), names, name)
        running.append(subprocess.Popen(
            ["bwrap", "--dev-bind", "/", "/", "--ro-bind", str(hosts), "/etc/hosts", "--die-with-parent", str(PROGRAM), "train"],
            stdout=open(root / f"{name}.log", "w"), stderr=subprocess.STDOUT,
            env={**os.environ, "CLARY_ML_ROOT": str(ml), "CLARY_THREADS": str(threads)}))
    try:
        codes = [p.wait(seconds) for p in running]
    finally:
        for p in running:
            p.kill()
    logs = [(root / f"{n}.log").read_text() for n in names]
    if any(codes):
        raise AssertionError(f"hosts ended with {codes}:\n" + "\n".join(log[-1500:] for log in logs))
    return logs
