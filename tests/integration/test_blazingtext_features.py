# SPDX-License-Identifier: Apache-2.0
"""What BlazingText has beside AWS's: one-vs-all and thresholds, quantised models, pretrained vectors, a tokenizer in the model, word2vec's binary
form, analogies, warnings. Through unmodified boto3, beside Debian's fasttext and gensim."""
import csv
import gzip
import io
import json
import lzma
import random
import re

import fasttext
import numpy as np
import pytest
from gensim.models import KeyedVectors

from conftest import make_server
import job_helpers as jobs
from blazingtext_tools import LINES, Platform
from paths import shared_data
from test_blazingtext import ANIMALS, PAIRS, TOOLS, WIKI, debian, labelled_text, small_text

NEWS = shared_data() / "agnews"
QUESTIONS = PAIRS / "questions-words.txt"
needs_news = pytest.mark.skipif(not NEWS.exists(), reason=f"{NEWS} is not here")


@pytest.fixture(scope="module")
def platform(role):
    server = make_server().start()
    yield Platform(server, role)
    server.stop()


def log_of(platform, job):
    return "\n".join(jobs.lines(platform.server, job["TrainingJobName"]))


def split_words(text):
    """The rules of tokenizer=simple again, for comparison."""
    return " ".join(re.sub(r"([!-/:-@\[-^`{-~])", r" \1 ", "".join(c.lower() if c.isascii() else c for c in text)).split())


@pytest.fixture(scope="module")
def news():
    """AG News: (label, raw text) of the training sample and of the test part."""
    def rows(name):
        text = lzma.open(NEWS / name, "rt", encoding="utf-8").read()
        return [(row[0], " ".join(row[1:])) for row in csv.reader(io.StringIO(text)) if row[0].isdigit()]
    return rows("train-sample.csv.xz"), rows("test.csv.xz")


def two_by_two(rows, count, seed):
    """Lines of two articles, with the labels of both: (labels, text)."""
    rng = random.Random(seed)
    pairs = [(rng.choice(rows), rng.choice(rows)) for _ in range(count)]
    return [(sorted({f"__label__{a[0]}", f"__label__{b[0]}"}), f"{split_words(a[1])} {split_words(b[1])}") for a, b in pairs]


def assert_same_labels(given, labels, probabilities):
    """Equal probabilities may stand in either order."""
    expected = dict(zip(labels, probabilities))
    assert sorted(given["label"]) == sorted(expected)
    np.testing.assert_allclose(given["prob"], [expected[label] for label in given["label"]], atol=2e-6)


def labelled_lines(rows):
    return "".join(f"{' '.join(labels)} {text}\n" for labels, text in rows)


def f1(model, rows):
    found = model.predict([text for _, text in rows], k=-1, threshold=0.5)[0]
    right = sum(len(set(labels) & set(given)) for (labels, _), given in zip(rows, found))
    return 2 * right / sum(len(labels) + len(given) for (labels, _), given in zip(rows, found))


@needs_news
def test_one_vs_all_learns_every_label_of_a_line(platform, news, tmp_path):
    train, test = two_by_two(news[0], 8000, 1), two_by_two(news[1], 2000, 2)
    platform.put("ova/train", labelled_lines(train))
    job = platform.train(dict(mode="supervised", loss="ova", vector_dim=10, epochs=5, learning_rate=0.5, min_count=1, buckets=50000),
                         [jobs.channel("train", "ova/train")])
    assert platform.files(job, tmp_path) == ["model.bin"]
    own = fasttext.load_model(str(tmp_path / "model.bin"))
    (tmp_path / "train").write_text(labelled_lines(train))
    debian("supervised", "-input", tmp_path / "train", "-output", tmp_path / "theirs", "-loss", "ova", "-dim", "10", "-lr", "0.5",
           "-bucket", "50000", "-wordNgrams", "2")
    theirs = fasttext.load_model(str(tmp_path / "theirs.bin"))
    assert f1(own, test) > f1(theirs, test) - 0.01 > 0.8, (f1(own, test), f1(theirs, test))

    endpoint = platform.deploy(job["ModelArtifacts"]["S3ModelArtifacts"])
    texts = [text for _, text in test[:50]] + ["."]
    expected = list(zip(*own.predict(texts, k=-1, threshold=0.5)))
    limits = {"k": 1000, "threshold": 0.5}
    answer = json.loads(platform.ask(endpoint, {"instances": texts, "configuration": limits}))
    by_line = platform.ask(endpoint, "".join(json.dumps({"source": text, **limits}) + "\n" for text in texts), LINES)
    assert [json.loads(line) for line in by_line.splitlines()] == answer
    for given, (labels, probabilities) in zip(answer, expected):
        assert_same_labels(given, labels, probabilities)
    assert {len(given["label"]) for given in answer} >= {1, 2}
    rows = platform.ask(endpoint, "\n".join(texts), "text/plain; k=1000; threshold=0.5")
    assert [json.loads(line) for line in rows.splitlines()] == answer
    assert platform.ask(endpoint, texts[0], "text/csv; k=1000; threshold=0.5").strip().split(",")[::2] == answer[0]["label"]


