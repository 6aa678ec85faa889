# SPDX-License-Identifier: Apache-2.0
"""S3 as its real clients use it: boto3 (client, resource, transfer manager), the AWS CLI, s3cmd, presigned URLs."""
import base64
import hashlib
import io
import json
import os
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
import zlib

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

MIB = 1 << 20
ODD_KEYS = ["a b", "a+b", "a%20b", "ä/ö €", "//", "/lead", "trail/", "a//b", "..", "a/../b", "q?x=1&y#z", "'\"<>&", "\U0001f600", "tab\there",
            "x" * 1024]


def code_of(call, *arguments, **keywords):
    with pytest.raises(ClientError) as caught:
        call(*arguments, **keywords)
    return caught.value.response["Error"]["Code"]


@pytest.fixture(scope="module")
def s3(server):
    return server.client("s3")


@pytest.fixture
def bucket(server, s3):
    name = "b-%d" % time.monotonic_ns()
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    yield name
    everything = server.resource("s3").Bucket(name)
    everything.objects.all().delete()
    everything.delete()


def noise(size, seed=b"clary"):
    block = hashlib.sha256(seed).digest()
    out = bytearray()
    while len(out) < size:
        block = hashlib.sha256(block).digest()
        out += block * 2048
    return bytes(out[:size])


def test_buckets(s3, bucket):
    assert bucket in [b["Name"] for b in s3.list_buckets()["Buckets"]]
    assert s3.head_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"] == "us-west-2"
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] == "us-west-2"
    assert code_of(s3.create_bucket, Bucket=bucket,
                   CreateBucketConfiguration={"LocationConstraint": "us-west-2"}) == "BucketAlreadyOwnedByYou"
    assert code_of(s3.head_bucket, Bucket="no-such-bucket") == "404"
    assert code_of(s3.head_bucket, Bucket=bucket, ExpectedBucketOwner="999999999999") == "403"
    assert code_of(s3.get_bucket_policy, Bucket=bucket) == "NoSuchBucketPolicy"
    assert code_of(s3.put_bucket_policy, Bucket=bucket, Policy="{}") == "NotImplemented"
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "a", "Value": "b"}]
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert code_of(s3.delete_bucket, Bucket=bucket) == "BucketNotEmpty"


def test_objects_keep_their_bytes_and_metadata(s3, bucket):
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"hello", ContentType="text/csv", Metadata={"colour": "red"},
                        ServerSideEncryption="AES256", CacheControl="no-cache", Tagging="a=1")
    assert put["ETag"] == '"%s"' % hashlib.md5(b"hello").hexdigest()
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == b"hello"
    assert (got["ContentType"], got["Metadata"], got["ServerSideEncryption"], got["TagCount"]) == (
        "text/csv", {"colour": "red"}, "AES256", 1)
    assert s3.head_object(Bucket=bucket, Key="k")["ContentLength"] == 5
    assert s3.get_object(Bucket=bucket, Key="k", Range="bytes=1-3")["Body"].read() == b"ell"
    assert code_of(s3.get_object, Bucket=bucket, Key="k", Range="bytes=5-") == "InvalidRange"
    assert code_of(s3.get_object, Bucket=bucket, Key="k", IfMatch='"x"') == "PreconditionFailed"
    assert code_of(s3.get_object, Bucket=bucket, Key="k", IfNoneMatch=put["ETag"]) == "304"
    assert code_of(s3.get_object, Bucket=bucket, Key="none") == "NoSuchKey"
    assert code_of(s3.head_object, Bucket=bucket, Key="none") == "404"
    assert code_of(s3.put_object, Bucket="no-such-bucket", Key="k", Body=b"x") == "NoSuchBucket"
    assert code_of(s3.put_object, Bucket=bucket, Key="x" * 1025, Body=b"x") == "KeyTooLongError"
    typed = s3.get_object(Bucket=bucket, Key="k", ResponseContentType="text/html")
    assert typed["ContentType"] == "text/html"


