# SPDX-License-Identifier: Apache-2.0
"""Runs the image-classification program under the container contract without a server, on encoded pictures by class."""
import functools
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile

import ntm_job
from paths import ROOT, shared_data

sys.path.insert(0, str(ROOT / "examples"))
from image_classification import records  # noqa: E402

PROGRAM = pathlib.Path(os.environ.get("CLARY_BUILD", ROOT / "build/release")) / "libexec/clary/algorithms/image-classification"
CIFAR = shared_data() / "cifar10/cifar10-57k.tar.xz"


@functools.lru_cache(maxsize=2)
def cifar(train, test):
    """The first pictures of each class. -> {"train" | "test": {class: [file bytes]}}"""
    parts = {"train": {}, "test": {}}
    with tarfile.open(CIFAR) as archive:
        for member in archive:
            names = member.name.split("/")
            if member.isfile() and len(parts[names[1]].setdefault(names[2], [])) < (train if names[1] == "train" else test):
                parts[names[1]][names[2]].append(archive.extractfile(member).read())
    return parts


def train(root, hyperparameters, parts, names, per_class=None, pretrained=None, threads=2):
    """The log; raises unless the program ends well. The files are in root/model.
    @param parts  as cifar() gives them; @param names  the classes; @param pretrained  the model folder of another job"""
    root = pathlib.Path(root)
    shutil.rmtree(root, ignore_errors=True)
    channels = {}
    for name, part, limit in (("train", "train", per_class), ("validation", "test", None)):
        folder = root / "channels" / name
        folder.mkdir(parents=True)
        body, count = records(parts[part], names, limit)
        (folder / "pictures.rec").write_bytes(body)
        channels[name] = {"path": folder, "ContentType": "application/x-recordio"}
        if part == "train":
            hyperparameters = {"num_classes": len(names), "num_training_samples": count, **hyperparameters}
    if pretrained:
        channels["pretrained"] = {"path": pretrained, "ContentType": "application/x-sagemaker-model"}
        hyperparameters["use_pretrained_model"] = 1
    ntm_job.lay_out(root, hyperparameters, channels)
    done = subprocess.run([str(PROGRAM), "train"], capture_output=True, text=True,
                          env={**os.environ, "CLARY_ML_ROOT": str(root), "CLARY_THREADS": str(threads)})
    if done.returncode != 0:
        raise AssertionError(f"image-classification train ended with {done.returncode}:\n{(done.stdout + done.stderr)[-4000:]}")
    return done.stdout


def accuracies(log):
    """On the validation pictures, by epoch."""
    return [float(value) for value in re.findall(r"Validation-accuracy=([\d.]+)", log)]
