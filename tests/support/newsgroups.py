# SPDX-License-Identifier: Apache-2.0
"""The 20 Newsgroups corpus as NTM's notebook prepares it, split for training, and written as channel files.

Messages without headers, quotes and footers; the 2,000 most frequent words without English stop words; documents of more than
25 such words; 80/10/10 at random. `load_by_date` instead keeps the archive's own train/test split (the NVDM setting).
"""
import pathlib
import sys
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "examples"))
import corpora  # noqa: E402

ARCHIVE = pathlib.Path(__file__).resolve().parents[3] / "shared/data/20newsgroups/20news-bydate.tar.xz"


@dataclass
class Split:
    train: sp.csr_matrix
    validation: sp.csr_matrix
    test: sp.csr_matrix
    vocabulary: list
    labels: dict  # part name -> group number per row
    label_names: list


def load_corpus(archive=ARCHIVE, vocabulary_size=2000, min_words=25, seed=0):
    corpus = corpora.bag_of_words("20 Newsgroups", corpora.read_newsgroups(archive), vocabulary_size, min_words)
    order = np.random.default_rng(seed).permutation(corpus.counts.shape[0])
    a, b = int(0.8 * len(order)), int(0.9 * len(order))
    parts = {"train": order[:a], "validation": order[a:b], "test": order[b:]}
    return Split(*(corpus.counts[parts[p]] for p in parts), corpus.vocabulary, {p: corpus.labels[i] for p, i in parts.items()},
                 corpus.label_names)


def load_by_date(archive=ARCHIVE, vocabulary_size=2000):
    """Train and test as the archive splits them, vocabulary from the training part only; no document but empty ones is left out."""
    import tarfile

    from sklearn.feature_extraction.text import CountVectorizer
    texts = {"train": [], "test": []}
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile():
                part = "train" if member.name.startswith("20news-bydate-train") else "test"
                texts[part].append(corpora.body_of(tar.extractfile(member).read().decode("latin-1")))
    vectorizer = CountVectorizer(max_features=vocabulary_size, stop_words="english", token_pattern=r"(?u)\b[a-zA-Z]{3,}\b",
                                 dtype=np.float32)
    train, test = vectorizer.fit_transform(texts["train"]).tocsr(), vectorizer.transform(texts["test"]).tocsr()
    return train[train.getnnz(axis=1) > 0], test[test.getnnz(axis=1) > 0], list(vectorizer.get_feature_names_out())


def write_parts(folder, matrix, parts=1):
    """part0.pbr ... of sparse RecordIO-protobuf records."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(parts):
        rows = matrix[matrix.shape[0] * i // parts : matrix.shape[0] * (i + 1) // parts]
        (folder / f"part{i}.pbr").write_bytes(corpora.recordio(rows))
