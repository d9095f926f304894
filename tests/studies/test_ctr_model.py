"""The click model and the pool: fitted to a log of known effects, judged on later hours, refused where it cannot be."""

import json

import numpy as np
import polars as pl
import pytest
from PIL import Image
from sklearn import metrics as sklearn_metrics
from typer.testing import CliRunner

from rtb_envs import cli
from rtb_envs.studies.ctr import model
from rtb_envs.studies.ctr.avazu import FEATURES, LogError
from rtb_envs.studies.ctr.conversion import convert, hashes
from rtb_envs.studies.ctr.generator import generate
from rtb_envs.studies.ctr.pool import make_pool, recalibrate
from rtb_envs.users.context_pool import default_pool, load_pool
from tests.studies.ctr_logs import line, write_log

ROWS = 20_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    generate(folder / "log.csv", ROWS, seed=0)
    convert(folder / "log.csv", folder / "log.parquet")
    model.train(folder / "log.parquet", folder / "model")
    return folder


@pytest.fixture(scope="module")
def figures(folder):
    return json.loads((folder / "model" / "metrics.json").read_text())


@pytest.fixture(scope="module")
def log(folder):
    return pl.read_parquet(folder / "log.parquet")


def test_the_model_ranks_impressions_as_well_as_one_does_on_avazu_s_log(figures):
    assert 0.65 <= figures["auc"] <= 0.78
    assert figures["logloss"] < figures["base_logloss"]


def test_the_metrics_are_those_of_scikit_learn_on_the_later_hours(folder, log, figures):
    later = log.filter(pl.col("hour") >= figures["first_hour_judged"])
    predicted = model.load(folder / "model").predict(later)
    clicks = later["click"].to_numpy()
    assert figures["auc"] == pytest.approx(sklearn_metrics.roc_auc_score(clicks, predicted), abs=1e-9)
    assert figures["logloss"] == pytest.approx(sklearn_metrics.log_loss(clicks, predicted), abs=1e-9)
    assert figures["rows_judged"] == later.height
    assert figures["click_rate"] == pytest.approx(clicks.mean())


def test_the_model_is_fitted_to_four_fifths_and_judged_on_what_comes_later(log, figures):
    assert figures["rows_fitted"] == (log["hour"] < figures["first_hour_judged"]).sum()
    assert figures["rows_fitted"] == pytest.approx(0.8 * ROWS, abs=ROWS / 240)


def test_the_importance_covers_the_eleven_features_and_adds_up_to_one(figures):
    assert tuple(figures["importance"]) == FEATURES
    assert len(FEATURES) == 11
    assert sum(figures["importance"].values()) == pytest.approx(1)


def test_the_picture_of_the_importance_can_be_opened(folder):
    with Image.open(folder / "model" / "importance.png") as picture:
        assert min(picture.size) > 500


def test_the_same_log_and_seed_give_the_same_model(folder, tmp_path):
    model.train(folder / "log.parquet", tmp_path)
    for name in ("model.txt", "categories.json", "metrics.json"):
        assert (tmp_path / name).read_bytes() == (folder / "model" / name).read_bytes()


def test_a_category_that_was_never_fitted_is_missing_and_not_another_one(log):
    categories = {"site_category": ["28905ebd", "f028772b"], "app_category": ["07d7df22"]}
    rows = log[:3].with_columns(pl.Series("site_category", ["f028772b", "ffffffff", "28905ebd"]))
    codes = model.matrix(rows, categories)[:, FEATURES.index("site_category")]
    np.testing.assert_array_equal(codes, [1, np.nan, 0])


@pytest.mark.parametrize("scores", [[0.1, 0.4, 0.35, 0.8], [0.5, 0.5, 0.5, 0.5], [0.9, 0.9, 0.1, 0.9]])
def test_auc_counts_ties_one_half(scores):
    clicks = np.array([0, 0, 1, 1])
    pairs = [(scores[i] > scores[j]) + 0.5 * (scores[i] == scores[j]) for i in (2, 3) for j in (0, 1)]
    assert model.auc(clicks, np.array(scores)) == pytest.approx(np.mean(pairs))


def split(hours):
    earlier, later = model.split_by_time(pl.DataFrame({"hour": hours}))
    return earlier.height, later.height