@pytest.mark.parametrize("key", ODD_KEYS)
def test_odd_keys_round_trip_and_list(s3, bucket, key):
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    assert [o["Key"] for o in s3.list_objects(Bucket=bucket)["Contents"]] == [key]
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": key})
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == key.encode()
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}, {"Key": "copy"}]})
    assert sorted(d["Key"] for d in answer["Deleted"]) == sorted([key, "copy"])
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_one_put_of_100_mb(s3, bucket):
    body = noise(100_000_000)
    etag = s3.put_object(Bucket=bucket, Key="big", Body=io.BytesIO(body))["ETag"]
    assert etag == '"%s"' % hashlib.md5(body).hexdigest()
    assert s3.get_object(Bucket=bucket, Key="big")["Body"].read() == body


def test_transfer_manager_uploads_and_downloads_in_parts(server, bucket, tmp_path):
    body = noise(20 * MIB + 5)
    (tmp_path / "in").write_bytes(body)
    target = server.resource("s3").Object(bucket, "parts")
    config = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB, max_concurrency=10)
    target.upload_file(str(tmp_path / "in"), Config=config, ExtraArgs={"Metadata": {"m": "1"}})
    md5s = b"".join(hashlib.md5(body[i:i + 8 * MIB]).digest() for i in range(0, len(body), 8 * MIB))
    assert target.e_tag == '"%s-3"' % hashlib.md5(md5s).hexdigest()
    assert target.metadata == {"m": "1"}
    target.download_file(str(tmp_path / "out"), Config=config)
    assert (tmp_path / "out").read_bytes() == body
    client = server.client("s3")
    part = client.get_object(Bucket=bucket, Key="parts", PartNumber=3)
    assert (part["Body"].read(), part["PartsCount"]) == (body[16 * MIB:], 3)
    attributes = client.get_object_attributes(Bucket=bucket, Key="parts", ObjectAttributes=["ETag", "ObjectParts", "ObjectSize"])
    assert attributes["ObjectSize"] == len(body) and attributes["ObjectParts"]["TotalPartsCount"] == 3


@pytest.mark.parametrize("kind", ["COMPOSITE", "FULL_OBJECT"])
def test_the_checksum_of_a_completed_upload_is_the_objects(server, s3, bucket, kind):
    parts = [noise(5 * MIB), b"tail"]
    crcs = [zlib.crc32(part).to_bytes(4, "big") for part in parts]
    whole = zlib.crc32(b"".join(parts)).to_bytes(4, "big")
    value = base64.b64encode(whole if kind == "FULL_OBJECT" else zlib.crc32(b"".join(crcs)).to_bytes(4, "big")).decode()
    value += "" if kind == "FULL_OBJECT" else "-2"

    def send(params, **_):  # members of newer models
        params["headers"]["x-amz-checksum-type"] = kind

    s3.meta.events.register("before-call.s3.CreateMultipartUpload", send)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="sum", ChecksumAlgorithm="CRC32")["UploadId"]
    s3.meta.events.unregister("before-call.s3.CreateMultipartUpload", send)
    where = dict(Bucket=bucket, Key="sum", UploadId=upload)
    lines = [{"PartNumber": n, "ETag": s3.upload_part(PartNumber=n, Body=part, **where)["ETag"]} for n, part in enumerate(parts, 1)]
    done = s3.complete_multipart_upload(MultipartUpload={"Parts": lines}, ChecksumCRC32=value, **where)
    assert done["ChecksumCRC32"] == value
    part = s3.get_object(Bucket=bucket, Key="sum", PartNumber=2, ChecksumMode="ENABLED")
    assert part["ChecksumCRC32"] == base64.b64encode(crcs[1]).decode() and part["Body"].read() == b"tail"


