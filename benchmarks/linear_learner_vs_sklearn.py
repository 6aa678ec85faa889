# SPDX-License-Identifier: Apache-2.0
"""Linear Learner beside scikit-learn's SGDClassifier and LIBLINEAR, in one run: the time to the peer's validation loss.

usage: /usr/bin/python3 benchmarks/linear_learner_vs_sklearn.py [--sets covtype,newsgroups] [--threads 2] [--repeats 3]

Sets: covtype (class 2 or not, 54 dense features), newsgroups (20 Newsgroups, TF-IDF of words, sparse, 20 classes), and newsgroups2 (comp.*
or not). Peers get scaled features in memory (covtype: zero mean and unit variance; TF-IDF rows as they are) and their defaults: their
figure is `fit` alone. LIBLINEAR runs as liblinear-train -s 0; its figure is its time less that of a run that stops at once, so neither
reading nor starting counts. Linear Learner is the program itself, on RecordIO files: `epochs` counts from the first epoch to the moment
when the best candidate's (or, last, the polished) validation loss is at or below the peer's; reading, checking and scaling come extra
and are shown, as is the whole program. Figures are the fastest of --repeats runs.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import scipy.sparse as sp
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/support"))
import linear_learner_job as job  # noqa: E402
import tables  # noqa: E402


def covtype():
    table = tables.covtype_binary()
    scaler = StandardScaler().fit(table.train[0])
    scaled = [(scaler.transform(part[0]).astype(np.float64), part[1]) for part in (table.train, table.validation)]
    return table, *scaled


def newsgroups(groups=None):
    from sklearn.feature_extraction.text import TfidfVectorizer
    import newsgroups as source
    messages = source.read_messages(source.ARCHIVE, "", source.strip_header)
    names = sorted({group for _, group in messages})
    y = np.array([names.index(group) for _, group in messages], np.float32)
    if groups:
        y = np.array([float(names[int(i)].startswith(groups)) for i in y], np.float32)
    x = TfidfVectorizer(min_df=2, sublinear_tf=True, dtype=np.float32).fit_transform(text for text, _ in messages).tocsr()
    x.sort_indices()
    order = np.random.default_rng(0).permutation(len(y))
    a, b = int(0.7 * len(y)), int(0.85 * len(y))
    part = lambda i: (x[i], y[i])  # noqa: E731
    kind = "binary_classifier" if groups else "multiclass_classifier"
    table = tables.Table("20 Newsgroups", kind, part(order[:a]), part(order[a:b]), part(order[b:]))
    wide = [(p[0].astype(np.float64), p[1]) for p in (table.train, table.validation)]
    return table, *wide


SETS = {"covtype": covtype, "newsgroups": newsgroups, "newsgroups2": lambda: newsgroups("comp.")}


def sgd(train, validation, repeats):
    seconds = []
    for seed in range(repeats):
        model = SGDClassifier(loss="log_loss", random_state=seed)
        start = time.perf_counter()
        model.fit(*train)
        seconds.append(time.perf_counter() - start)
    return min(seconds), log_loss(validation[1], model.predict_proba(validation[0])), model.n_iter_


def libsvm(x, y):
    x = sp.csr_matrix(x)
    rows = []
    for r, label in enumerate(y):
        a, b = x.indptr[r], x.indptr[r + 1]
        rows.append(f"{int(label)} " + " ".join(f"{c + 1}:{v:.6g}" for c, v in zip(x.indices[a:b], x.data[a:b])))
    return "\n".join(rows) + "\n"


def liblinear(train, validation, folder, repeats):
    files = {name: folder / f"{name}.svm" for name in ("train", "validation")}
    for name, part in (("train", train), ("validation", validation)):
        files[name].write_text(libsvm(*part))

    def fit(*options):
        start = time.perf_counter()
        subprocess.run(["liblinear-train", "-s", "0", "-B", "1", "-q", *options, files["train"], folder / "m"], check=True)
        return time.perf_counter() - start
    seconds = min(fit("-e", "0.01") for _ in range(repeats)) - min(fit("-e", "1e9") for _ in range(repeats))
    fit("-e", "0.01")
    subprocess.run(["liblinear-predict", "-b", "1", files["validation"], folder / "m", folder / "p"], check=True, capture_output=True)
    lines = (folder / "p").read_text().splitlines()
    labels = [int(label) for label in lines[0].split()[1:]]
    p = np.array([line.split()[1:] for line in lines[1:]], float)[:, np.argsort(labels)]
    return seconds, log_loss(validation[1], p)


def metric_records(log):
    return [json.loads(line[9:]) for line in log.splitlines() if line.startswith("#metrics {")]


def curve(log):
    """[(seconds since the first epoch began, best validation loss so far)], and the whole training's seconds."""
    points, start = [], None
    for record in metric_records(log):
        values = {name: v["sum"] for name, v in record["Metrics"].items() if name.startswith("validation_")}
        if not values:
            continue
        start = record["StartTime"] if start is None else min(start, record["StartTime"])
        points.append((record["EndTime"], next(iter(values.values()))))
    best, out = np.inf, []
    for end, loss in points:
        best = min(best, loss if loss is not None else np.inf)
        out.append((end - start, best))
    return out


