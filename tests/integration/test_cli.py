# SPDX-License-Identifier: Apache-2.0
"""The command `clary` as an operator meets it."""
import json
import os
import subprocess

import numpy as np

from conftest import BINARY, ROOT


def clary(*arguments, code=0, **environment):
    finished = subprocess.run([str(BINARY), *map(str, arguments)], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=60, env={**os.environ, **environment})
    assert finished.returncode == code, (finished.returncode, finished.stdout, finished.stderr)
    return finished.stdout + (finished.stderr if code else "")


def test_help_names_every_command():
    text = clary("--help")
    for command in ("serve", "env", "doctor", "algorithms", "train", "predict", "make-vocab", "version"):
        assert command in text
        assert "Usage" in clary(command, "--help")


def test_version():
    assert clary("version").startswith("clary 0.")


def test_wrong_option_exits_with_2():
    assert "--nonsense" in clary("serve", "--nonsense", code=2)


def test_algorithms_lists_and_prints_tables():
    text = clary("algorithms")
    assert "knn" in text and "ntm" in text
    assert "num_topics" in clary("algorithms", "ntm") and "required" in clary("algorithms", "ntm")
    assert json.loads(clary("algorithms", "knn", "--json"))["Name"] == "knn"
    assert "no algorithm is called nothing" in clary("algorithms", "nothing", code=1)


def test_doctor_says_what_the_machine_can_do(tmp_path):
    text = clary("doctor", "--data", tmp_path)
    for thing in ("sandbox", "CPU", "BLAS core", "memory", "GPU", "disk", "algorithms", "pretrained"):
        assert thing in text
    (tmp_path / "pretrained").mkdir()
    (tmp_path / "pretrained/resnet-18.safetensors").touch()
    assert "resnet-18.safetensors" in clary("doctor", "--data", tmp_path)


def test_env_prints_lines_for_a_running_server_and_says_when_there_is_none(server, tmp_path):
    text = clary("env", "--data", server.folder)
    assert "export HTTPS_PROXY='%s'" % server.url in text and "AWS_CA_BUNDLE" in text
    assert "export AWS_ENDPOINT_URL='%s'" % server.url in clary("env", "--endpoints", "--data", server.folder)
    assert "no server has run" in clary("env", "--data", tmp_path / "nowhere", code=1)


def test_env_lines_work_in_a_shell(server):
    script = 'eval "$("$CLARY" env --data "$DATA")"; aws sts get-caller-identity --query Account --output text'
    out = subprocess.run(["bash", "-c", script], text=True, stdout=subprocess.PIPE, check=True, timeout=60,
                         env={**os.environ, "CLARY": str(BINARY), "DATA": str(server.folder)}).stdout
    assert out.strip() == server.state["account"]


def test_env_lines_hold_any_value(tmp_path):
    folder = tmp_path / "it's; echo here"
    folder.mkdir()
    state = {"url": "http://127.0.0.1:1", "ca": str(folder / "ca.pem"), "access_key": "a'b", "secret_key": "''$HOME", "region": "us-west-2"}
    (folder / "server.json").write_text(json.dumps(state))
    script = 'eval "$("$CLARY" env --data "$DATA")"; printf "%s\\n" "$AWS_CA_BUNDLE" "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY"'
    out = subprocess.run(["sh", "-c", script], text=True, stdout=subprocess.PIPE, check=True, timeout=60,
                         env={**os.environ, "CLARY": str(BINARY), "DATA": str(folder)}).stdout
    assert out.splitlines() == [state["ca"], state["access_key"], state["secret_key"]]


def test_dev_mode_is_refused_off_loopback(tmp_path):
    assert "loopback only" in clary("serve", "--dev", "--host", "0.0.0.0", "--port", "0", "--data", tmp_path, code=1)


def test_a_second_server_on_one_data_folder_is_refused(server):
    assert "in use" in clary("serve", "--dev", "--port", "0", "--data", server.folder, code=1)


def test_configuration_errors_name_file_and_key(tmp_path):
    config = tmp_path / "clary.json"
    config.write_text('{"prot": 1}')
    text = clary("serve", "--config", config, "--data", tmp_path, code=1)
    assert "prot: unknown key" in text and "port" in text
    config.write_text('{"port": 70000}')
    assert "port: 70000 is not an integer from 0 to 65535" in clary("serve", "--config", config, "--data", tmp_path, code=1)
    config.write_text('{"files": {"CLARY_WORDSIM": "pairs"}}')
    assert "files: CLARY_WORDSIM: pairs is not an absolute path of this machine" in clary("serve", "--config", config, "--data", tmp_path, code=1)


def test_train_and_predict_on_local_files(tmp_path):
    generator = np.random.default_rng(1)
    rows = generator.normal(size=(300, 4))
    labels = (rows[:, 0] > 0).astype(int)
    table = tmp_path / "train.csv"
    np.savetxt(table, np.column_stack([labels, rows]), delimiter=",", fmt="%.6f")
    clary("train", "knn", "-c", "train=%s" % table, "-t", "train=text/csv;label_size=1", "-s", "feature_dim=4", "-s", "k=5",
          "-s", "sample_size=300", "-s", "predictor_type=classifier", "-o", tmp_path / "model")
    queries = tmp_path / "queries.csv"
    np.savetxt(queries, generator.normal(size=(50, 4)), delimiter=",", fmt="%.6f")
    answer = json.loads(clary("predict", "knn", "-m", tmp_path / "model" / "model.tar.gz", "-t", "text/csv", queries))
    predicted = [p["predicted_label"] for p in answer["predictions"]]
    expected = (np.loadtxt(queries, delimiter=",")[:, 0] > 0).astype(float)
    assert np.mean(predicted == expected) > 0.9


def test_train_reports_a_mistake_in_one_line(tmp_path):
    table = tmp_path / "train.csv"
    table.write_text("1,2\n")
    text = clary("train", "knn", "-c", "train=%s" % table, "-s", "kk=1", "-o", tmp_path / "model", code=1)
    assert "kk" in text and "sample_size" in text  # all problems at once


def test_the_manual_pages_are_what_the_programs_print():
    for name in ("ntm", "knn", "linear-learner", "blazingtext", "xgboost", "image-classification", "seq2seq"):
        printed = subprocess.run([str(BINARY.parents[1] / "libexec/clary/algorithms" / name), "describe", "--markdown"], text=True,
                                 stdout=subprocess.PIPE, check=True).stdout
        page = (ROOT / "docs/algorithms" / (name + ".md")).read_text()
        assert printed == page, "run: %s describe --markdown > docs/algorithms/%s.md" % (name, name)
