# SPDX-License-Identifier: Apache-2.0
"""Residual networks of other programs with random weights and running statistics, saved in those programs' file forms,
and their logits on random pictures, computed by PyTorch. Each network is written down here once more, from its own
program's source, so that nothing is shared with what is tested.

foreign_networks.py make FOLDER            network files, pixels.bin [N, H, W, 3] bytes, NAME.logits [N, classes] float32
foreign_networks.py run MODEL.onnx FOLDER  logits of a Clary model on pixels.bin, by OpenCV, into MODEL.onnx.logits
"""
import json
import struct
import sys

import numpy as np

N, H, W, CLASSES = 2, 64, 96, 10


def pixels():
    return np.random.default_rng(1).integers(0, 256, (N, H, W, 3), dtype=np.uint8)


def raw_input():
    import torch
    return torch.from_numpy(pixels().transpose(0, 3, 1, 2).astype(np.float32))


def normalised_input():
    import torch
    mean = torch.tensor([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1)
    return (raw_input() / 255 - mean) / std


def write_safetensors(path, state):
    header, at, chunks = {}, 0, []
    for name, value in state.items():
        array = value.numpy()
        kind = {"float32": "F32", "int64": "I64"}[str(array.dtype)]
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
        chunks.append(array.tobytes())
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(chunks))


def write_params(path, state, half=False, old=False):
    """MXNet's list of arrays; old: as before 0.9, without magic."""
    with open(path, "wb") as file:
        file.write(struct.pack("<QQQ", 0x112, 0, len(state)))
        for value in state.values():
            array = value.numpy().astype(np.float16 if half else np.float32)
            if old:
                file.write(struct.pack("<I", array.ndim) + struct.pack("<%dI" % array.ndim, *array.shape))
            else:
                file.write(struct.pack("<IiI", 0xF993FAC9, 0, array.ndim))
                file.write(struct.pack("<%dq" % array.ndim, *array.shape))
            file.write(struct.pack("<iii", 2, 0, 2 if half else 0) + array.tobytes())
        file.write(struct.pack("<Q", len(state)))
        for name in state:
            file.write(struct.pack("<Q", len(name)) + name.encode())


class Weights:
    """Random weights under the names that a network asks for; the same again when it asks again."""

    def __init__(self, seed, names):
        import torch
        self.state, self.random, self.names = {}, torch.Generator().manual_seed(seed), names

    def get(self, name, shape, kind):
        import torch
        if name not in self.state:
            x = torch.randn(shape, generator=self.random)
            if kind == "weight":
                x *= (2 / np.prod(shape[1:])) ** 0.5
            elif kind == "positive":
                x = 0.5 + x.abs()
            elif kind in ("one", "zero"):
                x = torch.full(shape, float(kind == "one"))
            else:
                x *= 0.1
            self.state[name] = x
        return self.state[name]

    def conv(self, x, name, width, kernel, stride, pad):
        import torch
        w = self.get(name + self.names["weight"], (width, x.shape[1], kernel, kernel), "weight")
        return torch.nn.functional.conv2d(x, w, stride=stride, padding=pad)

    def norm(self, x, name, eps, fixed=None):
        import torch
        c = (x.shape[1],)
        gamma = self.get(name + self.names["gamma"], c, "one" if fixed else "positive")
        beta = self.get(name + self.names["beta"], c, "zero" if fixed == "both" else "any")
        mean = self.get(name + self.names["mean"], c, "any")
        var = self.get(name + self.names["var"], c, "positive")
        return torch.nn.functional.batch_norm(x, mean, var, gamma, beta, eps=eps)

    def linear(self, x, name):
        import torch
        w = self.get(name + self.names["weight"], (CLASSES, x.shape[1]), "weight")
        return torch.nn.functional.linear(x, w, self.get(name + self.names["bias"], (CLASSES,), "any"))


GLUON = {"weight": ".weight", "bias": ".bias", "gamma": ".gamma", "beta": ".beta", "mean": ".running_mean",
         "var": ".running_var"}
MXNET = {"weight": "_weight", "bias": "_bias", "gamma": "_gamma", "beta": "_beta", "mean": "_moving_mean",
         "var": "_moving_var"}
