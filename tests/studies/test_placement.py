"""rtb placement: scenario files and their errors, logs, rolling metrics, comparisons, explanations, what is on disk."""

import json

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from rtb_envs.cli import app
from rtb_envs.studies.placement import comparison, explanation, report, simulation
from rtb_envs.studies.placement.scenario import ScenarioError, read_scenario, scenario_of

BASE = {"name": "base", "events": 300, "days": 6, "policy": {"rule": "fixed", "slots_per_open": 2}}
GOLDEN = {
    "name": "golden",
    "market": "classic",
    "events": 300,
    "days": 6,
    "policy": {"rule": "fixed"},
    "auction": {
        "advertisers": [
            {"name": "A", "bid_cpm": 8, "ctr": 0.02, "quality": 1},
            {"name": "B", "bid_cpm": 6, "ctr": 0.03, "quality": 0.9},
            {"name": "C", "bid_cpm": 5, "ctr": 0.01, "quality": 1.2},
        ],
        "slot_types": [{"name": "display", "viewability": 0.7, "floor_cpm": 2}],
    },
}
YAML = "name: base\nevents: 300\ndays: 6\npolicy: {rule: fixed, slots_per_open: 2}\n"


def rtb(*arguments):
    return CliRunner().invoke(app, ["placement", *map(str, arguments)])


@pytest.fixture(scope="module")
def days():
    return simulation.play(scenario_of(BASE))


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("scenarios") / "base.yaml"
    path.write_text(YAML, encoding="utf-8")
    return path


def test_rules_of_a_scenario_see_every_price_that_its_bids_can_reach():
    advertisers = [{"name": name, "bid_cpm": bid, "ctr": 1.0} for name, bid in (("A", 60), ("B", 50))]
    slots = [{"name": "display", "viewability": 1.0, "floor_cpm": 2}]
    threshold = {"rule": "threshold", "threshold_ecpm": 20}
    dear = GOLDEN | {"policy": threshold, "auction": {"advertisers": advertisers, "slot_types": slots}}
    assert (simulation.play(scenario_of(dear)).totals()["opened_slots"] > 0).all()


def test_every_error_of_a_file_is_told_with_item_field_and_rule():
    wrong = {
        **BASE,
        "events": 0,
        "policy": {"rule": "utility", "lambda": -1},
        "fatigue": {"fatigue_sensitivity": 3},
        "auction": {"advertisers": [{"name": "a", "ctr": 1.5, "value_per_click": 1}, {"name": "b"}], "flor": 1},
    }
    with pytest.raises(ScenarioError) as refused:
        scenario_of(wrong, "file.yaml")
    assert set(refused.value.errors) == {
        "file.yaml: events: must be at least 1, got 0",
        "file.yaml: policy.lambda: must be at least 0, got -1",
        "file.yaml: auction.advertisers[0] ('a').ctr: must be at most 1, got 1.5",
        "file.yaml: auction.advertisers[1] ('b').ctr: is missing",
        "file.yaml: auction.flor: is no field; the fields are pricing, hybrid_weight, floor_multiplier, below_floor, "
        "viewability, max_slots, advertisers, slot_types",
        "file.yaml: fatigue.fatigue_sensitivity: must be at most 2, got 3",
    }


def test_what_fields_allow_but_not_together_is_told_at_once_too():
    wrong = {
        **BASE,
        "policy": {"rule": "fixed", "slots_per_open": 5},
        "auction": {"advertisers": [{"name": "a", "ctr": 0.1}, {"name": "a", "ctr": 0.1, "value_per_click": 1}]},
    }
    with pytest.raises(ScenarioError) as refused:
        scenario_of(wrong)
    assert refused.value.errors == [
        "scenario: auction.advertisers[0] ('a').value_per_click: must be given in the real market",
        "scenario: auction.advertisers[1] ('a').name: must be unique",
        "scenario: policy.slots_per_open: must be at most auction.max_slots, 3, got 5",
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"days": "6"}, "days: must be an integer, got '6'"),
        ({"days": True}, "days: must be an integer, got True"),
        ({"seed": 10**400}, "seed: must be below 4294967296, got 1000"),
        ({"name": ["x" * 10**6]}, "name: must be a text, got "),
        ({"name": "a\nb"}, "name: must be printable, without spaces around it, got 'a\\nb'"),
        ({"auction": {"viewability": "yes"}}, "auction.viewability: must be true or false, got 'yes'"),
        ({"auction": {"floor_multiplier": "2"}}, "auction.floor_multiplier: must be a finite number, got '2'"),
        ({"auction": []}, "auction: must be a mapping of names to values, got []"),
        ({"fatigue": {"patience": float("nan")}}, "fatigue.patience: must be a finite number, got nan"),
        (
            {"fatigue": {"arrival_rate": 1e-320}},
            "fatigue.arrival_rate: must be at least 1e-06, got 1e-320",
        ),
        ({"policy": {"slots_per_open": 1}}, "policy.rule: is missing; the rules are fixed, threshold, utility"),
        ({"policy": {"rule": "greedy"}}, "policy.rule: must be one of fixed, threshold, utility, got 'greedy'"),
        ({"policy": {"rule": "fixed", "slots": 1}}, "policy.slots: is no field; the fields are rule, slots_per_open"),
        ({"days": 4096, "events": 100_000}, "days: days times events must be at most 5,000,000, got 409,600,000"),
    ],
)
def test_a_wrong_value_is_named_with_its_field_and_rule(change, said):
    with pytest.raises(ScenarioError) as refused:
        scenario_of({**BASE, **change})
    (error,) = refused.value.errors
    assert error.startswith(f"scenario: {said}")
    assert len(error) < 400


