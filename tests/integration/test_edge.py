# SPDX-License-Identifier: Apache-2.0
"""The edge alone, driven by botocore (an independent signer) and by raw sockets. Services behind it only echo."""
import base64
import hashlib
import hmac
import http.client
import json
import os
import pathlib
import select
import socket
import ssl
import subprocess
import tempfile
import time
import zlib

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.exceptions
import pytest
import urllib3
from botocore.config import Config

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROBE = pathlib.Path(os.environ.get("CLARY_BUILD", ROOT / "build/release")) / "src/platform/aws/edge_probe"
REGION = "us-west-2"


class Probe:
    def __init__(self, *options):
        self.folder = tempfile.mkdtemp(prefix="clary-edge-")
        self.process = subprocess.Popen([str(PROBE), self.folder, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        line = json.loads(self.process.stdout.readline())
        self.port, self.ca, self.key, self.secret = (line[k] for k in ("port", "ca", "access_key", "secret"))
        self.url = f"http://127.0.0.1:{self.port}"

    def client(self, service, secret=None, key=None, **config):
        options = dict(retries={"max_attempts": 0}, read_timeout=20)
        options.update(config)
        return boto3.client(service, endpoint_url=self.url, region_name=REGION, aws_access_key_id=key or self.key,
                            aws_secret_access_key=secret or self.secret, config=Config(**options))

    def connect(self):
        s = socket.create_connection(("127.0.0.1", self.port))
        s.settimeout(10)
        return s

    def raw(self, data):
        """Sends bytes, returns everything until the server closes."""
        with self.connect() as s:
            s.sendall(data)
            out = b""
            while True:
                piece = s.recv(65536)
                if not piece:
                    return out
                out += piece

    def sign(self, method, url, data=b"", service="s3", headers=None, auth=None):
        request = botocore.awsrequest.AWSRequest(method=method, url=url, data=data, headers=headers or {})
        credentials = botocore.credentials.Credentials(self.key, self.secret)
        if auth is None:
            auth = botocore.auth.S3SigV4Auth if service == "s3" else botocore.auth.SigV4Auth
        auth(credentials, service, REGION).add_auth(request)
        return request.prepare()

    def fetch(self, method, url):
        """As curl --path-as-is would: the URL goes out as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, url[len(self.url):], body=b"x" if method == "PUT" else None)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def send(self, prepared):
        return urllib3.PoolManager().urlopen(prepared.method, prepared.url, body=prepared.body or None,
                                             headers={k: (v.decode() if isinstance(v, bytes) else v) for k, v in prepared.headers.items()},
                                             retries=False)


@pytest.fixture(scope="module")
def probe():
    p = Probe()
    yield p
    p.process.stdin.close()
    assert p.process.wait(20) == 0


@pytest.fixture(scope="module")
def dev():
    p = Probe("--dev")
    yield p
    p.process.stdin.close()
    assert p.process.wait(20) == 0


def echoed(response):
    return json.loads(base64.b64decode(response["ResponseMetadata"]["HTTPHeaders"]["x-echo"]))


ODD_KEYS = ["plain", "a/b/c", "with space", "plus+sign", "per%cent", "uml\u00e4ut/\u20ac/\U0001f600", "//double//slash", "/leading",
            "./dot/../dots", "~tilde-._", "a=b&c=d", "(paren)'quote!*", "q?mark", "semi;colon:col,comma", "br[ack]et{}|\\^`", "x" * 900]


@pytest.mark.parametrize("key", ODD_KEYS)
def test_s3_keys_of_every_kind_verify(probe, key):
    s3 = probe.client("s3")
    seen = echoed(s3.put_object(Bucket="bucket", Key=key, Body=b"body", Metadata={"a": "two  blanks  inside"}))
    assert seen["size"] == 4 and seen["sha256"] == hashlib.sha256(b"body").hexdigest()
    assert seen["region"] == REGION and seen["access_key"] == probe.key
    assert echoed(s3.head_object(Bucket="bucket", Key=key))["method"] == "HEAD"


@pytest.mark.parametrize("key", ODD_KEYS)
@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_urls_of_both_versions_verify(probe, key, version):
    s3 = probe.client("s3", signature_version=version)
    for method, parameters in (("get_object", {"ResponseContentType": "text/x y"}), ("put_object", {}), ("head_object", {})):
        url = s3.generate_presigned_url(method, Params={"Bucket": "bucket", "Key": key, **parameters}, ExpiresIn=60)
        verb = {"get_object": "GET", "put_object": "PUT", "head_object": "HEAD"}[method]
        assert probe.fetch(verb, url)[0] == 200
        forged = url.replace("Signature=", "Signature=A", 1) if version == "s3" else url[:-1] + ("0" if url[-1] != "0" else "1")
        assert probe.fetch(verb, forged)[0] == 403


def test_expired_presigned_urls_are_refused(probe):
    for version in ("s3", "s3v4"):
        url = probe.client("s3", signature_version=version).generate_presigned_url("get_object", {"Bucket": "b", "Key": "k"}, ExpiresIn=1)
        time.sleep(2.1)
        answer = urllib3.PoolManager().urlopen("GET", url, retries=False)
        assert answer.status == 403 and b"<Code>AccessDenied</Code><Message>Request has expired</Message>" in answer.data


def test_queries_are_signed_in_canonical_order(probe):
    s3 = probe.client("s3")
    seen = echoed(s3.head_object(Bucket="b", Key="k", VersionId="z/+ =&", PartNumber=3))
    assert "versionId=z%2F%2B%20%3D%26" in seen["target"]


def test_chunked_and_large_bodies_arrive_whole(probe):
    body = os.urandom(20 << 20)
    seen = echoed(probe.client("s3").put_object(Bucket="b", Key="k", Body=body))
    assert seen["size"] == len(body) and seen["sha256"] == hashlib.sha256(body).hexdigest()


def test_wrong_secret_and_unknown_key(probe):
    with pytest.raises(botocore.exceptions.ClientError) as e:
        probe.client("s3", secret="wrong").put_object(Bucket="b", Key="k", Body=b"x" * 100000)
    assert e.value.response["Error"]["Code"] == "SignatureDoesNotMatch"
    with pytest.raises(botocore.exceptions.ClientError) as e:
        probe.client("s3", key="AKIANOBODY").list_objects_v2(Bucket="b")
    assert e.value.response["Error"]["Code"] == "InvalidAccessKeyId"
    with pytest.raises(botocore.exceptions.ClientError) as e:
        probe.client("sagemaker", secret="wrong").list_models()
    assert e.value.response["Error"]["Code"] == "InvalidSignatureException"
    assert e.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    with pytest.raises(botocore.exceptions.ClientError) as e:
        probe.client("sts", secret="wrong").get_caller_identity()
    assert e.value.response["Error"]["Code"] == "SignatureDoesNotMatch"


def test_dev_mode_takes_any_signature_and_no_unsigned_request(dev):
    s3 = dev.client("s3", key="any", secret="thing")
    assert echoed(s3.put_object(Bucket="b", Key="k", Body=b"1"))["access_key"] == "any"
    assert dev.client("sts", key="x", secret="y").get_caller_identity()["Account"] == "123456789012"
    answer = urllib3.PoolManager().urlopen("GET", dev.url + "/bucket/key", retries=False)
    assert answer.status == 403 and b"AccessDenied" in answer.data


def test_checksums_are_verified(probe):
    body = b"hello world"

    def put(headers, data=body, payload=None):
        full = {"Host": f"127.0.0.1:{probe.port}", **headers}
        request = probe.sign("PUT", probe.url + "/b/k", data, headers=full)
        return probe.send(request)

    crc = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    sha = base64.b64encode(hashlib.sha256(body).digest()).decode()
    md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
    assert put({"x-amz-checksum-crc32": crc}).status == 200
    assert put({"x-amz-checksum-sha256": sha}).status == 200
    assert put({"Content-MD5": md5}).status == 200
    for headers, code in (({"x-amz-checksum-crc32": "AAAAAA=="}, b"BadDigest"), ({"x-amz-checksum-crc32": "zz"}, b"InvalidRequest"),
                          ({"x-amz-checksum-sha256": crc}, b"InvalidRequest"), ({"x-amz-checksum-sha1": base64.b64encode(b"x" * 20).decode()}, b"BadDigest"),
                          ({"Content-MD5": base64.b64encode(b"x" * 16).decode()}, b"BadDigest"), ({"Content-MD5": "nonsense"}, b"InvalidDigest")):
        answer = put(headers)
        assert answer.status == 400 and b"<Code>" + code + b"</Code>" in answer.data, (headers, answer.data)
    prepared = probe.sign("PUT", probe.url + "/b/k", body)
    prepared.body = b"HELLO WORLD"
    answer = probe.send(prepared)
    assert answer.status == 400 and b"XAmzContentSHA256Mismatch" in answer.data


# --- aws-chunked, made here by the letter of the specification -------------------------------------------------------

def hmac256(key, text):
    return hmac.new(key, text.encode() if isinstance(text, str) else text, hashlib.sha256)


def aws_chunked(probe, chunks, signed, trailer=None, tamper=None, length=None, host=None):
    payload = {(False, True): "STREAMING-UNSIGNED-PAYLOAD-TRAILER", (True, False): "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
               (True, True): "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"}[(signed, trailer is not None)]
    request = botocore.awsrequest.AWSRequest(method="PUT", url=probe.url + "/b/k", headers={
        "X-Amz-Content-SHA256": payload, "Content-Encoding": "gzip,aws-chunked", "Transfer-Encoding": "chunked",
        "x-amz-decoded-content-length": str(sum(map(len, chunks)) if length is None else length),
        **({"x-amz-trailer": trailer[0]} if trailer else {})})

    class Auth(botocore.auth.S3SigV4Auth):
        def payload(self, _):
            return payload

        def _modify_request_before_signing(self, r):
            super()._modify_request_before_signing(r)
            r.headers.replace_header("X-Amz-Content-SHA256", payload)

    auth = Auth(botocore.credentials.Credentials(probe.key, probe.secret), "s3", REGION)
    auth.add_auth(request)
    stamp = request.context["timestamp"]
    scope = f"{stamp[:8]}/{REGION}/s3/aws4_request"
    key = ("AWS4" + probe.secret).encode()
    for part in scope.split("/"):
        key = hmac256(key, part).digest()
    previous = request.headers["Authorization"].split("Signature=")[1]
    body = b""
    for data in [*chunks, b""]:
        line = f"{len(data):x}"
        if signed:
            text = "\n".join(["AWS4-HMAC-SHA256-PAYLOAD", stamp, scope, previous, hashlib.sha256(b"").hexdigest(), hashlib.sha256(data).hexdigest()])
            previous = hmac256(key, text).hexdigest()
            line += f";chunk-signature={previous}"
        body += line.encode() + b"\r\n" + data + (b"\r\n" if data else b"")
    if trailer:
        body += f"{trailer[0]}:{trailer[1]}\r\n".encode()
        if signed:
            text = "\n".join(["AWS4-HMAC-SHA256-TRAILER", stamp, scope, previous, hashlib.sha256(f"{trailer[0]}:{trailer[1]}\n".encode()).hexdigest()])
            body += f"x-amz-trailer-signature:{hmac256(key, text).hexdigest()}\r\n".encode()
    body += b"\r\n"
    if tamper:
        body = tamper(body)
    head = "PUT /b/k HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n" % probe.port
    for name, value in request.headers.items():
        head += f"{name}: {value}\r\n"
    # two layers: HTTP chunks that do not line up with the aws chunks
    framed = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + 700]), body[i:i + 700]) for i in range(0, len(body), 700)) + b"0\r\n\r\n"
    answer = probe.raw(head.encode() + b"\r\n" + framed)
    return int(answer.split(b" ", 2)[1]), answer


CHUNKS = [os.urandom(8192), os.urandom(100), b"\r\n0\r\n\r\n" * 10]


def crc_of(chunks):
    return base64.b64encode(zlib.crc32(b"".join(chunks)).to_bytes(4, "big")).decode()


@pytest.mark.parametrize("signed,with_trailer", [(False, True), (True, False), (True, True)])
def test_aws_chunked_bodies_are_decoded_and_checked(probe, signed, with_trailer):
    trailer = ("x-amz-checksum-crc32", crc_of(CHUNKS)) if with_trailer else None
    status, answer = aws_chunked(probe, CHUNKS, signed, trailer)
    assert status == 200, answer
    seen = json.loads(base64.b64decode(answer.split(b"x-echo: ", 1)[1].split(b"\r\n", 1)[0]))
    assert seen["size"] == sum(map(len, CHUNKS)) and seen["sha256"] == hashlib.sha256(b"".join(CHUNKS)).hexdigest()
    assert seen["headers"]["Content-Encoding"] == "gzip"
    if with_trailer:
        assert seen["headers"]["x-amz-checksum-crc32"] == trailer[1]
        status, answer = aws_chunked(probe, CHUNKS, signed, ("x-amz-checksum-crc32", "AAAAAA=="))
        assert status == 400 and b"The CRC32 you specified did not match the calculated checksum." in answer
    if signed:
        status, answer = aws_chunked(probe, CHUNKS, signed, trailer, tamper=lambda b: b[:200] + bytes([b[200] ^ 1]) + b[201:])
        assert status == 403 and b"SignatureDoesNotMatch" in answer
    for wrong in (-1, 1):
        status, answer = aws_chunked(probe, CHUNKS, signed, trailer, length=sum(map(len, CHUNKS)) + wrong)
        assert status == 400 and b"IncompleteBody" in answer
    status, answer = aws_chunked(probe, CHUNKS, signed, trailer, tamper=lambda b: b[:5000])
    assert status == 400 and b"IncompleteBody" in answer


def test_expect_continue_only_when_the_body_is_wanted(probe):
    prepared = probe.sign("PUT", probe.url + "/b/k", b"0123456789")
    head = "".join(f"{k}: {v.decode() if isinstance(v, bytes) else v}\r\n" for k, v in prepared.headers.items())
    for good in (True, False):
        with probe.connect() as s:
            text = head if good else head.replace("Signature=", "Signature=0", 1).replace("Signature=0", "Signature=", 1)[:-3] + "0\r\n"
            if not good:
                i = text.index("Signature=") + 10
                text = text[:i] + ("1" if text[i] != "1" else "2") + text[i + 1:]
            s.sendall(f"PUT /b/k HTTP/1.1\r\nHost: 127.0.0.1:{probe.port}\r\nExpect: 100-Continue\r\n{text}\r\n".encode())
            first = s.recv(4096)
            if good:
                assert first == b"HTTP/1.1 100 Continue\r\n\r\n"
                s.sendall(b"0123456789")
                assert s.recv(65536).startswith(b"HTTP/1.1 200 OK")
            else:
                assert first.startswith(b"HTTP/1.1 403 Forbidden")


# --- services --------------------------------------------------------------------------------------------------------

TRAINING = dict(TrainingJobName="job", AlgorithmSpecification={"TrainingImage": "x", "TrainingInputMode": "File"}, RoleArn="arn:aws:iam::123456789012:role/R",
                OutputDataConfig={"S3OutputPath": "s3://b/o"}, ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
                StoppingCondition={"MaxRuntimeInSeconds": 60})


def error_of(call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as e:
        call(**arguments)
    return e.value.response


def test_requests_are_validated_with_the_words_of_aws(probe):
    client = probe.client("sagemaker", parameter_validation=False)
    assert client.create_training_job(**TRAINING)["TrainingJobArn"] == f"arn:aws:sagemaker:{REGION}:123456789012:training-job/job"
    bad = json.loads(json.dumps(TRAINING))
    bad["TrainingJobName"] = "no_underscores"
    error = error_of(client.create_training_job, **bad)["Error"]
    assert error["Code"] == "ValidationException"
    assert error["Message"] == ("1 validation error detected: Value 'no_underscores' at 'trainingJobName' failed to satisfy constraint: "
                                "Member must satisfy regular expression pattern: ^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
    bad["ResourceConfig"]["InstanceType"] = "ml.huge"
    bad["StoppingCondition"]["MaxRuntimeInSeconds"] = 0
    del bad["OutputDataConfig"]
    bad["HyperParameters"] = {"epochs": "1" * 2501}
    message = error_of(client.create_training_job, **bad)["Error"]["Message"]
    assert message.startswith("5 validation errors detected: Value 'no_underscores'")
    assert "Value 'ml.huge' at 'resourceConfig.instanceType' failed to satisfy constraint: Member must satisfy enum value set: [ml.m4.xlarge, " in message
    assert "Value '0' at 'stoppingCondition.maxRuntimeInSeconds' failed to satisfy constraint: Member must have value greater than or equal to 1" in message
    assert "Value null at 'outputDataConfig' failed to satisfy constraint: Member must not be null" in message
    assert "at 'hyperParameters' failed to satisfy constraint: Map value must satisfy constraint: [Member must have length less than or equal to 2500]" in message
    assert client.create_model(ModelName="m")["ModelArn"] == "arn:x"  # newer models do not require the role


def test_unknown_missing_and_empty_operations(probe):
    client = probe.client("sagemaker")
    response = error_of(client.create_domain, DomainName="d", AuthMode="IAM", DefaultUserSettings={}, SubnetIds=["s"], VpcId="v")
    assert response["Error"] == {"Code": "NotImplementedException",
                                 "Message": "Operation CreateDomain is part of the Amazon SageMaker API but is not implemented by this server."}
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400 and response["ResponseMetadata"]["RequestId"]
    assert client.list_monitoring_schedules()["MonitoringScheduleSummaries"] == []
    assert client.list_notebook_instances()["NotebookInstances"] == []
    assert error_of(client.describe_processing_job, ProcessingJobName="p")["Error"]["Message"] == "Could not find requested job with name: p"
    assert error_of(client.describe_endpoint, EndpointName="e")["Error"]["Message"] == 'Could not find endpoint "e".'
    answer = client.delete_model(ModelName="m")
    assert answer["ResponseMetadata"]["HTTPHeaders"]["content-length"] == "0"
    error = error_of(client.describe_model, ModelName="m")
    assert error["Error"]["Code"] == "InternalFailure" and "secret" not in error["Error"]["Message"]

    def post(target, body=b"{}"):
        return probe.send(probe.sign("POST", probe.url + "/", body, "sagemaker", {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"}))

    assert json.loads(post("SageMaker.MakeCoffee").data)["__type"] == "UnknownOperationException"
    newer = json.loads(post("SageMaker.CreateInferenceComponent").data)  # newer than Debian's botocore
    assert newer["__type"] == "NotImplementedException" and "is part of the Amazon SageMaker API but is not implemented" in newer["message"]
    assert json.loads(post("AmazonEC2ContainerRegistry_V20150921.DescribeImages").data)["__type"] == "NotImplementedException"
    for body in (b"{", b"[]", b"[" * 1000, b'{"TrainingJobName": 5}', b"\xff\xfe", b'{"a":' * 100 + b"1" + b"}" * 100):
        answer = post("SageMaker.CreateTrainingJob", body)
        assert answer.status == 400 and json.loads(answer.data)["__type"] == "SerializationException", (body[:20], answer.data)


def test_query_services_and_cloudwatch_in_both_forms(probe):
    assert probe.client("sts").get_caller_identity()["Arn"] == "arn:aws:sts::123456789012:assumed-role/R/S"
    assert error_of(probe.client("sts").get_session_token)["Error"]["Code"] == "NotImplementedException"
    assert error_of(probe.client("iam").list_users)["Error"]["Code"] == "InvalidAction"
    cloudwatch = probe.client("cloudwatch")
    arguments = dict(Namespace="N", MetricName="loss", StartTime=1700000000, EndTime=1700000060, Period=60, Statistics=["Average"],
                     Dimensions=[{"Name": "TrainingJobName", "Value": "j"}])
    answer = cloudwatch.get_metric_statistics(**arguments)
    assert answer["Label"] == "loss" and answer["Datapoints"][0]["Average"] == 1.5
    assert answer["Datapoints"][0]["Timestamp"].timestamp() == 1700000000
    request = probe.sign("POST", probe.url + "/", json.dumps(arguments).encode(), "monitoring",
                         {"X-Amz-Target": "GraniteServiceVersion20100801.GetMetricStatistics", "Content-Type": "application/x-amz-json-1.0"})
    answer = probe.send(request)
    assert answer.status == 200 and answer.headers["content-type"] == "application/x-amz-json-1.0"
    assert json.loads(answer.data)["Label"] == "loss"


def test_numbers_that_do_not_fit_are_refused_by_name(probe):
    cloudwatch = probe.client("cloudwatch")
    for value in (float("inf"), float("-inf"), float("nan")):
        error = error_of(cloudwatch.put_metric_data, Namespace="N", MetricData=[{"MetricName": "m", "Value": value}])
        assert error["ResponseMetadata"]["HTTPStatusCode"] == 400 and error["Error"] == {
            "Type": "Sender", "Code": "InvalidParameterValue",
            "Message": f"The value {value} for parameter MetricData.member.1.Value is invalid."}
    for seed in (2**64 - 1, 2**63):
        body = json.dumps({"InputDataConfig": [{"ShuffleConfig": {"Seed": seed}}]}).encode()
        answer = probe.send(probe.sign("POST", probe.url + "/", body, "sagemaker", {
            "X-Amz-Target": "SageMaker.CreateTrainingJob", "Content-Type": "application/x-amz-json-1.1"}))
        assert answer.status == 400 and json.loads(answer.data)["__type"] == "SerializationException"
        assert f"shuffleConfig.seed': a JSON number ({seed})" in json.loads(answer.data)["message"]


def test_nothing_but_the_servers_own_pages_is_answered_unsigned(probe):
    for target in ("/", "/?x", "/index.html"):
        answer = urllib3.PoolManager().urlopen("GET", probe.url + target, retries=False)
        assert answer.status == 403 and b"<Code>AccessDenied</Code>" in answer.data, (target, answer.data)


def test_runtime_is_told_by_path_and_scope(probe):
    runtime = probe.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(EndpointName="e", Body=b"1,2", ContentType="text/csv", CustomAttributes="c=1")
    seen = json.loads(answer["Body"].read())
    assert seen["target"] == "/endpoints/e/invocations" and seen["size"] == 3
    error = error_of(runtime.invoke_endpoint, EndpointName="e", Body=b"x" * 6291457)
    assert error["Error"]["Code"] == "ValidationError" and error["Error"]["Message"].endswith("has oversize body.")
    # a bucket called endpoints is recognised by its scope
    assert echoed(probe.client("s3").put_object(Bucket="endpoints", Key="x/invocations", Body=b"1"))["target"] == "/endpoints/x/invocations"
    answer = urllib3.PoolManager().urlopen("POST", probe.url + "/endpoints/e/invocations", body=b"1", retries=False)
    assert answer.status == 403 and json.loads(answer.data)["message"] == "Missing Authentication Token"


# --- proxy mode ------------------------------------------------------------------------------------------------------

def through_proxy(probe, code):
    environment = dict(os.environ, HTTPS_PROXY=probe.url, AWS_CA_BUNDLE=probe.ca, AWS_ACCESS_KEY_ID=probe.key, AWS_SECRET_ACCESS_KEY=probe.secret,
                       AWS_DEFAULT_REGION=REGION, AWS_EC2_METADATA_DISABLED="true", PYTHONDONTWRITEBYTECODE="1")
    result = subprocess.run(["/usr/bin/python3", "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_proxy_mode_serves_an_unmodified_script(probe):
    out = through_proxy(probe, """
import base64, boto3, json
s3 = boto3.client('s3')
seen = lambda r: json.loads(base64.b64decode(r['ResponseMetadata']['HTTPHeaders']['x-echo']))
a = seen(s3.put_object(Bucket='my-bucket', Key='k', Body=b'x' * 3000000))
assert a['tls'] and a['host'] == 'my-bucket.s3.us-west-2.amazonaws.com' and a['target'] == '/k' and a['size'] == 3000000, a
assert boto3.client('sts').get_caller_identity()['Account'] == '123456789012'
assert boto3.client('sagemaker').list_processing_jobs()['ProcessingJobSummaries'] == []
body = boto3.client('sagemaker-runtime').invoke_endpoint(EndpointName='e', Body=b'1')['Body'].read()
assert json.loads(body)['host'] == 'runtime.sagemaker.us-west-2.amazonaws.com'
print('ok')
""")
    assert out == "ok\n"


def test_proxy_mode_refuses_other_hosts(probe):
    for target in ("example.com:443", "s3.amazonaws.com:80", "evil-amazonaws.com:443", "amazonaws.com.evil.org:443", "127.0.0.1:443",
                   "s3.amazonaws.com", "-x.amazonaws.com:443", "a..amazonaws.com:443", "s3.amazonaws.com:99999"):
        answer = probe.raw(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 403 ") or answer.startswith(b"HTTP/1.1 400 "), (target, answer)


def test_proxy_certificate_names_the_host_and_the_authority_is_constrained(probe):
    with probe.connect() as s:
        s.sendall(b"CONNECT sts.us-east-1.amazonaws.com:443 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert s.recv(4096).startswith(b"HTTP/1.1 200 ")
        context = ssl.create_default_context(cafile=probe.ca)
        with context.wrap_socket(s, server_hostname="sts.us-east-1.amazonaws.com") as tls:
            assert ("DNS", "sts.us-east-1.amazonaws.com") in tls.getpeercert()["subjectAltName"]
    text = subprocess.run(["openssl", "x509", "-in", probe.ca, "-noout", "-text"], capture_output=True, text=True, check=True).stdout
    assert "DNS:amazonaws.com" in text and "CA:TRUE" in text
    assert oct(os.stat(os.path.join(os.path.dirname(probe.ca), "ca.key")).st_mode & 0o777) == "0o600"
    assert oct(os.stat(os.path.join(probe.folder, "credentials")).st_mode & 0o777) == "0o600"


# --- hostile peers ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name,request_bytes,status", [
    ("chunked and length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("chunked, identity", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 501),
    ("chunked HTTP/1.0", b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("two lengths", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400),
    ("length list", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc", 400),
    ("signed length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc", 400),
    ("huge length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
    ("folded header", b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n", 400),
    ("no host", b"GET / HTTP/1.1\r\n\r\n", 400),
    ("two hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("blank before colon", b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    ("version 3", b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
    ("nonsense", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    ("too many headers", b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
    ("too large a header", b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 100000 + b"\r\n\r\n", 431),
    ("too long a target", b"GET /" + b"x" * 20000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    ("null byte in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n", 400),
    ("odd expectation", b"PUT /b/k HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: miracles\r\n\r\n", 417),
])
def test_doubtful_requests_are_refused(probe, name, request_bytes, status):
    answer = probe.raw(request_bytes)
    assert answer.startswith(b"HTTP/1.1 %d " % status), (name, answer[:200])
    assert answer.count(b"HTTP/1.1") == 1, "the connection must end there"


def test_requests_cut_at_every_byte_leave_the_server_well(probe):
    prepared = probe.sign("PUT", probe.url + "/b/k", b"0123456789")
    head = "".join(f"{k}: {v.decode() if isinstance(v, bytes) else v}\r\n" for k, v in prepared.headers.items())
    whole = f"PUT /b/k HTTP/1.1\r\nHost: 127.0.0.1:{probe.port}\r\nConnection: close\r\n{head}\r\n0123456789".encode()
    for cut in range(len(whole)):
        with probe.connect() as s:
            s.sendall(whole[:cut])
            s.shutdown(socket.SHUT_WR)
            answer = s.recv(65536)
            assert b" 200 OK" not in answer, cut
    assert b"HTTP/1.1 200 OK" in probe.raw(whole)
    with probe.connect() as s:  # byte by byte is slow but right
        for i in range(len(whole)):
            s.sendall(whole[i:i + 1])
        assert s.recv(65536).startswith(b"HTTP/1.1 200 OK")


def test_pipelined_requests_are_answered_in_order(probe):
    one = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    last = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    answer = probe.raw(one * 9 + last)
    assert answer.count(b"HTTP/1.1 403 Forbidden") == 10 and answer.count(b"Connection: close") == 1


def test_slow_heads_are_cut_off(probe):
    """The probe allows one second for a head; bytes that trickle do not extend it."""
    with probe.connect() as s:
        began = time.monotonic()
        for byte in b"GET / HTTP/1.1\r\nHost: " + b"a" * 1000:
            s.sendall(bytes([byte]))
            if select.select([s], [], [], 0.05)[0]:
                break
        assert 0.5 < time.monotonic() - began < 3
        assert s.recv(65536).startswith(b"HTTP/1.1 408 ")


def test_a_refused_upload_is_drained_so_that_the_client_sees_why(probe):
    body = b"x" * (30 << 20)
    for _ in range(3):
        with probe.connect() as s:
            s.sendall(b"PUT /b/k HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body))
            s.sendall(body)
            answer = b""
            while piece := s.recv(65536):
                answer += piece
            assert answer.startswith(b"HTTP/1.1 403 ") and b"AccessDenied" in answer


def test_lying_lengths(probe):
    with probe.connect() as s:
        request = probe.sign("POST", probe.url + "/", b"{}", "sagemaker", {"X-Amz-Target": "SageMaker.ListModels", "Content-Length": "999999999999"})
        head = "".join(f"{k}: {v.decode() if isinstance(v, bytes) else v}\r\n" for k, v in request.headers.items())
        s.sendall(f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{probe.port}\r\n{head}\r\n".encode())
        answer = s.recv(65536)
        assert answer.startswith(b"HTTP/1.1 400 ") and b"999999999999" in answer
