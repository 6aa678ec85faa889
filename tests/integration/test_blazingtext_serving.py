# SPDX-License-Identifier: Apache-2.0
"""BlazingText's endpoints beside Debian's fasttext on real texts (AG News; made ones where it is not at hand): our classifier read by it,
its classifiers and vectors hosted by us, every form of a request, many requests at once, and batch transform of many lines."""
import csv
import json
import lzma
import random
import shutil
import threading

import fasttext
import numpy as np
import pytest
from botocore.exceptions import ClientError

from blazingtext_tools import JSON, LINES, Platform
from conftest import make_server, wait_until
import job_helpers as jobs
from paths import shared_data

fasttext.FastText.eprint = lambda *_: None
AG_NEWS = shared_data() / "agnews"
ALL = 1_000_000  # k above the number of labels


def news(part, rows):
    """(label, text) pairs with capitals, quotes, backslashes and digits as published."""
    path = AG_NEWS / f"{part}.csv.xz"
    if path.exists():
        with lzma.open(path, "rt", encoding="utf8") as file:
            found = [(row[0], " ".join(" ".join(row[1 if part == "test" else 2:]).split())) for row, _ in zip(csv.reader(file), range(rows))]
    else:
        rng = random.Random(part)
        words = [f"wörd{i}" if i % 7 == 0 else f"\"word\\{i}," for i in range(3000)]
        found = [(str(label), " ".join(words[int(rng.paretovariate(0.7)) * label % 3000] for _ in range(40))) for label in rng.choices(range(1, 5), k=rows)]
    return found