def test_an_advertiser_has_a_name_that_fits_into_a_list_of_winners():
    with pytest.raises(ScenarioError, match="must be without a comma, got 'a,b'"):
        scenario_of({**BASE, "auction": {"advertisers": [{"name": "a,b", "ctr": 0.1, "value_per_click": 1}]}})


@pytest.mark.parametrize("content", [None, [BASE], "name: x", 3])
def test_what_is_no_mapping_is_no_scenario(content):
    with pytest.raises(ScenarioError, match="must be a mapping with name and policy"):
        scenario_of(content)


@pytest.mark.parametrize("text", ["", "[1, 2]", "name: [", "just words", "name: a\nname: b", "a: &x [1]\nb: *x"])
def test_a_file_that_holds_no_mapping_is_refused(tmp_path, text):
    path = tmp_path / "bad.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"bad\.yaml: "):
        read_scenario(path)


def test_wrong_files_end_with_a_line_an_error_and_leave_nothing_behind(tmp_path, file):
    bad = tmp_path / "bad.yaml"
    bad.write_text("name: x\nevents: 0\ndays: 1\npolicy: {rule: fixed}\n", encoding="utf-8")
    refused = rtb("compare", file, bad, "--out", tmp_path / "out")
    assert refused.exit_code == 2
    assert len(refused.stderr.splitlines()) == 2
    assert all(line.startswith("error: ") for line in refused.stderr.splitlines())
    assert [path.name for path in tmp_path.iterdir()] == ["bad.yaml"]


def test_the_log_has_the_columns_of_the_model_and_an_entry_for_each_opened_slot(days):
    log = days.log()
    columns = ["t", "opened_slots", "filled_slots", "winners", "prices", "clicks", "reason"]
    assert log.columns[: len(columns)] == columns
    assert log["t"].to_list() == list(range(300))
    for row in log.iter_rows(named=True):
        if row["opened_slots"] == 0:
            assert (row["reason"], row["winners"], row["prices"]) == ("not_opened", "", "")
            continue
        reasons, winners, prices = (row[name].split(",") for name in ("reason", "winners", "prices"))
        assert len(reasons) == len(winners) == len(prices) == row["opened_slots"]
        assert set(reasons) <= {"filled", "below_floor", "no_eligible"}
        assert reasons.count("filled") == row["filled_slots"] == sum(map(bool, winners)) == sum(map(bool, prices))


def test_rolling_metrics_are_those_of_the_last_hundred_events(days):
    log, recent = days.log(), simulation.rolling(days.log())
    assert recent["t"].to_list() == list(range(99, 300))
    last = log[150 - 99 : 151]
    row = recent.row(by_predicate=pl.col("t") == 150, named=True)
    assert row["revenue"] == pytest.approx(last["revenue"].sum())
    assert row["ctr"] == pytest.approx(last["clicks"].sum() / last["impressions"].sum())
    assert row["fill_rate"] == pytest.approx(last["filled_slots"].sum() / last["opened_slots"].sum())


def test_bins_hold_all_revenue_of_whole_hundreds(days):
    binned = simulation.bins(days)
    assert len(binned) == 6 * 3
    assert binned["revenue"].sum() == pytest.approx(days.totals()["revenue"].sum())


def test_a_scenario_does_not_differ_from_itself(days):
    for name, figure in comparison.deltas(days, days).items():
        if figure.estimate is not None:
            assert (figure.estimate, figure.low, figure.high) == (0, 0, 0), name


def test_a_change_is_that_of_the_sums_of_paired_days(days):
    variant = simulation.play(scenario_of({**BASE, "policy": {"rule": "fixed", "slots_per_open": 1}}))
    change = comparison.deltas(days, variant)["revenue"]
    old, new = days.totals()["revenue"], variant.totals()["revenue"]
    assert change.estimate == pytest.approx(100 * (new.sum() / old.sum() - 1))
    assert change.low < change.estimate < change.high


