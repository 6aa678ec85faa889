# SPDX-License-Identifier: Apache-2.0
"""BlazingText with unmodified boto3: every mode trained, hosted and asked; the files read by Debian's fasttext and gensim, and
models that Debian's fasttext made hosted here; batch transform, augmented manifests, bad input."""
import gzip
import json
import lzma
import pathlib
import random
import re
import struct
import subprocess

import fasttext
import numpy as np
import pytest
from botocore.exceptions import ClientError
from gensim.models import KeyedVectors
from gensim.models.fasttext import load_facebook_model, load_facebook_vectors

from conftest import ROOT, make_server, wait_until
import job_helpers as jobs
from blazingtext_tools import JSON, LINES, Platform
from paths import shared_data

fasttext.FastText.eprint = lambda *_: None
WIKI, PAIRS = shared_data() / "wiki8/wiki8.xz", shared_data() / "wordsim"
ANIMALS, TOOLS = ["cat", "dog", "horse", "cow", "sheep", "goat"], ["hammer", "saw", "drill", "file", "pliers", "chisel"]


def sentence(words, rng):
    return " ".join(rng.choices(words, k=6) + rng.choices(["the", "a", "of", "naïve"], k=4))


def small_text(lines=3000, seed=1):
    """Two sets of words that keep to themselves, so that any method must bring each set together."""
    rng = random.Random(seed)
    return "".join(sentence(ANIMALS if rng.random() < 0.5 else TOOLS, rng) + "\n" for _ in range(lines))


def labelled_text(lines=1500, seed=2, both=False):
    rng = random.Random(seed)
    out = []
    for _ in range(lines):
        tools = rng.random() < 0.5
        label = "__label__tools" if tools else "__label__animals"
        out.append(f"{label} {'__label__all ' if both else ''}{sentence(TOOLS if tools else ANIMALS, rng)}\n")
    return "".join(out)


@pytest.fixture(scope="module")
def platform(role):
    server = make_server().start()
    yield Platform(server, role)
    server.stop()


@pytest.fixture(scope="module")
def texts(platform):
    platform.put("text/words.txt", small_text())
    platform.put("labelled/train.txt", labelled_text())
    platform.put("labelled-validation/validation.txt", labelled_text(300, seed=3))
    if PAIRS.exists():
        for path in PAIRS.glob("EN-WS-353-*.txt"):
            platform.put(f"pairs/{path.name}", path.read_bytes())


def cosine(a, b):
    return float(np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b))


def assert_sets_are_apart(vector):
    within = np.mean([cosine(vector(a), vector(b)) for words in (ANIMALS, TOOLS) for a in words for b in words if a < b])
    across = np.mean([cosine(vector(a), vector(b)) for a in ANIMALS for b in TOOLS])
    assert within > across + 0.3, (within, across)


@pytest.mark.parametrize("mode, subwords", [("skipgram", False), ("cbow", False), ("batch_skipgram", False),
                                            ("skipgram", True), ("cbow", True)])
