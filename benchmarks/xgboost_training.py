#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""File to trained model: Clary's xgboost program beside Python's xgboost with the same library, parameters and file, taking turns,
each a fresh process with 2 threads. `all` is the whole process: start, load, train, save; `rounds` the time from the first evaluation
line to the last, so training alone. The last evaluation lines are compared: they must be equal. Figures are medians.

    benchmarks/xgboost_training.py [--times 5] [--build build/release]
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))
import xgboost_loading  # noqa: E402

PEER = """
import json, sys, xgboost
given, path, kind = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]
rounds = given.pop("num_round")
matrix = xgboost.DMatrix(path if kind == "text/libsvm" else path + "?format=csv&label_column=0")
booster = xgboost.train({**given, "nthread": 2}, matrix, rounds, evals=[(matrix, "train")])
booster.save_model(sys.argv[4])
"""
CASES = [
    ("covtype x4, 7 classes, hist", xgboost_loading.covtype, "text/csv",
     {"objective": "multi:softprob", "num_class": 7, "tree_method": "hist", "max_depth": 6, "num_round": 10}),
    ("kddcup99 10 %, binary, hist", xgboost_loading.kddcup, "text/csv",
     {"objective": "binary:logistic", "tree_method": "hist", "max_depth": 6, "num_round": 30}),
    ("agaricus x60, binary, exact", xgboost_loading.agaricus, "text/libsvm",
     {"objective": "binary:logistic", "tree_method": "exact", "max_depth": 4, "num_round": 10}),
]


def run(command, **environment):
    """-> (seconds of the process, seconds from the first evaluation line to the last, the last line)"""
    start, stamps, line = time.perf_counter(), [], ""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", **environment}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for text in process.stdout:
            if re.match(r"\[\d+\]\ttrain-", text):
                stamps.append(time.perf_counter())
                line = text.strip()
    assert process.returncode == 0, command
    return time.perf_counter() - start, stamps[-1] - stamps[0], line


def ours(root, program, given, kind):
    config = root / "input/config"
    config.mkdir(parents=True, exist_ok=True)
    (config / "hyperparameters.json").write_text(json.dumps({k: str(v) for k, v in given.items()}))
    (config / "inputdataconfig.json").write_text(json.dumps({"train": {
        "TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None", "ContentType": kind}}))
    return run([str(program), "train"], CLARY_ML_ROOT=str(root), CLARY_IMAGE="sagemaker-xgboost:1.7-1")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--times", type=int, default=5)
    options.add_argument("--build", default="build/release")
    options = options.parse_args()
    program = ROOT / options.build / "libexec/clary/algorithms/xgboost"
    with tempfile.TemporaryDirectory() as folder:
        for i, (name, text, kind, given) in enumerate(CASES):
            root = pathlib.Path(folder) / str(i)
            path = root / "input/data/train/rows"
            path.parent.mkdir(parents=True)
            path.write_text(text())
            taken = {"clary": [], "python": []}
            for _ in range(options.times):
                mine = ours(root, program, given, kind)
                peer = run([sys.executable, "-c", PEER, json.dumps(given), str(path), kind, str(root / "peer.json")])
                assert mine[2] == peer[2], (mine[2], peer[2])
                taken["clary"].append(mine[:2])
                taken["python"].append(peer[:2])
            (all_mine, rounds_mine), (all_peer, rounds_peer) = (
                [statistics.median(column) for column in zip(*taken[who])] for who in ("clary", "python"))
            print(f"{name}: all {all_mine:.2f} s, Python {all_peer:.2f} s: {all_peer / all_mine:.2f} times as fast; "
                  f"rounds {rounds_mine:.2f} s, {rounds_peer:.2f} s: {rounds_mine / rounds_peer - 1:+.1%}; last line equal", flush=True)


if __name__ == "__main__":
    main()
