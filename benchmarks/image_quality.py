#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Image Classification's accuracy beside the same network in PyTorch, in one run: CIFAR-10, the same pictures, epochs, batches, optimizer
(Nesterov, decay of weights and gammas), steps of the learning rate and augmentation (4 pixels of padding, random crop, mirror).
  seeds   a part of the pictures, some epochs, several seeds: mean and standard error of the test accuracy of both. Goal: our mean is not
          below the other by more than twice the standard error of the difference.
  long    all pictures, one seed, ours alone: the recorded run (He et al. 2015 report 91.25 % for 20 layers after 64,000 steps), whose
          rate falls by small steps that follow a straight line to 0. With --folder it can be ended, and goes on when started again.
usage: image_quality.py [--mode seeds|long] [--per-class N] [--tests-per-class N] [--epochs E] [--seeds S] [--layers L] [--threads N] [--folder DIR]
       [--program FILE]"""
import argparse
import io
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time

import numpy as np
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[1]
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--mode", choices=["seeds", "long"], default="seeds")
parser.add_argument("--per-class", type=int, help="training pictures of each class (seeds: 500, long: all 4,800)")
parser.add_argument("--tests-per-class", type=int, default=900, help="test pictures of each class, at most 900")
parser.add_argument("--epochs", type=int, help="seeds: 12, long: 36")
parser.add_argument("--seeds", type=int, default=3)
parser.add_argument("--layers", type=int, default=20, help="20, 32, 44, 56 or 110; long: 18, too, the wide network")
parser.add_argument("--batch", type=int, default=128)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--folder", type=pathlib.Path, help="long: keeps data, checkpoint and model; else a temporary folder")
parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/release/libexec/clary/algorithms/image-classification")
options = parser.parse_args()
sys.path[:0] = [str(ROOT / "tests/support"), str(ROOT / "examples")]
from image_classification import records  # noqa: E402
from paths import shared_data  # noqa: E402

PER_CLASS = options.per_class or (500 if options.mode == "seeds" else 4800)
EPOCHS = options.epochs or (12 if options.mode == "seeds" else 36)
PAD = 4


def line_steps(epochs, factor):
    """Epochs at which the rate is multiplied by `factor`, so that it stays close to the line from 1 at the start to 0 at the end: half a
    step above, half a step below it."""
    steps, k = [], 0.5
    while epochs * (1 - factor ** k) < epochs - 0.75:
        steps.append(round(epochs * (1 - factor ** k)))
        k += 1
    return steps


RECIPES = {"seeds": dict(learning_rate=0.1, weight_decay=0.0001, lr_scheduler_factor=0.1, steps=[EPOCHS // 2, EPOCHS * 3 // 4]),
           "long": dict(learning_rate=0.15, weight_decay=0.0005, lr_scheduler_factor=0.7, steps=line_steps(EPOCHS, 0.7))}
RECIPE = RECIPES[options.mode]


def read_cifar():
    """-> {"train" | "test": {class: uint8 [n, 32, 32, 3]}}"""
    parts = {"train": {}, "test": {}}
    with tarfile.open(shared_data() / "cifar10/cifar10-57k.tar.xz") as archive:
        for member in archive:
            names = member.name.split("/")
            if member.isfile() and len(parts[names[1]].setdefault(names[2], [])) < (PER_CLASS if names[1] == "train" else options.tests_per_class):
                parts[names[1]][names[2]].append(np.asarray(Image.open(io.BytesIO(archive.extractfile(member).read())).convert("RGB")))
    return {part: {name: np.stack(pictures) for name, pictures in classes.items()} for part, classes in parts.items()}


def padded(pictures):
    return np.pad(pictures, ((0, 0), (PAD, PAD), (PAD, PAD), (0, 0)))


def png(pixels):
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=1)
    return out.getvalue()


# --- Clary ---------------------------------------------------------------------------------------------------------------------

def write_job(folder, data, seed):
    names = sorted(data["train"])
    config = folder / "ml/input/config"
    config.mkdir(parents=True, exist_ok=True)
    for channel, part, change in (("train", "train", padded), ("validation", "test", lambda x: x)):
        where = folder / "ml/input/data" / channel
        if not where.exists():
            where.mkdir(parents=True)
            body, _ = records({name: [png(x) for x in change(data[part][name])] for name in names}, names)
            (where / "pictures.rec").write_bytes(body)
    hyperparameters = dict(num_layers=options.layers, image_shape="3,32,32", num_classes=10, num_training_samples=10 * PER_CLASS,
                           mini_batch_size=options.batch, epochs=EPOCHS, optimizer="nag", momentum=0.9, learning_rate=RECIPE["learning_rate"],
                           weight_decay=RECIPE["weight_decay"], lr_scheduler_factor=RECIPE["lr_scheduler_factor"],
                           lr_scheduler_step=",".join(map(str, RECIPE["steps"])), augmentation_type="crop", seed=seed)
    (config / "hyperparameters.json").write_text(json.dumps({k: str(v) for k, v in hyperparameters.items()}))
    channel = {"ContentType": "application/x-recordio", "TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
    if options.mode == "long":  # seeds are jobs of their own
        (config / "checkpointconfig.json").write_text(json.dumps({"LocalPath": "/opt/ml/checkpoints"}))
    (config / "inputdataconfig.json").write_text(json.dumps({"train": channel, "validation": channel}))


def train_ours(folder, data, seed, show=False):
    """-> accuracies on the test pictures by epoch, seconds"""
    write_job(folder, data, seed)
    began, accuracies, log = time.perf_counter(), [], []
    process = subprocess.Popen([options.program, "train"], env=dict(os.environ, CLARY_ML_ROOT=str(folder / "ml"), CLARY_THREADS=str(options.threads)), stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        log.append(line)
        found = re.search(r"Epoch\[(\d+)\] Validation-accuracy=([\d.]+)", line)
        if found:
            accuracies.append(float(found[2]))
            if show:
                print("   epoch %d of %d: %.4f, %.0f s" % (int(found[1]) + 1, EPOCHS, accuracies[-1], time.perf_counter() - began), flush=True)
    if process.wait() != 0:
        sys.exit("the program ended with %d:\n%s" % (process.returncode, "".join(log[-20:])))
    return accuracies, time.perf_counter() - began


# --- PyTorch -------------------------------------------------------------------------------------------------------------------

def torch_network(layers, torch):
    """The same network: pre-activation, a projection in the first unit of each stage, raw bytes through a first batch norm."""
    nn = torch.nn

    def norm(width):
        return nn.BatchNorm2d(width, eps=2e-5, momentum=0.1)

    def convolution(a, b, kernel, stride):
        out = nn.Conv2d(a, b, kernel, stride, kernel // 2, bias=False)
        nn.init.normal_(out.weight, std=(2 / (a * kernel * kernel)) ** .5)
        return out

    class Unit(nn.Module):
        def __init__(self, before, width, stride, projected):
            super().__init__()
            self.norm1, self.norm2 = norm(before), norm(width)
            self.first, self.second = convolution(before, width, 3, stride), convolution(width, width, 3, 1)
            self.shortcut = convolution(before, width, 1, stride) if projected else None

        def forward(self, x):
            a = torch.relu(self.norm1(x))
            return self.second(torch.relu(self.norm2(self.first(a)))) + (self.shortcut(a) if self.shortcut else x)

    units, before = [], 16
    for stage, width in enumerate((16, 32, 64)):
        for unit in range((layers - 2) // 6):
            units.append(Unit(before, width, 2 if stage and not unit else 1, unit == 0))
            before = width
    data_norm = norm(3)
    data_norm.weight.requires_grad_(False)
    head = nn.Linear(64, 10)
    nn.init.normal_(head.weight, std=(2 / 64) ** .5)
    nn.init.zeros_(head.bias)
    return nn.Sequential(data_norm, convolution(3, 16, 3, 1), *units, norm(64), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)


def train_torch(data, seed):
    import torch
    torch.manual_seed(seed)
    torch.set_num_threads(options.threads)
    names = sorted(data["train"])
    pictures = torch.from_numpy(np.concatenate([padded(data["train"][n]) for n in names])).permute(0, 3, 1, 2).contiguous()
    labels = torch.arange(10).repeat_interleave(PER_CLASS)
    tests = torch.from_numpy(np.concatenate([data["test"][n] for n in names])).permute(0, 3, 1, 2).float()
    test_labels = torch.repeat_interleave(torch.arange(10), torch.tensor([len(data["test"][n]) for n in names]))
    network = torch_network(options.layers, torch).to(memory_format=torch.channels_last)
    decaying = [m.weight for m in network.modules() if hasattr(m, "weight") and m.weight.requires_grad]
    others = [p for m in network.modules() for n, p in m.named_parameters(recurse=False) if n == "bias"]
    optimizer = torch.optim.SGD([{"params": decaying, "weight_decay": RECIPE["weight_decay"]}, {"params": others}],
                                lr=RECIPE["learning_rate"], momentum=0.9, nesterov=True)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, RECIPE["steps"], RECIPE["lr_scheduler_factor"])
    accuracies, began = [], time.perf_counter()
    for _ in range(EPOCHS):
        network.train()
        order = torch.randperm(len(pictures))
        for start in range(0, len(order) - 1, options.batch):
            rows = order[start:start + options.batch]
            at = torch.randint(0, 2 * PAD + 1, (len(rows), 2))
            flips = torch.rand(len(rows)) < .5
            x = torch.stack([pictures[i, :, r:r + 32, c:c + 32].flip(2) if f else pictures[i, :, r:r + 32, c:c + 32]
                             for i, (r, c), f in zip(rows, at.tolist(), flips)]).float()
            loss = torch.nn.functional.cross_entropy(network(x.contiguous(memory_format=torch.channels_last)), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
        network.eval()
        with torch.no_grad():
            guesses = torch.cat([network(part).argmax(1) for part in tests.split(500)])
        accuracies.append((guesses == test_labels).float().mean().item())
    return accuracies, time.perf_counter() - began


def main():
    data = read_cifar()
    print("ResNet-%d, %d pictures of CIFAR-10, batch %d, %d epochs, %s" % (options.layers, 10 * PER_CLASS, options.batch, EPOCHS, RECIPE), flush=True)
    with tempfile.TemporaryDirectory(prefix="clary-quality-") as folder:
        if options.mode == "long":
            accuracies, seconds = train_ours(options.folder or pathlib.Path(folder), data, 1, show=True)
            return print("best %.4f, last %.4f, %.0f s" % (max(accuracies), accuracies[-1], seconds))
        results = {"clary": [], "pytorch": []}
        for seed in range(1, options.seeds + 1):
            for name, run in (("clary", lambda: train_ours(pathlib.Path(folder), data, seed)), ("pytorch", lambda: train_torch(data, seed))):
                accuracies, seconds = run()
                results[name].append(accuracies[-1])
                print("   seed %d  %-8s last %.4f  best %.4f  %.0f s" % (seed, name, accuracies[-1], max(accuracies), seconds), flush=True)
        for name, last in results.items():
            print("%-8s mean %.4f, standard error %.4f" % (name, statistics.mean(last), error_of_mean(last)))
        difference = statistics.mean(results["clary"]) - statistics.mean(results["pytorch"])
        error = sum(error_of_mean(last) ** 2 for last in results.values()) ** .5
        print("difference %+.4f, its standard error %.4f: %s" % (difference, error, "met" if difference >= -2 * error else "MISSED"))


def error_of_mean(values):
    return statistics.stdev(values) / len(values) ** .5 if len(values) > 1 else 0


main()