def test_multipart_by_hand(s3, bucket):
    five = noise(5 * MIB)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m", ChecksumAlgorithm="CRC32")
    where = dict(Bucket=bucket, Key="m", UploadId=upload["UploadId"])
    crc = lambda data: base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
    parts = [s3.upload_part(PartNumber=n, Body=data, ChecksumCRC32=crc(data), **where) for n, data in ((1, five), (2, b"tail"))]
    assert [p["PartNumber"] for p in s3.list_parts(**where)["Parts"]] == [1, 2]
    assert [u["Key"] for u in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == ["m"]
    lines = [{"PartNumber": n + 1, "ETag": p["ETag"], "ChecksumCRC32": p["ChecksumCRC32"]} for n, p in enumerate(parts)]
    wrong = [dict(lines[0], ETag='"0"'), lines[1]]
    assert code_of(s3.complete_multipart_upload, MultipartUpload={"Parts": wrong}, **where) == "InvalidPart"
    assert code_of(s3.complete_multipart_upload, MultipartUpload={"Parts": lines[::-1]}, **where) == "InvalidPartOrder"
    done = s3.complete_multipart_upload(MultipartUpload={"Parts": lines}, **where)
    whole = b"".join(zlib.crc32(data).to_bytes(4, "big") for data in (five, b"tail"))
    assert done["ChecksumCRC32"] == crc(whole) + "-2"
    assert s3.get_object(Bucket=bucket, Key="m", ChecksumMode="ENABLED")["Body"].read() == five + b"tail"
    assert code_of(s3.upload_part, Bucket=bucket, Key="m", UploadId="nope", PartNumber=1, Body=b"x") == "NoSuchUpload"
    upload = s3.create_multipart_upload(Bucket=bucket, Key="n")["UploadId"]
    s3.upload_part_copy(Bucket=bucket, Key="n", UploadId=upload, PartNumber=1, CopySource={"Bucket": bucket, "Key": "m"},
                        CopySourceRange="bytes=%d-%d" % (5 * MIB, 5 * MIB + 3))
    etag = s3.list_parts(Bucket=bucket, Key="n", UploadId=upload)["Parts"][0]["ETag"]
    s3.complete_multipart_upload(Bucket=bucket, Key="n", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    assert s3.get_object(Bucket=bucket, Key="n")["Body"].read() == b"tail"


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_checksums_are_verified_and_shown(s3, bucket, algorithm):
    field = "Checksum" + algorithm
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"hello", ChecksumAlgorithm=algorithm)
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got[field] == put[field] and got["Body"].read() == b"hello"
    assert code_of(s3.put_object, Bucket=bucket, Key="k", Body=b"HELLO", **{field: put[field]}) == "BadDigest"
    assert code_of(s3.put_object, Bucket=bucket, Key="k", Body=b"HELLO", ContentMD5="abc") == "InvalidDigest"
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"hello"


def test_listings_page_in_byte_order(s3, bucket):
    keys = ["dir%d/%03d" % (d, n) for d in range(3) for n in range(20)] + ["z", "\uff5e", "\U0001f600"]
    threads = [threading.Thread(target=lambda part: [s3.put_object(Bucket=bucket, Key=k, Body=b"x") for k in part], args=(keys[i::8],))
               for i in range(8)]
    [t.start() for t in threads], [t.join() for t in threads]
    expected = sorted(keys, key=lambda k: k.encode())
    for operation in ("list_objects", "list_objects_v2"):
        pages = s3.get_paginator(operation).paginate(Bucket=bucket, PaginationConfig={"PageSize": 7})
        assert [o["Key"] for page in pages for o in page.get("Contents", [])] == expected
        pages = list(s3.get_paginator(operation).paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 2}))
        assert [p["Prefix"] for page in pages for p in page.get("CommonPrefixes", [])] == ["dir0/", "dir1/", "dir2/"]
        assert [o["Key"] for page in pages for o in page.get("Contents", [])] == expected[-3:]
    assert s3.list_objects_v2(Bucket=bucket, StartAfter="dir2/010", Prefix="dir2/")["KeyCount"] == 9
    assert s3.list_object_versions(Bucket=bucket, MaxKeys=1)["Versions"][0]["VersionId"] == "null"
    assert code_of(s3.list_objects_v2, Bucket=bucket, ContinuationToken="nonsense") == "InvalidArgument"


