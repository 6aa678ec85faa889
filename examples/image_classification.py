#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Image Classification: pictures of some classes to an endpoint, then transfer to classes with few pictures, with plain boto3.

1  take the pictures, or draw some        4  a page of test pictures; who is taken for what; the worst
2  train, and follow the log              5  other classes, few pictures: what the first job learned
3  ask the endpoint for every test one       beside a start from nothing

It runs against AWS or Clary alike up to step 5 (the channel `pretrained` is Clary's): give --endpoint-url, or set HTTPS_PROXY and
AWS_CA_BUNDLE (`clary env` prints them).
"""
import argparse
import concurrent.futures
import io
import json
import pathlib
import re
import struct
import sys
import tarfile
import time

import matplotlib
import numpy as np
from PIL import Image, ImageDraw

matplotlib.use("Agg")  # pictures go to files
import matplotlib.pyplot as plt  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from session import Session, shown  # noqa: E402

IMAGE = "433757028032.dkr.ecr.us-west-2.amazonaws.com/image-classification:1"
MAGIC = struct.pack("<I", 0xCED7230A)


# --- the pictures --------------------------------------------------------------------------------------------------------------

def read_pictures(path, per_class, seed=1):
    """-> {"train" | "test": {class: [JPEG bytes]}} from an archive of .../train/CLASS/NAME.jpg and .../test/CLASS/NAME.jpg."""
    parts = {"train": {}, "test": {}}
    with tarfile.open(path) as archive:
        for member in archive:
            names = pathlib.PurePosixPath(member.name).parts
            if member.isfile() and len(names) >= 3 and names[-3] in parts:
                parts[names[-3]].setdefault(names[-2], []).append(archive.extractfile(member).read())
    random = np.random.default_rng(seed)
    for part, limit in (("train", per_class), ("test", max(per_class // 5, 20))):
        for name, pictures in parts[part].items():
            parts[part][name] = [pictures[i] for i in random.permutation(len(pictures))[:limit]]
    return parts


def draw(shape, random, edge=32):
    """A shape of one colour on a ground of another, anywhere, of any size, with noise."""
    ground, colour = random.integers(0, 256, 3), random.integers(0, 256, 3)
    while np.abs(ground - colour).sum() < 120:
        colour = random.integers(0, 256, 3)
    big = Image.new("RGB", (4 * edge, 4 * edge), tuple(map(int, ground)))
    pen, size = ImageDraw.Draw(big), random.uniform(1.2, 1.9) * edge
    x, y = random.uniform(size, 4 * edge - size, 2)
    turn = random.uniform(0, 360)
    box, fill = [x - size, y - size, x + size, y + size], tuple(map(int, colour))
    corners = {"triangle": 3, "square": 4, "pentagon": 5, "hexagon": 6}
    if shape in corners:
        pen.regular_polygon((x, y, size), corners[shape], rotation=turn, fill=fill)
    elif shape == "disc":
        pen.ellipse(box, fill=fill)
    elif shape == "ring":
        pen.ellipse(box, outline=fill, width=int(size / 3))
    elif shape == "half disc":
        pen.pieslice(box, turn, turn + 180, fill=fill)
    elif shape == "sector":
        pen.pieslice(box, turn, turn + 270, fill=fill)
    elif shape == "cross":
        for angle in (turn, turn + 90):
            dx, dy = size * np.cos(np.radians(angle)), size * np.sin(np.radians(angle))
            pen.line([x - dx, y - dy, x + dx, y + dy], fill=fill, width=int(size / 2))
    elif shape == "stripes":
        for offset in (-.7, 0, .7):
            dx, dy = size * np.cos(np.radians(turn)), size * np.sin(np.radians(turn))
            pen.line([x - dx - offset * dy, y - dy + offset * dx, x + dx - offset * dy, y + dy + offset * dx], fill=fill, width=int(size / 4))
    pixels = np.asarray(big.resize((edge, edge), Image.BOX)).astype(float) + random.normal(0, 12, (edge, edge, 3))
    out = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(out, "JPEG", quality=92)
    return out.getvalue()


def drawn_pictures(per_class, seed=1):
    shapes = ["cross", "disc", "half disc", "hexagon", "pentagon", "ring", "sector", "square", "stripes", "triangle"]
    random = np.random.default_rng(seed)
    return {part: {shape: [draw(shape, random) for _ in range(count)] for shape in shapes}
            for part, count in (("train", per_class), ("test", max(per_class // 5, 20)))}


def image_record(label, number, picture):
    """One frame of a .rec file as MXNet's im2rec writes it: a header of 24 bytes and the picture, cut where the magic occurs in it."""
    payload = struct.pack("<IfQQ", 0, label, number, 0) + picture
    pieces, start = [], 0
    for place in range(0, len(payload) - 3, 4):
        if payload[place:place + 4] == MAGIC:
            pieces.append(payload[start:place])
            start = place + 4
    pieces.append(payload[start:])
    out = b""
    for i, piece in enumerate(pieces):
        flag = 0 if len(pieces) == 1 else 1 if i == 0 else 3 if i == len(pieces) - 1 else 2
        out += MAGIC + struct.pack("<I", flag << 29 | len(piece)) + piece + b"\0" * (-len(piece) % 4)
    return out


def records(pictures, names, per_class=None):
    """A .rec file of the pictures of these classes; a label is the place of its class in `names`. -> bytes, number of pictures"""
    labelled = [(label, picture) for label, name in enumerate(names) for picture in pictures[name][:per_class]]
    return b"".join(image_record(label, i, picture) for i, (label, picture) in enumerate(labelled)), len(labelled)


# --- figures -------------------------------------------------------------------------------------------------------------------

def as_array(picture):
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))


