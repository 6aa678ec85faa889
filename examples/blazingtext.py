#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""BlazingText: a text file to word vectors, and news to a classifier, with plain boto3.

1  take the text, or make one up           4  news: words of a line, labels in front
2  word vectors: train, follow the log     5  classifier: train with early stopping, endpoint
3  ask the endpoint; gensim; a picture     6  batch transform of the test part; who is taken for what

The vectors.txt that gensim reads here is for spaCy too (not in Debian 12): python3 -m spacy init vectors en vectors.txt FOLDER

It runs against AWS or Clary alike: give --endpoint-url, or set HTTPS_PROXY and AWS_CA_BUNDLE (`clary env` prints them).
"""
import argparse
import csv
import io
import json
import lzma
import pathlib
import re
import sys
import tarfile
import tempfile
import time

import matplotlib
import numpy as np

matplotlib.use("Agg")  # pictures go to files
import matplotlib.pyplot as plt  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from session import Session, shown  # noqa: E402

IMAGE = "811284229777.dkr.ecr.us-east-1.amazonaws.com/blazingtext:1"
GROUPS = {"countries": "france germany italy spain russia china japan india england canada".split(),
          "cities": "paris berlin rome madrid moscow beijing tokyo delhi london toronto".split(),
          "animals": "dog cat horse sheep cattle fish birds snakes whales insects".split(),
          "music": "music guitar piano song album band singer opera jazz violin".split(),
          "science": "physics chemistry mathematics theory electron energy quantum theorem algebra equation".split()}


# --- the texts -----------------------------------------------------------------------------------------------------------------

def opened(path):
    return lzma.open(path, "rt", encoding="utf-8") if str(path).endswith(".xz") else open(path, encoding="utf-8")


def made_up_text(lines=30_000, seed=1):
    """Sentences whose words come from one group each, among words that mean nothing, for those who have no text at hand."""
    random = np.random.default_rng(seed)
    filler = np.array(["the", "of", "and", "in", "to", "a", "is", "was", "for", "with"])
    out = []
    for group in random.integers(len(GROUPS), size=lines):
        words = np.concatenate([random.choice(list(GROUPS.values())[group], 5), random.choice(filler, 5)])
        out.append(" ".join(random.permutation(words)))
    return "\n".join(out) + "\n"


def tokens(text):
    """Lower case, numbers and punctuation as words of their own: the same for training and for asking."""
    return " ".join(re.findall(r"[^\W\d_]+|\d|[^\w\s]", text.lower()))


def read_news(path):
    """-> (class numbers, tokenised texts) of AG's News: rows `class, ..., text`."""
    with opened(path) as lines:
        rows = [row for row in csv.reader(lines)]
    return [row[0] for row in rows], [tokens(" ".join(row[-2:]) if len(row[-2]) > 1 else row[-1]) for row in rows]


def made_up_news(rows=4000, seed=2):
    random = np.random.default_rng(seed)
    labels = random.integers(1, 5, rows)
    return [str(label) for label in labels], [
        " ".join(random.permutation(np.concatenate([random.choice(list(GROUPS.values())[label], 3), random.choice(GROUPS["science"], 6)])))
        for label in labels]


def labelled(labels, texts):
    return "".join("__label__%s %s\n" % pair for pair in zip(labels, texts))


# --- asking --------------------------------------------------------------------------------------------------------------------

def ask(session, endpoint, instances, k=None):
    body = {"instances": instances, **({"configuration": {"k": k}} if k else {})}
    answer = session.runtime.invoke_endpoint(EndpointName=endpoint, ContentType="application/json", Body=json.dumps(body))
    return json.loads(answer["Body"].read())


def vectors_of(session, endpoint, words, at_once=500):
    out = {}
    for start in range(0, len(words), at_once):
        out.update((a["word"], np.array(a["vector"])) for a in ask(session, endpoint, words[start:start + at_once]))
    return out


def unpacked(session, job, name):
    """One file of the job's model.tar.gz."""
    archive = session.get(job["ModelArtifacts"]["S3ModelArtifacts"])
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return tar.extractfile(name).read()


def cosine(a, b):
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


# --- pictures ------------------------------------------------------------------------------------------------------------------

def plane(points):
    """The two directions in which the points spread most."""
    centred = points - points.mean(axis=0)
    return centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T


