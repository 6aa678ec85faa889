# SPDX-License-Identifier: Apache-2.0
"""NTM's epoch time beside the same model written plainly in PyTorch, in one run: 20 Newsgroups with 2,000 and 50,000 words.

usage: /usr/bin/python3 benchmarks/ntm_vs_pytorch.py [--epochs 8] [--vocabulary 2000,50000] [--archive 20news-bydate.tar.xz]

PyTorch gets its best setting: OPENBLAS_CORETYPE=SKYLAKEX where the CPU has AVX-512, and the better of 1 and 2 threads. Both train on
the same documents, batch 128, K=20, AdaDelta, noise included. Each side's figure is its median epoch (training only, no scoring).
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
    os.environ.setdefault("OPENBLAS_CORETYPE", "SKYLAKEX")
import numpy as np  # noqa: E402
import torch  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/support"))
import newsgroups  # noqa: E402
import ntm_job  # noqa: E402

TOPICS, BATCH = 20, 128


class PlainNtm(torch.nn.Module):
    """ntm.md section 1.2, as one would write it."""

    def __init__(self, vocabulary, topics):
        super().__init__()
        self.encoder = torch.nn.Sequential(torch.nn.Linear(vocabulary, 3 * topics), torch.nn.Sigmoid(),
                                           torch.nn.Linear(3 * topics, 2 * topics), torch.nn.Sigmoid())
        self.mean, self.log_sigma = torch.nn.Linear(2 * topics, topics), torch.nn.Linear(2 * topics, topics)
        self.decoder = torch.nn.Linear(topics, vocabulary)
        for name, p in self.named_parameters():
            torch.nn.init.zeros_(p) if name.endswith("bias") else torch.nn.init.uniform_(p, -0.07, 0.07)

    def forward(self, x):
        a = self.encoder(x)
        mean, log_sigma = self.mean(a), self.log_sigma(a)
        z = torch.relu(mean + torch.exp(log_sigma) * torch.randn_like(mean))
        tokens = x.sum(1)
        reconstruction = -(x * torch.log_softmax(self.decoder(z), 1)).sum(1) / tokens
        divergence = 0.5 * (mean**2 + torch.exp(2 * log_sigma) - 2 * log_sigma - 1).sum(1) / tokens
        return (reconstruction + divergence).sum()


def torch_epochs(counts, epochs, threads):
    """Seconds per epoch, and the last epoch's loss. Dense where that fits easily, else one dense batch at a time."""
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    model = PlainNtm(counts.shape[1], TOPICS)
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0, rho=0.9, eps=1e-5)
    dense = torch.from_numpy(counts.toarray()) if counts.shape[1] <= 5000 else None
    seconds = []
    for _ in range(epochs):
        order = np.random.permutation(counts.shape[0])
        start, total = time.perf_counter(), 0.0
        for i in range(0, len(order), BATCH):
            rows = order[i : i + BATCH]
            x = dense[torch.from_numpy(rows)] if dense is not None else torch.from_numpy(counts[rows].toarray())
            optimizer.zero_grad()
            loss = model(x)
            loss.backward()
            optimizer.step()
            total += float(loss)
        seconds.append(time.perf_counter() - start)
    return seconds, total / counts.shape[0]


def our_epochs(counts, epochs, threads):
    with tempfile.TemporaryDirectory() as folder:
        newsgroups.write_parts(f"{folder}/train", counts, 4)
        log = ntm_job.train(f"{folder}/ml", dict(feature_dim=counts.shape[1], num_topics=TOPICS, mini_batch_size=BATCH, epochs=epochs,
                                                 num_patience_epochs=epochs + 1), {"train": dict(path=f"{folder}/train")}, threads)
        rates = [float(r) for r in re.findall(r"train throughput=(\S+) records/second", log)]
        return [counts.shape[0] / r for r in rates], ntm_job.metric(log, "train total_loss")[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--vocabulary", default="2000,50000")
    parser.add_argument("--archive", default=str(newsgroups.ARCHIVE))
    options = parser.parse_args()
    cores = os.cpu_count()
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    print(f"commit {commit}, {cores} cores, torch {torch.__version__}, OPENBLAS_CORETYPE={os.environ.get('OPENBLAS_CORETYPE', '')}")
    for words in map(int, options.vocabulary.split(",")):
        counts = newsgroups.load_corpus(options.archive, words).train
        epochs = options.epochs if words <= 5000 else max(2, options.epochs // 2)
        ours, loss = our_epochs(counts, epochs, cores)
        results = {t: torch_epochs(counts, epochs, t) for t in sorted({1, cores})}
        again, _ = our_epochs(counts, epochs, cores)
        threads, (theirs, their_loss) = min(results.items(), key=lambda r: np.median(r[1][0]))
        a, b = float(np.median(ours + again)), float(np.median(theirs))
        print(f"V={counts.shape[1]}, {counts.shape[0]} documents, {counts.nnz / counts.shape[0]:.0f} words each: ntm {a:.4f} s "
              f"({cores} threads, loss {loss:.3f} after {epochs}), PyTorch {b:.4f} s ({threads} threads, loss {their_loss:.3f}): "
              f"{b / a:.1f} times as fast")


if __name__ == "__main__":
    main()
