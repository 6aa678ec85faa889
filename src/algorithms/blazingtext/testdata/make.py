#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the model files of this folder with Debian's fasttext 0.9.2, and golden.json with what it answers.

Run: /usr/bin/python3 make.py   (packages: fasttext, python3-fasttext)
"""
import json
import os
import random
import subprocess
import tempfile

import fasttext

HERE = os.path.dirname(os.path.abspath(__file__))
WORDS = ["good", "bad", "fine", "naïve", "movie", "plot", "actor", "für", "дом", "film", "dull", "bright"]
QUESTIONS = ["good movie", "bad dull plot", "never seen words", "naïve дом", "fine", "good __label__2 film"]


def text(labels, lines, seed):
    """Lines whose first words hint at the label."""
    rng = random.Random(seed)
    out = []
    for i in range(lines):
        label = i % labels
        hints = [WORDS[label % len(WORDS)], WORDS[(label * 5 + 3) % len(WORDS)]]
        out.append(f"__label__{label} " + " ".join(hints + rng.choices(WORDS, k=3)))
    return "\n".join(out) + "\n"


def run(*words):
    subprocess.run(["fasttext", *words, "-thread", "1", "-verbose", "0"], check=True, stdout=subprocess.DEVNULL)


def classifier(folder, name, labels, *options):
    source = os.path.join(folder, name + ".txt")
    with open(source, "w", encoding="utf-8") as out:
        out.write(text(labels, 60 * labels if labels < 100 else 3 * labels, seed=labels))
    base = os.path.join(folder, name)
    run("supervised", "-input", source, "-output", base, "-dim", "4", "-lr", "0.5", "-epoch", "8", *options)
    return source, base


def answers(path, k=3):
    model = fasttext.load_model(path)
    out = []
    for question in QUESTIONS:
        labels, probabilities = model.predict(question, k=k)
        out.append({"text": question, "label": list(labels), "prob": [float(p) for p in probabilities]})
    return out


def vectors(path):
    model = fasttext.load_model(path)
    words = ["good", "naïve", "unseen", "дом", "</s>", "a"]
    return [{"word": word, "vector": [float(v) for v in model.get_word_vector(word)]} for word in words]


def keep(path, name):
    with open(path, "rb") as source, open(os.path.join(HERE, name), "wb") as out:
        out.write(source.read())
    return os.path.join(HERE, name)


def main():
    golden = {"classifiers": {}, "vectors": {}}
    with tempfile.TemporaryDirectory() as folder:
        for loss in ["softmax", "hs", "ns", "ova"]:
            grams = ["-wordNgrams", "3", "-bucket", "50"] + (["-minn", "2", "-maxn", "4"] if loss == "ova" else [])
            _, base = classifier(folder, loss, 5, "-loss", loss, *grams)
            golden["classifiers"][f"{loss}.bin"] = answers(keep(base + ".bin", f"{loss}.bin"))
        # Quantising needs 256 rows: of the input here, of the output below.
        for name, options in [("norm", ["-qnorm"]), ("pruned", ["-cutoff", "260", "-retrain", "-epoch", "1"])]:
            source, base = classifier(folder, name, 5, "-wordNgrams", "2", "-bucket", "300")
            run("quantize", "-input", source, "-output", base, *options)
            golden["classifiers"][f"{name}.ftz"] = answers(keep(base + ".ftz", f"{name}.ftz"))
        source, base = classifier(folder, "qout", 256, "-wordNgrams", "2", "-bucket", "300")
        run("quantize", "-input", source, "-output", base, "-qout")
        golden["classifiers"]["qout.ftz"] = answers(keep(base + ".ftz", "qout.ftz"))
        source = os.path.join(folder, "words.txt")
        with open(source, "w", encoding="utf-8") as out:
            out.write(text(2, 200, seed=3).replace("__label__", "number"))
        for name, options in [("plain", ["-minn", "0", "-maxn", "0"]), ("subwords", ["-minn", "2", "-maxn", "4"])]:
            base = os.path.join(folder, name)
            run("skipgram" if name == "plain" else "cbow", "-input", source, "-output", base, "-dim", "4", "-bucket", "40",
                *options)
            golden["vectors"][f"{name}.bin"] = vectors(keep(base + ".bin", f"{name}.bin"))
    with open(os.path.join(HERE, "golden.json"), "w", encoding="utf-8") as out:
        json.dump(golden, out, indent=1)
        out.write("\n")


if __name__ == "__main__":
    main()