@pytest.fixture(scope="module")
def platform(role):
    server = make_server().start()
    yield Platform(server, role)
    server.stop()
    shutil.rmtree(server.folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    lines = [f"__label__{label} {text}\n" for label, text in news("train-sample", 6000)]
    (folder / "train").write_text("".join(lines))
    rng = random.Random(1)  # a thousand labels: a text is about the thousand its first words hash to
    (folder / "many").write_text("".join(f"__label__{rng.randrange(1000)} {line.split(' ', 1)[1]}" for line in lines))
    return folder


@pytest.fixture(scope="module")
def texts():
    return [text for _, text in news("test", 1000)]


def own(platform, folder, name):
    platform.put("news/train.txt", (folder / "train").read_bytes())
    job = platform.train(dict(mode="supervised", vector_dim=16, epochs=3, learning_rate=0.5, min_count=1, word_ngrams=2, buckets=20000),
                         [jobs.channel("train", "news/train.txt")])
    platform.files(job, folder / name)
    return folder / name / "model.bin", platform.deploy(job["ModelArtifacts"]["S3ModelArtifacts"], name)


FOREIGN = {"softmax": dict(loss="softmax"), "hs": dict(loss="hs"), "ova": dict(loss="ova"), "ngrams": dict(loss="softmax", minn=2, maxn=4),
           "many": dict(loss="softmax", dim=24), "ftz": dict(loss="softmax"), "ftz-output": dict(loss="softmax", dim=24)}


def theirs(platform, folder, name):
    settings = dict(dim=15, epoch=2, lr=0.5, minCount=1, wordNgrams=2, bucket=20000, thread=2, verbose=0) | FOREIGN[name]
    many = name in ("many", "ftz-output")
    model = fasttext.train_supervised(str(folder / ("many" if many else "train")), **settings)
    path = folder / f"{name}.bin"
    if name.startswith("ftz"):
        path = folder / f"{name}.ftz"
        model.quantize(str(folder / ("many" if many else "train")), qnorm=True, qout=many, cutoff=5000)
    model.save_model(str(path))
    return path, platform.host({"model" + path.suffix: path.read_bytes()}, name)


def assert_same_labels(answer, labels, probabilities, rtol=1e-5):
    """Equal up to the order of labels that are as likely as each other, to float32's last digits. 1e-5: softmax adds its products in
    another order than fastText; 2e-6 has been seen."""
    np.testing.assert_allclose(answer["prob"], probabilities, rtol=rtol, atol=1e-8)
    expected = dict(zip(labels, probabilities))
    for label, probability in zip(answer["label"], answer["prob"]):
        assert probability == pytest.approx(expected.get(label, probabilities[-1]), rel=rtol)


@pytest.mark.parametrize("name", ["own", *FOREIGN])
def test_a_thousand_texts_get_the_labels_of_debians_fasttext(platform, folder, texts, name):
    path, endpoint = (own if name == "own" else theirs)(platform, folder, name)
    model = fasttext.load_model(str(path))
    for k in (1, ALL):
        asked = texts if k == 1 or len(model.labels) < 100 else texts[:50]
        answers = json.loads(platform.ask(endpoint, {"instances": asked, "configuration": {"k": k}}))
        assert len(answers) == len(asked)
        for text, answer in zip(asked, answers):
            labels, probabilities = model.predict(text, k=min(k, len(model.labels)))
            assert len(answer["label"]) == len(labels)
            assert_same_labels(answer, labels, probabilities, 1e-7 if name == "hs" else 1e-5)
    if name == "own":
        right = sum(answer["label"][0] == "__label__" + label for answer, (label, _) in zip(answers, news("test", 1000)))
        assert right > 700 or not AG_NEWS.exists(), right


@pytest.fixture(scope="module")
def hosted(platform, folder):
    """One small classifier of theirs, for the tests of requests."""
    path, endpoint = theirs(platform, folder, "softmax")
    return fasttext.load_model(str(path)), endpoint


def as_json_lines(texts, **more):
    return "".join(json.dumps({"source": text, **more}) + "\n" for text in texts)


def as_csv(texts):
    return "".join('"' + text.replace('"', '""') + '"\n' for text in texts)


def test_every_form_of_a_request_gets_the_same_numbers(platform, hosted, texts):
    _, endpoint = hosted
    expected = json.loads(platform.ask(endpoint, {"instances": texts[:300], "configuration": {"k": 3}}))
    for body, content_type in [(as_json_lines(texts[:300], k=3), LINES), ("\n".join(texts[:300]), "text/plain; k=3")]:
        assert [json.loads(line) for line in platform.ask(endpoint, body, content_type).splitlines()] == expected
    for row, answer in zip(csv.reader(platform.ask(endpoint, as_csv(texts[:300]), "text/csv; k=3").splitlines()), expected):
        assert row[0::2] == answer["label"] and [float(value) for value in row[1::2]] == answer["prob"]
    assert [json.loads(platform.ask(endpoint, {"instances": [text], "configuration": {"k": 3}})) for text in texts[:20]] == [[e] for e in expected[:20]]


def test_many_requests_at_once_keep_to_themselves(platform, hosted, texts):
    """Small and large requests, good and bad, on many connections: every answer is that of its own text."""
    _, endpoint = hosted
    expected = json.loads(platform.ask(endpoint, {"instances": texts}))
    wrong, answered = [], []

    def work(number):
        client, rng = platform.server.client("sagemaker-runtime"), random.Random(number)
        for turn in range(25):
            begin, size = rng.randrange(len(texts)), rng.choice([1, 1, 1, 700])
            asked = texts[begin:begin + size]
            try:
                if turn % 5 == 4:
                    client.invoke_endpoint(EndpointName=endpoint, Body=b'{"instances": [7]}', ContentType=JSON)
                answer = client.invoke_endpoint(EndpointName=endpoint, Body=json.dumps({"instances": asked}), ContentType=JSON)["Body"].read()
                answered.append(number)
                if json.loads(answer) != expected[begin:begin + size]:
                    wrong.append((number, turn))
            except ClientError as error:
                if turn % 5 != 4 or error.response["OriginalStatusCode"] != 400:
                    wrong.append((number, turn, error))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and len(answered) == 16 * 20, (wrong[:3], len(answered))


def test_vectors_of_a_thousand_words_are_debians(platform, folder, texts):
    """Known words and unknown ones, from their character n-grams; nearest words and their similarities."""
    (folder / "words").write_text("\n".join(texts).lower())
    model = fasttext.train_unsupervised(str(folder / "words"), model="skipgram", dim=30, epoch=3, bucket=20000, minCount=5, thread=2, verbose=0)
    model.save_model(str(folder / "vectors.bin"))
    endpoint = platform.host({"vectors.bin": (folder / "vectors.bin").read_bytes()}, "vectors")
    words = [word for word in model.get_words() if word != "</s>"][:600] + [f"un{word}ly" for word in model.get_words()[1:401]]
    for given in json.loads(platform.ask(endpoint, {"instances": words})):
        np.testing.assert_allclose(given["vector"], model.get_word_vector(given["word"]), atol=1e-6)
    asked = words[:20]
    for word, given in zip(asked, json.loads(platform.ask(endpoint, {"instances": [{"nn": word, "k": 10} for word in asked]}))):
        expected = model.get_nearest_neighbors(word, k=10)
        np.testing.assert_allclose([near["similarity"] for near in given["nn"]], [similarity for similarity, _ in expected], atol=1e-5)
        assert len({near["word"] for near in given["nn"]} & {near for _, near in expected}) >= 9


def test_batch_transform_of_many_lines_is_fasttext_predict_in_order(platform, hosted, texts):
    model, endpoint = hosted
    platform.put("lines/in.jsonl", "".join(json.dumps({"id": i, "source": text}) + "\n" for i, text in enumerate(texts * 8)))
    name = platform.name("transform")
    platform.sm.create_transform_job(
        TransformJobName=name, ModelName=endpoint, BatchStrategy="MultiRecord", MaxPayloadInMB=1,
        TransformInput={"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{jobs.BUCKET}/lines/"}},
                        "ContentType": LINES, "SplitType": "Line"},
        DataProcessing={"JoinSource": "Input", "OutputFilter": "$['id','SageMakerOutput']"},
        TransformOutput={"S3OutputPath": f"s3://{jobs.BUCKET}/lines-out", "Accept": LINES, "AssembleWith": "Line"},
        TransformResources={"InstanceType": "ml.m4.xlarge", "InstanceCount": 1})
    done = wait_until(lambda: platform.sm.describe_transform_job(TransformJobName=name),
                      lambda job: job["TransformJobStatus"] not in ("InProgress", "Stopping"))
    assert done["TransformJobStatus"] == "Completed", done
    rows = [json.loads(line) for line in platform.s3.get_object(Bucket=jobs.BUCKET, Key="lines-out/in.jsonl.out")["Body"].read().splitlines()]
    assert [row["id"] for row in rows] == list(range(len(texts) * 8))
    for text, row in zip(texts, rows):
        assert_same_labels(row["SageMakerOutput"], *model.predict(text))