def test_copies(s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=b"x", Metadata={"m": "1"})
    s3.copy_object(Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "a"})
    assert s3.head_object(Bucket=bucket, Key="b")["Metadata"] == {"m": "1"}
    s3.copy_object(Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "b"}, Metadata={"n": "2"}, MetadataDirective="REPLACE")
    assert s3.head_object(Bucket=bucket, Key="b")["Metadata"] == {"n": "2"}
    assert code_of(s3.copy_object, Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "b"}) == "InvalidRequest"
    s3.delete_object(Bucket=bucket, Key="a")
    assert s3.get_object(Bucket=bucket, Key="b")["Body"].read() == b"x"


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_presigned_urls(server, bucket, version):
    client = boto3.client("s3", endpoint_url=server.url, region_name="us-west-2", config=Config(signature_version=version))
    url = client.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "p q"})
    urllib.request.urlopen(urllib.request.Request(url, b"data", {"Content-Type": ""}, method="PUT")).read()
    url = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "p q"})
    assert urllib.request.urlopen(url).read() == b"data"


def raw(server, bucket, method, path, body=b"", **headers):
    """A request signed by boto3's signer, sent byte for byte as given."""
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    request = AWSRequest(method, server.url + "/" + bucket + path, data=body, headers=headers)
    S3SigV4Auth(boto3.Session().get_credentials(), "s3", "us-west-2").add_auth(request)
    sent = urllib.request.Request(request.url, body or None, dict(request.headers.items()), method=method)
    try:
        with urllib.request.urlopen(sent) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()


def test_bad_documents_name_themselves(server, bucket):
    for path, body in (("?delete", b"<Delete>"), ("?delete", b"not xml"), ("?delete", b"<Delete/>"), ("/k?uploadId=x", b"<a/>")):
        status, text = raw(server, bucket, "POST", path, body)
        assert status == 400 and "<Code>MalformedXML</Code>" in text, text
    status, text = raw(server, bucket, "PUT", "/k?partNumber=0&uploadId=x", b"x")
    assert status == 400 and "<ArgumentName>partNumber</ArgumentName>" in text, text
    status, text = raw(server, bucket, "GET", "/k?torrent")
    assert status == 501 and "GetObjectTorrent" in text