@needs_news
def test_quantised_classifiers_are_small_and_as_good_as_fasttexts(platform, news, tmp_path):
    def lines(rows):
        return "".join(f"__label__{label} {split_words(text)}\n" for label, text in rows)
    (tmp_path / "train").write_text(lines(news[0]))
    (tmp_path / "test").write_text(lines(news[1]))
    platform.put("news/train", (tmp_path / "train").read_bytes())
    debian("supervised", "-input", tmp_path / "train", "-output", tmp_path / "theirs", "-dim", "10", "-lr", "0.5", "-bucket", "20000",
           "-wordNgrams", "2")

    def accuracy(path):
        return fasttext.load_model(str(path)).test(str(tmp_path / "test"))[1]
    debian("quantize", "-input", tmp_path / "train", "-output", tmp_path / "theirs", "-qnorm", "-cutoff", "10000")
    for options in (dict(), dict(quantize_norms=True, quantize_cutoff=10000)):
        job = platform.train(dict(mode="supervised", vector_dim=10, learning_rate=0.5, min_count=1, buckets=20000, quantize=True, **options),
                             [jobs.channel("train", "news/train")])
        folder = tmp_path / str(len(options))
        assert platform.files(job, folder) == ["model.bin", "model.ftz"]
        full, small, reference = accuracy(folder / "model.bin"), accuracy(folder / "model.ftz"), accuracy(tmp_path / "theirs.ftz")
        assert small > (reference if options else full) - 0.01, (full, small, reference)  # a cutoff costs a hundredth by itself
        assert "Quantised: model.bin" in log_of(platform, job)
    assert (folder / "model.ftz").stat().st_size <= (tmp_path / "theirs.ftz").stat().st_size * 1.02
    theirs = fasttext.load_model(str(folder / "model.ftz"))
    texts = [split_words(text) for _, text in news[1][:100]]
    small = platform.host({"model.ftz": (folder / "model.ftz").read_bytes()})
    for given, labels, probabilities in zip(json.loads(platform.ask(small, {"instances": texts, "configuration": {"k": 4}})),
                                            *theirs.predict(texts, k=4)):
        assert_same_labels(given, labels, probabilities)


@needs_news
def test_the_tokenizer_travels_with_the_model(platform, news, tmp_path):
    """Raw text in, with capitals and signs; the endpoint cuts it as training did."""
    raw = "".join(f"__label__N-{label} {text}\n".replace("\\", " ") for label, text in news[0][:6000])
    platform.put("raw/train", raw)
    hyperparameters = dict(mode="supervised", vector_dim=10, learning_rate=0.5, min_count=1, buckets=20000, tokenizer="simple")
    for mode in ("File", "Pipe"):
        job = platform.train(hyperparameters, [jobs.channel("train", "raw/train", InputMode=mode)])
        assert platform.files(job, tmp_path / mode) == ["model.bin", "tokenizer.json"]
        model = fasttext.load_model(str(tmp_path / mode / "model.bin"))
        words = set(model.get_words())
        assert {"the", ",", ".", "(", "'"} <= words and "The" not in words and "-" in words
        assert set(model.get_labels()) == {f"__label__N-{i}" for i in range(1, 5)}
    endpoint = platform.deploy(job["ModelArtifacts"]["S3ModelArtifacts"])
    texts = [text for _, text in news[1][:50]]
    labels, probabilities = model.predict([split_words(text) for text in texts], k=4)
    for given, label, probability in zip(json.loads(platform.ask(endpoint, {"instances": texts, "configuration": {"k": 4}})), labels, probabilities):
        assert_same_labels(given, label, probability)


