# SPDX-License-Identifier: Apache-2.0
"""The peers of invoke_endpoint.py: what people write when they serve such a model themselves: Flask, run by gunicorn, with the
usual library (one thread a request), CSV, JSON or JPEG in, JSON out, unsigned. PEER names the algorithm; PEER_DATA a folder with the rows
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


def torch_function(node):
    """One node of an ONNX file as a function of tensors."""
    import onnx
    import onnx.numpy_helper
    import torch.nn.functional as F
    given = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    return {
        "Conv": lambda x, w, *b: F.conv2d(x, w, *b, stride=given["strides"], padding=given.get("pads", [0, 0])[:2]),
        "BatchNormalization": lambda x, gamma, beta, mean, var: F.batch_norm(x, mean, var, gamma, beta, eps=given.get("epsilon", 1e-5)),
        "Relu": F.relu,
        "MaxPool": lambda x: F.max_pool2d(x, given["kernel_shape"], given["strides"], given.get("pads", [0, 0])[:2]),
        "Add": lambda a, b: a + b,
        "GlobalAveragePool": lambda x: x.mean((2, 3), keepdim=True),
        "Flatten": lambda x: x.flatten(1),
        "Gemm": lambda x, w, b: F.linear(x, w if given.get("transB") else w.t(), b),
        "Softmax": lambda x: F.softmax(x, 1),
    }[node.op_type]


def resnet():
    """Our model.onnx as TorchScript: traced, frozen, folded; OpenCV decodes and resizes, which is what users do."""
    import cv2
    import onnx
    import onnx.numpy_helper
    import torch
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    graph = onnx.load(str(FOLDER / "model/model.onnx")).graph
    weights = {t.name: torch.from_numpy(onnx.numpy_helper.to_array(t).copy()) for t in graph.initializer}
    steps = [(torch_function(node), list(node.input), node.output[0]) for node in graph.node]
    picture = next(i.name for i in graph.input if i.name not in weights)

    class Network(torch.nn.Module):
        def forward(self, x):
            values = dict(weights, **{picture: x})
            for step, inputs, output in steps:
                values[output] = step(*(values[name] for name in inputs))
            return values[graph.output[0].name]

    with torch.no_grad():
        traced = torch.jit.trace(Network().eval(), torch.zeros(1, 3, 224, 224))
        model = torch.jit.optimize_for_inference(torch.jit.freeze(traced.eval()))
        for _ in range(3):
            model(torch.zeros(1, 3, 224, 224))

    def answer(body):
        pixels = cv2.cvtColor(cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        pixels = cv2.resize(pixels, (224, 224))
        with torch.no_grad():
            return model(torch.from_numpy(pixels.transpose(2, 0, 1)[None].astype(np.float32)))[0].tolist()
    return answer


def seq2seq():
    """seq2seq_peer.py's model with our numbers (safetensors: length of the header, the header in JSON, the numbers)."""
    import seq2seq_peer as peer
    import torch
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    folder = FOLDER / "model"
    sizes = json.loads((folder / "model.json").read_text())
    kind = sizes["architecture"]
    source, target = (json.loads((folder / f"vocab.{side}.json").read_text()) for side in ("src", "trg"))
    words = {i: word for word, i in target.items()}
    model = peer.Seq2Seq(kind["rnn_cell_type"], len(source), len(target), kind["num_embed_source"], kind["rnn_num_hidden"])
    packed = (folder / "model.safetensors").read_bytes()
    begin = 8 + int.from_bytes(packed[:8], "little")
    header = json.loads(packed[8:begin])
    for name, parameter in model.our_names().items():
        first, last = header[name]["data_offsets"]
        numbers = np.frombuffer(packed[begin + first:begin + last], np.float32).reshape(parameter.shape)
        parameter.data = torch.from_numpy(numbers.copy())
    model.eval()
    factor = sizes["length_ratio_mean"] + 2 * sizes["length_ratio_std"]

    def answer(body):
        sentences = [[source.get(word, peer.UNKNOWN) for word in instance["data"].split()] for instance in json.loads(body)["instances"]]
        most = max(1, int(np.ceil(factor * np.ceil(max(map(len, sentences)) / 10) * 10)) - 1)
        return {"predictions": [{"target": " ".join(words[i] for i in ids)} for ids in model.translate(sentences, sizes["beam_size"], most)]}
    return answer


PICTURES = os.environ["PEER"].startswith("resnet")
answer = {"resnet-18": resnet, "resnet-50": resnet, "seq2seq": seq2seq, "knn": lambda: rows_of_csv(knn()), "linear-learner": lambda: rows_of_csv(linear_learner()), "xgboost": lambda: rows_of_csv(xgboost()),
          "blazingtext": blazingtext, "blazingtext-vectors": blazingtext_vectors}[os.environ["PEER"]]()


@app.get("/ping")
def ping():
    return ""


@app.post("/invocations")
def invocations():
    return answer(flask.request.get_data(as_text=not PICTURES))