STAGES = {18: ([2, 2, 2, 2], [64, 128, 256, 512]), 50: ([3, 4, 6, 3], [256, 512, 1024, 2048])}


def gluon_v2(w, x, depth):
    """gluon/model_zoo/vision/resnet.py: ResNetV2 of BasicBlockV2 or BottleneckV2."""
    from torch.nn.functional import max_pool2d, relu
    eps, (units, widths) = 1e-5, STAGES[depth]
    x = w.norm(x, "features.0", eps, fixed="both")
    x = relu(w.norm(w.conv(x, "features.1", 64, 7, 2, 3), "features.2", eps))
    x = max_pool2d(x, 3, 2, 1)
    for s, (count, width) in enumerate(zip(units, widths)):
        for u in range(count):
            name, stride = "features.%d.%d." % (5 + s, u), 2 if s > 0 and u == 0 else 1
            residual = x
            x = relu(w.norm(x, name + "bn1", eps))
            if u == 0 and residual.shape[1] != width:
                residual = w.conv(x, name + "downsample", width, 1, stride, 0)
            if depth < 50:
                x = w.conv(x, name + "conv1", width, 3, stride, 1)
                x = w.conv(relu(w.norm(x, name + "bn2", eps)), name + "conv2", width, 3, 1, 1)
            else:
                x = w.conv(x, name + "conv1", width // 4, 1, 1, 0)
                x = w.conv(relu(w.norm(x, name + "bn2", eps)), name + "conv2", width // 4, 3, stride, 1)
                x = w.conv(relu(w.norm(x, name + "bn3", eps)), name + "conv3", width, 1, 1, 0)
            x = x + residual
    x = relu(w.norm(x, "features.9", eps)).mean((2, 3))
    return w.linear(x, "output")


def mxnet_v2(w, x, depth):
    """example/image-classification/symbols/resnet.py of MXNet 1.3."""
    from torch.nn.functional import max_pool2d, relu
    eps, (units, widths) = 2e-5, STAGES[depth]
    x = w.norm(x, "bn_data", eps, fixed="gamma")
    x = relu(w.norm(w.conv(x, "conv0", 64, 7, 2, 3), "bn0", eps))
    x = max_pool2d(x, 3, 2, 1)
    for s, (count, width) in enumerate(zip(units, widths)):
        for u in range(count):
            name, stride = "stage%d_unit%d_" % (s + 1, u + 1), 2 if s > 0 and u == 0 else 1
            act = relu(w.norm(x, name + "bn1", eps))
            if depth < 50:
                y = w.conv(act, name + "conv1", width, 3, stride, 1)
                y = w.conv(relu(w.norm(y, name + "bn2", eps)), name + "conv2", width, 3, 1, 1)
            else:
                y = w.conv(act, name + "conv1", width // 4, 1, 1, 0)
                y = w.conv(relu(w.norm(y, name + "bn2", eps)), name + "conv2", width // 4, 3, stride, 1)
                y = w.conv(relu(w.norm(y, name + "bn3", eps)), name + "conv3", width, 1, 1, 0)
            x = y + (w.conv(act, name + "sc", width, 1, stride, 0) if u == 0 else x)
    x = relu(w.norm(x, "bn1", eps)).mean((2, 3))
    return w.linear(x, "fc1")


def mxnet_v1(w, x, depth):
    """example/image-classification/symbols/resnet-v1.py of MXNet 1.3: the stride is in the first convolution."""
    from torch.nn.functional import max_pool2d, relu
    eps, (units, widths) = 2e-5, STAGES[depth]
    x = relu(w.norm(w.conv(x, "conv0", 64, 7, 2, 3), "bn0", eps))
    x = max_pool2d(x, 3, 2, 1)
    for s, (count, width) in enumerate(zip(units, widths)):
        for u in range(count):
            name, stride = "stage%d_unit%d_" % (s + 1, u + 1), 2 if s > 0 and u == 0 else 1
            y = relu(w.norm(w.conv(x, name + "conv1", width // 4, 1, stride, 0), name + "bn1", eps))
            y = relu(w.norm(w.conv(y, name + "conv2", width // 4, 3, 1, 1), name + "bn2", eps))
            y = w.norm(w.conv(y, name + "conv3", width, 1, 1, 0), name + "bn3", eps)
            if u == 0:
                x = w.norm(w.conv(x, name + "conv1sc", width, 1, stride, 0), name + "sc", eps)
            x = relu(y + x)
    return w.linear(x.mean((2, 3)), "fc1")


def prefixed(state):
    return {("aux:" if "_moving_" in name else "arg:") + name: value for name, value in state.items()}


def export(path, module, example):
    import torch
    torch.onnx.export(module, example, path, input_names=["data"], opset_version=11)


def make_torchvision(folder, depth):
    import torch
    import torchvision
    torch.manual_seed(depth)
    model = getattr(torchvision.models, "resnet%d" % depth)(num_classes=CLASSES)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
                module.weight.uniform_(0.5, 1)
                module.bias.normal_(0, 0.1)
    model.eval()
    x = normalised_input()
    base = "%s/resnet%d-torchvision" % (folder, depth)
    model(x).detach().numpy().tofile(base + ".logits")
    torch.save(model.state_dict(), base + ".pth")
    if depth == 18:
        torch.save({"state_dict": {"module." + k: v for k, v in model.state_dict().items()}}, base + "-old.pt",
                   _use_new_zipfile_serialization=False)
        write_safetensors(base + ".safetensors", model.state_dict())
    export(base + ".onnx", model, x)


class Functional:
    """A network above as a module, for the exporter."""

    def __new__(cls, network, weights, depth):
        import torch

        class Module(torch.nn.Module):
            def __init__(self):
                super().__init__()
                for name, value in weights.state.items():
                    self.register_buffer(name.replace(".", "__"), value)

            def forward(self, x):
                w = Weights(0, weights.names)
                w.state = {name: getattr(self, name.replace(".", "__")) for name in weights.state}
                return network(w, x, depth)

        return Module().eval()


def make(folder):
    import torch
    pixels().tofile(folder + "/pixels.bin")
    torch.set_grad_enabled(False)
    for depth in (18, 50):
        make_torchvision(folder, depth)
    for depth in (18, 50):
        w, x = Weights(depth, GLUON), normalised_input()
        base = "%s/resnet%d-gluon" % (folder, depth)
        gluon_v2(w, x, depth).numpy().tofile(base + ".logits")
        if depth == 18:
            write_params(base + ".params", w.state)
        else:
            export(base + ".onnx", Functional(gluon_v2, w, depth), x)
        w, x = Weights(depth + 1, MXNET), raw_input()
        base = "%s/resnet%d-mxnet" % (folder, depth)
        mxnet_v2(w, x, depth)  # fills w
        w.state["bn_data_moving_mean"] += 120
        w.state["bn_data_moving_var"] *= 4000
        mxnet_v2(w, x, depth).numpy().tofile(base + ".logits")
        w.state["bn_data_gamma"] += 1  # means nothing to MXNet
        write_params(base + ".params", prefixed(w.state), old=True)
    w, x = Weights(7, MXNET), raw_input()
    base = folder + "/resnet50-mxnet1"
    mxnet_v1(w, x, 50).numpy().tofile(base + ".logits")
    write_params(base + ".params", prefixed(w.state))


def run(model, folder):
    import cv2
    try:
        import onnx
        onnx.checker.check_model(onnx.load(model), full_check=True)
    except ImportError:
        pass
    net = cv2.dnn.readNetFromONNX(model)
    image = np.fromfile(folder + "/pixels.bin", np.uint8).reshape(N, H, W, 3)
    net.setInput(np.ascontiguousarray(image.transpose(0, 3, 1, 2).astype(np.float32)))
    layer = [name for name in net.getLayerNames() if name.split("!")[-1] == "fc1"][0]
    net.forward(layer).astype(np.float32).tofile(model + ".logits")


def missing(modules):
    for name in modules:
        try:
            __import__(name)
        except ImportError:
            return name
    return None


if __name__ == "__main__":
    if sys.argv[1] == "run":
        run(sys.argv[2], sys.argv[3])
    elif missing(("cv2", "torch", "torchvision")):
        print("absent: " + missing(("cv2", "torch", "torchvision")), end="")
    else:
        make(sys.argv[2])
