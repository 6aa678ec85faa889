# SPDX-License-Identifier: Apache-2.0
"""BlazingText's quality over several seeds beside Debian's fastText and gensim with the same settings, one thread each.

usage: nice -n 10 /usr/bin/python3 benchmarks/blazingtext_quality.py [--build build/release] [--bytes 10000000] [--seeds 1,2,3,4,5]
       [--only cbow,skipgram,batch_skipgram,subwords,agnews,dbpedia] [--results FILE]

Word vectors: the first --bytes of ../shared/data/wiki8, dimension 100, window 5, 5 negatives, threshold 1e-4, minimum count 5, rate 0.05,
5 epochs (subwords: half the bytes, 100,000 buckets). batch_skipgram is compared with the others' skipgram. Scores: mean Spearman of the three
WS-353 lists, and the share of the analogy questions that is solved. Classifiers: the samples of AG News and DBpedia there, word bigrams,
dimension 10, rate 0.5, 5 epochs; accuracy on the test part, as Debian's fastText counts it for both models.

Every run is kept in FILE (default build/quality.jsonl) as one line and not repeated: stop and start as you like; delete FILE after a change
of the code. A table follows the runs: mean and standard deviation over the seeds, and for each peer the difference of the means in units of
its standard error. "lower" is beyond two of them: more than noise.
"""
import argparse
import json
import os
import pathlib
import shutil
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/support"))
import text_peers as peers  # noqa: E402

SUBWORDS = dict(subwords=True, buckets=100_000, min_char=3, max_char=6)
WORD_TASKS = {"cbow": ("cbow", "cbow", {}), "skipgram": ("skipgram", "skipgram", {}), "batch_skipgram": ("batch_skipgram", "skipgram", {}),
              "subwords": ("skipgram", "skipgram", SUBWORDS)}  # our mode, the peers' mode, settings
TEXT_TASKS = {"agnews": ("agnews/train-sample", "agnews/test"),
              "dbpedia": ("dbpedia14/dbpedia14-sample-train", "dbpedia14/dbpedia14-sample-test")}


class Runs:
    """The runs made so far, and how to make one."""

    def __init__(self, args, folder):
        import blazingtext_job
        self.job, self.args, self.folder = blazingtext_job, args, folder
        self.done = {}
        if args.results.exists():
            for line in args.results.read_text().splitlines():
                row = json.loads(line)
                self.done[tuple(row["run"])] = row["scores"]

    def get(self, task, program, seed):
        peer = "skipgram" if task == "batch_skipgram" and program != "ours" else task  # the same run serves both
        key = (peer, program, seed, self.args.bytes if task in WORD_TASKS else 0)
        if key not in self.done:
            self.done[key] = (self.vectors if task in WORD_TASKS else self.classifier)(task, program, seed)
            with open(self.args.results, "a") as out:
                out.write(json.dumps({"run": key, "scores": self.done[key]}) + "\n")
            print(*key, self.done[key], flush=True)
        return self.done[key]

    def text(self, name, make):
        path = self.folder / name
        return path if path.exists() else make(path)

    def ours(self, hyperparameters, texts):
        root = self.folder / "job"
        self.job.train(root, hyperparameters, texts)
        return root / "model"

    def vectors(self, task, program, seed):
        mode, their_mode, more = WORD_TASKS[task]
        settings = {**peers.WORD_VECTORS, **more}
        size = self.args.bytes // (2 if more else 1)
        text, out = self.text(f"wiki{size}", lambda path: peers.write_wiki(path, size)), self.folder / program
        if program == "ours":
            return peers.score_vectors(self.ours({**settings, "mode": mode, "seed": seed, "evaluation": False}, {"train": text}) / "vectors.txt")
        if program == "fasttext":
            peers.fasttext(their_mode, text, out, settings, seed=seed)
            return peers.score_vectors(f"{out}.vec")
        peers.gensim(their_mode, self.text(f"lines{size}", lambda path: peers.write_lines(text, path)), out, settings, seed=seed)
        return peers.score_vectors(out)

    def classifier(self, task, program, seed):
        train, test = (self.text(name.replace("/", "-"), lambda path: peers.write_labelled(name, path)) for name in TEXT_TASKS[task])
        if program == "ours":
            model = self.ours({**peers.CLASSIFIER, "mode": "supervised", "seed": seed}, {"train": train}) / "model.bin"
        else:
            peers.fasttext("supervised", train, self.folder / "classifier", peers.CLASSIFIER, seed=seed)
            model = self.folder / "classifier.bin"
        return peers.score_classifier(model, test)


def table(task, scores):
    """One line a score and program. The error of a difference of means: sqrt(s1^2 / n + s2^2 / n)."""
    for name in next(iter(scores["ours"])):
        ours = np.array([run[name] for run in scores["ours"]])
        print(f"{task}, {name}: ours {ours.mean():.4f} +- {ours.std(ddof=1):.4f}", end="")
        for program, runs in scores.items():
            theirs = np.array([run[name] for run in runs])
            if program == "ours":
                continue
            error = np.sqrt((ours.var(ddof=1) + theirs.var(ddof=1)) / len(ours)) + 1e-12
            distance = (ours.mean() - theirs.mean()) / error
            verdict = "lower" if distance < -2 else "higher" if distance > 2 else "equal"
            print(f"; {program} {theirs.mean():.4f} +- {theirs.std(ddof=1):.4f} ({verdict}, {distance:+.1f})", end="")
        print(flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--bytes", type=int, default=10_000_000)
    parser.add_argument("--seeds", type=lambda text: [int(part) for part in text.split(",")], default=[1, 2, 3, 4, 5])
    parser.add_argument("--only", type=lambda text: text.split(","), default=[*WORD_TASKS, *TEXT_TASKS])
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "build/quality.jsonl")
    args = parser.parse_args()
    os.environ["CLARY_BUILD"] = str(ROOT / args.build)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    folder = pathlib.Path(tempfile.mkdtemp(prefix="clary-quality-"))
    try:
        runs = Runs(args, folder)
        for task in args.only:
            programs = ["ours", "fasttext"] + (["gensim"] if task in WORD_TASKS else [])
            table(task, {program: [runs.get(task, program, seed) for seed in args.seeds] for program in programs})
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
