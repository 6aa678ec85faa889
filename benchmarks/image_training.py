# SPDX-License-Identifier: Apache-2.0
"""Training of residual networks beside PyTorch in one run: pictures per second.

usage: /usr/bin/python3 benchmarks/image_training.py [--build build/bench] [--nets 18,50,20] [--threads 2] [--steps 5] [--rounds 3]
       [--precision float32|bfloat16]

Both train the same network (image-classification's: pre-activation, a batch norm on the data) from the same parameters on one batch of
pictures of random bytes, whole steps: bytes to floats, forward, backward, one step of SGD with momentum. The losses of the first steps are
compared first. PyTorch gets its best layout (channels_last), ATEN_CPU_CAPABILITY=avx512 where the CPU has it, sleeping idle threads as ours,
and for bfloat16 its autocast. Each side's figure is its fastest step over --rounds runs of --steps steps, the two sides in turn, so that
other work on the machine hurts both or neither.
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

if "avx512f" in pathlib.Path("/proc/cpuinfo").read_text():
    os.environ.setdefault("ATEN_CPU_CAPABILITY", "avx512")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[1]
# layers: (picture edge, batch, bottleneck, stem, widths, units)
NETS = {18: (224, 32, False, 64, (64, 128, 256, 512), (2, 2, 2, 2)),
        50: (224, 16, True, 64, (256, 512, 1024, 2048), (3, 4, 6, 3)),
        20: (32, 128, False, 16, (16, 32, 64), (3, 3, 3))}


def norm(width):
    return nn.BatchNorm2d(width, 2e-5)


def convolution(inputs, outputs, kernel, stride=1):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


class Unit(nn.Module):
    def __init__(self, inputs, width, stride, first, bottleneck):
        super().__init__()
        middle = width // 4
        self.bn1 = norm(inputs)
        if bottleneck:
            self.conv1, self.bn2 = convolution(inputs, middle, 1), norm(middle)
            self.conv2, self.bn3 = convolution(middle, middle, 3, stride), norm(middle)
            self.conv3 = convolution(middle, width, 1)
        else:
            self.conv1, self.bn2 = convolution(inputs, width, 3, stride), norm(width)
            self.conv2 = convolution(width, width, 3)
        self.sc = convolution(inputs, width, 1, stride) if first else None

    def forward(self, x):
        a = F.relu(self.bn1(x), inplace=True)
        y = self.conv2(F.relu(self.bn2(self.conv1(a)), inplace=True))
        if hasattr(self, "conv3"):
            y = self.conv3(F.relu(self.bn3(y), inplace=True))
        return y + (x if self.sc is None else self.sc(a))


class Residual(nn.Module):
    def __init__(self, layers, classes):
        super().__init__()
        self.edge, _, bottleneck, width, widths, units = NETS[layers]
        self.bn_data = norm(3)
        self.bn_data.weight.requires_grad_(False)
        self.conv0 = nn.Conv2d(3, width, 3, 1, 1, bias=False) if self.edge <= 32 else nn.Conv2d(3, width, 7, 2, 3, bias=False)
        if self.edge > 32:
            self.bn0 = norm(width)
        names = []
        for stage, (outputs, count) in enumerate(zip(widths, units), 1):
            for unit in range(1, count + 1):
                names.append(f"stage{stage}_unit{unit}")
                self.add_module(names[-1], Unit(width, outputs, 2 if unit == 1 and stage > 1 else 1, unit == 1, bottleneck))
                width = outputs
        self.names = names
        self.bn1, self.fc1 = norm(width), nn.Linear(width, classes)

    def forward(self, x):
        x = self.conv0(self.bn_data(x))
        if self.edge > 32:
            x = F.max_pool2d(F.relu(self.bn0(x), inplace=True), 3, 2, 1)
        for name in self.names:
            x = getattr(self, name)(x)
        return self.fc1(F.relu(self.bn1(x), inplace=True).mean((2, 3)))

    def read(self, folder):
        """The parameters that our program wrote, by MXNet's names."""
        for name, p in self.named_parameters():
            owner, kind = name.replace(".", "_").rsplit("_", 1)
            if owner.endswith(("bn_data", "bn0", "bn1", "bn2", "bn3")):
                kind = {"weight": "gamma", "bias": "beta"}[kind]
            path = folder / f"{owner}_{kind}"
            if path.exists():
                p.data.copy_(torch.from_numpy(np.fromfile(path, np.float32)).view(p.shape))


def torch_steps(layers, folder, steps, threads, bfloat16):
    """(losses, seconds) of the steps; the first step is left out of the seconds."""
    edge, batch = NETS[layers][:2]
    torch.set_num_threads(threads)
    model = Residual(layers, classes_of(edge))
    model.read(folder)
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.01, momentum=0.9)
    pixels = torch.from_numpy(np.fromfile(folder / "pixels", np.uint8)).view(batch, edge, edge, 3)
    labels = torch.from_numpy(np.fromfile(folder / "labels", np.float32)).long()
    losses, seconds = [], []
    for _ in range(steps + 1):
        start = time.perf_counter()
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            loss = F.cross_entropy(model(pixels.permute(0, 3, 1, 2).float()), labels)
        loss.backward()
        optimizer.step()
        seconds.append(time.perf_counter() - start)
        losses.append(float(loss))
    return losses, seconds[1:]


def our_steps(layers, folder, steps, threads, program, precision):
    edge, batch = NETS[layers][:2]
    out = subprocess.run([program, *map(str, (layers, edge, batch, steps, threads)), precision, folder], check=True, text=True,
                         stdout=subprocess.PIPE).stdout
    found = re.findall(r"^(?:first|step) (\S+): (\S+) s", out, re.M)
    return [float(loss) for loss, _ in found], [float(seconds) for _, seconds in found][1:]


def classes_of(edge):
    return 1000 if edge > 32 else 10


def compare(layers, args, folder):
    batch = NETS[layers][1]
    program, bfloat16 = ROOT / args.build / "benchmarks/image_training", args.precision == "bfloat16"
    ours, theirs = [], []
    for round_ in range(args.rounds):
        our_losses, seconds = our_steps(layers, folder, args.steps, args.threads, program, args.precision)
        ours += seconds
        their_losses, seconds = torch_steps(layers, folder, args.steps, args.threads, bfloat16)
        theirs += seconds
        if round_ == 0:
            tolerance = 0.05 if bfloat16 else 2e-3
            if not np.allclose(our_losses[:2], their_losses[:2], rtol=tolerance):
                sys.exit(f"ResNet-{layers}: losses differ: {our_losses[:2]}, PyTorch {their_losses[:2]}")
    a, b = min(ours), min(theirs)
    print(f"ResNet-{layers}, {NETS[layers][0]} px, batch {batch}, {args.threads} threads, {args.precision}: {batch / a:.1f} pictures/s "
          f"({a * 1e3:.0f} ms a step), PyTorch {batch / b:.1f} ({b * 1e3:.0f} ms): {b / a:.2f} times as fast; "
          f"losses {our_losses[0]:.4f}, {our_losses[1]:.4f}; {their_losses[0]:.4f}, {their_losses[1]:.4f}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build/bench")
    parser.add_argument("--nets", default="18,50,20")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    args = parser.parse_args()
    for layers in map(int, args.nets.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            compare(layers, args, pathlib.Path(folder))


if __name__ == "__main__":
    main()