def test_words_begin_at_pretrained_vectors(platform, tmp_path):
    words = ["cat", "dog", "hammer", "zebra", "tapir", "spanner", "wrench"]
    rng = np.random.default_rng(1)
    vectors = {word: (rng.normal(size=8) + (3 if word in ("cat", "dog", "zebra", "tapir") else -3)).round(3) for word in words}
    text = f"{len(words)} 8\n" + "".join(f"{w} {' '.join(map(str, v))}\n" for w, v in vectors.items())
    platform.put("pretrained/vectors.vec", text)
    platform.put("pretrained-train/train.txt", labelled_text(500))
    (tmp_path / "vectors.vec").write_text(text)
    (tmp_path / "train").write_text(labelled_text(500))
    channels = [jobs.channel("train", "pretrained-train/"), jobs.channel("pretrained", "pretrained/")]

    job = platform.train(dict(mode="supervised", vector_dim=8, epochs=1, learning_rate=1e-6, min_count=1, word_ngrams=1), channels)
    platform.files(job, tmp_path / "still")
    still = fasttext.load_model(str(tmp_path / "still" / "model.bin"))
    for word, vector in vectors.items():
        np.testing.assert_allclose(still.get_word_vector(word), vector, atol=1e-3)
    assert np.abs(still.get_word_vector("saw")).max() < 1 / 8  # not in the file: at random
    debian("supervised", "-input", tmp_path / "train", "-output", tmp_path / "theirs", "-dim", "8", "-pretrainedVectors", tmp_path / "vectors.vec")
    theirs = fasttext.load_model(str(tmp_path / "theirs.bin"))
    assert set(still.get_words()) == set(theirs.get_words())  # with those that only the file has
    log = log_of(platform, job)
    assert "4 of its words are not in the text" in log and "7 words begin at pretrained vectors" in log

    # Words that only the file knew are understood; the file may be gzipped.
    platform.put("pretrained-gzip/vectors.vec.gz", gzip.compress(text.encode()))
    channels[1] = jobs.channel("pretrained", "pretrained-gzip/")
    job = platform.train(dict(mode="supervised", vector_dim=8, epochs=5, learning_rate=0.2, min_count=1, word_ngrams=1), channels)
    endpoint = platform.deploy(job["ModelArtifacts"]["S3ModelArtifacts"])
    answer = json.loads(platform.ask(endpoint, {"instances": ["zebra tapir", "spanner wrench"]}))
    assert [a["label"] for a in answer] == [["__label__animals"], ["__label__tools"]]

    # Our own word vectors, and fastText's binary form, go into a second training.
    platform.put("pretrained-words/text", small_text(500))
    first = platform.train(dict(mode="skipgram", vector_dim=8, subwords=True, buckets=500, min_count=1, evaluation=False),
                           [jobs.channel("train", "pretrained-words/text")])
    platform.files(first, tmp_path / "first")
    platform.put("pretrained-bin/vectors.bin", (tmp_path / "first" / "vectors.bin").read_bytes())
    for mode in ("batch_skipgram", "cbow"):
        second = platform.train(dict(mode=mode, vector_dim=8, epochs=1, learning_rate=1e-6, min_count=1, evaluation=False),
                                [jobs.channel("train", "pretrained-words/text"), jobs.channel("pretrained", "pretrained-bin/")])
        platform.files(second, tmp_path / mode)
        before, after = (KeyedVectors.load_word2vec_format(str(tmp_path / f / "vectors.txt")) for f in ("first", mode))
        np.testing.assert_allclose(before["cat"], after["cat"], atol=1e-3)

    job = platform.job(dict(mode="skipgram", vector_dim=16, min_count=1), channels)
    assert job["FailureReason"].startswith("ClientError") and "vectors have 8 numbers, but vector_dim is 16" in job["FailureReason"], job


