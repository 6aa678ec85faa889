#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes metrics.json: raw outputs, labels, and what scikit-learn says of them. metrics_test.cpp compares.

Run once with scikit-learn 1.2.1: /usr/bin/python3 tests/golden/linear_learner/make_metrics.py
"""
import json
import pathlib

import numpy as np
from sklearn import metrics as m

rng = np.random.default_rng(7)


def f32(a):
    return np.asarray(a, dtype=np.float32)


def binary():
    y = (rng.random(60) < 0.35).astype(int)
    f = f32(np.round(rng.normal(size=60) + 1.2 * y - 0.4, 1))  # rounded: ties
    p = 1 / (1 + np.exp(-f.astype(float)))
    call = (p >= 0.45).astype(int)
    return {
        "f": f.tolist(), "y": y.tolist(), "threshold": 0.45, "f_beta": 2.0,
        "metrics": {
            "binary_classification_cross_entropy_objective": m.log_loss(y, p),
            "binary_classification_accuracy": m.accuracy_score(y, call),
            "binary_f_2.000": m.fbeta_score(y, call, beta=2),
            "precision": m.precision_score(y, call),
            "recall": m.recall_score(y, call),
            "roc_auc_score": m.roc_auc_score(y, f),
            "threshold": 0.45,
        },
        "weighted_objective": float(np.mean(np.where(y == 1, 3.0, 1.0) * -np.log(np.where(y == 1, p, 1 - p)))),
    }


def multiclass():
    classes = 5  # class 3 never happens and, in the first rows, is called
    y = rng.choice([0, 1, 2, 4], size=80, p=[0.5, 0.3, 0.15, 0.05])
    f = f32(rng.normal(size=(80, classes)) + 1.5 * np.eye(classes)[y])
    p = np.exp(f.astype(float))
    p /= p.sum(axis=1, keepdims=True)
    call = f.argmax(axis=1)
    labels = list(range(classes))
    macro = dict(average="macro", labels=labels, zero_division=0)
    return {
        "f": f.ravel().tolist(), "y": y.tolist(), "classes": classes, "f_beta": 0.5, "top_k": 2,
        "metrics": {
            "multiclass_cross_entropy_objective": m.log_loss(y, p, labels=labels),
            "multiclass_accuracy": m.accuracy_score(y, call),
            "multiclass_top_k_accuracy_2": m.top_k_accuracy_score(y, f, k=2, labels=labels),
            "dcg": m.dcg_score(np.eye(classes)[y], f),
            "macro_recall": m.recall_score(y, call, **macro),
            "macro_precision": m.precision_score(y, call, **macro),
            "macro_f_0.500": m.fbeta_score(y, call, beta=0.5, **macro),
            "multiclass_balanced_accuracy": m.recall_score(y, call, average="macro", labels=[0, 1, 2, 4]),
            "multiclass_log_loss": m.log_loss(y, p, labels=labels),
        },
    }


def regression():
    y = f32(rng.normal(size=50) * 10)
    f = f32(y + rng.normal(size=50))
    return {
        "f": f.tolist(), "y": y.tolist(),
        "metrics": {
            "mse_objective": m.mean_squared_error(y.astype(float), f.astype(float)),
            "mse": m.mean_squared_error(y.astype(float), f.astype(float)),
            "absolute_loss": m.mean_absolute_error(y.astype(float), f.astype(float)),
            "rmse": m.mean_squared_error(y.astype(float), f.astype(float), squared=False),
        },
        "pinball_0.3": m.mean_pinball_loss(y.astype(float), f.astype(float), alpha=0.3),
    }


out = {"binary": binary(), "multiclass": multiclass(), "regression": regression()}
pathlib.Path(__file__).with_name("metrics.json").write_text(json.dumps(out) + "\n")