def test_word_vectors_are_trained_hosted_and_read_by_others(platform, texts, tmp_path, mode, subwords):
    hyperparameters = dict(mode=mode, vector_dim=16, epochs=10, min_count=2, subwords=subwords, buckets=1000, evaluation=False,
                           learning_rate=0.05, sampling_threshold=0.01, batch_size=11)
    job = platform.train(hyperparameters, [jobs.channel("train", "text/words.txt")], stem=f"{mode}-{subwords}".lower())
    assert platform.files(job, tmp_path) == ["vectors.bin", "vectors.txt"]
    log = jobs.lines(platform.server, job["TrainingJobName"])
    assert any(line.startswith("Alpha: ") for line in log) and "Training finished!" in log
    assert any("Running single machine CPU BlazingText training using " + mode in line for line in log)

    endpoint = platform.deploy(job["ModelArtifacts"]["S3ModelArtifacts"], stem=mode)
    words = ANIMALS + TOOLS + ["naïve", "zzqy"]
    answer = json.loads(platform.ask(endpoint, {"instances": words}))
    assert [a["word"] for a in answer] == words and all(len(a["vector"]) == 16 for a in answer)
    own = {a["word"]: np.array(a["vector"], dtype=np.float32) for a in answer}
    assert_sets_are_apart(own.get)

    theirs = fasttext.load_model(str(tmp_path / "vectors.bin"))
    assert theirs.get_dimension() == 16
    for word in words:
        np.testing.assert_allclose(own[word], theirs.get_word_vector(word), atol=1e-6)
    assert bool(own["zzqy"].any()) == subwords
    text = KeyedVectors.load_word2vec_format(str(tmp_path / "vectors.txt"), binary=False)
    facebook = load_facebook_vectors(str(tmp_path / "vectors.bin"))
    for word in words[:-1]:
        np.testing.assert_allclose(own[word], text[word], atol=1e-6)
        np.testing.assert_allclose(own[word], facebook[word], atol=1e-5)
    assert text.index_to_key[: len(text)] == theirs.get_words()  # by descending frequency
    if subwords:
        np.testing.assert_allclose(own["zzqy"], facebook["zzqy"], atol=1e-5)
    load_facebook_model(str(tmp_path / "vectors.bin"))  # the whole model, output layer included
    neighbours = theirs.get_nearest_neighbors("cat", k=5)
    assert len({word for _, word in neighbours} & set(ANIMALS)) >= 4, neighbours
    nearest, sentence_vector = json.loads(platform.ask(endpoint, {"instances": [{"nn": "cat", "k": 5}, {"sentence": "cat dog saw"}]}))
    assert [n["word"] for n in nearest["nn"]] == [word for _, word in neighbours]
    np.testing.assert_allclose([n["similarity"] for n in nearest["nn"]], [similarity for similarity, _ in neighbours], atol=1e-5)
    unit = [own[w] / np.linalg.norm(own[w]) for w in ("cat", "dog", "saw")]
    np.testing.assert_allclose(sentence_vector["vector"], np.mean(unit, axis=0), atol=1e-5)


