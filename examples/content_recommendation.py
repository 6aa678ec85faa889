#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The content-recommendation tutorial: topics of documents with NTM, similar documents with k-NN, through plain boto3.

1  upload bags of words            4  topic vectors by batch transform, pictures
2  train NTM on two instances      5  train k-NN (cosine) on the topic vectors, deploy it
3  deploy it, ask for topics       6  ask for the documents nearest to new ones, compare their topics

It runs against AWS or Clary alike: give --endpoint-url, or set HTTPS_PROXY and AWS_CA_BUNDLE (`clary env` prints them).
"""
import argparse
import json
import pathlib
import sys
import time

import matplotlib
import numpy as np

matplotlib.use("Agg")  # pictures go to files
import matplotlib.pyplot as plt  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import corpora  # noqa: E402
from session import Session, shown  # noqa: E402

NTM_IMAGE = "174872318107.dkr.ecr.us-west-2.amazonaws.com/ntm:1"
KNN_IMAGE = "174872318107.dkr.ecr.us-west-2.amazonaws.com/knn:1"


def topic_words(session, job, count=8):
    """Top words of every topic: topics.json of the model artifact."""
    import io
    import tarfile
    artifact = session.s3.get_object(Bucket=session.bucket, Key="output/%s/output/model.tar.gz" % job)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(artifact)) as tar:
        topics = json.load(tar.extractfile("topics.json"))["topics"]
    return [[word["word"] if isinstance(word, dict) else word for word in topic["words"]][:count] for topic in topics]


def progress(epochs):
    """A log-line handler that draws one line of progress from the algorithm's own metrics."""
    def show(line):
        if "#quality_metric: host=algo-1, epoch=" in line and "train total_loss" in line:
            epoch = int(line.split("epoch=")[1].split(",")[0])
            loss = float(line.split("<loss>=")[1])
            bar = "#" * (30 * epoch // epochs)
            end = "\r" if sys.stdout.isatty() else "\n"
            if sys.stdout.isatty() or epoch % 10 == 0:
                print("   epoch %3d/%d [%-30s] loss %.3f nats a word " % (epoch, epochs, bar, loss), end=end, flush=True)
    return show


def plot_map(path, vectors, labels, names, title):
    """Topic vectors in two dimensions (t-SNE), coloured by group."""
    from sklearn.manifold import TSNE
    chosen = np.random.default_rng(0).permutation(len(vectors))[:1500]
    points = TSNE(n_components=2, init="pca", learning_rate="auto", perplexity=40, n_iter=500,
                  random_state=0).fit_transform(vectors[chosen])
    figure, axes = plt.subplots(figsize=(10, 7.5))
    colours = plt.get_cmap("tab20")(np.arange(len(names)) % 20)
    for group, name in enumerate(names):
        mine = labels[chosen] == group
        axes.scatter(*points[mine].T, s=9, color=colours[group], label=name)
    axes.set_title(title)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.legend(markerscale=2.5, fontsize=8, bbox_to_anchor=(1.01, 1), loc="upper left", frameon=False)
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)


def plot_neighbours(path, query, neighbours, words, title):
    """A document's topic distribution beside its neighbours'. query: [K]; neighbours: [(name, [K])]."""
    used = np.flatnonzero(np.max([query] + [v for _, v in neighbours], axis=0) > 0.04)
    figure, axes = plt.subplots(figsize=(10, 0.42 * len(used) + 1.8))
    rows = [("this document", query)] + neighbours
    height = 0.8 / len(rows)
    shades = ["#c0392b"] + list(plt.get_cmap("Blues")(np.linspace(0.85, 0.35, len(neighbours))))
    for i, (name, vector) in enumerate(rows):
        axes.barh(np.arange(len(used)) - 0.4 + (i + 0.5) * height, vector[used], height, color=shades[i], label=name)
    axes.set_yticks(np.arange(len(used)), [", ".join(words[t][:4]) for t in used])
    axes.invert_yaxis()
    axes.set_xlabel("share of the topic in the document")
    axes.set_title(title)
    axes.legend(fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)


def train_topics(session, corpus, train_rows, validation_rows, topics, epochs, show=lambda line: None):
    """Uploads the bags of words and trains NTM on two instances; returns (job name, description)."""
    parts = 8
    for i, rows in enumerate(np.array_split(train_rows, parts)):
        session.put("tutorial/train/data_part%d.pbr" % i, corpora.recordio(corpus.counts[rows]))
    session.put("tutorial/val/data.pbr", corpora.recordio(corpus.counts[validation_rows]))
    session.put("tutorial/aux/vocab.txt", "\n".join(corpus.vocabulary))
    job = "ntm-" + session.stamp
    description = session.train(job, NTM_IMAGE, {
        "train": ("s3://%s/tutorial/train" % session.bucket, "ShardedByS3Key"),
        "validation": ("s3://%s/tutorial/val" % session.bucket, "FullyReplicated"),
        "auxiliary": ("s3://%s/tutorial/aux" % session.bucket, "FullyReplicated"),
    }, {"num_topics": topics, "feature_dim": len(corpus.vocabulary), "mini_batch_size": 64, "epochs": epochs,
        "num_patience_epochs": 5, "tolerance": 0.001}, instances=2, show=show)
    return job, description


def topic_vectors(session, corpus, rows, model):
    """Topic weights [len(rows), K] of documents by batch transform."""
    lines = "\n".join(",".join("%d" % v for v in corpus.counts[row].toarray().ravel()) for row in rows)
    source = session.put("tutorial/batch/train/trainvectors.csv", lines)
    session.transform("ntm-batch-" + session.stamp, model, source, "s3://%s/tutorial/batch/test" % session.bucket)
    answer = session.s3.get_object(Bucket=session.bucket, Key="tutorial/batch/test/trainvectors.csv.out")["Body"].read()
    return np.array([json.loads(line)["topic_weights"] for line in answer.decode().splitlines()], dtype=np.float32)


