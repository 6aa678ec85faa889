# SPDX-License-Identifier: Apache-2.0
"""BlazingText's training beside fastText and gensim, words per second and quality, in one run.

usage: /usr/bin/python3 benchmarks/blazingtext_training.py [--build build/release] [--bytes 100000000] [--threads 1,2]
       [--only skipgram,cbow,batch_skipgram,subwords,supervised,hosts] [--epochs 1]

Text: ../shared/data/wiki8; labelled text: AG News there. All train with dimension 100, window 5, 5 negatives, threshold 1e-4, minimum
count 5, rate 0.05. Words per second are of the training alone, as each program reports or Python measures it: fastText counts words of
the vocabulary, gensim all words before thinning, ours words of the vocabulary (99 % of wiki8's). Quality: mean Spearman of the three
WS-353 sets, and the share of the analogy questions among the 30,000 most frequent words that is solved. batch_skipgram has no peer in
Debian (pWord2Vec is not packaged, nor is the original word2vec): blazingtext_kernels says how near it is to the machine's limits.
"""
import argparse
import csv
import lzma
import pathlib
import re
import subprocess
import tempfile
import time

import numpy as np
from scipy.stats import spearmanr

ROOT = pathlib.Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared/data"
DIM, WINDOW, NEGATIVES, RATE, THRESHOLD = 100, 5, 5, 0.05, 1e-4


def load_vectors(path):
    with open(path, encoding="utf8", errors="replace") as file:
        count, dim = map(int, file.readline().split())
        index, matrix = {}, np.zeros((count, dim), np.float32)
        for row, line in enumerate(file):
            word, *numbers = line.rstrip().split(" ")
            index[word] = row
            matrix[row] = numbers
    return index, matrix / (np.linalg.norm(matrix, axis=1, keepdims=True) + 1e-9)


def similarity(index, matrix, name):
    human, ours = [], []
    for line in open(DATA / "wordsim" / name):
        a, b, score = line.lower().split()
        if a in index and b in index:
            human.append(float(score))
            ours.append(float(matrix[index[a]] @ matrix[index[b]]))
    return spearmanr(human, ours)[0]


def analogies(index, matrix, words=30000):
    questions = []
    for line in open(DATA / "wordsim/questions-words.txt"):
        question = [index.get(word, words) for word in line.lower().split()]
        if line[0] != ":" and max(question) < words:
            questions.append(question)
    questions, table, solved = np.array(questions), matrix[:words], 0
    for start in range(0, len(questions), 1000):
        q = questions[start:start + 1000]
        scores = (matrix[q[:, 1]] - matrix[q[:, 0]] + matrix[q[:, 2]]) @ table.T
        for column in range(3):
            scores[np.arange(len(q)), q[:, column]] = -9
        solved += (scores.argmax(1) == q[:, 3]).sum()
    return solved / len(questions)


def quality(path):
    index, matrix = load_vectors(path)
    rho = np.mean([similarity(index, matrix, f"EN-WS-353-{part}.txt") for part in ("ALL", "REL", "SIM")])
    return f"WS-353 {rho:.3f}, analogies {analogies(index, matrix):.3f}"


