# SPDX-License-Identifier: Apache-2.0
"""Big Mart sales, as the book does it (by endpoint URL and by proxy), and the example of our own."""
import json
import os
import pathlib
import subprocess

import pytest

from conftest import ROOT
from paths import shared_data

SCRIPT = pathlib.Path(__file__).parent / "scripts" / "big_mart_on_aws.py"
TABLE = shared_data() / "tabular/Train_UWu5bXk.csv.xz"


def run(program, *arguments, **environment):
    finished = subprocess.run(["/usr/bin/python3", "-W", "ignore", str(program), *arguments], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=280,
                              env={**os.environ, "PYTHONPATH": str(ROOT / "examples"), **environment})
    assert finished.returncode == 0, finished.stdout[-2000:] + finished.stderr[-4000:]
    return finished.stdout


def check(findings, real):
    assert findings["accuracy"] > (0.50 if real else 0.45), findings  # four equal classes: chance is 0.25
    assert min(findings["f1"]) > 0.25, findings
    assert findings["rmse_of_mean"] < (0.75 if real else 0.8), findings
    assert "regression" in " ".join(findings["regression_log"]), "the log says what it took 'regression' for"
    assert findings["xgboost_rounds"] == 50 and findings["xgboost_accuracy"] > (0.57 if real else 0.5), findings
    assert findings["skipped"], "the log says that the output folder among the data was left out"


def test_the_script_holds_no_word_of_clary():
    assert "clary" not in SCRIPT.read_text().lower()


def test_the_book_by_endpoint_url(server):
    table = str(TABLE) if TABLE.exists() else ""
    check(json.loads(run(SCRIPT, table, server.url).splitlines()[-1]), real=bool(table))


def test_the_book_by_proxy(server):
    check(json.loads(run(SCRIPT, "", HTTPS_PROXY=server.url, AWS_CA_BUNDLE=server.state["ca"]).splitlines()[-1]), real=False)


@pytest.mark.parametrize("table", [TABLE, None], ids=["contest", "made-up"])
def test_example(server, tmp_path, table):
    if table and not table.exists():
        pytest.skip(f"{TABLE} is not here")
    options = ["--table", str(table)] if table else []
    text = run(ROOT / "examples/big_mart.py", "--endpoint-url", server.url, "--output", str(tmp_path), *options)
    assert "Pictures:" in text
    for name in ("big-mart-classes.png", "big-mart-sales.png"):
        assert (tmp_path / name).stat().st_size > 10000
