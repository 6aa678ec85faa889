#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Big Mart sales: a table of numbers through Linear Learner and XGBoost, with plain boto3.

1  clean the table, cut the sales into four classes      4  Linear Learner, regression: the sales themselves
2  Linear Learner, multiclass: train, deploy, predict    5  XGBoost from CSV: four classes, endpoint, batch transform
3  Linear Learner, binary: best-sellers, by recall       6  XGBoost, regression with early stopping; pictures

It runs against AWS or Clary alike: give --endpoint-url, or set HTTPS_PROXY and AWS_CA_BUNDLE (`clary env` prints them).
"""
import argparse
import collections
import csv
import io
import json
import lzma
import pathlib
import sys
import tarfile
import time

import matplotlib
import numpy as np

matplotlib.use("Agg")  # pictures go to files
import matplotlib.pyplot as plt  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recordio import recordio  # noqa: E402
from session import Session, shown  # noqa: E402

LINEAR_IMAGE = "174872318107.dkr.ecr.us-west-2.amazonaws.com/linear-learner:1"
XGBOOST_IMAGE = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:1.0-1-cpu-py3"
COLUMNS = ["Item_Identifier", "Item_Weight", "Item_Fat_Content", "Item_Visibility", "Item_Type", "Item_MRP", "Outlet_Identifier",
           "Outlet_Establishment_Year", "Outlet_Size", "Outlet_Location_Type", "Outlet_Type"]
TARGET = "Item_Outlet_Sales"
CLASSES = 4
FAT = {"LF": "Low Fat", "low fat": "Low Fat", "reg": "Regular"}


# --- the table ---------------------------------------------------------------------------------------------------------------

def read_table(path):
    """Rows of the contest's file (CSV, maybe .xz) as dictionaries of text."""
    with (lzma.open(path, "rt") if str(path).endswith(".xz") else open(path)) as lines:
        return list(csv.DictReader(lines))


def made_up_table(rows=4000, seed=1):
    """A table of the same columns, for those who do not have the contest's file: sales follow price, outlet type and noise."""
    random = np.random.default_rng(seed)
    outlets = [("OUT%03d" % i, random.choice(["Grocery Store", "Supermarket Type1", "Supermarket Type2", "Supermarket Type3"]),
                random.choice(["Small", "Medium", "High"]), "Tier %d" % random.integers(1, 4), int(random.integers(1985, 2010)))
               for i in range(10)]
    factor = {"Grocery Store": 2.5, "Supermarket Type1": 16, "Supermarket Type2": 14, "Supermarket Type3": 25}
    table = []
    for _ in range(rows):
        outlet, kind, size, tier, year = outlets[random.integers(len(outlets))]
        price, weight = random.uniform(31, 267), random.uniform(4.5, 21.4)
        table.append({"Item_Identifier": "FD%03d" % random.integers(500), "Item_Weight": "%.3f" % weight if random.random() > .17 else "",
                      "Item_Fat_Content": random.choice(["Low Fat", "Regular", "LF", "reg", "low fat"]),
                      "Item_Visibility": "%.6f" % random.gamma(2, .03), "Item_Type": random.choice(["Dairy", "Meat", "Canned", "Soft Drinks"]),
                      "Item_MRP": "%.4f" % price, "Outlet_Identifier": outlet, "Outlet_Establishment_Year": str(year),
                      "Outlet_Size": size if random.random() > .28 else "", "Outlet_Location_Type": tier, "Outlet_Type": kind,
                      TARGET: "%.4f" % (price * factor[kind] * .6 * random.gamma(3, 1 / 3))})
    return table


def clean(table):
    """-> (features [rows, 11] float32, sales [rows]): spellings joined, gaps filled by the mean or the most frequent, texts as codes."""
    columns = []
    for name in COLUMNS:
        cells = [FAT.get(row[name], row[name]) for row in table]
        if name in ("Item_Weight", "Item_Visibility", "Item_MRP", "Outlet_Establishment_Year"):
            numbers = np.array([float(cell) if cell else np.nan for cell in cells])
            columns.append(np.where(np.isnan(numbers), np.nanmean(numbers), numbers))
        else:
            usual = collections.Counter(cell for cell in cells if cell).most_common(1)[0][0]
            code = {cell: i for i, cell in enumerate(sorted(set(cells) - {""}))}
            columns.append(np.array([code[cell or usual] for cell in cells], dtype=float))
    return np.stack(columns, axis=1).astype(np.float32), np.array([float(row[TARGET]) for row in table], dtype=np.float32)


