#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the files beside it: pictures by OpenCV and Pillow, and what OpenCV makes of them (raw bytes, RGB or grey). Made with

    /usr/bin/python3 src/learning/vision/testdata/make_golden.py     # OpenCV 4.6.0, Pillow 9.4.0
"""
import pathlib
import struct
import zlib

import cv2
import numpy
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
H, W = 47, 61
random = numpy.random.default_rng(7)


def picture():
    """Gradients, an edge and noise."""
    y, x = numpy.mgrid[0:H, 0:W]
    rgb = numpy.stack([4 * x, 255 - 5 * y, 2 * x + 3 * y], axis=-1) % 256
    rgb[10:30, 20:40] = (250, 30, 60)
    return numpy.clip(rgb + random.normal(0, 12, rgb.shape), 0, 255).astype(numpy.uint8)


def raw(name, array):
    (HERE / f"{name}.raw").write_bytes(numpy.ascontiguousarray(array).tobytes())


def decoded(name):
    data = numpy.frombuffer((HERE / name).read_bytes(), numpy.uint8)
    raw(name + ".rgb", cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1])
    raw(name + ".grey", cv2.imdecode(data, cv2.IMREAD_GRAYSCALE))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def interlaced(rgb):
    """A PNG in Adam7 order, which neither library writes."""
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    lines = b"".join(b"\0" + row.tobytes() for y, x, dy, dx in passes for row in rgb[y::dy, x::dx])
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", W, H, 8, 2, 0, 0, 1))
            + chunk(b"IDAT", zlib.compress(lines, 9)) + chunk(b"IEND", b""))


def files(rgb):
    image = Image.fromarray(rgb)
    image.save(HERE / "420.jpg", quality=90)
    image.save(HERE / "444.jpg", quality=85, subsampling=0)
    image.save(HERE / "progressive.jpg", quality=80, progressive=True)
    image.convert("L").save(HERE / "grey.jpg", quality=90)
    image.convert("CMYK").save(HERE / "cmyk.jpg", quality=90)
    image.save(HERE / "rgb.png")
    image.convert("L").save(HERE / "grey.png")
    image.convert("P", palette=Image.ADAPTIVE, colors=64).save(HERE / "palette.png")
    alpha = numpy.dstack([rgb, random.integers(0, 256, (H, W), dtype=numpy.uint8)])
    Image.fromarray(alpha).save(HERE / "alpha.png")
    cv2.imwrite(str(HERE / "grey16.png"), random.integers(0, 65536, (H, W)).astype(numpy.uint16))
    cv2.imwrite(str(HERE / "rgb16.png"), random.integers(0, 65536, (H, W, 3)).astype(numpy.uint16))
    (HERE / "interlaced.png").write_bytes(interlaced(rgb))
    image.convert("1").save(HERE / "bits.png")
    for name in ("420.jpg", "444.jpg", "progressive.jpg", "grey.jpg", "cmyk.jpg", "rgb.png", "grey.png", "palette.png",
                 "alpha.png", "grey16.png", "rgb16.png", "interlaced.png", "bits.png"):
        decoded(name)
    image.save(HERE / "picture.gif")
    image.save(HERE / "picture.webp")
    image.save(HERE / "picture.bmp")
    image.save(HERE / "picture.tif")


def resizes(rgb, grey):
    for height, width in ((32, 40), (24, 31), (94, 122), (60, 33), (47, 20), (1, 1), (7, 61), (128, 9)):
        raw(f"resize_{height}_{width}.rgb", cv2.resize(rgb, (width, height)))
        raw(f"resize_{height}_{width}.grey", cv2.resize(grey, (width, height)))


def transforms(rgb, grey):
    """MXNet's matrix (image_aug_default.cc) with shear s, angle, aspect r."""
    for number, (s, degrees, r) in enumerate(((0.0, 10, 1.0), (0.1, -7, 0.75), (-0.06, 3, 1.2))):
        a, b = numpy.cos(degrees / 180 * numpy.pi), numpy.sin(degrees / 180 * numpy.pi)
        hs = 2 / (1 + r)
        ws = r * hs
        m = numpy.array([[hs * a - s * b * ws, hs * b + s * a * ws, 0], [-b * ws, a * ws, 0]])
        m[0, 2] = (W - (m[0, 0] * W + m[0, 1] * H)) / 2
        m[1, 2] = (H - (m[1, 0] * W + m[1, 1] * H)) / 2
        for name, array in (("rgb", rgb), ("grey", grey)):
            out = cv2.warpAffine(array, m, (W, H), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT,
                                 borderValue=(127, 127, 127))
            raw(f"transform_{number}.{name}", out)


def colours(rgb):
    for number, offsets in enumerate(((20, -30, 40), (-36, 50, -50), (0, 0, 1))):
        hls = cv2.cvtColor(rgb, cv2.COLOR_RGB2HLS).astype(int) + offsets
        hls = numpy.clip(hls, 0, (180, 255, 255)).astype(numpy.uint8)
        raw(f"colours_{number}.rgb", cv2.cvtColor(hls, cv2.COLOR_HLS2RGB))


RGB = picture()
GREY = cv2.cvtColor(RGB, cv2.COLOR_RGB2GRAY)
raw("picture.rgb", RGB)
raw("picture.grey", GREY)
files(RGB)
resizes(RGB, GREY)
transforms(RGB, GREY)
colours(RGB)
