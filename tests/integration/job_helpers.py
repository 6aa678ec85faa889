# SPDX-License-Identifier: Apache-2.0
"""Training jobs whose program is a shell script given as the hyperparameter `script`: a user's own image in the server's configuration."""
from conftest import ROOT, wait_until

RUN_SCRIPT = ("import json, os; os.execv('/bin/sh', ['sh', '-c', "
              "json.load(open('/opt/ml/input/config/hyperparameters.json'))['script']])")
CONFIG = {"images": {"script": ["/usr/bin/python3", "-c", RUN_SCRIPT],
                     "open": {"Program": ["/usr/bin/python3", "-c", RUN_SCRIPT], "Network": "machine"},
                     "own:1": ["/usr/bin/python3", str(ROOT / "examples/own_algorithm.py")]}}
BUCKET = "jobs-bucket"
GROUP = "/aws/sagemaker/TrainingJobs"


_clients = {}


def client(server, service):
    """Making a boto3 client takes a good part of a second: one for each server process and service."""
    if (server.url, service) not in _clients:
        _clients[server.url, service] = server.client(service)
    return _clients[server.url, service]


def channel(name, key, **more):
    more.setdefault("S3DataType", "S3Prefix")
    source = {k: more.pop(k) for k in list(more) if k.startswith("S3Data")}
    return {"ChannelName": name, "DataSource": {"S3DataSource": {"S3Uri": f"s3://{BUCKET}/{key}", **source}}, **more}


def request(name, role, script="true", image="script", channels=(), count=1, **more):
    body = {"TrainingJobName": name, "RoleArn": role,
            "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
            "HyperParameters": {"script": script} if image in ("script", "open") else {},
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/out"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": count, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600}}
    if channels:
        body["InputDataConfig"] = list(channels)
    body.update(more)
    return body


def describe(server, name):
    return client(server, "sagemaker").describe_training_job(TrainingJobName=name)


def end_of(server, name, seconds=60):
    sm = client(server, "sagemaker")
    return wait_until(lambda: sm.describe_training_job(TrainingJobName=name),
                      lambda job: job["TrainingJobStatus"] in ("Completed", "Failed", "Stopped"), seconds)


def lines(server, name):
    """All lines of all streams of a job, as the SDKs read them."""
    logs = client(server, "logs")
    try:
        streams = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=name + "/")["logStreams"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    out = []
    for stream in streams:
        arguments = dict(logGroupName=GROUP, logStreamName=stream["logStreamName"], startFromHead=True)
        while True:
            page = logs.get_log_events(**arguments)
            if not page["events"]:
                break
            out += [event["message"] for event in page["events"]]
            arguments["nextToken"] = page["nextForwardToken"]
    return out


def wait_for_line(server, name, line):
    wait_until(lambda: lines(server, name), lambda all_lines: line in all_lines)


def agent_pids(server, name):
    """PIDs of the agents of a job, by their command line."""
    import pathlib
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if entry.name.isdigit() and command[0].endswith(b"/libexec/clary/agent") and any(
                part.startswith(str(server.folder / "jobs" / name).encode() + b"/") for part in command):
            found.append(int(entry.name))
    return found


def children_of(pid):
    import pathlib
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            stat = (entry / "stat").read_text()
        except OSError:
            continue
        if entry.name.isdigit() and int(stat[stat.rindex(")") + 2:].split()[1]) == pid:
            found.append(int(entry.name))
    return found
