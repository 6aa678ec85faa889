# SPDX-License-Identifier: Apache-2.0
"""XGBoost training: evaluation lines equal to those of Python's xgboost on real data, and whole jobs through boto3."""
import io
import json
import pathlib
import pickle
import re
import sys
import tarfile
import time

import numpy as np
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import tables  # noqa: E402
import xgboost_job  # noqa: E402

import xgboost  # noqa: E402
from conftest import REGION  # noqa: E402
from job_helpers import client, describe, end_of, lines, request  # noqa: E402

needs_tables = pytest.mark.skipif(not tables.TABULAR.exists(), reason="%s is not here" % tables.TABULAR)
BIG_MART = dict(max_depth=5, eta=.2, gamma=4, min_child_weight=6, subsample=.7)


# --- data ----------------------------------------------------------------------------------------------------------------------

def abalone(seed=1):
    """Sex as 0, 1, 2 and seven measures; rings. 2,922 rows to train, 626 to validate."""
    frame = tables.read("abalone.csv.xz", header=None)
    frame[0] = frame[0].map({"M": 0, "F": 1, "I": 2})
    order = np.random.default_rng(seed).permutation(len(frame))
    rows = frame.to_numpy(np.float32)[order]
    return (rows[:2922, :8], rows[:2922, 8]), (rows[2922:3548, :8], rows[2922:3548, 8])


def binned(part):
    return part[0], np.digitize(part[1], [7.5, 9.5, 11.5]).astype(np.float32)


def older(part):
    return part[0], (part[1] > 9).astype(np.float32)


def adult(rows=6000):
    table = tables.adult()
    return tuple((part[0][:rows], part[1][:rows]) for part in (table.train, table.validation))


def with_holes(part, seed=5):
    x = part[0].copy()
    x[np.random.default_rng(seed).random(x.shape) < .2] = np.nan
    return x, part[1]


def queries_of(part, size=20):
    """Rows in groups of `size`, graded by their quarter."""
    n = len(part[1]) // size * size
    return part[0][:n], np.digitize(part[1][:n], [7.5, 9.5, 11.5]).astype(np.float32), np.arange(n) // size


def lay_out(root, parts, weights=None):
    for name, (x, y) in zip(("train", "validation"), parts):
        xgboost_job.write_csv(root / "input/data" / name / "part.csv", x, y, None if weights is None else weights[: len(y)])


# --- equal to Python's xgboost -----------------------------------------------------------------------------------------------------

regression, classes, binary = (lambda: abalone()), (lambda: tuple(map(binned, abalone()))), (lambda: tuple(map(older, abalone())))
CASES = {
    "exact": (regression, dict(BIG_MART)),
    "hist": (regression, dict(BIG_MART, tree_method="hist", max_bin=64)),
    "approx": (regression, dict(BIG_MART, tree_method="approx")),
    "lossguide": (regression, dict(tree_method="hist", grow_policy="lossguide", max_leaves=12, max_depth=0)),
    "columns": (regression, dict(colsample_bytree=.6, colsample_bylevel=.7, colsample_bynode=.8, seed=11)),
    "forest": (regression, dict(num_parallel_tree=4, subsample=.5, eta=1)),
    "penalties": (regression, {"lambda": 3, "alpha": 2, "max_delta_step": 1.5, "base_score": 9}),
    "constraints": (regression, dict(tree_method="hist", monotone_constraints="(0,1,1,0,0,0,0,1)", interaction_constraints="[[0,1,2],[3,4,5,6,7]]")),
    "metrics": (regression, dict(eval_metric="mae,rmse,mape,mphe")),
    "holes": (lambda: tuple(map(with_holes, abalone())), dict(BIG_MART)),
    "dart": (regression, dict(booster="dart", rate_drop=.3, skip_drop=.2, normalize_type="forest", sample_type="weighted", eta=.3)),
    "gblinear": (regression, dict(booster="gblinear", updater="coord_descent", eta=.4, **{"lambda": .1, "alpha": .01})),
    "logistic regression": (binary, dict(objective="reg:logistic")),
    "binary": (binary, dict(objective="binary:logistic", eval_metric="auc,error,error@0.3,logloss,aucpr", scale_pos_weight=2)),
    "logitraw": (binary, dict(objective="binary:logitraw")),
    "hinge": (binary, dict(objective="binary:hinge")),
    "softmax": (classes, dict(BIG_MART, objective="multi:softmax", num_class=4)),
    "softprob": (classes, dict(objective="multi:softprob", num_class=4, eval_metric="merror,mlogloss,auc", tree_method="hist")),
    "poisson": (regression, dict(objective="count:poisson", eval_metric="poisson-nloglik,rmse")),
    "gamma": (regression, dict(objective="reg:gamma", eval_metric="gamma-nloglik,gamma-deviance")),
    "squaredlogerror": (regression, dict(objective="reg:squaredlogerror")),
    "pseudohuber": (regression, dict(objective="reg:pseudohubererror")),
    "absoluteerror": (regression, dict(objective="reg:absoluteerror")),
    "cox": (regression, dict(objective="survival:cox")),
    "adult": (adult, dict(objective="binary:logistic", tree_method="hist", eval_metric="auc,logloss", max_depth=4)),
}


