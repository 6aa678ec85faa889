# SPDX-License-Identifier: Apache-2.0
"""`clary make-vocab` beside a plain Python form of what AWS's create_vocab_proto.py does: the same vocabularies byte for byte,
the same records."""
import collections
import gzip
import io
import itertools
import json
import random
import struct
import subprocess

import pytest

from conftest import BINARY

SYMBOLS = ["<pad>", "<unk>", "<s>", "</s>"]


def make_vocab(*arguments, code=0):
    finished = subprocess.run([str(BINARY), "make-vocab", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=120)
    assert finished.returncode == code, (finished.returncode, finished.stderr)
    return finished.stderr.decode()


def open_text(path):
    opener = gzip.open if str(path).endswith(".gz") else open
    return opener(path, "rt", encoding="utf-8", errors="replace")


def counted(*paths):
    counts = collections.Counter()
    for path in paths:
        with open_text(path) as lines:
            for line in lines:
                counts.update(word for word in line.rstrip().split() if word not in SYMBOLS)
    return counts


def vocabulary(counts, most=50000, least=1):
    kept = sorted(((count, word) for word, count in counts.items() if count >= least), reverse=True)[:most]
    return {word: i for i, word in enumerate(SYMBOLS + [word for _, word in kept])}


def dumped(vocab):
    return json.dumps(vocab, indent=4, ensure_ascii=False).encode()


def encoded(source, target, source_vocab, target_vocab):
    out = collections.Counter()
    with open_text(source) as left, open_text(target) as right:
        for a, b in zip(left, right):
            if a.strip() and b.strip():
                out[tuple(tuple(v.get(word, 1) for word in line.rstrip().split())
                          for line, v in ((a, source_vocab), (b, target_vocab)))] += 1
    return out


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def fields(data):
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        size, at = varint(data, at)
        yield tag >> 3, data[at:at + size]
        at += size


def read_records(path):
    """Record -> features -> int32_tensor -> values, by hand: no reader of the product's."""
    data, at, out = path.read_bytes(), 0, collections.Counter()
    while at < len(data):
        magic, length = struct.unpack_from("<II", data, at)
        assert magic == 0xced7230a
        record = {}
        for field, entry in fields(data[at + 8:at + 8 + length]):
            assert field == 1
            parts = dict(fields(entry))
            tensor = dict(fields(parts[2]))[7]
            packed, ids, place = dict(fields(tensor))[1], [], 0
            while place < len(packed):
                value, place = varint(packed, place)
                ids.append(value)
            record[parts[1].decode()] = tuple(ids)
        out[(record["source"], record["target"])] += 1
        at += 8 + (length + 3 >> 2 << 2)
    return out


BLANKS = [" ", "  ", "\t", "\x0b", "\x0c", "\x1c", "\x1f", "\x85", "\xa0", "\u1680", "\u2003", "\u2028", "\u202f", "\u205f", "\u3000"]
LETTERS = ["a", "b", "\"", "\\", "\x01", "\x08", "\x7f", "\xe9", "\u200b", "\ufeff", "\u4e00", "\ud7ff", "\U0001f600", "<", "\x00"]


def words(rng, count):
    return ["".join(rng.choices(LETTERS, k=rng.randint(1, 12))) for _ in range(count)] + SYMBOLS


def text(rng, lines, vocab):
    out = b""
    weights = list(itertools.accumulate(1 / (i + 1) for i in range(len(vocab))))
    for _ in range(lines):
        chosen = rng.choices(vocab, cum_weights=weights, k=rng.choice([0, 1, 3, 9, 40]))
        out += "".join(word + rng.choice(BLANKS) for word in chosen).encode()
        if rng.random() < .05:
            out += bytes(rng.choices(range(128, 256), k=rng.randint(1, 5)))
        out += rng.choice([b"\n", b"\n", b"\r\n", b"\r"])
    return out + b"last\n"


def parallel(rng, lines, words_of_side):
    """Two texts of as many lines: "\r" before an empty line that ends in "\n" makes one line end of two."""
    texts = [text(rng, lines, words_of_side()) for _ in range(2)]
    counts = [sum(1 for _ in io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", errors="replace")) for data in texts]
    return [data + b"more\n" * (max(counts) - count) for data, count in zip(texts, counts)]


@pytest.mark.parametrize("seed", range(4))
def test_files_are_those_of_the_helper(tmp_path, seed):
    rng = random.Random(seed)
    files = {}
    for name, lines in (("train", 1500), ("val", 200)):
        for side, data in zip(("src", "trg"), parallel(rng, lines, lambda: words(rng, 900))):
            zipped = seed % 2 == 1 and side == "src"
            files[name, side] = tmp_path / f"{name}.{side}{'.gz' if zipped else ''}"
            files[name, side].write_bytes(gzip.compress(data) if zipped else data)
    options = ["--word-min-count-source", "2", "--num-words-target", "300"] if seed >= 2 else []
    make_vocab("-ts", files["train", "src"], "-tt", files["train", "trg"], "-vs", files["val", "src"], "-vt", files["val", "trg"],
               "--output", tmp_path / "out", *options)
    source = vocabulary(counted(files["train", "src"]), least=2 if seed >= 2 else 1)
    target = vocabulary(counted(files["train", "trg"]), most=300 if seed >= 2 else 50000)
    assert (tmp_path / "out/vocab.src.json").read_bytes() == dumped(source)
    assert (tmp_path / "out/vocab.trg.json").read_bytes() == dumped(target)
    for name in ("train", "val"):
        assert read_records(tmp_path / f"out/{name}.rec") == encoded(files[name, "src"], files[name, "trg"], source, target)


def test_one_vocabulary_and_existing_ones(tmp_path):
    rng = random.Random(9)
    vocab = words(rng, 50)
    for side, data in zip(("src", "trg"), parallel(rng, 200, lambda: vocab)):
        (tmp_path / side).write_bytes(data)
    make_vocab("-ts", tmp_path / "src", "-tt", tmp_path / "trg", "-single-vocab", "--output", tmp_path / "one", "-to", "both.rec")
    both = vocabulary(counted(tmp_path / "src", tmp_path / "trg"))
    assert (tmp_path / "one/vocab.src.json").read_bytes() == (tmp_path / "one/vocab.trg.json").read_bytes() == dumped(both)
    assert read_records(tmp_path / "one/both.rec") == encoded(tmp_path / "src", tmp_path / "trg", both, both)
    make_vocab("--train-source", tmp_path / "src", "--train-target", tmp_path / "trg", "--output", tmp_path / "two",
               "--vocab-source-json", tmp_path / "one/vocab.src.json", "--vocab-target-json", tmp_path / "one/vocab.trg.json")
    assert sorted(p.name for p in (tmp_path / "two").iterdir()) == ["train.rec"]
    assert (tmp_path / "two/train.rec").read_bytes() == (tmp_path / "one/both.rec").read_bytes()


def test_mistakes_are_named(tmp_path):
    (tmp_path / "a").write_text("x\ny\n")
    (tmp_path / "b").write_text("x\n")
    assert "a has 2 lines and" in make_vocab("-ts", tmp_path / "a", "-tt", tmp_path / "b", "--output", tmp_path, code=1)
    assert "nowhere does not exist" in make_vocab("-ts", tmp_path / "nowhere", "-tt", tmp_path / "b", code=1)
    assert "--train-target is required" in make_vocab("-ts", tmp_path / "a", code=2)
    for name, value, words in (("-to", "a", "a is --train-source, too"), ("-to", "vocab.src.json", "is vocab.src.json, too"),
                               ("-vo", "train.rec", "train.rec is --train-output, too")):
        said = make_vocab("-ts", tmp_path / "a", "-tt", tmp_path / "a", "-vs", tmp_path / "a", "-vt", tmp_path / "a",
                          "--output", tmp_path, name, value, code=1)
        assert words in said and (tmp_path / "a").read_text() == "x\ny\n"