class Bench:
    def __init__(self, args, folder):
        self.args, self.folder = args, folder
        self.program = ROOT / args.build / "benchmarks/blazingtext_training"
        self.text = folder / "wiki8"
        with lzma.open(DATA / "wiki8/wiki8.xz") as file:
            text = file.read(args.bytes)
        self.text.write_bytes(text)
        words = text.split()  # gensim drops what is behind the first 10,000 words of a line
        self.lines = folder / "lines"
        self.lines.write_bytes(b"\n".join(b" ".join(words[at:at + 1000]) for at in range(0, len(words), 1000)))

    def run(self, *command):
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{command}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def ours(self, threads, out="vectors", **settings):
        given = dict(vector_dim=DIM, epochs=self.args.epochs, threads=threads, **settings)
        path = self.folder / out
        log = self.run(self.program, self.text, path, *[f"{name}={value}" for name, value in given.items()])
        return float(re.search(r"Average throughput in Million words/sec: (\S+)", log)[1]), path

    def fasttext(self, mode, threads, *more):
        out = self.folder / "fasttext"
        log = self.run("fasttext", mode, "-input", self.text, "-output", out, "-dim", DIM, "-ws", WINDOW, "-neg", NEGATIVES, "-lr", RATE,
                       "-t", THRESHOLD, "-epoch", self.args.epochs, "-thread", threads, *more)
        return float(re.findall(r"words/sec/thread:\s*(\d+)", log)[-1]) * threads / 1e6, f"{out}.vec"

    def gensim(self, sg, threads):
        import gensim.models
        model = gensim.models.Word2Vec(vector_size=DIM, window=WINDOW, negative=NEGATIVES, alpha=RATE, sample=THRESHOLD, sg=sg,
                                       workers=threads, epochs=self.args.epochs, min_count=5)
        model.build_vocab(corpus_file=str(self.lines))
        start = time.perf_counter()
        model.train(corpus_file=str(self.lines), total_examples=model.corpus_count, total_words=model.corpus_total_words,
                    epochs=self.args.epochs)
        seconds = time.perf_counter() - start
        path = self.folder / "gensim"
        model.wv.save_word2vec_format(path)
        return model.corpus_total_words * self.args.epochs / seconds / 1e6, path

    def word_vectors(self, mode, subwords=False):
        plain = () if subwords else ("-minn", 0, "-maxn", 0, "-bucket", 0)
        for threads in self.args.threads:
            title = f"{mode}{' with subwords' if subwords else ''}, {threads} thread{'s'[:threads > 1]}"
            rate, path = self.ours(threads, mode=mode, subwords=subwords)
            print(f"{title}: ours {rate:.2f} M words/s, {quality(path)}", flush=True)
            peers = {}
            if mode != "batch_skipgram":
                peers["fastText"] = lambda: self.fasttext(mode, threads, *plain)
            if mode != "batch_skipgram" and not subwords:
                peers["gensim"] = lambda: self.gensim(int(mode == "skipgram"), threads)
            for name, peer in peers.items():
                theirs, path = peer()
                print(f"{title}: {name} {theirs:.2f} M words/s, {quality(path)}; ours is {rate / theirs:.1f}x", flush=True)

    def hosts(self):
        alone, path = self.ours(1, mode="batch_skipgram")
        print(f"batch_skipgram, 1 host of 1 thread: {alone:.2f} M words/s, {quality(path)}")
        two, path = self.ours(1, mode="batch_skipgram", hosts=2)
        print(f"batch_skipgram, 2 hosts of 1 thread: {two:.2f} M words/s, {quality(path)}; {two / alone:.2f}x", flush=True)

    def labelled(self, name):
        path = self.folder / name
        with lzma.open(DATA / "agnews" / f"{name}.csv.xz", "rt", encoding="utf8") as file, open(path, "w") as out:
            for label, *texts in csv.reader(file):
                words = re.sub(r"([.!?,'/()\\;:\"])", r" \1 ", " ".join(texts).lower()).split()
                out.write(f"__label__{label} {' '.join(words)}\n")
        return path

    def supervised(self):
        import fasttext
        train, test = self.labelled("train-sample"), self.labelled("test")
        for dim in (10, 100):
            for threads in self.args.threads:
                log = self.run(self.program, train, "-", "mode=supervised", f"vector_dim={dim}", "learning_rate=0.5", "min_count=1", "epochs=5",
                               "word_ngrams=2", f"threads={threads}", f"validation={test}")
                ours = float(re.search(r"learned after: (\S+) s", log)[1])
                accuracy = re.search(r"#validation_accuracy: (\S+)", log)[1]
                start = time.perf_counter()
                model = fasttext.train_supervised(str(train), dim=dim, lr=0.5, minCount=1, epoch=5, wordNgrams=2, bucket=2000000,
                                                  thread=threads, verbose=0)
                theirs = time.perf_counter() - start
                print(f"supervised, dim {dim}, {threads} threads: ours {ours:.2f} s, accuracy {accuracy}; fastText {theirs:.2f} s, "
                      f"accuracy {model.test(str(test))[1]:.4f}; {theirs / ours:.1f}x", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--bytes", type=int, default=100_000_000)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--threads", type=lambda text: [int(part) for part in text.split(",")], default=[1, 2])
    parser.add_argument("--only", type=lambda text: text.split(","),
                        default=["skipgram", "cbow", "batch_skipgram", "subwords", "supervised", "hosts"])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(args, pathlib.Path(folder))
        for name in args.only:
            if name == "supervised":
                bench.supervised()
            elif name == "hosts":
                bench.hosts()
            elif name == "subwords":
                bench.word_vectors("skipgram", subwords=True)
            else:
                bench.word_vectors(name)


if __name__ == "__main__":
    main()
