# SPDX-License-Identifier: Apache-2.0
"""Runs the blazingtext program under the container contract without a server, on text files."""
import os
import pathlib
import shutil
import subprocess

import ntm_job

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("CLARY_BUILD", ROOT / "build/release")) / "libexec/clary/algorithms/blazingtext"


def train(root, hyperparameters, texts, threads=1, expect_failure=False):
    """The log; raises unless the program ends as expected. The files are in root/model.
    @param texts  file of each channel"""
    root = pathlib.Path(root)
    shutil.rmtree(root, ignore_errors=True)
    channels = {}
    for name, text in texts.items():
        folder = root / "channels" / name
        folder.mkdir(parents=True)
        (folder / "text").symlink_to(pathlib.Path(text).resolve())
        channels[name] = {"path": folder}
    ntm_job.lay_out(root, hyperparameters, channels)
    done = subprocess.run([str(PROGRAM), "train"], capture_output=True, text=True,
                          env={**os.environ, "CLARY_ML_ROOT": str(root), "CLARY_THREADS": str(threads)})
    if (done.returncode != 0) != expect_failure:
        raise AssertionError(f"blazingtext train ended with {done.returncode}:\n{(done.stdout + done.stderr)[-4000:]}")
    return done.stdout