@pytest.mark.skipif(not WIKI.exists() or not QUESTIONS.exists(), reason=f"{WIKI} or {QUESTIONS} is not here")
def test_analogies_and_word2vecs_binary_form_agree_with_gensim(platform, tmp_path):
    with lzma.open(WIKI) as stream:
        platform.put("analogies/text", stream.read(4_000_000))
    for path in (QUESTIONS, PAIRS / "EN-WS-353-ALL.txt"):
        platform.put(f"analogy-lists/{path.name}", path.read_bytes())
    job = platform.train(dict(mode="batch_skipgram", vector_dim=50, epochs=5, write_word2vec_binary=True),
                         [jobs.channel("train", "analogies/text"), jobs.channel("wordsim", "analogy-lists/")])
    assert platform.files(job, tmp_path) == ["eval.json", "vectors.bin", "vectors.txt", "vectors.word2vec.bin"]
    text = KeyedVectors.load_word2vec_format(str(tmp_path / "vectors.txt"), binary=False)
    binary = KeyedVectors.load_word2vec_format(str(tmp_path / "vectors.word2vec.bin"), binary=True)
    assert binary.index_to_key == text.index_to_key
    np.testing.assert_array_equal(binary.vectors, text.vectors)
    _, sections = binary.evaluate_word_analogies(str(QUESTIONS), restrict_vocab=30000)
    right, wrong = len(sections[-1]["correct"]), len(sections[-1]["incorrect"])
    report = json.loads((tmp_path / "eval.json").read_text())
    own = report["questions-words.txt"]
    assert own["questions_asked"] == right + wrong > 500 and own["total_questions"] == 19544
    assert abs(own["correct"] - right) <= 2, (own, right)  # rounding may decide between two words
    assert own["accuracy"] == own["correct"] / own["questions_asked"]
    assert report["mean_rho"] == report["EN-WS-353-ALL.txt"]["spearmans_rho"]
    assert f"#analogies: {own['accuracy']:.4f} ({own['questions_asked']} of 19544 questions)" in log_of(platform, job)


def test_a_training_that_hardly_learned_says_what_to_change(platform):
    rng = random.Random(1)
    platform.put("hard/train", "".join(f"__label__{rng.choice('aaab')} {' '.join(rng.choices(ANIMALS + TOOLS, k=8))}\n" for _ in range(400)))
    platform.put("hard/easy", labelled_text(800))
    for key, hyperparameters, warns in [("hard/train", {}, True), ("hard/easy", dict(learning_rate=0.5, epochs=10), False)]:
        log = log_of(platform, platform.train(dict(mode="supervised", vector_dim=10, buckets=1000, **hyperparameters), [jobs.channel("train", key)]))
        assert ("always answering the most frequent label" in log) == warns, log
    platform.put("hard/words", small_text(2000))
    for threshold, warns in [(0.0001, True), (0.01, False)]:
        log = log_of(platform, platform.train(dict(mode="cbow", vector_dim=10, evaluation=False, sampling_threshold=threshold),
                                              [jobs.channel("train", "hard/words")]))
        assert ("Thinning of frequent words leaves" in log and "raise sampling_threshold (now 0.0001)" in log) == warns, log


@needs_news
def test_autotune_finds_what_the_defaults_miss(platform, news):
    for name, rows in (("train", news[0][:2000]), ("validation", news[1][:1000])):
        platform.put(f"tune/{name}", "".join(f"__label__{label} {split_words(text)}\n" for label, text in rows))
    channels = [jobs.channel(name, f"tune/{name}") for name in ("train", "validation")]
    accuracy = []
    for autotune in (False, True):
        job = platform.train(dict(mode="supervised", vector_dim=10, buckets=20000, autotune=autotune), channels)
        accuracy.append({m["MetricName"]: m["Value"] for m in job["FinalMetricDataList"]}["validation:accuracy"])
    assert accuracy[0] < 0.6 and accuracy[1] > 0.75, accuracy
    log = log_of(platform, job)
    assert len(re.findall(r"autotune: learning_rate [\d.]+, epochs \d+: accuracy 0\.\d{4} on validation text", log)) in (6, 7), log
    job = platform.job(dict(mode="supervised", autotune=True), channels[:1])
    assert "autotune=True needs a validation channel" in job["FailureReason"], job


def test_values_outside_the_rules_are_refused(platform):
    for hyperparameters, message in [(dict(loss="hs"), "loss: 'hs'"), (dict(tokenizer="bert"), "tokenizer: 'bert'"),
                                     (dict(quantize="perhaps"), "quantize: 'perhaps'"), (dict(quantize_cutoff=-1), "quantize_cutoff: '-1'")]:
        job = platform.job(dict(mode="supervised", **hyperparameters), [jobs.channel("train", "hard/easy")])
        assert job["FailureReason"].startswith("ClientError") and message in job["FailureReason"], job