@pytest.mark.parametrize("mode", ["skipgram", "supervised"])
def test_gpu_instances_train_wherever_they_are(platform, texts, tmp_path, mode):
    """On a GPU where one answers; else on the CPUs, and one line of the log says why."""
    key = "labelled/train.txt" if mode == "supervised" else "text/words.txt"
    job = platform.train(dict(mode=mode, vector_dim=16, min_count=2, buckets=1000, evaluation=False, learning_rate=0.1, epochs=10,
                              sampling_threshold=0.01), [jobs.channel("train", key)], stem=f"gpu-{mode}",
                         ResourceConfig={"InstanceType": "ml.p3.2xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1})
    log = jobs.lines(platform.server, job["TrainingJobName"])
    refusals = [line for line in log if "Instance type ml.p3.2xlarge has GPUs, but here none can be used: " in line]
    if pathlib.Path("/dev/nvidiactl").exists() and not refusals:
        assert any(f"Running single machine GPU BlazingText training using {mode}" in line for line in log), log
    else:
        assert len(refusals) == 1 and refusals[0].endswith("Training runs on the CPUs."), log
        assert re.search("no CUDA module|no NVIDIA driver answers|finds no", refusals[0]), refusals
        assert any(f"Running single machine CPU BlazingText training using {mode}" in line for line in log), log
    if mode == "skipgram":
        platform.files(job, tmp_path)
        vectors = KeyedVectors.load_word2vec_format(str(tmp_path / "vectors.txt"))
        assert_sets_are_apart(lambda word: vectors[word])
    else:
        assert float(re.search(r"#train_accuracy: (\S+)", "\n".join(log)).group(1)) > 0.98, log


def test_batch_skipgram_trains_on_two_instances(platform, texts, tmp_path):
    job = platform.train(dict(mode="batch_skipgram", vector_dim=16, epochs=20, min_count=2, sampling_threshold=0.01, evaluation=False),
                         [jobs.channel("train", "text/words.txt")], count=2)
    assert platform.files(job, tmp_path) == ["vectors.bin", "vectors.txt"]
    log = jobs.lines(platform.server, job["TrainingJobName"])
    assert any("Running distributed CPU BlazingText training using batch_skipgram on 2 hosts." in line for line in log)
    vectors = KeyedVectors.load_word2vec_format(str(tmp_path / "vectors.txt"))
    assert_sets_are_apart(lambda word: vectors[word])


def test_unusual_text_is_taken(platform, texts, tmp_path):
    """A line of 10 MB, bytes that are no UTF-8, every separator, gzip, several files, a pipe."""
    words = small_text(2000)
    line = words.replace("\n", " ") * 110 + "x" * 100
    assert len(line) > 10_000_000
    platform.put("unusual/a", line)
    platform.put("unusual/b", b"\xff\xfe\x80 cat \x00 dog\r\vsaw\fcat\tdog " * 50)
    platform.put("unusual/c", gzip.compress(words.encode()))
    for mode in ("File", "Pipe"):
        job = platform.train(dict(mode="skipgram", vector_dim=4, epochs=1, evaluation=False), [jobs.channel("train", "unusual/", InputMode=mode)])
        platform.files(job, tmp_path / mode)
        words_found = fasttext.load_model(str(tmp_path / mode / "vectors.bin")).get_words(on_unicode_error="replace")
        assert {"cat", "dog", "saw", "naïve", "\ufffd\ufffd\ufffd"} <= set(words_found)


def test_a_labelled_line_of_10_mb_is_taken(platform, tmp_path):
    line = "__label__long " + small_text(2000).replace("\n", " ") * 110
    platform.put("long/text", line + "\n" + labelled_text(100))
    job = platform.train(dict(mode="supervised", vector_dim=4, epochs=1, min_count=1, buckets=1000), [jobs.channel("train", "long/text")])
    platform.files(job, tmp_path)
    assert "__label__long" in fasttext.load_model(str(tmp_path / "model.bin")).get_labels()


def test_classifier_is_trained_hosted_and_read_by_others(platform, texts, tmp_path):
    hyperparameters = dict(mode="supervised", vector_dim=10, epochs=20, learning_rate=0.5, min_count=1, word_ngrams=2, buckets=2000,
                           early_stopping=True, patience=2, min_epochs=3)
    job = platform.train(hyperparameters, [jobs.channel("train", "labelled/"), jobs.channel("validation", "labelled-validation/")])
    assert platform.files(job, tmp_path) == ["model.bin"]
    metrics = {m["MetricName"]: m["Value"] for m in job["FinalMetricDataList"]}
    assert metrics["validation:accuracy"] > 0.99 and metrics["train:accuracy"] > 0.99, metrics
    log = jobs.lines(platform.server, job["TrainingJobName"])
    assert "Validation accuracy improved! Storing best weights..." in log
    assert any(re.match(r"##### Alpha: 0\.\d{4}  Progress: [\d.]+%  Million Words/sec: [\d.]+ #####", line) for line in log), log

    theirs = fasttext.load_model(str(tmp_path / "model.bin"))
    assert sorted(theirs.get_labels()) == ["__label__animals", "__label__tools"]
    endpoint = platform.deploy(job["ModelArtifacts"]["S3ModelArtifacts"])
    questions = ["the cat and a goat", "hammer saw", "naïve unseen words", "file of dog"]
    answer = json.loads(platform.ask(endpoint, {"instances": questions, "configuration": {"k": 2}}))
    for question, given in zip(questions, answer):
        labels, probabilities = theirs.predict(question, k=2)
        assert given["label"] == list(labels)
        np.testing.assert_allclose(given["prob"], probabilities, atol=1e-6)
    assert answer[0]["label"][0] == "__label__animals" and answer[1]["label"][0] == "__label__tools"

    # Every other form of a request; Accept plays no part.
    first = {"label": answer[0]["label"][:1], "prob": answer[0]["prob"][:1]}
    body = {"configuration": {"k": 1}, "instances": questions[:1]}
    for more in (dict(content_type=JSON), dict(content_type=JSON, Accept=LINES), dict(content_type=None), dict(Accept="text/csv")):
        assert json.loads(platform.ask(endpoint, body, **more)) == [first], more
    lines = platform.ask(endpoint, "".join(json.dumps({"source": q, "k": 2, "id": i}) + "\n" for i, q in enumerate(questions)), LINES)
    assert [json.loads(line) for line in lines.splitlines()] == answer
    assert platform.ask(endpoint, questions[0], "text/csv").startswith("__label__animals,")
    assert json.loads(platform.ask(endpoint, {"instances": ["", "the cat"], "configuration": {"k": 1000000}}))[0] == {"label": [], "prob": []}

    for body, content_type, status, message in [
            ({"instances": ["x"]}, "application/octet-stream", 415, "content-type application/octet-stream not supported"),
            ("not json", JSON, 400, "Unable to decode payload: Incorrect data format. (caused by ValueError)"),
            ('{"source": "a"}\nb\n', LINES, 400, "line 2")]:
        with pytest.raises(ClientError) as error:
            platform.ask(endpoint, body, content_type)
        assert error.value.response["Error"]["Code"] == "ModelError"
        assert error.value.response["OriginalStatusCode"] == status and message in error.value.response["OriginalMessage"]

    # Batch transform of the same model.
    platform.put("batch/in.jsonl", "".join(json.dumps({"source": q, "id": i}) + "\n" for i, q in enumerate(questions * 50)))
    for strategy in ("MultiRecord", "SingleRecord"):
        name = platform.name("transform")
        platform.sm.create_transform_job(
            TransformJobName=name, ModelName=endpoint, BatchStrategy=strategy,
            TransformInput={"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{jobs.BUCKET}/batch/"}},
                            "ContentType": LINES, "SplitType": "Line"},
            DataProcessing={"InputFilter": "$", "JoinSource": "Input", "OutputFilter": "$['id','SageMakerOutput']"},
            TransformOutput={"S3OutputPath": f"s3://{jobs.BUCKET}/batch-out/{name}", "Accept": LINES, "AssembleWith": "Line"},
            TransformResources={"InstanceType": "ml.m4.xlarge", "InstanceCount": 1})
        done = wait_until(lambda: platform.sm.describe_transform_job(TransformJobName=name),
                          lambda j: j["TransformJobStatus"] not in ("InProgress", "Stopping"))
        assert done["TransformJobStatus"] == "Completed", done
        out = platform.s3.get_object(Bucket=jobs.BUCKET, Key=f"batch-out/{name}/in.jsonl.out")["Body"].read().decode()
        rows = [json.loads(line) for line in out.splitlines()]
        assert [r["id"] for r in rows] == list(range(200))
        assert rows[0]["SageMakerOutput"] == first