def train_neighbours(session, vectors):
    """Trains k-NN on topic vectors, each labelled with its own row number; returns the job's description."""
    uri = session.put("tutorial/knn/train", corpora.recordio(vectors, labels=np.arange(len(vectors))))
    return session.train("knn-" + session.stamp, KNN_IMAGE, {"train": (uri, "FullyReplicated")}, {
        "feature_dim": vectors.shape[1], "k": 10, "sample_size": len(vectors), "predictor_type": "classifier",
        "index_metric": "COSINE"})


def nearest(session, endpoint, vector):
    """[(row, cosine)] of the most similar documents, best first (COSINE answers come in ascending order)."""
    answer = json.loads(session.invoke(endpoint, [vector], accept="application/jsonlines; verbose=true"))
    return [(int(label), cosine) for label, cosine in zip(answer["labels"][::-1], answer["distances"][::-1])]


def excerpt(text, width=88):
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint-url", help="where the services answer; without it, AWS or the proxy in HTTPS_PROXY")
    parser.add_argument("--newsgroups", metavar="FILE", help="20news-bydate.tar.xz; without it the State of the Union addresses")
    parser.add_argument("--output", default="build/demo", metavar="DIR", help="pictures and downloads (default %(default)s)")
    parser.add_argument("--topics", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=80)
    parser.add_argument("--keep-endpoints", action="store_true", help="leave the endpoints for you to try")
    arguments = parser.parse_args()
    output = pathlib.Path(arguments.output)
    output.mkdir(parents=True, exist_ok=True)
    began = time.time()

    shown("1/6", "Documents")
    corpus = corpora.load(arguments.newsgroups, cache=output / "corpus")
    train_rows, held_out = corpus.split()
    validation_rows, new_rows = np.array_split(held_out, 2)
    print("   %s: %d documents, %d words, %d groups" % (corpus.name, *corpus.counts.shape, len(corpus.label_names)))
    session = Session(arguments.endpoint_url)
    session.make_bucket()

    shown("2/6", "Training the topic model (NTM) on two instances")
    started = time.time()
    job, description = train_topics(session, corpus, train_rows, validation_rows, arguments.topics, arguments.epochs,
                                    show=progress(arguments.epochs))
    words = topic_words(session, job)
    loss = {m["MetricName"]: m["Value"] for m in description.get("FinalMetricDataList", [])}.get("validation:total_loss")
    print("   %-78s" % ("done in %.1f s, validation loss %.3f nats a word. Topics by their top words:" % (
        time.time() - started, loss or float("nan"))))
    for i, top in enumerate(words):
        print("   %2d  %s" % (i, " ".join(top)))

    shown("3/6", "Deploying it")
    started = time.time()
    ntm = session.deploy("ntm-" + session.stamp, NTM_IMAGE, description["ModelArtifacts"]["S3ModelArtifacts"])
    print("   endpoint %s in service after %.1f s" % (ntm, time.time() - started))

    shown("4/6", "Topic vectors of %d documents by batch transform" % len(train_rows))
    started = time.time()
    vectors = topic_vectors(session, corpus, train_rows, ntm)
    print("   %d vectors in %.1f s; drawing the map" % (len(vectors), time.time() - started))
    picture_map = output / "topic-map.png"
    plot_map(picture_map, vectors, corpus.labels[train_rows], corpus.label_names, "%s: topic vectors, t-SNE" % corpus.name)

    shown("5/6", "Training k-NN (cosine) on the topic vectors and deploying it")
    started = time.time()
    knn_description = train_neighbours(session, vectors)
    knn = session.deploy("knn-" + session.stamp, KNN_IMAGE, knn_description["ModelArtifacts"]["S3ModelArtifacts"])
    print("   endpoint %s in service after %.1f s" % (knn, time.time() - started))

    shown("6/6", "Recommendations for documents that no model has seen")
    hits = total = 0
    picture_bars = output / "neighbours.png"
    for i, row in enumerate(new_rows[:200]):
        document = corpus.counts[row].toarray()
        vector = np.array(json.loads(session.invoke(ntm, document))["predictions"][0]["topic_weights"])
        found = nearest(session, knn, vector)
        same = sum(corpus.labels[train_rows[r]] == corpus.labels[row] for r, _ in found)
        hits, total = hits + same, total + len(found)
        if i < 3:
            print("\n   %s | %s" % (corpus.label_names[corpus.labels[row]], excerpt(corpus.texts[row])))
            for r, cosine in found[:3]:
                print("      %.3f  %s | %s" % (cosine, corpus.label_names[corpus.labels[train_rows[r]]],
                                               excerpt(corpus.texts[train_rows[r]], 66)))
        if i == 0:
            plot_neighbours(picture_bars, vector, [("neighbour, cosine %.3f" % c, vectors[r]) for r, c in found[:4]],
                            words, "Topics of a new document and of its nearest neighbours")
    share = np.bincount(corpus.labels[train_rows]) / len(train_rows)
    chance = float(np.mean([share[corpus.labels[r]] for r in new_rows[:200]]))
    print("\n   %.0f %% of the recommended documents share the query's group; chance would be %.0f %% (%.1f times better)" % (
        100 * hits / total, 100 * chance, hits / total / chance))

    if not arguments.keep_endpoints:
        session.clean_up(ntm, knn)
    print("\nPictures: %s  (topic vectors in 2D, coloured by group)\n          %s  (a document's topics beside its neighbours')" % (
        picture_map, picture_bars))
    print("All in %.0f s." % (time.time() - began))


if __name__ == "__main__":
    main()
