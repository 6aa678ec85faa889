# SPDX-License-Identifier: Apache-2.0
"""NTM on two instances with one thread each beside one instance with one thread, on this machine, in one run.

usage: /usr/bin/python3 benchmarks/ntm_two_hosts.py [--epochs 20] [--vocabulary 2000] [--archive 20news-bydate.tar.xz]

The figure is the median epoch's wall time (training and validation, from the log), one host's over two hosts'. Needs two idle cores.
"""
import argparse
import json
import pathlib
import statistics
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/support"))
import newsgroups  # noqa: E402
import ntm_job  # noqa: E402


def epoch_seconds(log):
    """End minus start of every epoch's #metrics line, the first epoch left out."""
    records = [json.loads(line[len("#metrics "):]) for line in log.splitlines() if line.startswith("#metrics ")]
    return [r["EndTime"] - r["StartTime"] for r in records if "epoch" in r["Dimensions"]][1:]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--vocabulary", type=int, default=2000)
    parser.add_argument("--archive", default=str(newsgroups.ARCHIVE))
    options = parser.parse_args()
    split = newsgroups.load_corpus(options.archive, options.vocabulary)
    hyperparameters = dict(feature_dim=split.train.shape[1], num_topics=20, mini_batch_size=128, epochs=options.epochs,
                           num_patience_epochs=options.epochs + 1)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        half = split.train.shape[0] // 2
        for part, rows in (("all", split.train), ("h0", split.train[:half]), ("h1", split.train[half:]), ("validation", split.validation)):
            newsgroups.write_parts(folder / part, rows, 2)
        validation = {"validation": dict(path=folder / "validation")}
        one, two, loss = [], [], {}
        for turn in range(2):
            log = ntm_job.train(folder / f"one{turn}", hyperparameters, validation | {"train": dict(path=folder / "all")})
            one += epoch_seconds(log)
            loss[1] = ntm_job.metric(log, "validation total_loss")[-1]
            logs = ntm_job.train_on_hosts(folder / f"two{turn}", hyperparameters,
                                          lambda i: validation | {"train": dict(path=folder / f"h{i}")}, 2)
            two += epoch_seconds(logs[0])
            loss[2] = ntm_job.metric(logs[0], "validation total_loss")[-1]
    a, b = statistics.median(one), statistics.median(two)
    print(f"V={split.train.shape[1]}: one host {a * 1e3:.1f} ms an epoch (validation loss {loss[1]:.4f}), "
          f"two hosts {b * 1e3:.1f} ms ({loss[2]:.4f}): {a / b:.2f} times as fast")


if __name__ == "__main__":
    main()