@pytest.mark.skipif(not WIKI.exists() or not PAIRS.exists(), reason=f"{WIKI} or {PAIRS} is not here")
def test_evaluation_scores_the_vectors_on_ws353(platform, texts, tmp_path):
    from scipy.stats import spearmanr
    with lzma.open(WIKI) as stream:
        platform.put("wiki/slice", stream.read(8_000_000))
    job = platform.train(dict(mode="skipgram", vector_dim=50, epochs=2), [jobs.channel("train", "wiki/slice"), jobs.channel("wordsim", "pairs/")])
    assert platform.files(job, tmp_path) == ["eval.json", "vectors.bin", "vectors.txt"]
    report = json.loads((tmp_path / "eval.json").read_text())
    assert list(report) == ["EN-WS-353-ALL.txt", "EN-WS-353-REL.txt", "EN-WS-353-SIM.txt", "mean_rho"]
    assert [report[k]["total_pairs"] for k in list(report)[:3]] == [353, 252, 203]
    metric = {m["MetricName"]: m["Value"] for m in job["FinalMetricDataList"]}["train:mean_rho"]
    assert metric == pytest.approx(report["mean_rho"], rel=1e-6)  # float32 on the wire
    assert report["mean_rho"] == pytest.approx(np.mean([report[k]["spearmans_rho"] for k in list(report)[:3]]))
    vectors = KeyedVectors.load_word2vec_format(str(tmp_path / "vectors.txt"))
    for name in list(report)[:3]:
        pairs = {}
        for line in (PAIRS / name).read_text().splitlines():
            a, b, score = line.lower().split()
            if a in vectors and b in vectors:
                pairs[a, b] = float(score)
        expected = spearmanr([vectors.similarity(a, b) for a, b in pairs], list(pairs.values()))[0]
        assert report[name]["spearmans_rho"] == pytest.approx(expected, abs=1e-3)
    assert report["mean_rho"] > 0.15, report  # 8 MB of text, two passes