def test_the_split_is_between_hours_nearest_to_four_fifths():
    assert split([1] * 8 + [2] * 2) == (8, 2)
    assert split([1] * 5 + [2] * 4 + [3] * 1) == (9, 1)
    assert split([1, 2]) == (1, 1)
    with pytest.raises(LogError, match="one hour only"):
        split([1, 1, 1])


def converted(tmp_path, lines):
    write_log(tmp_path / "small.csv", lines)
    convert(tmp_path / "small.csv", tmp_path / "small.parquet")
    return tmp_path / "small.parquet"


def test_a_log_that_cannot_teach_is_refused(tmp_path):
    one_hour = converted(tmp_path, [line(click="1"), line()])
    with pytest.raises(LogError, match="one hour only"):
        model.train(one_hour, tmp_path / "model")
    no_clicks = converted(tmp_path, [line(), line(hour="14102101")])
    with pytest.raises(LogError, match="earlier part, 1 rows, needs both clicks and non-clicks"):
        model.train(no_clicks, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_log_without_the_columns_is_refused_by_their_names(tmp_path, log):
    log.drop("click").write_parquet(tmp_path / "test.parquet")
    with pytest.raises(LogError, match="has no column click: a model is fitted to a log with clicks"):
        model.train(tmp_path / "test.parquet", tmp_path / "model")
    log.drop("C14", "hour").write_parquet(tmp_path / "cut.parquet")
    with pytest.raises(LogError, match="lacks the columns hour, C14"):
        model.train(tmp_path / "cut.parquet", tmp_path / "model")
    (tmp_path / "csv.parquet").write_text("id,click\n")
    with pytest.raises(LogError, match="is no Parquet file"):
        model.train(tmp_path / "csv.parquet", tmp_path / "model")
    with pytest.raises(LogError, match="does not exist"):
        model.train(tmp_path / "none.parquet", tmp_path / "model")


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pl.col("C14").cast(pl.String), "C14 must be of type UInt32, got String"),
        (pl.col("id").cast(pl.String), "id must be of type UInt64, got String"),
        (pl.col("click") * 7, "click must be 0 or 1, got 7"),
        (pl.when(pl.col("id") % 2 == 0).then(pl.col("C20")).alias("C20"), "C20 is null in .* rows, must have a value"),
    ],
)
def test_a_log_of_other_types_or_clicks_is_refused_in_one_line(tmp_path, log, column, message):
    log.with_columns(column).write_parquet(tmp_path / "log.parquet")
    with pytest.raises(LogError, match=f"log.parquet: {message}") as refused:
        model.train(tmp_path / "log.parquet", tmp_path / "model")
    assert "\n" not in str(refused.value)


def test_a_folder_of_logs_is_no_log(tmp_path):
    with pytest.raises(LogError, match="is a folder, must be a Parquet file"):
        model.train(tmp_path, tmp_path / "model")


@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_a_model_that_is_cut_off_is_refused_before_lightgbm_loads_it(folder, tmp_path, share):
    text = (folder / "model" / "model.txt").read_text()
    (tmp_path / "model.txt").write_text(text[: int(share * len(text))])
    (tmp_path / "categories.json").write_bytes((folder / "model" / "categories.json").read_bytes())
    with pytest.raises(LogError, match=r"model.txt is cut off or no model"):
        model.load(tmp_path)


@pytest.mark.parametrize("categories", ["[]", "{}", '{"site_category": [1], "app_category": []}'])
def test_categories_of_another_form_are_refused(folder, tmp_path, categories):
    (tmp_path / "model.txt").write_bytes((folder / "model" / "model.txt").read_bytes())
    (tmp_path / "categories.json").write_text(categories)
    with pytest.raises(LogError, match=r"categories.json must map site_category and app_category to lists of texts"):
        model.load(tmp_path)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(LogError, match="is not the folder of a model"):
        model.load(tmp_path)


def test_the_pool_holds_the_impressions_of_the_smallest_hashes_with_their_predictions(folder, log, tmp_path):
    mean = make_pool(folder / "log.parquet", folder / "model", tmp_path / "pool.npz", contexts=500)
    pool = load_pool(tmp_path / "pool.npz")
    chosen = log.filter(pl.Series(hashes(log["id"].to_numpy())).rank() <= 500)
    expected = model.load(folder / "model").predict(chosen).astype(np.float32)
    np.testing.assert_array_equal(pool.ctr, expected)
    for name in ("hour_of_day", "day_of_week", "banner_pos", "device_type", "device_conn_type"):
        np.testing.assert_array_equal(getattr(pool, name), chosen[name].to_numpy())
    assert mean == pytest.approx(expected.mean(dtype=np.float64))
    assert pool.contexts == 500