def cli(server, *words, expect=0):
    done = subprocess.run(["aws", "--endpoint-url", server.url, "s3", *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == expect, done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("aws") is None, reason="the AWS CLI is not installed")
def test_aws_cli(server, tmp_path):
    source, back = tmp_path / "source", tmp_path / "back"
    (source / "sub dir").mkdir(parents=True)
    (source / "small.txt").write_text("small")
    (source / "sub dir" / "big").write_bytes(noise(9 * MIB))
    name = "cli-%d" % time.monotonic_ns()
    cli(server, "mb", "s3://" + name)
    cli(server, "cp", "--recursive", str(source), "s3://%s/p/" % name)
    assert "PRE sub dir/" in cli(server, "ls", "s3://%s/p/" % name)
    assert cli(server, "sync", str(source), "s3://%s/p/" % name) == "", "nothing has changed"
    cli(server, "sync", "s3://%s/p/" % name, str(back))
    assert (back / "sub dir" / "big").read_bytes() == noise(9 * MIB)
    cli(server, "mv", "s3://%s/p/small.txt" % name, "s3://%s/moved.txt" % name)
    assert urllib.request.urlopen(cli(server, "presign", "s3://%s/moved.txt" % name).strip()).read() == b"small"
    cli(server, "ls", "s3://%s/p/small.txt" % name, expect=1)
    cli(server, "rm", "--recursive", "s3://%s/" % name)
    cli(server, "rb", "s3://" + name)


@pytest.mark.skipif(shutil.which("s3cmd") is None, reason="s3cmd is not installed")
def test_s3cmd(server, tmp_path):
    host = server.url.split("//")[1]
    name = "s3cmd-%d" % time.monotonic_ns()
    (tmp_path / "config").write_text("[default]\naccess_key = test\nsecret_key = test\nhost_base = %s\nhost_bucket = %s\nuse_https = False\n"
                                     % (host, host))
    (tmp_path / "file").write_bytes(noise(16 * MIB))

    def run(*words):
        done = subprocess.run(["s3cmd", "-c", str(tmp_path / "config"), "--no-progress", *words], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    run("mb", "s3://" + name)
    run("put", str(tmp_path / "file"), "s3://%s/a b" % name)
    run("cp", "s3://%s/a b" % name, "s3://%s/c" % name)
    assert "s3://%s/c" % name in run("ls", "s3://" + name)
    assert "MD5" in run("info", "s3://%s/c" % name)
    run("get", "s3://%s/c" % name, str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == noise(16 * MIB)
    run("del", "--recursive", "--force", "s3://" + name)
    run("rb", "s3://" + name)


def test_killed_uploads_leave_whole_objects_or_none(fresh_server):
    """kill -9 while eight clients upload: what was acknowledged is there, everything visible is whole."""
    server = fresh_server()
    server.client("s3").create_bucket(Bucket="crash", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    acknowledged = {}
    for round_number in range(3):
        stop = threading.Event()

        def upload(worker):
            client = server.client("s3", connect_timeout=2, read_timeout=10)
            n = 0
            while not stop.is_set():
                key = "r%d/w%d/%d" % (round_number, worker, n % 7)
                body = noise(1000 + 200_000 * (n % 5), key.encode() + b"%d" % n)
                try:
                    client.put_object(Bucket="crash", Key=key, Body=body, Metadata={"sha": hashlib.sha256(body).hexdigest()})
                    acknowledged[key] = n
                except Exception:
                    return
                n += 1

        threads = [threading.Thread(target=upload, args=(w,)) for w in range(8)]
        [t.start() for t in threads]
        time.sleep(0.7)
        server.kill()
        stop.set()
        [t.join() for t in threads]
        server.start()
        client = server.client("s3")
        listed = {o["Key"]: o for page in client.get_paginator("list_objects_v2").paginate(Bucket="crash") for o in page.get("Contents", [])}
        assert set(acknowledged) <= set(listed)
        for key, line in listed.items():
            got = client.get_object(Bucket="crash", Key=key)
            body = got["Body"].read()
            assert len(body) == line["Size"] and hashlib.sha256(body).hexdigest() == got["Metadata"]["sha"], key
        files = lambda: sum(len(names) for _, _, names in os.walk(server.folder / "blobs"))
        deadline = time.monotonic() + 10
        while files() != len(listed) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert files() == len(listed), "the sweep must leave exactly the visible objects' files"
        assert os.listdir(server.folder / "uploads") == []


def test_a_blob_that_is_gone_is_an_internal_error_without_its_path(server, s3, bucket):
    body = os.urandom(123_457)
    s3.put_object(Bucket=bucket, Key="k", Body=body)
    [blob] = [path for path in (server.folder / "blobs").rglob("*") if path.is_file() and path.stat().st_size == len(body)]
    blob.unlink()
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=bucket, Key="k")
    assert caught.value.response["Error"]["Code"] == "InternalError"
    assert str(server.folder) not in str(caught.value.response) and blob.name not in str(caught.value.response)


def test_a_cut_body_stores_nothing(server, s3, bucket):
    import socket
    host, port = server.url.split("//")[1].split(":")
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "cut"})
    path = url[len(server.url):]
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(("PUT %s HTTP/1.1\r\nHost: %s:%s\r\nContent-Length: 1000000\r\n\r\n" % (path, host, port)).encode() + b"x" * 1000)
    time.sleep(0.3)
    assert code_of(s3.head_object, Bucket=bucket, Key="cut") == "404"


def test_a_put_after_an_empty_put_on_one_connection_is_answered_at_once(server):
    """Regression: an empty body with Expect got no 100, after which botocore's connection hung until it was closed."""
    client = server.client("s3")
    client.create_bucket(Bucket="empty-then-full", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    began = time.monotonic()
    for i, body in enumerate([b"a", b"", b"b", b"", b"", b"c"]):
        client.put_object(Bucket="empty-then-full", Key="k%d" % i, Body=body)
    assert time.monotonic() - began < 20