@needs_tables
@pytest.mark.parametrize("name", CASES)
def test_lines_equal_python_xgboost(name, tmp_path):
    make, parameters = CASES[name]
    parts = make()
    lay_out(tmp_path, parts)
    matrices = [xgboost.DMatrix(x, y) for x, y in parts]
    expected, theirs = xgboost_job.python_evaluations(dict(parameters), *matrices, 25)
    log = xgboost_job.train(tmp_path, dict(parameters, num_round=25))
    assert xgboost_job.evaluations(log) == expected
    own = xgboost.Booster(model_file=str(tmp_path / "model/xgboost-model"))
    np.testing.assert_array_equal(own.predict(matrices[1]), theirs.predict(matrices[1]))


@needs_tables
@pytest.mark.parametrize("objective", ["rank:pairwise", "rank:ndcg", "rank:map"])
def test_ranking_lines_equal_python_xgboost(objective, tmp_path):
    parameters = dict(objective=objective, eval_metric="ndcg,map@5,ndcg@3-", max_depth=4)
    matrices = []
    for name, (x, y, groups) in zip(("train", "validation"), map(queries_of, abalone())):
        if objective == "rank:map":
            y = (y > 1).astype(np.float32)
        xgboost_job.write_libsvm(tmp_path / "input/data" / name / "part", x, y, groups)
        # libsvm leaves zeros out, so they are missing
        matrices.append(xgboost.DMatrix(np.where(x == 0, np.nan, x), y, qid=groups))
    expected, _ = xgboost_job.python_evaluations(dict(parameters), *matrices, 15)
    log = xgboost_job.train(tmp_path, dict(parameters, num_round=15), "text/libsvm")
    assert xgboost_job.evaluations(log) == expected


@needs_tables
def test_weighted_lines_equal_python_xgboost(tmp_path):
    parts = abalone()
    weights = np.random.default_rng(3).random(4000).astype(np.float32)
    lay_out(tmp_path, parts, weights)
    matrices = [xgboost.DMatrix(x, y, weight=weights[: len(y)]) for x, y in parts]
    expected, _ = xgboost_job.python_evaluations({}, *matrices, 10)
    assert xgboost_job.evaluations(xgboost_job.train(tmp_path, dict(num_round=10, csv_weights=1))) == expected


@needs_tables
def test_tweedie_also_prints_its_published_name(tmp_path):
    parts = abalone()
    lay_out(tmp_path, parts)
    matrices = [xgboost.DMatrix(x, y) for x, y in parts]
    parameters = dict(objective="reg:tweedie", tweedie_variance_power=1.3)
    expected, _ = xgboost_job.python_evaluations(dict(parameters), *matrices, 5)
    printed = xgboost_job.evaluations(xgboost_job.train(tmp_path, dict(parameters, num_round=5, eval_metric="tweedie-nloglik")))
    assert printed[::2] == expected and "tweedie-nloglik@1.3" in expected[0]
    assert printed[1::2] == [line.replace("@1.3", "") for line in expected]