def test_a_log_without_clicks_serves_for_a_pool(folder, log, tmp_path):
    log.drop("click").write_parquet(tmp_path / "test.parquet")
    make_pool(tmp_path / "test.parquet", folder / "model", tmp_path / "pool.npz", contexts=10)
    assert load_pool(tmp_path / "pool.npz").contexts == 10


def test_recalibration_undoes_the_sampling_of_non_clicks():
    market = np.array([0.001, 0.01, 0.3])
    kept = 0.05
    sampled = market / (market + (1 - market) * kept)  # Bayes, with a share of the non-clicks kept.
    np.testing.assert_allclose(recalibrate(sampled, kept), market, rtol=1e-12)
    np.testing.assert_array_equal(recalibrate(market, 1.0), market)


def rtb(*arguments):
    return CliRunner().invoke(cli.app, ["ctr", *map(str, arguments)])


def test_the_commands_lead_from_nothing_to_a_pool(tmp_path):
    log, parquet, folder, pool = (tmp_path / name for name in ("log.csv.gz", "log.parquet", "model", "pool.npz"))
    for arguments in (
        ("generate", log, "--rows", 4_000, "--seed", 1),
        ("convert", log, parquet, "--rows", 3_000),
        ("train", parquet, folder),
        ("pool", parquet, folder, pool, "--contexts", 1_000),
    ):
        done = rtb(*arguments)
        assert done.exit_code == 0, done.output
    assert "1,000 contexts, mean click rate 1" in done.stdout
    assert load_pool(pool).contexts == 1_000


def test_the_help_to_fetch_names_the_source_and_the_next_commands():
    text = rtb("fetch-help").stdout
    assert "https://www.kaggle.com/c/avazu-ctr-prediction" in text
    assert "rtb ctr convert" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("convert", "none.csv", "log.parquet"), "error: none.csv cannot be read: No such file or directory"),
        (("train", "none.parquet", "model"), "error: none.parquet does not exist"),
        (("pool", "none.parquet", "model", "pool.npz"), "error: model is not the folder of a model"),
        (("generate", "log.csv", "--rows", "3"), "error: rows: got 3, must be at least 240"),
    ],
)
def test_a_wrong_argument_is_one_line_on_standard_error_and_exit_code_2(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    refused = rtb(*arguments)
    assert refused.exit_code == 2
    assert refused.stderr.startswith(message)
    assert refused.stderr.count("\n") == 1


def test_malformed_rows_are_reported_on_standard_error(tmp_path):
    log = write_log(tmp_path / "log.csv", [line(), "bad", line(click="7")])
    done = rtb("convert", log, tmp_path / "log.parquet")
    assert done.exit_code == 0
    assert "1 of 3 rows" in done.stdout
    assert "2 malformed rows (67 %) were left out, 1 of them for their number of fields; the first:" in done.stderr
    assert "line 3: 1 field, must be 24" in done.stderr
    assert "line 4: click is '7', must be 0 or 1" in done.stderr
    assert rtb("convert", log, tmp_path / "log.parquet", "--strict").exit_code == 2


@pytest.mark.parametrize("command", [("train", "log", "model"), ("pool", "log", "model", "pool")])
def test_without_lightgbm_the_error_names_the_extra(monkeypatch, command):
    found = cli.importlib.util.find_spec
    monkeypatch.setattr(cli.importlib.util, "find_spec", lambda name: None if name == "lightgbm" else found(name))
    refused = rtb(*command)
    assert refused.exit_code == 2
    assert refused.stderr == 'error: lightgbm is not installed: pip install "rtb-envs[ctr]"\n'


@pytest.mark.slow
def test_the_pool_of_the_package_is_what_the_commands_make(tmp_path):
    log, parquet, folder, pool = (tmp_path / name for name in ("log.csv", "log.parquet", "model", "pool.npz"))
    generate(log, 400_000)
    convert(log, parquet)
    model.train(parquet, folder)
    make_pool(parquet, folder, pool)
    made, shipped = load_pool(pool), default_pool()
    # Another version of LightGBM may round its sums differently and grow other trees; contexts are the same.
    np.testing.assert_allclose(made.ctr, shipped.ctr, atol=0.02)
    np.testing.assert_array_equal(made.hour_of_day, shipped.hour_of_day)
