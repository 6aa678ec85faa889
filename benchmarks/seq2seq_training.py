# SPDX-License-Identifier: Apache-2.0
"""Training of an encoder-decoder beside PyTorch in one run: target words per second.

usage: /usr/bin/python3 benchmarks/seq2seq_training.py [--build build/bench] [--cells gru,lstm] [--hidden 512] [--embed 512] [--batch 64]
       [--updates 8] [--rounds 3] [--threads 2]

Both train the same model (one layer each, mlp attention) from the same parameters on the same batches of Multi30k, German to English (of
../shared/data; without it, of random pairs with such lengths), whole updates: forward, backward, element-wise clipping, Adam. The losses
of the updates are compared first. PyTorch's side is seq2seq_peer.py with OpenBLAS's kernels for AVX-512, ATEN_CPU_CAPABILITY=avx512 where
the CPU has it, all threads, sleeping idle threads as ours, and no work on padded labels. Each side's figure is the fastest of --rounds
passes over the batches, the two sides in turn, so that other work on the machine hurts both or neither; a pass starts from the first
parameters, and its first two updates are left out.
"""
import argparse
import math
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time

import seq2seq_peer as peer  # first: it sets what OpenBLAS and ATen read when they are loaded

import numpy as np
import torch
from torch import nn

WARM_UP = 2


def random_corpus():
    rng = random.Random(1)
    sides = [[peer.SYMBOLS[0]] * 7859, [peer.SYMBOLS[0]] * 5921]
    words = lambda n, v: [rng.randrange(4, rng.randrange(5, v + 1)) for _ in range(n)]  # noqa: E731
    lengths = [4 + rng.randrange(9) + rng.randrange(9) for _ in range(8000)]
    pairs = [(words(n, 7859), words(max(1, n - 2 + rng.randrange(5)), 5921)) for n in lengths]
    return peer.Corpus(pairs, [], [], *sides)


def corpus():
    return peer.multi30k() if (peer.SHARED / "multi30k").exists() else random_corpus()


def write_batches(data, batches, folder):
    with open(folder / "batches", "w") as out:
        print(len(data.source), len(data.target), file=out)
        for rows in batches:
            for source, target in rows:
                print(" ".join(map(str, source)), " ".join(map(str, target)), sep="|", file=out)
            print(file=out)


def our_updates(cell, args, folder):
    program = peer.ROOT / args.build / "benchmarks/seq2seq_updates"
    out = subprocess.run([program, cell, *map(str, (args.hidden, args.embed, args.threads, folder))], check=True, text=True,
                         stdout=subprocess.PIPE).stdout
    found = re.findall(r"^update (\S+) (\S+) (\d+)", out, re.M)
    return [float(loss) for loss, _, _ in found], rate_of([(float(s), int(n)) for _, s, n in found])


def torch_updates(cell, args, folder, data, batches):
    model = peer.Seq2Seq(cell, len(data.source), len(data.target), args.embed, args.hidden)
    with torch.no_grad():
        for name, p in model.our_names().items():
            p.copy_(torch.from_numpy(np.fromfile(folder / name, np.float32)).view(p.shape))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.0003)
    losses, timed = [], []
    for t, rows in enumerate(batches, 1):
        optimizer.param_groups[0]["eps"] = 1e-8 / math.sqrt(1 - 0.999**t)  # MXNet's Adam adds it to the uncorrected root
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        nats, labels = model.loss(rows)
        loss = nats / labels
        loss.backward()
        nn.utils.clip_grad_value_(model.parameters(), 1)
        optimizer.step()
        timed.append((time.perf_counter() - start, labels))
        losses.append(float(loss))
    return losses, rate_of(timed)


def rate_of(timed):
    return sum(n for _, n in timed[WARM_UP:]) / sum(s for s, _ in timed[WARM_UP:])


def compare(cell, args, data, folder):
    batches = peer.batches(data.train, args.batch, random.Random(3))[:args.updates + WARM_UP]
    write_batches(data, batches, folder)
    ours, theirs = [], []
    for _ in range(args.rounds):
        our_losses, rate = our_updates(cell, args, folder)
        ours.append(rate)
        their_losses, rate = torch_updates(cell, args, folder, data, batches)
        theirs.append(rate)
    if not np.allclose(our_losses, their_losses, rtol=2e-3):
        sys.exit(f"{cell}: losses differ: {our_losses}, PyTorch {their_losses}")
    print(f"{cell} {args.hidden}, batch {args.batch}, {args.threads} threads: {max(ours):.0f} target words/s, PyTorch {max(theirs):.0f}: "
          f"{max(ours) / max(theirs):.2f} times as fast; last losses {our_losses[-1]:.5f}, {their_losses[-1]:.5f}; "
          f"rounds {[round(r) for r in ours]}, {[round(r) for r in theirs]}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build/bench")
    parser.add_argument("--cells", default="gru,lstm")
    for name, value in (("hidden", 512), ("embed", 512), ("batch", 64), ("updates", 8), ("rounds", 3), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=value)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    data = corpus()
    for cell in args.cells.split(","):
        with tempfile.TemporaryDirectory() as folder:
            compare(cell, args, data, pathlib.Path(folder))


if __name__ == "__main__":
    main()
