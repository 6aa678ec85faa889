# SPDX-License-Identifier: Apache-2.0
"""The peer of invoke_endpoint.py: what people write when they serve a k-NN classifier themselves: Flask, run by gunicorn,
with faiss (one thread a request) over the same rows, CSV in, JSON out, unsigned. KNN_DATA names an .npz with x, y, k."""
import os

import faiss
import flask
import numpy as np

data = np.load(os.environ["KNN_DATA"])
faiss.omp_set_num_threads(1)
labels, k = data["y"], int(data["k"])
index = faiss.IndexFlatL2(data["x"].shape[1])
index.add(np.ascontiguousarray(data["x"], dtype=np.float32))
app = flask.Flask(__name__)


@app.get("/ping")
def ping():
    return ""


@app.post("/invocations")
def invocations():
    rows = np.array([line.split(",") for line in flask.request.get_data(as_text=True).splitlines()], dtype=np.float32)
    _, found = index.search(rows, k)
    votes = [np.bincount(row).argmax() for row in labels[found]]
    return {"predictions": [{"predicted_label": float(vote)} for vote in votes]}
