"""The synthetic log: Avazu's schema and how often each value is met."""

import gzip

import numpy as np
import polars as pl
import pytest

from rtb_envs.studies.ctr.avazu import LogError
from rtb_envs.studies.ctr.catalogue import zipf
from rtb_envs.studies.ctr.conversion import convert
from rtb_envs.studies.ctr.generator import generate
from tests.studies.ctr_logs import HEADER

ROWS = 20_000
TOP_SHARES = {
    "C1": 0.918,
    "banner_pos": 0.721,
    "site_id": 0.362,
    "site_domain": 0.375,
    "site_category": 0.410,
    "app_id": 0.638,
    "app_domain": 0.673,
    "app_category": 0.647,
    "device_id": 0.824,
    "device_ip": 0.005,
    "device_model": 0.060,
    "device_type": 0.923,
    "device_conn_type": 0.863,
    "C14": 0.023,
    "C15": 0.933,
    "C16": 0.943,
    "C17": 0.112,
    "C19": 0.301,
    "C20": 0.468,
    "C21": 0.220,
}
"""Share of each column's most frequent value in a 1 % sample of Avazu's log."""
CARDINALITIES = {"click": 2, "C1": 7, "banner_pos": 7, "device_type": 5, "device_conn_type": 4, "C18": 4}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generated")
    generate(folder / "log.csv", ROWS, seed=3)
    convert(folder / "log.csv", folder / "log.parquet", strict=True)
    return folder


@pytest.fixture(scope="module")
def log(folder):
    return pl.read_parquet(folder / "log.parquet")


def test_the_header_is_avazu_s(folder):
    with (folder / "log.csv").open(encoding="utf-8") as file:
        assert file.readline() == HEADER + "\n"


def test_the_log_has_240_hours_of_ten_days_in_order(log):
    hours = [141000_00 + day * 100 + hour for day in range(21, 31) for hour in range(24)]
    assert log["hour"].unique(maintain_order=True).to_list() == hours
    assert log["day_of_week"].n_unique() == 7


def test_ids_are_all_different_and_some_need_64_bits_without_a_sign(log):
    assert log["id"].n_unique() == ROWS
    assert log["id"].max() > 2**63


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_click_rate_is_that_of_avazu(tmp_path, seed):
    generate(tmp_path / "log.csv", ROWS, seed)
    convert(tmp_path / "log.csv", tmp_path / "log.parquet")
    assert 0.15 <= pl.read_parquet(tmp_path / "log.parquet")["click"].mean() <= 0.19


@pytest.mark.parametrize("name", TOP_SHARES)
def test_the_most_frequent_value_has_about_its_share(log, name):
    share = log[name].value_counts()["count"].max() / ROWS
    assert share == pytest.approx(TOP_SHARES[name], rel=0.25, abs=0.01)


@pytest.mark.parametrize("name", CARDINALITIES)
def test_columns_of_few_values_have_them_all(log, name):
    assert log[name].n_unique() == CARDINALITIES[name]


def test_an_impression_is_on_a_site_or_in_an_app_never_both(log):
    assert ((log["site_id"] == "85f751fd") != (log["app_id"] == "ecad2386")).all()


def test_campaigns_begin_during_the_log(log):
    day = pl.col("hour") // 100
    last_day = log.filter(day == day.max())
    seen = log.filter(day < day.max())["C14"].unique()
    assert not last_day["C14"].is_in(seen.implode()).all()


def test_same_arguments_give_the_same_bytes_and_another_seed_does_not(tmp_path, folder):
    generate(tmp_path / "same.csv", ROWS, seed=3)
    generate(tmp_path / "other.csv", ROWS, seed=4)
    assert (tmp_path / "same.csv").read_bytes() == (folder / "log.csv").read_bytes()
    assert (tmp_path / "other.csv").read_bytes() != (folder / "log.csv").read_bytes()


def test_a_gz_holds_the_same_log_and_has_the_same_bytes_every_time(tmp_path):
    generate(tmp_path / "log.csv", 300)
    for name in ("a.csv.gz", "b.csv.gz"):
        generate(tmp_path / name, 300)
    assert gzip.decompress((tmp_path / "a.csv.gz").read_bytes()) == (tmp_path / "log.csv").read_bytes()
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()


def test_fewer_rows_than_hours_are_refused(tmp_path):
    with pytest.raises(LogError, match="rows: got 239, must be at least 240"):
        generate(tmp_path / "log.csv", 239)


def test_shares_add_up_and_the_first_is_the_largest():
    shares = zipf(4_736, 0.12)
    assert shares.sum() == pytest.approx(1)
    assert shares[0] == 0.12
    assert np.all(np.diff(shares) < 0)