def plot_page(path, pictures, labels, probabilities, names, title):
    """Pictures with what they were taken for and how sure that was; red where it is wrong, with the right name below."""
    columns = 8
    rows = -(-len(pictures) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(1.55 * columns, 1.95 * rows), layout="constrained", squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, picture, label, row in zip(axes.flat, pictures, labels, probabilities):
        guess = int(np.argmax(row))
        axis.imshow(as_array(picture), interpolation="nearest")
        axis.set_title("%s %.0f %%" % (names[guess], 100 * row[guess]) + ("" if guess == label else "\nis %s" % names[label]),
                       color="black" if guess == label else "crimson", fontsize=8)
    figure.suptitle(title)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def plot_confusion(path, labels, guesses, names):
    counts = np.zeros((len(names), len(names)), dtype=int)
    np.add.at(counts, (labels, guesses), 1)
    figure, axis = plt.subplots(figsize=(1.6 + .62 * len(names), 1.2 + .55 * len(names)), layout="constrained")
    axis.imshow(counts / counts.sum(axis=1, keepdims=True), cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(*counts.shape):
        if counts[row, column]:
            axis.text(column, row, counts[row, column], ha="center", va="center", fontsize=8,
                      color="white" if counts[row, column] > counts[row].sum() / 2 else "black")
    axis.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axis.set_yticks(range(len(names)), names)
    axis.set(xlabel="taken for", ylabel="is", title="test pictures, accuracy %.3f" % (np.trace(counts) / counts.sum()))
    figure.savefig(path, dpi=110)
    plt.close(figure)


def plot_transfer(path, curves, chance, per_class):
    figure, axis = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for name, accuracies in curves.items():
        axis.plot(range(1, len(accuracies) + 1), accuracies, marker="o", markersize=3, label="%s: best %.3f" % (name, max(accuracies)))
    axis.axhline(chance, color="grey", linestyle=":", label="chance")
    axis.set(xlabel="epoch", ylabel="accuracy on the test pictures", title="%d training pictures a class" % per_class, ylim=(0, 1))
    axis.legend(frameon=False, loc="lower right")
    figure.savefig(path, dpi=110)
    plt.close(figure)


# --- the steps -----------------------------------------------------------------------------------------------------------------

def train(session, arguments, name, parts, names, epochs, per_class=None, pretrained=None, show=lambda line: None):
    """Uploads the classes' pictures as .rec files and trains on them. -> job description, accuracy on the test pictures by epoch"""
    channels, count = {}, 0
    for channel, part in (("train", "train"), ("validation", "test")):
        body, pictures = records(parts[part], names, per_class if part == "train" else None)
        count = count or pictures
        uri = session.put("image-classification/%s/%s/pictures.rec" % (name, channel), body)
        channels[channel] = (uri.rpartition("/")[0] + "/", "FullyReplicated", "application/x-recordio")
    if pretrained:
        channels["pretrained"] = (pretrained, "FullyReplicated", "application/x-sagemaker-model")
    hyperparameters = dict(num_layers=arguments.layers, image_shape="3,%d,%d" % (arguments.edge, arguments.edge), num_classes=len(names),
                           num_training_samples=count, mini_batch_size=min(64, count // 4), epochs=epochs, augmentation_type="crop",
                           learning_rate=arguments.learning_rate, optimizer="nag", lr_scheduler_step=str(max(1, epochs * 3 // 4)),
                           use_pretrained_model=int(bool(pretrained)))
    if arguments.resize:
        hyperparameters["resize"] = arguments.resize
    accuracies = []

    def watch(line):
        found = re.search(r"Validation-accuracy=([\d.]+)", line)
        if found:
            accuracies.append(float(found[1]))
        show(line)

    job = session.train(name, IMAGE, channels, hyperparameters, show=watch)
    return job, accuracies


def probabilities_of(session, endpoint, pictures):
    """One request a picture, eight at a time."""
    def ask(picture):
        answer = session.runtime.invoke_endpoint(EndpointName=endpoint, ContentType="application/x-image", Body=picture)
        return json.loads(answer["Body"].read())

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return np.array(list(pool.map(ask, pictures)))


def first_task(session, arguments, parts, names, output):
    shown("2/5", "Training ResNet-%d on %d classes" % (arguments.layers, len(names)))
    name = "image-classification-" + session.stamp

    def show(line):
        if re.search(r"Epoch\[\d+\] (Train-accuracy|Validation-accuracy|Time cost)|images/s|Storing", line):
            print("   " + re.sub(r"^\[.*?\] ", "", line), flush=True)

    job, _ = train(session, arguments, name, parts, names, arguments.epochs, show=show)

    shown("3/5", "The endpoint")
    session.deploy(name, IMAGE, job["ModelArtifacts"]["S3ModelArtifacts"])
    labels = np.array([label for label, c in enumerate(names) for _ in parts["test"][c]])
    pictures = [picture for c in names for picture in parts["test"][c]]
    began = time.time()
    probabilities = probabilities_of(session, name, pictures)
    guesses = probabilities.argmax(axis=1)
    print("   %d pictures in %.1f s: accuracy %.3f (chance %.3f)" % (len(pictures), time.time() - began, (guesses == labels).mean(), 1 / len(names)))

    shown("4/5", "Pictures of the pictures")
    some = np.random.default_rng(3).permutation(len(pictures))[:32]
    worst = np.argsort(probabilities[np.arange(len(labels)), labels])[:16]
    for kind, chosen, title in (("predictions", some, "test pictures and what they are taken for"),
                                ("worst", worst, "the test pictures whose right class was given the least")):
        plot_page(output / ("image-%s.png" % kind), [pictures[i] for i in chosen], labels[chosen], probabilities[chosen], names, title)
    plot_confusion(output / "image-confusion.png", labels, guesses, names)
    print("   %s\n   %s\n   %s" % tuple(output / ("image-%s.png" % kind) for kind in ("predictions", "worst", "confusion")))
    session.clean_up(name)
    return job["ModelArtifacts"]["S3ModelArtifacts"]


def transfer(session, arguments, parts, names, artifact, output):
    shown("5/5", "Transfer to %s, %d pictures each" % (", ".join(names), arguments.few))
    curves = {}
    for how, pretrained in (("from nothing", None), ("from the first job's weights", artifact)):
        name = "image-%s-%s" % ("transfer" if pretrained else "scratch", session.stamp)
        _, curves[how] = train(session, arguments, name, parts, names, arguments.transfer_epochs, arguments.few, pretrained)
        print("   %-28s best accuracy %.3f after %d epochs" % (how, max(curves[how]), len(curves[how])), flush=True)
    plot_transfer(output / "image-transfer.png", curves, 1 / len(names), arguments.few)
    print("   %s" % (output / "image-transfer.png"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint-url", help="where the services answer; without it, AWS or the proxy in HTTPS_PROXY")
    parser.add_argument("--pictures", metavar="FILE", help="a tar archive of train/CLASS/*.jpg and test/CLASS/*.jpg; without it, drawn ones")
    parser.add_argument("--per-class", type=int, default=600, help="training pictures taken of each class (default %(default)s)")
    parser.add_argument("--layers", type=int, default=20, help="20, 32, 44, 56, 110 or 18, 34, 50, 101, 152, 200 (default %(default)s)")
    parser.add_argument("--edge", type=int, default=32, help="height and width that the network sees (default %(default)s)")
    parser.add_argument("--resize", type=int, help="shorter side before the crop")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=0.1)
    parser.add_argument("--few", type=int, default=50, help="pictures a class of the second task (default %(default)s)")
    parser.add_argument("--transfer-epochs", type=int, default=20)
    parser.add_argument("--output", default="build/demo", metavar="DIR", help="figures (default %(default)s)")
    arguments = parser.parse_args()
    output = pathlib.Path(arguments.output)
    output.mkdir(parents=True, exist_ok=True)
    began = time.time()

    shown("1/5", "The pictures")
    parts = read_pictures(arguments.pictures, arguments.per_class) if arguments.pictures else drawn_pictures(arguments.per_class)
    names = sorted(parts["train"])
    first, second = names[:-4], names[-4:]
    print("   %d training and %d test pictures of %s; the last four are kept for step 5" % (
        sum(map(len, parts["train"].values())), sum(map(len, parts["test"].values())), ", ".join(names)))

    session = Session(arguments.endpoint_url)
    session.make_bucket()
    artifact = first_task(session, arguments, parts, first, output)
    transfer(session, arguments, parts, second, artifact, output)
    print("All in %.0f s." % (time.time() - began))


if __name__ == "__main__":
    main()
