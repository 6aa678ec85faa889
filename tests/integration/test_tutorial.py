# SPDX-License-Identifier: Apache-2.0
"""The content-recommendation tutorial through unmodified boto3: by endpoint URL, and by proxy with a script written for AWS."""
import json
import os
import pathlib
import subprocess


from conftest import ROOT
from paths import shared_data

SCRIPT = pathlib.Path(__file__).parent / "scripts" / "recommendation_on_aws.py"
ARCHIVE = shared_data() / "20newsgroups/20news-bydate.tar.xz"


def run_script(tmp_path, *arguments, **environment):
    archive = str(ARCHIVE) if ARCHIVE.exists() else ""
    finished = subprocess.run(["/usr/bin/python3", "-W", "ignore", str(SCRIPT), archive, str(tmp_path), *arguments], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=280,
                              env={**os.environ, "PYTHONPATH": str(ROOT / "examples"), **environment})
    assert finished.returncode == 0, finished.stdout[-2000:] + finished.stderr[-4000:]
    return json.loads(finished.stdout.splitlines()[-1])


def check(findings):
    assert findings["topic_lines"] == 2  # one report a host
    # recommended documents share the query's group several times more often than chance
    assert findings["same_group"] > 3 * findings["chance"] if ARCHIVE.exists() else findings["same_group"] > 1.5 * findings["chance"]


def test_the_script_holds_no_word_of_clary():
    assert "clary" not in SCRIPT.read_text().lower()


def test_tutorial_by_endpoint_url(server, tmp_path):
    check(run_script(tmp_path, server.url))


def test_tutorial_by_proxy(server, tmp_path):
    check(run_script(tmp_path, HTTPS_PROXY=server.url, AWS_CA_BUNDLE=server.state["ca"]))


def test_notebook_executes(server, tmp_path):
    environment = {**os.environ, "ENDPOINT_URL": server.url, "OUTPUT": str(tmp_path), "EPOCHS": "20",
                   "PYTHONPATH": str(ROOT / "examples"), "NEWSGROUPS": str(ARCHIVE) if ARCHIVE.exists() else ""}
    subprocess.run(["/usr/bin/python3", "-m", "nbconvert", "--to", "notebook", "--execute", "--output-dir", str(tmp_path),
                    "--ExecutePreprocessor.timeout=240", str(ROOT / "examples/content_recommendation.ipynb")],
                   check=True, env=environment, timeout=280, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert (tmp_path / "topic-map.png").stat().st_size > 10000