@needs_tables
def test_old_tags_print_six_digits_and_pickle_the_model(tmp_path):
    parts = abalone()
    lay_out(tmp_path, parts)
    log = xgboost_job.train(tmp_path, dict(BIG_MART, num_round=5), image="sagemaker-xgboost:1.0-1-cpu-py3")
    booster = pickle.loads((tmp_path / "model/xgboost-model").read_bytes())
    expected = xgboost_job.python_evaluations(dict(BIG_MART), *[xgboost.DMatrix(x, y) for x, y in parts], 5, decimals=17)[0]
    rounded = [re.sub(r":([0-9.]+)", lambda m: ":%g" % float(m[1]), line) for line in expected]
    assert xgboost_job.evaluations(log) == rounded
    assert booster.num_boosted_rounds() == 5 and "INFO:root:" in log


@needs_tables
def test_our_metrics_are_scikit_learns(tmp_path):
    from sklearn import metrics
    parts = tuple(map(binned, abalone()))
    lay_out(tmp_path, parts)
    names = "accuracy,balanced_accuracy,f1,f1_macro,precision_macro,precision_micro,recall_macro,recall_micro"
    line = xgboost_job.evaluations(xgboost_job.train(tmp_path, dict(objective="multi:softprob", num_class=4, num_round=3, eval_metric=names)))[-1]
    booster = xgboost.Booster(model_file=str(tmp_path / "model/xgboost-model"))
    for channel, (x, y) in zip(("train", "validation"), parts):
        p = booster.predict(xgboost.DMatrix(x)).argmax(axis=1)
        expected = dict(accuracy=metrics.accuracy_score(y, p), balanced_accuracy=metrics.balanced_accuracy_score(y, p),
                        f1=metrics.f1_score(y, p, average="macro"), precision_macro=metrics.precision_score(y, p, average="macro"),
                        precision_micro=metrics.precision_score(y, p, average="micro"), recall_macro=metrics.recall_score(y, p, average="macro"))
        for name, value in expected.items():
            assert "\t%s-%s:%.5f" % (channel, name, value) in line
    assert "train-mlogloss" in line  # the default metric still prints


@needs_tables
def test_early_stopping_is_python_xgboosts(tmp_path):
    parts = abalone()
    lay_out(tmp_path, parts)
    train, validation = [xgboost.DMatrix(x, y) for x, y in parts]
    stop = xgboost.callback.EarlyStopping(5, save_best=True, data_name="validation", metric_name="mae")
    theirs = xgboost.train({"eta": .5, "eval_metric": ["rmse", "mae"], "nthread": 2}, train, 200, verbose_eval=False, callbacks=[stop],
                           evals=[(train, "train"), (validation, "validation")])
    log = xgboost_job.train(tmp_path, dict(eta=.5, eval_metric="rmse,mae", num_round=200, early_stopping_rounds=5))
    own = xgboost.Booster(model_file=str(tmp_path / "model/xgboost-model"))
    assert own.attributes() | {"best_score": ""} == theirs.attributes() | {"best_score": ""}
    assert own.num_boosted_rounds() == theirs.num_boosted_rounds() < 200
    np.testing.assert_array_equal(own.predict(validation), theirs.predict(validation))
    assert len(xgboost_job.evaluations(log)) == own.num_boosted_rounds() + 5


@needs_tables
def test_abalone_is_learned_as_well_as_published(tmp_path):
    """Published: validation rmse 8.168 after round 0, 2.244 after round 49, on another split; least squares reaches 2.33."""
    lay_out(tmp_path, abalone())
    curve = xgboost_job.evaluations(xgboost_job.train(tmp_path, dict(BIG_MART, num_round=50)))
    first, last = (float(line.split("validation-rmse:")[1]) for line in (curve[0], curve[-1]))
    assert 7.7 < first < 8.6 and last < 2.33


