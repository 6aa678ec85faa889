# SPDX-License-Identifier: Apache-2.0
"""The 20 Newsgroups corpus as NTM's notebook prepares it, split for training, and written as channel files.

Messages without headers, quotes and footers; the 2,000 most frequent words without English stop words; documents of more than
25 such words; 80/10/10 at random. `load_by_date` instead keeps the archive's own train/test split (the NVDM setting).
"""
import pathlib
import re
import sys
import tarfile
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, CountVectorizer

from paths import ROOT, shared_data

sys.path.insert(0, str(ROOT / "examples"))
import corpora  # noqa: E402

ARCHIVE = shared_data() / "20newsgroups/20news-bydate.tar.xz"


@dataclass
class Split:
    train: sp.csr_matrix
    validation: sp.csr_matrix
    test: sp.csr_matrix
    vocabulary: list
    labels: dict  # part name -> group number per row
    label_names: list


def strip_like_sklearn(message):
    """fetch_20newsgroups(remove=("headers", "footers", "quotes")) on one message."""
    from sklearn.datasets._twenty_newsgroups import (strip_newsgroup_footer, strip_newsgroup_header,
                                                     strip_newsgroup_quoting)
    return strip_newsgroup_quoting(strip_newsgroup_footer(strip_newsgroup_header(message)))


def strip_header(message):
    return message.partition("\n\n")[2]


def read_messages(archive, part="", strip=strip_like_sklearn):
    """[(text, group)] of the messages whose path starts with 20news-bydate-<part>."""
    documents = []
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile() and member.name.lstrip("./").startswith("20news-bydate-" + part):
                text = tar.extractfile(member).read().decode("latin-1")
                documents.append((strip(text), pathlib.PurePosixPath(member.name).parent.name))
    return documents


def load_corpus(archive=ARCHIVE, vocabulary_size=2000, min_words=25, seed=0):
    """The notebook's preparation but for its WordNet lemmatiser, which needs a download."""
    documents = read_messages(archive)
    vectorizer = CountVectorizer(max_features=vocabulary_size, max_df=0.95, min_df=2, stop_words="english",
                                 token_pattern=r"(?u)\b[a-zA-Z]\w+\b", dtype=np.float32)
    counts = vectorizer.fit_transform(text for text, _ in documents).tocsr()
    counts.sort_indices()
    kept = np.flatnonzero(np.asarray(counts.sum(axis=1)).ravel() > min_words)
    names = sorted({group for _, group in documents})
    labels = np.array([names.index(group) for _, group in documents])[kept]
    order = np.random.default_rng(seed).permutation(len(kept))
    a, b = int(0.8 * len(order)), int(0.9 * len(order))
    parts = {"train": order[:a], "validation": order[a:b], "test": order[b:]}
    return Split(*(counts[kept[i]] for i in parts.values()), list(vectorizer.get_feature_names_out()),
                 {p: labels[i] for p, i in parts.items()}, names)


def stem(word):
    """The commonest endings cut off: a small stand-in for Porter's stemmer."""
    for ending, instead in (("ies", "y"), ("sses", "ss"), ("ing", ""), ("edly", ""), ("ed", ""), ("ly", ""), ("es", ""), ("s", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            return word[: -len(ending)] + instead
    return word


def load_by_date(archive=ARCHIVE, vocabulary_size=2000):
    """As near to the NVDM paper's preparation as the archive allows: its own train and test parts without headers, stop words
    out, stemmed, the most frequent 2,000 stems; only empty documents are left out."""
    texts = {part: [text for text, _ in read_messages(archive, part, strip_header)] for part in ("train", "test")}
    stop = {stem(w) for w in ENGLISH_STOP_WORDS} | ENGLISH_STOP_WORDS
    words = re.compile(r"[a-z]{2,}")

    def stems(text):
        return [s for w in words.findall(text.lower()) if w not in stop for s in [stem(w)] if s not in stop]

    vectorizer = CountVectorizer(max_features=vocabulary_size, analyzer=stems, dtype=np.float32)
    train, test = vectorizer.fit_transform(texts["train"]).tocsr(), vectorizer.transform(texts["test"]).tocsr()
    for m in (train, test):
        m.sort_indices()
    return train[train.getnnz(axis=1) > 0], test[test.getnnz(axis=1) > 0], list(vectorizer.get_feature_names_out())


def write_parts(folder, matrix, parts=1):
    """part0.pbr ... of sparse RecordIO-protobuf records."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(parts):
        rows = matrix[matrix.shape[0] * i // parts : matrix.shape[0] * (i + 1) // parts]
        (folder / f"part{i}.pbr").write_bytes(corpora.recordio(rows))