@pytest.mark.skipif(not PAIRS.exists(), reason=f"{PAIRS} is not here")
def test_the_servers_configuration_names_the_word_pairs(role, tmp_path):
    """CLARY_WORDSIM reaches the job through the sandbox, as a folder that it may only read."""
    pairs = tmp_path / "pairs"
    pairs.mkdir()
    (pairs / "animals.txt").write_text("cat dog 9\ncat hammer 1\nsaw drill 8\ndog saw 2\n")
    server = make_server("--dev", config={"files": {"CLARY_WORDSIM": str(pairs)}})
    server.start()
    try:
        platform = Platform(server, role)
        platform.put("words", small_text())
        job = platform.train(dict(mode="skipgram", vector_dim=16, epochs=10, sampling_threshold=0.01), [jobs.channel("train", "words")])
        assert "eval.json" in platform.files(job, tmp_path / "model")
        report = json.loads((tmp_path / "model/eval.json").read_text())
        assert report["animals.txt"]["total_pairs"] == 4 and report["mean_rho"] > 0.5, report
        pairs.rename(tmp_path / "moved")
        job = platform.train(dict(mode="skipgram", vector_dim=4, epochs=1), [jobs.channel("train", "words")])  # a lost folder fails no job
        assert any("there are no word pairs" in line for line in jobs.lines(server, job["TrainingJobName"]))
    finally:
        server.stop()


def test_evaluation_without_pairs_says_so(platform, texts, tmp_path):
    job = platform.train(dict(mode="cbow", vector_dim=8, epochs=1), [jobs.channel("train", "text/words.txt")])
    assert platform.files(job, tmp_path) == ["vectors.bin", "vectors.txt"]
    assert any("there are no word pairs" in line for line in jobs.lines(platform.server, job["TrainingJobName"]))


