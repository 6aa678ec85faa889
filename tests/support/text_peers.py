# SPDX-License-Identifier: Apache-2.0
"""What BlazingText is measured against: the texts of the shared data, how word vectors and classifiers are scored, and Debian's fastText
and gensim with the same settings. Used by the quality test and by the benchmarks."""
import csv
import lzma
import os
import pathlib
import re
import subprocess
import time

import numpy as np
from paths import shared_data
from scipy.stats import spearmanr

DATA = shared_data()
PAIR_LISTS = ["EN-WS-353-ALL.txt", "EN-WS-353-REL.txt", "EN-WS-353-SIM.txt"]

# One name a setting, as in our hyperparameters; each program's own beside it.
FASTTEXT_NAMES = dict(vector_dim="-dim", window_size="-ws", negative_samples="-neg", learning_rate="-lr", sampling_threshold="-t", epochs="-epoch",
                      min_count="-minCount", buckets="-bucket", min_char="-minn", max_char="-maxn", word_ngrams="-wordNgrams")
GENSIM_NAMES = dict(vector_dim="vector_size", window_size="window", negative_samples="negative", learning_rate="alpha",
                    sampling_threshold="sample", epochs="epochs", min_count="min_count")
WORD2VEC_NAMES = dict(vector_dim="-size", window_size="-window", negative_samples="-negative", learning_rate="-alpha",
                      sampling_threshold="-sample", epochs="-iter", min_count="-min-count")
WORD_VECTORS = dict(vector_dim=100, window_size=5, negative_samples=5, learning_rate=0.05, sampling_threshold=1e-4, epochs=5, min_count=5)
CLASSIFIER = dict(vector_dim=10, learning_rate=0.5, epochs=5, min_count=1, word_ngrams=2, buckets=2_000_000)


def run(*command, **options):
    """Standard output and error of a program that must succeed."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    if done.returncode:
        raise RuntimeError(f"{command} ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout + done.stderr


def write_wiki(path, size):
    """The first `size` bytes of the Wikipedia text: one line."""
    with lzma.open(DATA / "wiki8/wiki8.xz") as file:
        path.write_bytes(file.read(size))
    return path


def write_lines(text, path, words=1000):
    """The same words in lines, for gensim: it drops what is behind the first 10,000 words of a line."""
    tokens = text.read_bytes().split()
    path.write_bytes(b"\n".join(b" ".join(tokens[at:at + words]) for at in range(0, len(tokens), words)))
    return path


def write_labelled(name, path):
    """@param name  agnews/train-sample, agnews/test, dbpedia14/dbpedia14-sample-train, ...: a table of label, texts. As fastText's own
    scripts prepare them: lower case, punctuation set apart."""
    with lzma.open(DATA / f"{name}.csv.xz", "rt", encoding="utf8") as file, open(path, "w", encoding="utf8") as out:
        for label, *texts in csv.reader(file):
            words = re.sub(r"([.!?,'/()\\;:\"])", r" \1 ", " ".join(texts).lower()).split()
            out.write(f"__label__{label} {' '.join(words)}\n")
    return path


def load_vectors(path):
    """Row of each word, and the rows, of length 1."""
    with open(path, encoding="utf8", errors="replace") as file:
        count, dim = map(int, file.readline().split())
        index, matrix = {}, np.zeros((count, dim), np.float32)
        for row, line in enumerate(file):
            word, *numbers = line.rstrip().split(" ")
            index[word] = row
            matrix[row] = numbers
    return index, matrix / (np.linalg.norm(matrix, axis=1, keepdims=True) + 1e-9)


def similarity(index, matrix, name):
    """Spearman's rho of the cosines with people's scores."""
    human, own = [], []
    for line in open(DATA / "wordsim" / name):
        a, b, score = line.lower().split()
        if a in index and b in index:
            human.append(float(score))
            own.append(float(matrix[index[a]] @ matrix[index[b]]))
    return spearmanr(human, own)[0]


def analogies(index, matrix, words=30000):
    """Share of the questions among the most frequent words that is solved."""
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


def score_vectors(path):
    index, matrix = load_vectors(path)
    rho = np.mean([similarity(index, matrix, name) for name in PAIR_LISTS])
    return {"WS-353": float(rho), "analogies": float(analogies(index, matrix))}


def score_classifier(model, test):
    """P@1 of a model.bin, as Debian's fastText reads it and counts."""
    import fasttext
    fasttext.FastText.eprint = lambda *_: None
    return {"accuracy": fasttext.load_model(str(model)).test(str(test))[1]}


def options_of(names, settings):
    return [part for name, value in settings.items() if name in names for part in (names[name], value)]


def fasttext(mode, text, out, settings, threads=1, seed=0):
    """Trains; returns M words/s over all threads (without reading and writing). Leaves <out>.bin and, of word vectors, <out>.vec."""
    if mode != "supervised" and not settings.get("subwords"):
        settings = {**settings, "min_char": 0, "max_char": 0, "buckets": 0}
    loss = "softmax" if mode == "supervised" else "ns"
    log = run("fasttext", mode, "-input", text, "-output", out, *options_of(FASTTEXT_NAMES, settings), "-loss", loss, "-thread", threads, "-seed", seed)
    return float(re.findall(r"words/sec/thread:\s*(\d+)", log)[-1]) * threads / 1e6


def gensim(mode, lines, out, settings, threads=1, seed=1):
    """Trains; returns M words/s. `out` is a vectors.txt."""
    import gensim.models
    given = {GENSIM_NAMES[name]: value for name, value in settings.items() if name in GENSIM_NAMES}
    given.update(sg=int(mode != "cbow"), workers=threads, seed=seed)
    if settings.get("subwords"):
        model = gensim.models.FastText(**given, bucket=settings.get("buckets", 2_000_000), min_n=settings.get("min_char", 3),
                                       max_n=settings.get("max_char", 6))
    else:
        model = gensim.models.Word2Vec(**given)
    model.build_vocab(corpus_file=str(lines))
    start = time.perf_counter()
    model.train(corpus_file=str(lines), total_examples=model.corpus_count, total_words=model.corpus_total_words, epochs=model.epochs)
    seconds = time.perf_counter() - start
    model.wv.save_word2vec_format(str(out))
    return model.corpus_total_words * model.epochs / seconds / 1e6


def word2vec(program, mode, text, out, settings, threads=1):
    """The original word2vec; its figure is a thread's."""
    log = run(program, "-train", text, "-output", out, "-cbow", int(mode == "cbow"), "-hs", 0, "-binary", 0, "-threads", threads,
              *options_of(WORD2VEC_NAMES, settings))
    return float(re.findall(r"Words/thread/sec: ([\d.]+)k", log)[-1]) * threads / 1e3


def pword2vec(program, text, out, settings, threads=1, core="SkylakeX"):
    """Batched skip-gram. @param core  what OpenBLAS takes this machine for"""
    log = run(program, "-train", text, "-output", out, "-binary", 0, "-threads", threads, "-batch-size", settings.get("batch_size", 11),
              *options_of(WORD2VEC_NAMES, settings),
              env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OPENBLAS_CORETYPE": core, "OMP_NUM_THREADS": str(threads)})
    return float(re.findall(r"Words/sec: ([\d.]+)k", log)[-1]) / 1e3