def csv_of(features, labels=None):
    rows = features if labels is None else np.column_stack([labels, features])
    out = io.StringIO()
    np.savetxt(out, rows, delimiter=",", fmt="%.7g")
    return out.getvalue()


# --- judging -------------------------------------------------------------------------------------------------------------------

def confusion(truth, guess, classes):
    counts = np.zeros((classes, classes), dtype=int)
    np.add.at(counts, (np.asarray(truth, int), np.asarray(guess, int)), 1)
    return counts


def scores(counts):
    """Rows (precision, recall, F1) of every class of a confusion matrix."""
    right = np.diag(counts)
    precision = right / np.maximum(counts.sum(axis=0), 1)
    recall = right / np.maximum(counts.sum(axis=1), 1)
    return np.stack([precision, recall, 2 * precision * recall / np.maximum(precision + recall, 1e-12)], axis=1)


def print_scores(counts, names):
    print("   %-22s precision  recall     F1   rows" % "class")
    for name, (precision, recall, f1), rows in zip(names, scores(counts), counts.sum(axis=1)):
        print("   %-22s %9.3f %7.3f %6.3f %6d" % (name, precision, recall, f1, rows))
    print("   accuracy %.3f (chance %.3f)" % (np.trace(counts) / counts.sum(), counts.sum(axis=1).max() / counts.sum()))


def rmse(truth, guess):
    return float(np.sqrt(np.mean((np.asarray(truth) - np.asarray(guess)) ** 2)))


# --- the steps -----------------------------------------------------------------------------------------------------------------