# --- mistakes ----------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("hyperparameters, csv, message", [
    ({}, "1,2\n0,3\n", "ClientError: Missing required hyperparameter: num_round"),
    ({"num_round": 5, "foo": 1}, "1,2\n0,3\n", "ClientError: Extraneous hyperparameter found: foo"),
    ({"num_round": 5, "eta": 1.5}, "1,2\n0,3\n", "ClientError: Hyperparameter eta: 1.5 is not in [0, 1]"),
    ({"num_round": 5, "max_depth": "5.0"}, "1,2\n0,3\n", "ClientError: Hyperparameter max_depth: could not parse value (caused by ValueError)"),
    ({"num_round": 5, "objective": "multi:softmax"}, "1,2\n0,3\n", "ClientError: Require input for parameter 'num_class' for multi-classification"),
    ({"num_round": 5, "objective": "multi:softmax", "num_class": 3}, "7,2\n0,3\n", "label must be in [0, num_class)"),
    ({"num_round": 5, "objective": "binary:logistic"}, "7,2\n0,3\n", "label must be in [0,1] for logistic regression"),
    ({"num_round": 5, "objective": "count:poisson"}, "-7,2\n0,3\n", "PoissonRegression: label must be nonnegative"),
    ({"num_round": 5, "objective": "nothing"}, "1,2\n0,3\n", "ClientError: Hyperparameter objective: nothing is not in ['"),
    ({"num_round": 5, "objective": "binary:logistic", "eval_metric": "accuracy"}, "0.5,2\n0,3\n", "classes 0, 1, ..."),
])
def test_mistakes_are_the_users_and_named(hyperparameters, csv, message, tmp_path):
    (tmp_path / "input/data/train").mkdir(parents=True)
    (tmp_path / "input/data/train/part.csv").write_text(csv)
    xgboost_job.train(tmp_path, hyperparameters, code=1)
    failure = (tmp_path / "output/failure").read_text()
    assert failure.startswith("ClientError: ") and message in failure, failure


@pytest.mark.parametrize("channels, message", [(("validation",), "Missing required channel: train"),
                                               (("train", "test"), "Extraneous channel found: test"),
                                               (("train", "code"), "Extraneous channel found: code")])
def test_channels_are_checked_in_the_containers_words(channels, message, tmp_path):
    for name in channels:
        (tmp_path / "input/data" / name).mkdir(parents=True)
        (tmp_path / "input/data" / name / "part.csv").write_text("1,2\n0,3\n")
    xgboost_job.train(tmp_path, {"num_round": 1}, channels=channels, code=1)
    assert message in (tmp_path / "output/failure").read_text()


# --- through the server ------------------------------------------------------------------------------------------------------------

BUCKET = "xgboost-bucket"
OLD = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:1.0-1-cpu-py3"
NEW = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:1.7-1"


