# SPDX-License-Identifier: Apache-2.0
"""Runs the xgboost program under the container contract without a server, and Python's xgboost on the same data."""
import os
import pathlib
import re
import subprocess

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before xgboost is loaded: idle threads would spin beside the program's

import numpy as np  # noqa: E402
import ntm_job  # noqa: E402
import xgboost  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("CLARY_BUILD", ROOT / "build/release")) / "libexec/clary/algorithms/xgboost"


def write_csv(path, x, y, weights=None, **how):
    """Label first; nine digits, so that the same float32 is read."""
    columns = [y] + ([] if weights is None else [weights]) + [x]
    path.parent.mkdir(parents=True, exist_ok=True)
    table = np.column_stack(columns)
    rows = [",".join("" if np.isnan(v) else "%.9g" % v for v in row) for row in table.tolist()]
    path.write_text("\n".join(rows) + "\n", **how)


def write_libsvm(path, x, y, groups=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as out:
        for i, row in enumerate(x):
            query = "" if groups is None else " qid:%d" % groups[i]
            out.write("%.9g%s%s\n" % (y[i], query, "".join(" %d:%.9g" % (j, v) for j, v in enumerate(row) if v != 0)))


def train(root, hyperparameters, content_type="text/csv", channels=("train", "validation"), image="", threads=2, code=0, checkpoints=False,
          **environment):
    """The channels' folders are below root/input/data. @return the log"""
    here = [c for c in channels if (root / "input/data" / c).exists()]
    ntm_job.lay_out(root, hyperparameters, {c: {"ContentType": content_type, "path": root} for c in here}, checkpoints=checkpoints)
    process = subprocess.run([str(PROGRAM), "train"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, env={
        **os.environ, "CLARY_ML_ROOT": str(root), "CLARY_THREADS": str(threads), "CLARY_IMAGE": image, **environment})
    assert process.returncode == code, process.stdout[-4000:]
    return process.stdout


def evaluations(log):
    """The lines "[0]\\ttrain-...", also of a log stream."""
    return [line.replace("#011", "\t") for line in log.split("\n") if re.match(r"\[[0-9]+\](\t|#011)", line)]


def python_evaluations(parameters, train, validation, rounds, decimals=5):
    """The lines that Python's xgboost would print for the same parameters; train and validation are DMatrix."""
    metrics = parameters.pop("eval_metric", "")
    pairs = list(parameters.items()) + [("eval_metric", m) for m in metrics.split(",") if m] + [("nthread", 2), ("verbosity", 0)]
    result = {}
    evals = [(train, "train")] + ([(validation, "validation")] if validation is not None else [])
    booster = xgboost.train(pairs, train, rounds, evals=evals, evals_result=result, verbose_eval=False)
    lines = []
    for i in range(rounds):
        parts = ["%s-%s:%.*f" % (channel, metric, decimals, values[i]) for channel, by_metric in result.items()
                 for metric, values in by_metric.items()]
        lines.append("\t".join(["[%d]" % i] + parts))
    return lines, booster