class Linear:
    """One Linear Learner job and endpoint: train on records, predict CSV rows in blocks."""

    def __init__(self, session, kind, features, labels, **hyperparameters):
        self.session, self.name = session, "linear-%s-%s" % (kind.replace("_", "-"), session.stamp)
        uri = session.put("big-mart/%s/recordio-pb-data" % self.name, recordio(features, labels))
        self.job = session.train(self.name, LINEAR_IMAGE, {"train": (uri, "FullyReplicated")},
                                 {"feature_dim": features.shape[1], "predictor_type": kind, "mini_batch_size": 100, **hyperparameters})
        self.artifact = self.job["ModelArtifacts"]["S3ModelArtifacts"]
        session.deploy(self.name, LINEAR_IMAGE, self.artifact)

    def predict(self, features, block=500):
        out = []
        for rows in np.array_split(features, max(1, len(features) // block)):
            out += json.loads(self.session.invoke(self.name, rows))["predictions"]
        return out

    def coefficients(self):
        with tarfile.open(fileobj=io.BytesIO(self.session.get(self.artifact))) as tar:
            return json.load(tar.extractfile("linear-learner-coefficients.json"))

    def delete(self):
        self.session.clean_up(self.name)


def xgboost_job(session, name, train, validation, show=lambda line: None, **hyperparameters):
    """Trains XGBoost on two CSV tables (label first), named by https as the older tutorials do."""
    base = "https://s3-%s.amazonaws.com/%s/big-mart/%s" % (session.region, session.bucket, name)
    session.put("big-mart/%s/train/train.csv" % name, train)
    session.put("big-mart/%s/validation/validation.csv" % name, validation)
    return session.train(name, XGBOOST_IMAGE, {"train": (base + "/train/", "FullyReplicated", "csv"),
                                               "validation": (base + "/validation/", "FullyReplicated", "csv")},
                         {"max_depth": 5, "eta": .2, "gamma": 4, "min_child_weight": 6, "subsample": .7, **hyperparameters}, show=show)


def curve_of(lines, metric):
    """{"train": [...], "validation": [...]} from the evaluation lines of a job's log."""
    curves = {"train": [], "validation": []}
    for line in lines:
        for part in line.replace("#011", "\t").split("\t")[1:]:
            name, _, value = part.partition(":")
            for channel in curves:
                if name == "%s-%s" % (channel, metric):
                    curves[channel].append(float(value))
    return curves


# --- pictures ------------------------------------------------------------------------------------------------------------------

def plot_confusions(path, matrices, names):
    figure, panels = plt.subplots(1, len(matrices), figsize=(5.2 * len(matrices), 4.6), squeeze=False)
    for axes, (title, counts) in zip(panels[0], matrices.items()):
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for i in range(len(counts)):
            for j in range(len(counts)):
                axes.text(j, i, "%d\n%.0f %%" % (counts[i, j], 100 * share[i, j]), ha="center", va="center", fontsize=9,
                          color="white" if share[i, j] > .55 else "black")
        axes.set_xticks(range(len(names)), names, fontsize=8)
        axes.set_yticks(range(len(names)), names, fontsize=8)
        axes.set_xlabel("predicted class of sales")
        axes.set_title("%s: accuracy %.3f" % (title, np.trace(counts) / counts.sum()))
    panels[0][0].set_ylabel("true class of sales")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def plot_regression(path, truth, guesses, curves, coefficients):
    figure, (scatter, learning, weights) = plt.subplots(1, 3, figsize=(16, 4.8))
    for (name, guess), colour in zip(guesses.items(), ("#7f8c8d", "#2980b9")):
        scatter.scatter(truth, guess, s=4, alpha=.4, color=colour, label="%s, rmse %.0f" % (name, rmse(truth, guess)))
    scatter.plot([0, truth.max()], [0, truth.max()], color="black", linewidth=.8)
    scatter.set_xlabel("sales")
    scatter.set_ylabel("predicted sales")
    scatter.legend(frameon=False, fontsize=9, markerscale=3)
    for name, values in curves.items():
        learning.plot(values, label=name)
    learning.set_xlabel("round")
    learning.set_ylabel("rmse")
    learning.set_title("XGBoost with early stopping")
    learning.legend(frameon=False)
    order = np.argsort(np.abs(coefficients))
    weights.barh(np.array(COLUMNS)[order], np.array(coefficients)[order], color="#7f8c8d")
    weights.set_title("Linear Learner: sales per standard deviation")
    for axes in (scatter, learning, weights):
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint-url", help="where the services answer; without it, AWS or the proxy in HTTPS_PROXY")
    parser.add_argument("--table", metavar="FILE", help="Train_UWu5bXk.csv, also .xz; without it a made-up table of the same columns")
    parser.add_argument("--output", default="build/demo", metavar="DIR", help="pictures (default %(default)s)")
    arguments = parser.parse_args()
    output = pathlib.Path(arguments.output)
    output.mkdir(parents=True, exist_ok=True)
    began = time.time()

    shown("1/6", "The table")
    features, sales = clean(read_table(arguments.table) if arguments.table else made_up_table())
    order = np.random.default_rng(0).permutation(len(sales))
    train, test = order[: int(.8 * len(order))], order[int(.8 * len(order)):]
    edges = np.quantile(sales[train], np.linspace(0, 1, CLASSES + 1)[1:-1])
    labels = np.digitize(sales, edges).astype(np.float32)
    names = ["below %.0f" % edges[0]] + ["%.0f to %.0f" % pair for pair in zip(edges, edges[1:])] + ["above %.0f" % edges[-1]]
    print("   %d rows, %d features, %d to train on; classes of sales: %s" % (*features.shape, len(train), ", ".join(names)))
    session = Session(arguments.endpoint_url)
    session.make_bucket()

    shown("2/6", "Linear Learner, four classes, 32 candidate models at once")
    linear = Linear(session, "multiclass_classifier", features[train], labels[train], num_classes=CLASSES)
    first = linear.predict(features[test[:1]])[0]  # one row, then blocks
    blocks = linear.predict(features[test])
    assert first == blocks[0], "a row alone and in a block must get the same answer"
    matrices = {"Linear Learner": confusion(labels[test], [p["predicted_label"] for p in blocks], CLASSES)}
    print_scores(matrices["Linear Learner"], names)
    linear.delete()

    shown("3/6", "Linear Learner, best-sellers: at least 80 % of them found")
    best = (labels == CLASSES - 1).astype(np.float32)
    linear = Linear(session, "binary_classifier", features[train], best[train],
                    binary_classifier_model_selection_criteria="precision_at_target_recall", target_recall=.8)
    found = confusion(best[test], [p["predicted_label"] for p in linear.predict(features[test])], 2)
    print_scores(found, ["other", "best-seller"])
    print("   decision threshold %.3f" % linear.coefficients()["threshold"])
    linear.delete()

    shown("4/6", "Linear Learner, the sales themselves")
    linear = Linear(session, "regressor", features[train], sales[train])
    linear_guess = np.array([p["score"] for p in linear.predict(features[test])])
    coefficients = [feature["standardised_weight"] for feature in linear.coefficients()["features"]]
    exact = np.linalg.lstsq(np.column_stack([features[train], np.ones(len(train))]).astype(float), sales[train], rcond=None)[0]
    least_squares = np.column_stack([features[test], np.ones(len(test))]) @ exact
    print("   rmse %.1f; least squares in closed form %.1f; always the mean %.1f" % (
        rmse(sales[test], linear_guess), rmse(sales[test], least_squares), rmse(sales[test], sales[train].mean())))
    linear.delete()

    shown("5/6", "XGBoost, four classes, from CSV")
    name = "xgboost-big-mart-" + session.stamp
    job = xgboost_job(session, name, csv_of(features[train], labels[train]), csv_of(features[test], labels[test]),
                      objective="multi:softmax", num_class=CLASSES, num_round=50, silent=0)
    session.deploy(name, XGBOOST_IMAGE, job["ModelArtifacts"]["S3ModelArtifacts"])
    guess = [float(v) for v in session.invoke(name, features[test[:500]], accept="text/csv").split(",")]
    source = session.put("big-mart/%s/batch/test.csv" % name, csv_of(features[test]))
    session.transform(name, name, source, "s3://%s/big-mart/%s/batch-out" % (session.bucket, name), accept="text/csv")
    batch = [float(v) for v in session.get("s3://%s/big-mart/%s/batch-out/test.csv.out" % (session.bucket, name)).split()]
    assert batch[: len(guess)] == guess, "endpoint and batch transform must agree"
    matrices["XGBoost"] = confusion(labels[test], batch, CLASSES)
    print_scores(matrices["XGBoost"], names)
    session.clean_up(name)

    shown("6/6", "XGBoost, the sales themselves, stopped early")
    name, lines = "xgboost-sales-" + session.stamp, []
    job = xgboost_job(session, name, csv_of(features[train], sales[train]), csv_of(features[test], sales[test]), lines.append,
                      objective="reg:squarederror", eval_metric="rmse", num_round=200, early_stopping_rounds=10)
    session.deploy(name, XGBOOST_IMAGE, job["ModelArtifacts"]["S3ModelArtifacts"])
    xgboost_guess = np.concatenate([[float(v) for v in session.invoke(name, rows, accept="text/csv").split(",")]
                                    for rows in np.array_split(features[test], 4)])
    curves = curve_of(lines, "rmse")
    print("   rmse %.1f; %d of at most 200 rounds, best %.1f in round %d" % (
        rmse(sales[test], xgboost_guess), len(curves["validation"]), min(curves["validation"]), np.argmin(curves["validation"])))
    session.clean_up(name)

    plot_confusions(output / "big-mart-classes.png", matrices, names)
    plot_regression(output / "big-mart-sales.png", sales[test], {"Linear Learner": linear_guess, "XGBoost": xgboost_guess}, curves, coefficients)
    print("\nPictures: %s  (who is taken for what)\n          %s  (predictions, learning curve, coefficients)" % (
        output / "big-mart-classes.png", output / "big-mart-sales.png"))
    print("All in %.0f s." % (time.time() - began))


if __name__ == "__main__":
    main()