def ours(channels, table, root, threads, repeats, **hyperparameters):
    best = None
    for _ in range(repeats):
        start = time.perf_counter()
        log = job.train(root, {**job.defaults_for(table), **hyperparameters}, channels, threads)
        whole = time.perf_counter() - start
        points = curve(log)
        if best is None or points[-1][0] < best[0][-1][0]:
            epochs = [r for r in metric_records(log) if "update.time" in r["Metrics"]][-1]["Metrics"]
            best = points, whole, epochs["update.time"]["sum"] / 1000, epochs["epochs"]["sum"], epochs["setuptime"]["sum"] / 1000
    return best


def time_to(points, loss):
    return next((seconds for seconds, value in points if value <= loss * 1.0001), None)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--sets", default="covtype,newsgroups,newsgroups2")
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--repeats", type=int, default=3)
    options = options.parse_args()
    for name in options.sets.split(","):
        table, train, validation = SETS[name]()
        x = table.train[0]
        numbers = x.nnz if sp.issparse(x) else x.size
        print(f"\n{name}: {x.shape[0]} training rows, {x.shape[1]} features, {numbers / x.shape[0]:.1f} numbers a row")
        peers = {}
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            seconds, loss, epochs = sgd(train, validation, options.repeats)
            peers["SGDClassifier"] = seconds, loss
            print(f"  SGDClassifier, 1 model: {seconds:.3f} s, {epochs} epochs, {x.shape[0] * epochs / seconds:,.0f} rows/s, loss {loss:.5f}")
            peers["LIBLINEAR"] = liblinear(train, validation, folder, options.repeats)
            print("  LIBLINEAR, 1 model: {:.3f} s, loss {:.5f}".format(*peers["LIBLINEAR"]))
            channels = job.channels_of(table, folder, test=False)
            totals = {}
            for models in (32, 1):
                points, whole, update, epochs, setup = ours(channels, table, folder / f"m{models}", options.threads, options.repeats, num_models=models)
                totals[models] = points[-1][0], whole
                outputs = table.classes if table.kind == "multiclass_classifier" else 1
                flops = 4 * numbers * outputs * models * epochs / update / 1e9
                print(f"  Linear Learner, {models} models, {options.threads} threads: program {whole:.3f} s = reading and scaling {setup:.3f}"
                      f" + {epochs:.0f} epochs with judging and polish {points[-1][0]:.3f} + start and report; passes alone {update:.3f} s,"
                      f" {x.shape[0] * epochs / update:,.0f} rows/s, {flops:.1f} GFLOP/s, loss {points[-1][1]:.5f}")
                for peer, (seconds, loss) in peers.items():
                    reached = time_to(points, loss)
                    print(f"    to {peer}'s loss {loss:.5f}: " + (f"{reached:.3f} s, {seconds / reached:.1f}x" if reached else "not reached"))
            print(f"  32 models / 1 model: training {totals[32][0] / totals[1][0]:.2f}, program {totals[32][1] / totals[1][1]:.2f}")


if __name__ == "__main__":
    main()