def test_policies_meet_the_same_slot_types(days):
    variant = simulation.play(scenario_of({**BASE, "policy": {"rule": "fixed", "slots_per_open": 0}}))
    np.testing.assert_array_equal(days.events["slot_type"], variant.events["slot_type"])


def test_the_golden_auction_is_explained_with_all_its_terms():
    told = explanation.explain(scenario_of(GOLDEN), 0, 0)
    assert (told["winner"], told["reason"], told["is_open"]) == ("B", "filled", True)
    assert told["price_cpm"] == pytest.approx(5.925926, abs=1e-6)
    assert (told["pressure"], told["fatigue"], told["viewability"]) == (0, 1, pytest.approx(0.7))
    terms = [(row["advertiser"], row["bid_cpm"], row["pctr"], row["score"]) for row in told["candidates"]]
    expected = [("B", 6, 0.021, 0.1134), ("A", 8, 0.014, 0.112), ("C", 5, 0.007, 0.042)]
    for row, (name, *numbers) in zip(terms, expected, strict=True):
        assert row[0] == name
        assert row[1:] == pytest.approx(tuple(numbers), rel=1e-5)


def test_an_explained_auction_is_the_one_of_the_log(days):
    log = days.log()
    t = int(log.filter(pl.col("filled_slots") > 0)["t"][3])
    told = explanation.explain(scenario_of(BASE), t, 0)
    row = log.row(t, named=True)
    assert told["winner"] == row["winners"].split(",")[0]
    assert f"{told['price_cpm']:.6f}" == row["prices"].split(",")[0]
    assert len(told["candidates"]) <= 8


def test_run_and_compare_leave_whole_folders_with_one_page_each(tmp_path, file):
    assert rtb("run", file, "--out", tmp_path / "run").exit_code == 0
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {
        *("events.csv", "events.parquet", "rolling.csv", "pressure_revenue.csv", "summary.json"),
        *("rolling.png", "pressure_revenue.png", "report.html"),
    }
    assert pl.read_parquet(tmp_path / "run" / "events.parquet").height == 300
    assert rtb("compare", file, file, "--out", tmp_path / "both").exit_code == 0
    result = json.loads((tmp_path / "both" / "comparison.json").read_text(encoding="utf-8"))
    assert result["deltas_percent"]["revenue"]["estimate"] == 0
    assert rtb("run", file, "--out", tmp_path / "run").exit_code == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["both", "run"]


@pytest.mark.parametrize("command", ["run", "compare"])
@pytest.mark.parametrize("out", ["/proc/new", "x" * 250, "x" * 300, "file", "file/out", "no/such/out", "dangling"])
def test_a_folder_that_cannot_be_written_is_refused_in_a_line_before_anything_is_played(
    tmp_path, file, monkeypatch, command, out
):
    monkeypatch.setattr(simulation, "play", lambda scenario: pytest.fail("it plays"))
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    refused = rtb(command, *[file] * (2 if command == "compare" else 1), "--out", tmp_path / out)
    assert refused.exit_code == 2
    (line,) = refused.stderr.splitlines()
    assert line.startswith("error: --out: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dangling", "file"]


def test_a_day_shorter_than_a_window_has_a_page_that_says_so(tmp_path):
    short = simulation.play(scenario_of({**BASE, "events": 50, "days": 2}))
    report.write_run(short, tmp_path / "run")
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "A day of 50 events has no window of 100" in page
    assert "too narrow: 2 days are few" in page


def test_a_comparison_of_few_days_or_of_undefined_resamples_gives_no_verdict():
    names = ("a", "b")
    clear = comparison.Figure(5.0, 4.0, 6.0)
    assert report._verdict(clear, names, 20).startswith("b earns more than a: +5.00 %")
    assert report._verdict(clear, names, 19).startswith("19 days are too few")
    assert report._verdict(comparison.Figure(5.0, None, None), names, 20).startswith("a earns something on too few")
    # Half of the resamples have nothing to divide by: the interval has no ends, and the estimate stays.
    assert comparison._figure(1.0, np.array([1.0, np.nan])) == comparison.Figure(1.0, None, None)
    assert comparison._figure(1.0, np.array([*np.linspace(0, 1, 99), np.nan])).high == pytest.approx(0.975, abs=0.001)


def test_explain_refuses_an_event_that_there_is_not(file):
    refused = rtb("explain", file, "--event", 300)
    assert refused.exit_code == 2
    assert refused.stderr == "error: event must be an integer in [0, 299], got 300\n"
