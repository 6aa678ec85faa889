#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns botocore's service descriptions into constant C++ tables (src/platform/aws/service_model.h explains them).

usage: generate_service_model.py OUTPUT.cpp
Only what requests are checked against is kept: input shapes of JSON services, and both directions of CloudWatch, whose
old clients speak the query protocol. Of the others (sts, iam, sagemaker-runtime) just the names of the operations.
"""
import glob
import json
import os
import sys

import botocore

# service -> which shapes are kept
SERVICES = {
    "cloudwatch": ("input", "output"),
    "iam": (),
    "logs": ("input",),
    "sagemaker": ("input",),
    "sagemaker-runtime": (),
    "sts": (),
}

# Members that newer models no longer require: newer clients leave them out.
RELAXED = {
    ("CreateModelInput", "ExecutionRoleArn"),
    ("CreateTrainingJobRequest", "StoppingCondition"),
    ("DeploymentConfig", "BlueGreenUpdatePolicy"),
    ("ProductionVariant", "ModelName"),
    ("ResourceConfig", "VolumeSizeInGB"),
}

# Operations that botocore of the build machine may not know yet: what exists at AWS is "not implemented", never unknown.
NEWER = json.load(open(os.path.join(os.path.dirname(__file__), "newer_operations.json"), encoding="utf-8"))

# Enums of instance types grow every month, and no operation depends on one of them: a value of this form is accepted
# besides those of the model (src/platform/catalog/instance_types.cpp sizes it). The few other values stay exact.
INSTANCE_TYPE = r"ml\.[a-z][a-z0-9]*(-[a-z0-9]+)*\.(nano|micro|small|medium|large|([1-9][0-9]{0,2})?xlarge|metal|interactive)"

TYPES = {"structure": "kStructure", "list": "kList", "map": "kMap", "string": "kString", "character": "kString",
         "blob": "kBlob", "integer": "kInteger", "long": "kLong", "float": "kFloat", "double": "kFloat",
         "boolean": "kBoolean", "timestamp": "kTimestamp"}
LIMITED = {"string", "list", "map", "blob", "integer", "long", "float", "double"}


def load(service):
    folder = os.path.join(os.path.dirname(botocore.__file__), "data", service)
    versions = sorted(glob.glob(os.path.join(folder, "*", "service-2.json*")))
    if not versions:
        sys.exit(f"generate_service_model.py: botocore has no service {service} in {folder}")
    path = versions[-1]
    if path.endswith(".gz"):
        import gzip
        return json.load(gzip.open(path, "rt", encoding="utf-8"))
    return json.load(open(path, encoding="utf-8"))


def quoted(text):
    return json.dumps(text, ensure_ascii=True).replace("??", "?\\?") if text is not None else "nullptr"


class Tables:
    def __init__(self):
        self.shapes, self.members, self.enums, self.services, self.index = [], [], [], [], {}

    def shape(self, service, model, name):
        key = (service, name)
        if key in self.index:
            return self.index[key]
        number = len(self.shapes)
        self.index[key] = number
        self.shapes.append(None)
        body = model["shapes"][name]
        kind = body["type"]
        first = count = 0
        if kind == "structure":
            rows = []
            for member, target in body["members"].items():
                required = member in body.get("required", []) and (name, member) not in RELAXED
                wire = target.get("locationName", member)
                rows.append((wire, self.shape(service, model, target["shape"]), required))
            first, count = len(self.members), len(rows)
            self.members.extend(rows)
        elif kind == "list":
            first = self.shape(service, model, body["member"]["shape"])
        elif kind == "map":
            first = self.shape(service, model, body["key"]["shape"])
            count = self.shape(service, model, body["value"]["shape"])
        elif kind == "string" and "enum" in body:
            first, count = len(self.enums), len(body["enum"])
            self.enums.extend(body["enum"])
        limits = []
        for edge in ("min", "max"):
            value = body.get(edge) if kind in LIMITED else None
            limits.append("kNoLimit" if value is None else str(int(value)))
        pattern = body.get("pattern") if kind == "string" else None
        if name.endswith("InstanceType") and any(value.startswith("ml.") for value in body.get("enum", [])):
            pattern = INSTANCE_TYPE
        self.shapes[number] = (TYPES[kind], first, count, limits[0], limits[1], pattern)
        return number

    def service(self, name, kept):
        model = load(name)
        rows = []
        for operation in sorted(model["operations"]):
            body = model["operations"][operation]
            ends = [self.shape(name, model, body[e]["shape"]) if e in kept and e in body else -1
                    for e in ("input", "output")]
            rows.append((operation, *ends))
        # Known by name alone: their requests are not checked, and a server without them says so by name.
        rows.extend((operation, -1, -1) for operation in NEWER[name] if operation not in model["operations"])
        rows.sort()
        meta = model["metadata"]
        self.services.append((name, meta["serviceFullName"].replace("Amazon SageMaker Service", "Amazon SageMaker"),
                              meta["protocol"], rows))

    def write(self, out):
        out.write("// Generated by cmake/generate_service_model.py from botocore " + botocore.__version__ + ".\n")
        out.write('#include "platform/aws/service_model.h"\n\nnamespace clary::aws::model {\n\nnamespace {\n\n')
        out.write("constexpr Shape kShapeRows[] = {\n")
        for kind, first, count, low, high, pattern in self.shapes:
            assert first < 65536 and count < 65536
            out.write(f"    {{Type::{kind}, {first}, {count}, {low}, {high}, {quoted(pattern)}}},\n")
        out.write("};\n\nconstexpr Member kMemberRows[] = {\n")
        for wire, shape, required in self.members:
            out.write(f"    {{{quoted(wire)}, {shape}, {'true' if required else 'false'}}},\n")
        out.write("};\n\nconstexpr const char* kEnumRows[] = {\n")
        for value in self.enums:
            out.write(f"    {quoted(value)},\n")
        out.write("};\n\n")
        for i, (_, _, _, rows) in enumerate(self.services):
            out.write(f"constexpr Operation kOperations{i}[] = {{\n")
            for name, first, second in rows:
                out.write(f"    {{{quoted(name)}, {first}, {second}}},\n")
            out.write("};\n\n")
        out.write("constexpr Service kServiceRows[] = {\n")
        for i, (name, title, protocol, _) in enumerate(self.services):
            out.write(f"    {{{quoted(name)}, {quoted(title)}, {quoted(protocol)}, kOperations{i}}},\n")
        out.write("};\n\n}  // namespace\n\n")
        out.write("const std::span<const Shape> kShapes = kShapeRows;\n")
        out.write("const std::span<const Member> kMembers = kMemberRows;\n")
        out.write("const std::span<const char* const> kEnumValues = kEnumRows;\n")
        out.write("const std::span<const Service> kServices = kServiceRows;\n\n}  // namespace clary::aws::model\n")


def main():
    tables = Tables()
    for name, kept in SERVICES.items():
        tables.service(name, kept)
    temporary = sys.argv[1] + ".tmp"
    with open(temporary, "w", encoding="utf-8") as out:
        tables.write(out)
    os.replace(temporary, sys.argv[1])


main()
