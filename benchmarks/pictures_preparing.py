#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Picture files to what a network reads, beside OpenCV called from Python (imdecode, resize, slicing), per second and thread.

usage: benchmarks/pictures_preparing.py [--build build/bench] [--files 400] [--repeats 5] [--json FILE]

Both sides take JPEGs that lie in memory, make the shorter side 256, cut 224 x 224 out of the middle, mirror it and leave RGB
bytes in one array. OpenCV has one thread. The pixels are compared first: they may differ by one grey level. Then the same with
the random changes of training: colours in HLS, and the affine transformation before. Files: Caltech-101 of the shared data
where there, else noise in JPEGs of the same sizes. The sides take turns; the best of the repeats counts.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import time

import cv2
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/support"))
from paths import shared_data  # noqa: E402

SIDE, CROP = 256, 224


def caltech(archive, folder, count):
    with tarfile.open(archive) as tar:
        names = [m for m in tar.getmembers() if m.name.endswith(".jpg")]
        chosen = names[:: max(len(names) // count, 1)][:count]
        for member in chosen:
            member.name = member.name.replace("/", "_")
            tar.extract(member, folder)
    return [pathlib.Path(folder) / m.name for m in chosen]


def made(folder, count):
    random = np.random.default_rng(1)
    paths = []
    for i in range(count):
        small = random.integers(0, 256, (32, 38, 3), dtype=np.uint8)
        paths.append(pathlib.Path(folder) / f"{i}.jpg")
        cv2.imwrite(str(paths[-1]), cv2.resize(small, (300, 254)), [cv2.IMWRITE_JPEG_QUALITY, 90])
    return paths


def resized(data):
    image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    h, w = image.shape[:2]
    return cv2.resize(image, (SIDE, SIDE * h // w) if h > w else (SIDE * w // h, SIDE))


def crop(image):
    y, x = (image.shape[0] - CROP) // 2, (image.shape[1] - CROP) // 2
    return image[y:y + CROP, x:x + CROP]


def shifted(image):
    """As MXNet does it, but with NumPy's saturation instead of a loop over pixels."""
    hls = cv2.cvtColor(image, cv2.COLOR_BGR2HLS)
    hls = cv2.add(cv2.subtract(hls, (9, 0, 20, 0)), (0, 17, 0, 0))
    return cv2.cvtColor(hls, cv2.COLOR_HLS2BGR)


def turned(image):
    h, w = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((w / 2, h / 2), 7, 1.05)
    return cv2.warpAffine(image, matrix, (w, h), borderValue=(127, 127, 127))


OPENCV = {
    "none": lambda data: crop(resized(data)),
    "crop_color": lambda data: shifted(crop(resized(data))),
    "crop_color_transform": lambda data: shifted(crop(turned(resized(data)))),
}


def opencv_seconds(files, kind, out):
    change = OPENCV[kind]
    start = time.perf_counter()
    for i, data in enumerate(files):
        out[i] = change(data)[:, ::-1, ::-1]
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build/bench")
    parser.add_argument("--files", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    program = next(pathlib.Path(ROOT / options.build).rglob("pictures_preparing"))
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        archive = shared_data() / "caltech101/caltech101-20.tar.xz"
        paths = caltech(archive, folder, options.files) if archive.exists() else made(folder, options.files)
        listed = pathlib.Path(folder) / "list"
        listed.write_text("\n".join(map(str, paths)))
        pixels = pathlib.Path(folder) / "pixels"

        def ours(kind, threads=1, *more):
            command = [program, listed, kind, str(threads), "1", *more]
            return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["seconds"]

        files = [np.fromfile(path, np.uint8) for path in paths]
        out = np.empty((len(files), CROP, CROP, 3), np.uint8)
        opencv_seconds(files, "none", out)
        ours("none", 1, pixels)
        difference = np.abs(np.fromfile(pixels, np.uint8).reshape(out.shape).astype(int) - out)
        assert difference.max() <= 1, f"pixels differ by {difference.max()}"
        print(f"{len(files)} files, {sum(map(len, files)) // len(files)} bytes on average; pixels that differ by one: "
              f"{(difference > 0).mean():.2%}")
        for kind in OPENCV:
            times = [(ours(kind), opencv_seconds(files, kind, out)) for _ in range(options.repeats)]
            mine, theirs = (len(files) / min(column) for column in zip(*times))
            results[kind] = {"clary": mine, "opencv": theirs, "ratio": mine / theirs}
            print(f"{kind:22} Clary {mine:7.0f}/s   OpenCV {theirs:7.0f}/s   {mine / theirs:.2f}x   (one thread)")
        both = len(files) / min(ours("none", 2) for _ in range(options.repeats))
        print(f"{'none, two threads':22} Clary {both:7.0f}/s")
        results["two_threads"] = both
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
