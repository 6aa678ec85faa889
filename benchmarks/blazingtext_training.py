# SPDX-License-Identifier: Apache-2.0
"""BlazingText's training beside fastText, gensim, word2vec and pWord2Vec: words per second and quality, in one run.

usage: /usr/bin/python3 benchmarks/blazingtext_training.py [--build build/bench] [--bytes 100000000] [--threads 1,2] [--epochs 1]
       [--only skipgram,cbow,batch_skipgram,subwords,supervised,hosts] [--word2vec PROGRAM] [--pword2vec PROGRAM [--core SkylakeX]]

Word vectors, of ../shared/data/wiki8: dimension 100, window 5, 5 negatives, threshold 1e-4, minimum count 5, rate 0.05, batches of 11.
Words per second are of the learning alone, as each program reports or Python measures it: fastText, word2vec and pWord2Vec count words of
the vocabulary, gensim all words before thinning, ours words of the vocabulary (99 % of wiki8's). Quality: mean Spearman of the three WS-353
lists, and the share of the analogy questions among the 30,000 most frequent words that is solved. (Over several seeds: blazingtext_quality.py.)

Classifiers, of AG News there: seconds from the text file to the model in memory, inside the process, for both: ours from the call of the
trainer, fastText's from the call of train_supervised() in Python. Starting a program and writing model.bin is in neither.

Debian has neither of these two; build them where you like and give their paths. --word2vec (github.com/tmikolov/word2vec):
    gcc word2vec.c -o word2vec -lm -pthread -O3 -march=native -funroll-loops
--pword2vec (github.com/IntelLabs/pWord2Vec) asks for Intel's MKL; Debian's libopenblas-dev does with a file inc/mkl.h of these lines:
    #include <cblas.h>
    #include <mm_malloc.h>
    typedef int MKL_INT;
    inline void mkl_set_num_threads(int) {}
    g++ -std=c++11 -fopenmp -O3 -march=native -DUSE_MKL -Iinc pWord2Vec.cpp -o pWord2Vec -lopenblas
It runs with OPENBLAS_NUM_THREADS=1 and OPENBLAS_CORETYPE=<--core>: OpenBLAS does not know every new or virtual core and then is several
times slower. blazingtext_kernels says how near batch_skipgram is to the limits of this machine.
"""
import argparse
import pathlib
import re
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/support"))
import text_peers as peers  # noqa: E402


def shown(scores):
    return ", ".join(f"{name} {value:.3f}" for name, value in scores.items())


class Bench:
    def __init__(self, args, folder):
        self.args, self.folder = args, folder
        self.program = ROOT / args.build / "benchmarks/blazingtext_training"
        self.text = peers.write_wiki(folder / "wiki8", args.bytes)
        self.lines = peers.write_lines(self.text, folder / "lines")
        self.settings = {**peers.WORD_VECTORS, "epochs": args.epochs}

    def ours(self, threads, **settings):
        path = self.folder / "vectors"
        given = {**self.settings, "threads": threads, **settings}
        log = peers.run(self.program, self.text, path, *[f"{name}={value}" for name, value in given.items()])
        return float(re.search(r"Average throughput in Million words/sec: (\S+)", log)[1]), path

    def peers_of(self, mode, subwords, threads):
        """Name -> (words per second, vectors) of a run."""
        out = self.folder / "peer"
        settings = {**self.settings, **(dict(subwords=True) if subwords else {})}
        if mode != "batch_skipgram":
            yield "fastText", lambda: (peers.fasttext(mode, self.text, out, settings, threads), f"{out}.vec")
        if mode != "batch_skipgram" and not subwords:
            yield "gensim", lambda: (peers.gensim(mode, self.lines, out, settings, threads), out)
            if self.args.word2vec:
                yield "word2vec", lambda: (peers.word2vec(self.args.word2vec, mode, self.text, out, settings, threads), out)
        if mode == "batch_skipgram" and self.args.pword2vec:
            yield "pWord2Vec", lambda: (peers.pword2vec(self.args.pword2vec, self.text, out, settings, threads, self.args.core), out)

    def word_vectors(self, mode, subwords=False):
        for threads in self.args.threads:
            title = f"{mode}{' with subwords' if subwords else ''}, {threads} thread{'s'[:threads > 1]}"
            rate, path = self.ours(threads, mode=mode, subwords=subwords)
            print(f"{title}: ours {rate:.2f} M words/s, {shown(peers.score_vectors(path))}", flush=True)
            for name, peer in self.peers_of(mode, subwords, threads):
                theirs, path = peer()
                print(f"{title}: {name} {theirs:.2f} M words/s, {shown(peers.score_vectors(path))}; ours is {rate / theirs:.1f}x", flush=True)

    def hosts(self):
        alone, path = self.ours(1, mode="batch_skipgram")
        print(f"batch_skipgram, 1 host of 1 thread: {alone:.2f} M words/s, {shown(peers.score_vectors(path))}")
        two, path = self.ours(1, mode="batch_skipgram", hosts=2)
        print(f"batch_skipgram, 2 hosts of 1 thread: {two:.2f} M words/s, {shown(peers.score_vectors(path))}; {two / alone:.2f}x", flush=True)

    def supervised(self):
        import fasttext
        train, test = (peers.write_labelled(f"agnews/{name}", self.folder / name) for name in ("train-sample", "test"))
        for dim in (10, 100):
            settings = {**peers.CLASSIFIER, "vector_dim": dim}
            for threads in self.args.threads:
                log = peers.run(self.program, train, "-", "mode=supervised", f"threads={threads}", f"validation={test}",
                                *[f"{name}={value}" for name, value in settings.items()])
                ours = float(re.search(r"learned after: (\S+) s", log)[1])
                accuracy = re.search(r"#validation_accuracy: (\S+)", log)[1]
                start = time.perf_counter()
                model = fasttext.train_supervised(str(train), dim=dim, lr=settings["learning_rate"], minCount=settings["min_count"],
                                                  epoch=settings["epochs"], wordNgrams=settings["word_ngrams"], bucket=settings["buckets"],
                                                  thread=threads, verbose=0)
                theirs = time.perf_counter() - start
                print(f"supervised, dim {dim}, {threads} thread{'s'[:threads > 1]}: ours {ours:.2f} s, accuracy {accuracy}; fastText {theirs:.2f} s, "
                      f"accuracy {model.test(str(test))[1]:.4f}; {theirs / ours:.1f}x", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/bench")
    parser.add_argument("--bytes", type=int, default=100_000_000)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--threads", type=lambda text: [int(part) for part in text.split(",")], default=[1, 2])
    parser.add_argument("--only", type=lambda text: text.split(","),
                        default=["skipgram", "cbow", "batch_skipgram", "subwords", "supervised", "hosts"])
    parser.add_argument("--word2vec", type=pathlib.Path)
    parser.add_argument("--pword2vec", type=pathlib.Path)
    parser.add_argument("--core", default="SkylakeX")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(args, pathlib.Path(folder))
        for name in args.only:
            if name == "supervised":
                bench.supervised()
            elif name == "hosts":
                bench.hosts()
            elif name == "subwords":
                bench.word_vectors("skipgram", subwords=True)
            else:
                bench.word_vectors(name)


if __name__ == "__main__":
    main()