@pytest.fixture(scope="module")
def bucket(server):
    client(server, "s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    return BUCKET


def csv_of(part):
    out = io.StringIO()
    np.savetxt(out, np.column_stack([part[1], part[0]]), delimiter=",", fmt="%.9g")
    return out.getvalue()


def put(server, key, text):
    client(server, "s3").put_object(Bucket=BUCKET, Key=key, Body=text)


def data_channel(name, uri, distribution="FullyReplicated"):
    return {"ChannelName": name, "ContentType": "csv", "CompressionType": "None",
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3DataDistributionType": distribution, "S3Uri": uri}}}


def run_job(server, role, name, hyperparameters, channels, image=NEW, count=1, **more):
    body = request(name, role, image=image, count=count, channels=channels, **more)
    body["HyperParameters"] = {k: str(v) for k, v in hyperparameters.items()}
    body["OutputDataConfig"] = {"S3OutputPath": "s3://%s/out/" % BUCKET}
    client(server, "sagemaker").create_training_job(**body)
    return end_of(server, name, 180)


def model_of(server, job):
    key = job["ModelArtifacts"]["S3ModelArtifacts"].split(BUCKET + "/", 1)[1]
    archive = client(server, "s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar.getmembers() if m.isfile()}


def made_up(rows, seed, classes=4):
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 5)).astype(np.float32)
    y = np.digitize(x[:, 0] + x[:, 1] * x[:, 2], [-1, 0, 1]) if classes else x[:, 0] * 3 + x[:, 1] + random.normal(size=rows) * .5
    return x, y.astype(np.float32)


def test_the_big_mart_tutorial_trains_from_https_uris(server, role, bucket):
    parts = made_up(800, 1), made_up(200, 2)
    for name, part in zip(("train", "validation"), parts):
        put(server, "mart/%s/%s.csv" % (name, name), csv_of(part))
    base = "https://s3-%s.amazonaws.com/%s/mart" % (REGION, BUCKET)
    parameters = dict(BIG_MART, objective="multi:softmax", num_class=4)
    job = run_job(server, role, "xgboost-mart", dict(parameters, silent=0, num_round=50), image=OLD,
                  channels=[data_channel("train", base + "/train/"), data_channel("validation", base + "/validation/")])
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    matrices = [xgboost.DMatrix(x, y) for x, y in parts]
    # The default metric of images before 1.3.
    expected, theirs = xgboost_job.python_evaluations(dict(parameters, eval_metric="merror"), *matrices, 50, decimals=17)
    log = lines(server, "xgboost-mart")
    printed = [line for line in log if re.match(r"\[[0-9]+\]#011train-merror:", line)]
    assert [line.replace("#011", "\t") for line in printed] == [
        re.sub(r":([0-9.]+)", lambda m: ":%g" % float(m[1]), line) for line in expected]
    final = {m["MetricName"]: m["Value"] for m in job["FinalMetricDataList"]}
    assert final["validation:merror"] == pytest.approx(float(expected[-1].split(":")[-1]), rel=1e-5)
    assert final["train:merror"] < final["validation:merror"]
    files = model_of(server, job)
    assert list(files) == ["xgboost-model"]
    np.testing.assert_array_equal(pickle.loads(files["xgboost-model"]).predict(matrices[1]), theirs.predict(matrices[1]))


def test_early_stopping_cuts_the_model(server, role, bucket):
    parts = made_up(400, 3, classes=0), made_up(200, 4, classes=0)
    for name, part in zip(("train", "validation"), parts):
        put(server, "stop/%s/part.csv" % name, csv_of(part))
    job = run_job(server, role, "xgboost-stop", dict(num_round=500, eta=.5, early_stopping_rounds=5, eval_metric="rmse"),
                  [data_channel(c, "s3://%s/stop/%s" % (BUCKET, c)) for c in ("train", "validation")])
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    booster = xgboost.Booster(model_file=bytearray(model_of(server, job)["xgboost-model"]))
    curve = [float(line.split("#011validation-rmse:")[1]) for line in lines(server, "xgboost-stop") if "#011validation-rmse:" in line]
    best = int(booster.attr("best_iteration"))
    assert booster.num_boosted_rounds() == best + 1 == len(curve) - 5 and curve[best] == min(curve)


def test_two_instances_train_one_model(server, role, bucket):
    part = made_up(1200, 5, classes=0)
    for i in range(3):
        put(server, "two/train/part-%d.csv" % i, csv_of((part[0][i::3], part[1][i::3])))
        put(server, "two/validation/part-%d.csv" % i, csv_of((part[0][i:60:3], part[1][i:60:3])))
    for distribution in ("ShardedByS3Key", "FullyReplicated"):
        name = "xgboost-two-" + distribution.lower()
        job = run_job(server, role, name, dict(num_round=30, tree_method="hist", eval_metric="rmse,r2"), count=2, channels=[
            data_channel(c, "s3://%s/two/%s/" % (BUCKET, c), distribution) for c in ("train", "validation")])
        assert job["TrainingJobStatus"] == "Completed", (job.get("FailureReason"), lines(server, name))
        booster = xgboost.Booster(model_file=bytearray(model_of(server, job)["xgboost-model"]))
        guess = booster.predict(xgboost.DMatrix(part[0]))
        log = "\n".join(lines(server, name))
        last = re.findall(r"\[29\]#011train-rmse:([^#]+)#011train-r2:([^#]+)#011validation", log)
        assert len(re.findall(r"^\[29\]", log, re.M)) == 1  # one host speaks for both
        # the printed metrics are those of all rows, wherever they were
        rmse, r2 = last[0]
        assert float(rmse) == pytest.approx(np.sqrt(np.mean((guess - part[1]) ** 2)), abs=1e-5)
        assert float(r2) == pytest.approx(1 - np.mean((guess - part[1]) ** 2) / np.var(part[1]), abs=1e-5)
        seen = [int(n) for n in re.findall(r"Train matrix has ([0-9]+) rows", log)]
        assert len(seen) == 2 and sum(seen) == 1200


def test_exact_is_refused_on_two_instances(server, role, bucket):
    put(server, "exact/train/a.csv", csv_of(made_up(100, 6)))
    put(server, "exact/train/b.csv", csv_of(made_up(100, 7)))
    job = run_job(server, role, "xgboost-exact", dict(num_round=3, tree_method="exact"), count=2,
                  channels=[data_channel("train", "s3://%s/exact/train/" % BUCKET, "ShardedByS3Key")])
    assert job["TrainingJobStatus"] == "Failed"
    assert "tree method doesn't support distributed training" in job["FailureReason"]


def test_a_job_goes_on_from_its_checkpoints(server, role, bucket):
    for name, seed in (("train", 8), ("validation", 9)):
        put(server, "spot/%s/part.csv" % name, csv_of(made_up(300, seed, classes=0)))
    channels = [data_channel(c, "s3://%s/spot/%s" % (BUCKET, c)) for c in ("train", "validation")]
    keep = {"CheckpointConfig": {"S3Uri": "s3://%s/spot/checkpoints/" % BUCKET}}
    first = run_job(server, role, "xgboost-spot-1", dict(num_round=6), channels, **keep)
    assert first["TrainingJobStatus"] == "Completed", first.get("FailureReason")
    listed = client(server, "s3").list_objects_v2(Bucket=BUCKET, Prefix="spot/checkpoints/")["Contents"]
    assert sorted(o["Key"].rsplit("/", 1)[1] for o in listed) == ["xgboost-checkpoint.%d" % i for i in range(1, 6)]
    second = run_job(server, role, "xgboost-spot-2", dict(num_round=10), channels, **keep)
    whole = run_job(server, role, "xgboost-spot-3", dict(num_round=10), channels)
    numbered = lambda name: [line for line in lines(server, name) if re.match(r"\[[0-9]+\]#011", line)]  # noqa: E731
    assert numbered("xgboost-spot-1") + numbered("xgboost-spot-2") == numbered("xgboost-spot-3")
    assert "Resuming from iteration 6" in "\n".join(lines(server, "xgboost-spot-2"))
    assert model_of(server, second) == model_of(server, whole)


def test_a_stopped_job_leaves_its_model(server, role, bucket):
    put(server, "long/train/part.csv", csv_of(made_up(2000, 10, classes=0)))
    body = request("xgboost-long", role, image=NEW, channels=[data_channel("train", "s3://%s/long/train" % BUCKET)])
    body["HyperParameters"] = {"num_round": "1000000", "save_model_on_termination": "true", "max_depth": "2"}
    body["OutputDataConfig"] = {"S3OutputPath": "s3://%s/out/" % BUCKET}
    sagemaker = client(server, "sagemaker")
    sagemaker.create_training_job(**body)
    deadline = time.monotonic() + 60
    while not any("[20]#011" in line for line in lines(server, "xgboost-long")) and time.monotonic() < deadline:
        time.sleep(.2)
    sagemaker.stop_training_job(TrainingJobName="xgboost-long")
    job = end_of(server, "xgboost-long", 60)
    assert job["TrainingJobStatus"] == "Stopped"
    files = model_of(server, job)
    assert list(files) == ["xgboost-model"]
    assert xgboost.Booster(model_file=bytearray(files["xgboost-model"])).num_boosted_rounds() > 20


def test_cross_validation_writes_models_and_predictions(server, role, bucket):
    part = made_up(300, 11)
    put(server, "folds/train/part.csv", csv_of(part))
    job = run_job(server, role, "xgboost-folds", dict(num_round=8, _kfold=3, objective="multi:softprob", num_class=4, eval_metric="merror"),
                  [data_channel("train", "s3://%s/folds/train" % BUCKET)])
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert sorted(model_of(server, job)) == ["xgboost-model-%d" % i for i in range(3)]
    archive = client(server, "s3").get_object(Bucket=BUCKET, Key="out/xgboost-folds/output/output.tar.gz")["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        table = np.loadtxt(tar.extractfile("predictions.csv"), delimiter=",")
    assert table.shape == (300, 3)
    np.testing.assert_array_equal(table[:, 0], part[1])
    right = np.mean(table[:, 0] == table[:, 2])
    assert .6 < right < .95 and np.all((table[:, 1] > .2) & (table[:, 1] <= 1))
    summary = [line for line in lines(server, "xgboost-folds") if line.startswith("[8]#011")]
    assert len(summary) == 1
    assert float(summary[0].split("validation-merror:")[1]) == pytest.approx(1 - right, abs=2e-5)  # judged on rows not learned


def test_a_hyperparameter_error_is_the_failure_reason(server, role, bucket):
    put(server, "bad/train/part.csv", csv_of(made_up(20, 12)))
    job = run_job(server, role, "xgboost-bad", dict(num_round=3, eta=1.5), [data_channel("train", "s3://%s/bad/train" % BUCKET)])
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == "ClientError: Hyperparameter eta: 1.5 is not in [0, 1]"
