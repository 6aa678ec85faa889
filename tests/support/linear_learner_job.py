# SPDX-License-Identifier: Apache-2.0
"""Runs the linear-learner program under the container contract without a server, on arrays."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import ntm_job

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples"))
from recordio import recordio  # noqa: E402

PROGRAM = pathlib.Path(os.environ.get("CLARY_BUILD", ROOT / "build/release")) / "libexec/clary/algorithms/linear-learner"


def write_channel(root, name, x, y):
    folder = pathlib.Path(root) / "channels" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rows.pbr").write_bytes(recordio(x, y))
    return {"path": folder}


def channels_of(table, root, test=True):
    parts = {"train": table.train, "validation": table.validation, **({"test": table.test} if test else {})}
    return {name: write_channel(root, name, *part) for name, part in parts.items()}


def defaults_for(table):
    more = {"num_classes": table.classes} if table.kind == "multiclass_classifier" else {}
    return {"predictor_type": table.kind, **more}


def train(root, hyperparameters, channels, threads=2, expect_failure=False, checkpoints=False, **environment):
    """The log; raises unless the program ends as expected."""
    root = pathlib.Path(root)
    shutil.rmtree(root / "model", ignore_errors=True)
    ntm_job.lay_out(root, hyperparameters, channels, checkpoints=checkpoints)
    done = subprocess.run([str(PROGRAM), "train"], capture_output=True, text=True,
                          env={**os.environ, "CLARY_ML_ROOT": str(root), "CLARY_THREADS": str(threads), **environment})
    if (done.returncode != 0) != expect_failure:
        raise AssertionError(f"linear-learner train ended with {done.returncode}:\n{(done.stdout + done.stderr)[-4000:]}")
    return done.stdout


def score(log, channel, name):
    """A final metric."""
    return float(re.search(rf"#quality_metric: host=\S+, {channel} {name} <\w+>=(\S+)", log)[1])


def coefficients(root):
    return json.loads((pathlib.Path(root) / "model/linear-learner-coefficients.json").read_text())