def plot_words(path, vectors):
    names = [(group, word) for group, words in GROUPS.items() for word in words if word in vectors and vectors[word].any()]
    unit = np.array([vectors[word] / np.linalg.norm(vectors[word]) for _, word in names])
    at = plane(unit)
    figure, axes = plt.subplots(1, 2, figsize=(16, 7), layout="constrained", width_ratios=[1.25, 1])
    for number, group in enumerate(GROUPS):
        own = [i for i, (g, _) in enumerate(names) if g == group]
        axes[0].scatter(at[own, 0], at[own, 1], color="C%d" % number, s=18, label=group)
        for i in own:
            axes[0].annotate(names[i][1], at[i], fontsize=8, color="C%d" % number, xytext=(3, 3), textcoords="offset points")
    axes[0].set_title("word vectors, the two widest directions")
    axes[0].legend(loc="upper center", bbox_to_anchor=(0.5, -0.04), ncol=5, frameon=False)  # clear of the words
    axes[0].margins(0.1)
    picture = axes[1].imshow(unit @ unit.T, cmap="viridis", vmin=-0.1, vmax=1)
    starts = [min(i for i, (g, _) in enumerate(names) if g == group) for group in dict.fromkeys(g for g, _ in names)]
    axes[1].set_xticks(starts, list(dict.fromkeys(g for g, _ in names)), ha="left", fontsize=9)
    axes[1].set_yticks(starts, list(dict.fromkeys(g for g, _ in names)), fontsize=9)
    axes[1].set_title("cosine of every pair of these words")
    figure.colorbar(picture, ax=axes[1], shrink=.85)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def plot_confusion(path, counts, names, accuracy):
    figure, axis = plt.subplots(figsize=(6, 5), layout="constrained")
    axis.imshow(counts / counts.sum(axis=1, keepdims=True), cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(*counts.shape):
        axis.text(column, row, counts[row, column], ha="center", va="center", color="white" if row == column else "black")
    axis.set_xticks(range(len(names)), names)
    axis.set_yticks(range(len(names)), names)
    axis.set(xlabel="taken for", ylabel="is", title="news of the test part, accuracy %.3f" % accuracy)
    figure.savefig(path, dpi=110)
    plt.close(figure)


# --- the steps -----------------------------------------------------------------------------------------------------------------

def word_vectors(session, arguments, output):
    shown("1/6", "The text")
    if arguments.text:
        with opened(arguments.text) as source:
            text = source.read(arguments.characters)
    else:
        text = made_up_text()
    print("   %d characters, beginning: %s" % (len(text), " ".join(text[:70].split())))

    shown("2/6", "Word vectors, mode %s" % arguments.mode)
    name = "blazingtext-words-" + session.stamp
    channels = {"train": (session.put("blazingtext/%s/train/text" % name, text), "FullyReplicated", "text/plain")}
    if arguments.pairs:
        for path in pathlib.Path(arguments.pairs).glob("EN-WS-353-*.txt"):
            session.put("blazingtext/%s/pairs/%s" % (name, path.name), path.read_bytes())
        channels["wordsim"] = ("s3://%s/blazingtext/%s/pairs/" % (session.bucket, name), "FullyReplicated")
    lines = []
    job = session.train(name, IMAGE, channels, dict(mode=arguments.mode, vector_dim=100, epochs=arguments.epochs, min_count=5,
                                                    window_size=5, negative_samples=5, evaluation=bool(arguments.pairs)), show=lines.append)
    for line in lines:
        if re.search(r"Number of words|Alpha:.*(100|[0-9]0)\.\d\d%|throughput|training time|#mean_rho", line):
            print("   " + line)

    shown("3/6", "Vectors from the endpoint and from the artifact")
    session.deploy(name, IMAGE, job["ModelArtifacts"]["S3ModelArtifacts"])
    vectors = vectors_of(session, name, [word for words in GROUPS.values() for word in words])
    compare_with_gensim(vectors, unpacked(session, job, "vectors.txt"))
    within = np.mean([cosine(vectors[a], vectors[b]) for words in GROUPS.values() for a in words for b in words
                      if a < b and vectors[a].any() and vectors[b].any()])
    print("   mean cosine of two words of one group: %.2f" % within)
    plot_words(output / "blazingtext-words.png", vectors)
    session.clean_up(name)


def compare_with_gensim(vectors, text):
    """The same vectors, read as any tool reads them."""
    try:
        from gensim.models import KeyedVectors
    except ImportError:
        return print("   gensim is not installed (Debian: python3-gensim); vectors.txt is what it would read")
    with tempfile.NamedTemporaryFile(suffix=".txt") as file:
        file.write(text)
        file.flush()
        keyed = KeyedVectors.load_word2vec_format(file.name, binary=False)
    for word, vector in vectors.items():
        if word in keyed:
            assert np.allclose(keyed[word], vector, atol=1e-6), "endpoint and artifact must agree"
    for word in ("france", "piano", "physics"):
        if word in keyed:
            print("   near %-8s %s" % (word, ", ".join("%s %.2f" % pair for pair in keyed.most_similar(word, topn=6))))
    if all(word in keyed for word in ("paris", "france", "rome", "italy")):
        best = keyed.most_similar(positive=["italy", "paris"], negative=["france"], topn=3)
        print("   paris - france + italy = %s" % ", ".join("%s %.2f" % pair for pair in best))


def classifier(session, arguments, output):
    shown("4/6", "The news")
    if arguments.news:
        folder = pathlib.Path(arguments.news)
        train, test = read_news(next(folder.glob("train*"))), read_news(next(folder.glob("test*")))
        names = (folder / "classes.txt").read_text().split("\n")[:4]
    else:
        train, test, names = made_up_news(), made_up_news(1000, seed=3), ["World", "Sports", "Business", "Sci/Tech"]
    print("   %d texts to learn from, %d to be judged by, such as\n   %s" % (len(train[0]), len(test[0]), labelled(*test).split("\n")[0][:110]))

    shown("5/6", "Classifier")
    name = "blazingtext-news-" + session.stamp
    held_out = np.random.default_rng(0).permutation(len(train[0]))
    parts = {"validation": held_out[: len(held_out) // 10], "train": held_out[len(held_out) // 10:]}
    channels = {part: (session.put("blazingtext/%s/%s/text" % (name, part),
                                   labelled([train[0][i] for i in rows], [train[1][i] for i in rows])), "FullyReplicated", "text/plain")
                for part, rows in parts.items()}
    lines = []
    job = session.train(name, IMAGE, channels, dict(mode="supervised", vector_dim=20, epochs=20, learning_rate=0.25, min_count=2, word_ngrams=2,
                                                    buckets=200_000, early_stopping=True, patience=3, min_epochs=3), show=lines.append)
    for line in lines:
        if re.search(r"Number of (words|labels)|Validation accuracy|throughput|_accuracy", line):
            print("   " + line)
    session.deploy(name, IMAGE, job["ModelArtifacts"]["S3ModelArtifacts"])
    question = "stocks fall as oil prices rise ahead of the holiday"
    best = ask(session, name, [tokens(question)], k=2)[0]
    print("   \"%s\": %s" % (question, ", ".join("%s %.3f" % (names[int(label[9:]) - 1], p) for label, p in zip(best["label"], best["prob"]))))

    shown("6/6", "Batch transform of the test part")
    source = session.put("blazingtext/%s/batch/test.jsonl" % name, "".join(json.dumps({"source": text}) + "\n" for text in test[1]))
    target = "s3://%s/blazingtext/%s/batch-out" % (session.bucket, name)
    session.transform(name, name, source, target, content_type="application/jsonlines")
    guesses = [json.loads(line)["label"][0][9:] for line in session.get(target + "/test.jsonl.out").decode().splitlines()]
    counts = np.zeros((4, 4), dtype=int)
    np.add.at(counts, ([int(label) - 1 for label in test[0]], [int(guess) - 1 for guess in guesses]), 1)
    accuracy = np.trace(counts) / counts.sum()
    print("   accuracy %.3f (chance %.3f)" % (accuracy, counts.sum(axis=1).max() / counts.sum()))
    plot_confusion(output / "blazingtext-news.png", counts, names, accuracy)
    session.clean_up(name)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint-url", help="where the services answer; without it, AWS or the proxy in HTTPS_PROXY")
    parser.add_argument("--text", metavar="FILE", help="words separated by blanks, also .xz; without it made-up sentences")
    parser.add_argument("--characters", type=int, default=30_000_000, help="read this much of it (default %(default)s)")
    parser.add_argument("--mode", default="skipgram", choices=["skipgram", "cbow", "batch_skipgram"])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--pairs", metavar="DIR", help="the lists EN-WS-353-*.txt; without it the vectors are not scored")
    parser.add_argument("--news", metavar="DIR", help="AG's News: train*.csv, test*.csv (also .xz), classes.txt; without it made up")
    parser.add_argument("--output", default="build/demo", metavar="DIR", help="pictures (default %(default)s)")
    arguments = parser.parse_args()
    output = pathlib.Path(arguments.output)
    output.mkdir(parents=True, exist_ok=True)
    began = time.time()
    session = Session(arguments.endpoint_url)
    session.make_bucket()
    word_vectors(session, arguments, output)
    classifier(session, arguments, output)
    print("\nPictures: %s\n          %s" % (output / "blazingtext-words.png", output / "blazingtext-news.png"))
    print("All in %.0f s." % (time.time() - began))


if __name__ == "__main__":
    main()