def debian(*words):
    subprocess.run(["fasttext", *words, "-thread", "1", "-verbose", "0"], check=True, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fasttext")
    (folder / "labelled").write_text(labelled_text(600))
    (folder / "words").write_text(small_text(1000))
    return folder


@pytest.mark.parametrize("loss, kind", [("softmax", "bin"), ("hs", "bin"), ("ns", "bin"), ("ova", "bin"), ("softmax", "ftz")])
def test_classifiers_of_debians_fasttext_are_hosted(platform, foreign, loss, kind):
    base = foreign / f"{loss}-{kind}"
    grams = ["-minn", "2", "-maxn", "4"] if loss == "hs" else []
    debian("supervised", "-input", foreign / "labelled", "-output", base, "-loss", loss, "-dim", "8", "-wordNgrams", "2", "-bucket", "500",
           "-lr", "0.5", *grams)
    if kind == "ftz":
        debian("quantize", "-input", foreign / "labelled", "-output", base, "-qnorm", "-cutoff", "300", "-retrain", "-epoch", "1")
    path = f"{base}.{kind}"
    theirs = fasttext.load_model(path)
    name = "model.bin" if kind == "bin" else "lid.ftz"
    endpoint = platform.host({name: pathlib.Path(path).read_bytes()}, stem=loss)
    questions = ["the cat and a goat", "hammer saw", "naïve unseen words", "x"]
    answer = json.loads(platform.ask(endpoint, {"instances": questions, "configuration": {"k": 2}}))
    for question, given in zip(questions, answer):
        labels, probabilities = theirs.predict(question, k=2)
        expected = dict(zip(labels, probabilities))
        assert sorted(given["label"]) == sorted(expected)
        np.testing.assert_allclose(given["prob"], [expected[label] for label in given["label"]], atol=2e-6)
        assert given["prob"] == sorted(given["prob"], reverse=True)


def test_word_vectors_of_debians_fasttext_are_hosted(platform, foreign):
    debian("skipgram", "-input", foreign / "words", "-output", foreign / "vectors", "-dim", "12", "-bucket", "500", "-minCount", "1")
    theirs = fasttext.load_model(str(foreign / "vectors.bin"))
    words = ["cat", "unheard", "naïve"]
    binary = platform.host({"vectors.bin": (foreign / "vectors.bin").read_bytes()})
    for given in json.loads(platform.ask(binary, {"instances": words})):
        np.testing.assert_allclose(given["vector"], theirs.get_word_vector(given["word"]), atol=1e-6)
    text = platform.host({"vectors.txt": (foreign / "vectors.vec").read_bytes()})
    given = json.loads(platform.ask(text, {"instances": ["cat", "unheard"]}))
    np.testing.assert_allclose(given[0]["vector"], theirs.get_word_vector("cat"), atol=1e-4)  # five digits in that file
    assert not any(given[1]["vector"])


@pytest.mark.parametrize("what, change, reason", [
    ("cut at its end", lambda b: b[:-10], "the shape of the output matrix needs 8 values of 4 bytes"),
    ("cut within its head", lambda b: b[:30], "wordNgrams needs 4 bytes, the file has 2 more"),
    ("empty", lambda b: b"", "magic number needs 4 bytes"),
    ("another program's", lambda b: b"\x80\x04" + b[2:], "is not a fastText binary model"),
    ("of 2^31-1 words", lambda b: b[:64] + struct.pack("<ii", 2**31 - 1, 2**31 - 1) + b[72:], "do not make 2147483647 entries"),
    ("of dimension 2^31-1", lambda b: b[:8] + struct.pack("<i", 2**31 - 1) + b[12:], "dim is 2147483647, must be 1 to 65536"),
    ("of dimension -1", lambda b: b[:8] + struct.pack("<i", -1) + b[12:], "dim is -1, must be"),
    ("of 2^40 rows", lambda b: b.replace(struct.pack("<q", 4), struct.pack("<q", 2**40)), "the shape of the input matrix is 1099511627776"),
], ids=lambda value: value.replace(" ", "_") if isinstance(value, str) else "")
def test_a_damaged_model_fails_the_endpoint_with_its_reason(platform, foreign, what, change, reason):
    if not (foreign / "cut.bin").exists():
        debian("supervised", "-input", foreign / "labelled", "-output", foreign / "cut", "-dim", "4")
    good = (foreign / "cut.bin").read_bytes()
    assert change(good) != good
    endpoint = platform.endpoint(platform.upload({"model.bin": change(good)}), "damaged")
    assert endpoint["EndpointStatus"] == "Failed" and reason in endpoint["FailureReason"], (what, endpoint)
    pages = jobs.client(platform.server, "logs").filter_log_events(logGroupName=f"/aws/sagemaker/Endpoints/{endpoint['EndpointName']}")
    log = "\n".join(event["message"] for event in pages["events"])
    assert "model.bin: byte " in log and reason in log, log


def manifest_channel(name, key, names=("source", "label"), **more):
    source = {"S3DataType": "AugmentedManifestFile", "S3Uri": f"s3://{jobs.BUCKET}/{key}", "AttributeNames": list(names),
              "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, "ContentType": "application/x-recordio",
            "RecordWrapperType": "RecordIO", "InputMode": "Pipe", **more}


def test_augmented_manifests_train_a_classifier(platform, tmp_path):
    def manifest(text, single):
        rows = []
        for line in text.splitlines():
            words = line.split()
            labels = [{"animals": 1, "tools": 2, "all": 3}[w[9:]] for w in words if w.startswith("__label__")]
            rows.append({"source": " ".join(w for w in words if not w.startswith("__label__")), "mine": labels[0] if single else labels,
                         "mine-metadata": {"type": "groundtruth"}})
        return "".join(json.dumps(row) + "\n" for row in rows)

    platform.put("manifest/train.manifest", manifest(labelled_text(800, both=True), single=False))
    platform.put("manifest/validation.manifest", manifest(labelled_text(100, seed=9), single=True))
    names = ("source", "mine")
    job = platform.train(dict(mode="supervised", vector_dim=8, epochs=10, learning_rate=0.5, word_ngrams=1, min_count=1),
                         [manifest_channel("train", "manifest/train.manifest", names, ShuffleConfig={"Seed": 3}),
                          manifest_channel("validation", "manifest/validation.manifest", names)])
    assert platform.files(job, tmp_path) == ["model.bin"]
    model = fasttext.load_model(str(tmp_path / "model.bin"))
    assert sorted(model.get_labels()) == ["__label__1", "__label__2", "__label__3"]
    assert set(model.predict("cat dog goat", k=2)[0]) == {"__label__1", "__label__3"}
    assert set(model.predict("saw drill", k=2)[0]) == {"__label__2", "__label__3"}


def test_gzipped_manifests_may_name_objects(platform, tmp_path):
    """`source-ref`: the text is an object of its own."""
    rows = []
    for i, line in enumerate(labelled_text(60).splitlines()):
        label, words = line.split(" ", 1)
        platform.put(f"refs/{i}", words)
        rows.append({"source-ref": f"s3://{jobs.BUCKET}/refs/{i}", "label": label[9:]})
    body = "".join(json.dumps(row) + "\n" for row in rows)
    platform.put("manifest/refs.manifest.gz", gzip.compress(body.encode()))
    channel = manifest_channel("train", "manifest/refs.manifest.gz", ("source-ref", "label"), CompressionType="Gzip")
    job = platform.train(dict(mode="supervised", vector_dim=8, epochs=30, learning_rate=0.5, word_ngrams=1, min_count=1), [channel])
    platform.files(job, tmp_path)
    model = fasttext.load_model(str(tmp_path / "model.bin"))
    assert model.predict("cat dog goat")[0] == ("__label__animals",) and model.predict("saw drill")[0] == ("__label__tools",)


@pytest.mark.parametrize("text, message", [
    ('{"source": "a b", "label": 1}\n{"text": "a"}\n', 'line 2 of the manifest: has no attribute "source"'),
    ('{"source": "a b", "label": 1}\n{"source": "a", "label": \n', "line 2 of the manifest: is not a JSON object"),
    ('["source"]\n', "line 1 of the manifest: is not a JSON object"),
    ('{"source": "a b", "label": [1, 3]}\n{"source": "a", "label": [[1]]}\n', "sample 2 the label holds something that is neither"),
    ('{"source": "a b", "label": {"a": 1}}\n', "sample 1 the label is an object"),
    ('{"source": "a b", "label": []}\n', "sample 1 the list of labels is empty"),
    ("\n\n", "the manifest holds no line"),
], ids=lambda value: repr(value)[:60])
def test_bad_lines_of_a_manifest_are_named(platform, text, message):
    key = platform.name("manifest")
    platform.put(key, text)
    job = platform.job(dict(mode="supervised"), [manifest_channel("train", key)])
    assert job["TrainingJobStatus"] == "Failed" and message in job["FailureReason"], job


@pytest.mark.parametrize("more, message", [(dict(CompressionType="Gzip"), "damaged or cut"), ({}, "train")])
def test_a_pipe_that_ends_early_fails_the_job(platform, more, message):
    """A gzip file that lacks its end, unpacked by the platform or by the algorithm."""
    key = platform.name("cut") + "/text.gz"
    platform.put(key, gzip.compress(small_text(5000).encode())[:-5000])
    job = platform.job(dict(mode="skipgram", vector_dim=4, epochs=1), [jobs.channel("train", key, InputMode="Pipe", **more)])
    assert job["TrainingJobStatus"] == "Failed" and message in job["FailureReason"], job


def test_augmented_manifests_that_cannot_be_used_are_refused(platform, texts):
    platform.put("manifest/bad.manifest", '{"source": "a b", "label": 1}\n{"text": "a"}\n')
    job = platform.job(dict(mode="skipgram"), [manifest_channel("train", "manifest/bad.manifest")])
    assert job["FailureReason"].startswith("ClientError") and "is for mode supervised" in job["FailureReason"], job
    for change, message in [(dict(InputMode="File"), "needs InputMode Pipe"), (dict(), "AttributeNames must be given")]:
        channel = manifest_channel("train", "manifest/bad.manifest", **change)
        if not change:
            del channel["DataSource"]["S3DataSource"]["AttributeNames"]
        with pytest.raises(ClientError, match=message):
            platform.job(dict(mode="supervised"), [channel])


@pytest.mark.parametrize("hyperparameters, train, more, message", [
    (dict(mode="glove"), "a b c", {}, "mode: 'glove'"),
    (dict(mode="skipgram", vector_dim=0), "a b c", {}, "vector_dim: '0'"),
    (dict(mode="batch_skipgram", subwords="True"), "a b c", {}, "subwords are not supported"),
    (dict(mode="supervised", early_stopping="True"), "__label__a b", {}, "needs a validation channel"),
    (dict(mode="skipgram"), "", {}, "text"),
    (dict(mode="skipgram"), " \t\v\f\r\0\n" * 5000, {}, "no word"),
    (dict(mode="supervised"), "\0" * 100_000, {}, "label"),
    (dict(mode="skipgram"), "x" * 200_000, {}, "words are separated by blanks"),
    (dict(mode="skipgram", vector_dim=2049), "a b c", {}, "vector_dim: '2049'"),
    (dict(mode="skipgram"), "just a few words", {}, "min_count"),
    (dict(mode="skipgram", learning_rate=1e30, min_count=1), "a b c d " * 500, {}, "blazingtext: output[0] of the trained model is"),
    (dict(mode="supervised", min_count=1), "no label here\nnone here", {}, "label"),
    (dict(mode="supervised", min_count=1), "__label__only\n__label__labels\n", {}, "word"),
    (dict(mode="skipgram"), "a b c", {"count": 2}, "Only batch_skipgram is available when training on multiple CPU instances"),
], ids=lambda value: repr(value)[:40])
def test_bad_input_fails_with_its_reason(platform, hyperparameters, train, more, message):
    key = platform.name("bad") + "/text"
    platform.put(key, train)
    job = platform.job(hyperparameters, [jobs.channel("train", key)], **more)
    assert job["TrainingJobStatus"] == "Failed", job
    assert job["FailureReason"].startswith("ClientError: ") and message in job["FailureReason"], job["FailureReason"]


@pytest.mark.parametrize("text, message", [("cat dog\n", "no line has a label that occurs in the training text"),
                                           ("__label__plants oak\n", "no line has a label that occurs in the training text"),
                                           ("", "holds no text; every file is empty")])
def test_validation_text_that_validates_nothing_fails_before_training(platform, texts, text, message):
    key = platform.name("validation") + "/text"
    platform.put(key, text)
    job = platform.job(dict(mode="supervised", early_stopping=True, buckets=1000, vector_dim=4),
                       [jobs.channel("train", "labelled/"), jobs.channel("validation", key)])
    assert job["TrainingJobStatus"] == "Failed" and message in job["FailureReason"], job
    assert not any("Progress" in line for line in jobs.lines(platform.server, job["TrainingJobName"]))


def test_a_list_of_pairs_that_is_none_fails_before_training(platform, texts):
    platform.put("no-pairs/list.txt", "cat dog\n")
    job = platform.job(dict(mode="cbow", vector_dim=4), [jobs.channel("train", "text/words.txt"), jobs.channel("wordsim", "no-pairs/")])
    assert job["TrainingJobStatus"] == "Failed" and "line 1: has 2 fields, must be `word word score`" in job["FailureReason"], job
    assert not any("Progress" in line for line in jobs.lines(platform.server, job["TrainingJobName"]))


def test_the_example_runs(platform, tmp_path):
    text = subprocess.run(["/usr/bin/python3", "-W", "ignore", str(ROOT / "examples/blazingtext.py"), "--endpoint-url", platform.server.url,
                           "--epochs", "1", "--output", str(tmp_path)], capture_output=True, text=True, timeout=280)
    assert text.returncode == 0, text.stdout + text.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blazingtext-news.png", "blazingtext-words.png"]
    assert float(re.search(r"words of one group: (\S+)", text.stdout)[1]) > 0.5
    assert float(re.search(r"accuracy (\S+) \(chance", text.stdout)[1]) > 0.9
