# SPDX-License-Identifier: Apache-2.0
"""The peers of invoke_endpoint.py: what people write when they serve such a model themselves: Flask, run by gunicorn, with the
usual library (one thread a request), CSV or JSON in, JSON out, unsigned. PEER names the algorithm; PEER_DATA a folder with the rows
(rows.npz) and with what our model.tar.gz holds (model/)."""
import json
import os
import pathlib

import flask
import numpy as np

FOLDER = pathlib.Path(os.environ["PEER_DATA"])
app = flask.Flask(__name__)


def knn():
    import faiss
    data = np.load(FOLDER / "rows.npz")
    faiss.omp_set_num_threads(1)
    labels, k = data["y"], int(data["k"])
    index = faiss.IndexFlatL2(data["x"].shape[1])
    index.add(np.ascontiguousarray(data["x"], dtype=np.float32))

    def predict(rows):
        _, found = index.search(rows, k)
        return [{"predicted_label": float(np.bincount(row).argmax())} for row in labels[found]]
    return predict


def linear_learner():
    from sklearn.linear_model import LogisticRegression
    ours = json.loads((FOLDER / "model/linear-learner-coefficients.json").read_text())
    model = LogisticRegression(multi_class="multinomial")
    model.coef_, model.intercept_ = np.load(FOLDER / "model/coefficients.npy"), np.load(FOLDER / "model/intercept.npy").ravel()
    model.classes_ = np.array(ours["classes"])

    def predict(rows):
        scores = model.predict_proba(rows)
        return [{"score": row.tolist(), "predicted_label": int(row.argmax())} for row in scores]
    return predict


def xgboost():
    import xgboost as xgb
    booster = xgb.Booster({"nthread": 1})
    booster.load_model(FOLDER / "model/xgboost-model")
    booster.set_param("nthread", 1)
    return lambda rows: [{"score": float(score)} for score in booster.inplace_predict(rows)]


def rows_of_csv(predict):
    """The body of a request to its answer, of a model that takes an array of rows."""
    def answer(body):
        rows = np.array([line.split(",") for line in body.splitlines()], dtype=np.float32)
        return {"predictions": predict(rows)}
    return answer


def fasttext_model(file):
    import fasttext
    fasttext.FastText.eprint = lambda *_: None
    return fasttext.load_model(str(FOLDER / "model" / file))


def blazingtext():
    model = fasttext_model("model.bin")

    def answer(body):
        request = json.loads(body)
        k = request.get("configuration", {}).get("k", 1)
        found = [model.predict(text, k=k) for text in request["instances"]]
        return [{"label": list(labels), "prob": probabilities.tolist()} for labels, probabilities in found]
    return answer


def blazingtext_vectors():
    model = fasttext_model("vectors.bin")
    return lambda body: [{"vector": model.get_word_vector(word).tolist(), "word": word} for word in json.loads(body)["instances"]]


answer = {"knn": lambda: rows_of_csv(knn()), "linear-learner": lambda: rows_of_csv(linear_learner()), "xgboost": lambda: rows_of_csv(xgboost()),
          "blazingtext": blazingtext, "blazingtext-vectors": blazingtext_vectors}[os.environ["PEER"]]()


@app.get("/ping")
def ping():
    return ""


@app.post("/invocations")
def invocations():
    return answer(flask.request.get_data(as_text=True))
