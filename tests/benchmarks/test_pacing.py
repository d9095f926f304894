"""The pacing benchmark: what is tried, that a stopped session goes on, and its figures."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks import report
from benchmarks.pacing import markets, methods, pictures, session, summary, tables
from benchmarks.pacing.__main__ import app
from benchmarks.pacing.playing import Sizes
from training.run import RunError

SIZES = Sizes(seeds=2, episodes=4, tuning_episodes=4)


@pytest.fixture(scope="module")
def small():
    """A market that compiles quickly, with the rules that are played in it."""
    options = (("horizon", 3), ("n_ads", 4), ("n_users", 4), ("search_volume_mean", 40.0), ("search_volume_std", 4.0))
    return [markets.Campaign("small", "small market", "AdAuction-v0", options)], methods.by_name(["random"])


@pytest.fixture(scope="module")
def cells(small, tmp_path_factory):
    """The finished cells of two budgets, and the folder that holds them."""
    folder = tmp_path_factory.mktemp("benchmark")
    chosen, rules = small
    return session.run(folder, chosen, (1 / 2, 1 / 4), rules, [], SIZES, 1, lambda _: None), folder


def test_a_grid_is_tried_whole_or_by_a_fixed_choice_of_its_points():
    rule = methods.Rule("pid", "PID", {"base_multiplier": (0.5, 1.0), "integral_gain": (0.0, 0.1, 0.2)})
    points = rule.settings({"linear": 4.0})
    assert [tuple(point.values()) for point in points] == [(b, i) for b in (2.0, 4.0) for i in (0.0, 0.1, 0.2)]
    large = methods.Rule("pid", "PID", {"integral_gain": range(20), "derivative_gain": range(20)})
    assert len(large.settings({})) == methods.MOST_SETTINGS
    assert large.settings({}) == large.settings({})


def test_every_rule_of_the_benchmark_is_known_to_the_registry():
    from agents import registry

    assert {rule.name for rule in methods.RULES} <= set(registry.rules())
    assert methods.by_name(["pid"]) == [methods.LINEAR, *(rule for rule in methods.RULES if rule.name == "pid")]
    with pytest.raises(ValueError, match="rule must be one of linear, "):
        methods.by_name(["no such rule"])
    with pytest.raises(ValueError, match="market must be one of ipinyou_1458, "):
        markets.by_name(["no such market"])


def test_a_cell_holds_every_metric_of_every_method_and_seed(cells):
    for cell, share in zip(cells[0], (1 / 2, 1 / 4), strict=True):
        assert cell["budget_share"] == share
        assert list(cell["methods"]) == ["linear", "random"]
        for method in cell["methods"].values():
            assert np.shape(method["share_of_optimum"]) == (SIZES.seeds,)
            assert all(0 <= use <= 1 for use in method["budget_use"])
            # Value and R* are means over the episodes of a seed, so their ratio is the ratio of sums.
            ratio = np.divide(method["value"], cell["optimum_by_seed"])
            np.testing.assert_allclose(method["share_of_optimum"], ratio, rtol=1e-12)


def test_half_the_budget_share_is_half_the_budget(cells):
    half, quarter = (cell["budget"] for cell in cells[0])
    assert abs(half - 2 * quarter) <= 1


def test_a_session_that_is_started_again_reads_what_is_finished(cells, small):
    (done, folder), (chosen, rules) = cells, small
    path = folder / "small-4.json"
    edited = {**json.loads(path.read_text()), "title": "read, not run"}
    path.write_text(json.dumps(edited))
    again = session.run(folder, chosen, (1 / 2, 1 / 4), rules, [], SIZES, 1, lambda _: None)
    assert again == [done[0], edited]


def test_a_folder_of_other_settings_is_refused(cells, small):
    chosen, rules = small
    with pytest.raises(RunError, match="holds a benchmark with episodes_per_seed = 4, this one has 5"):
        session.run(cells[1], chosen, (1 / 2,), rules, [], Sizes(2, 5, 4), 1, lambda _: None)


def made_up_cell(market, share, scores):
    methods = {
        name: {"label": name, "is_learner": name == "ppo", **dict.fromkeys(summary.METRICS[:-1], values)}
        | {"auctionnet_score": values}
        for name, values in scores.items()
    }
    return {"market": market, "title": market, "budget_share": share, "optimum_by_seed": [2.0] * 4, "methods": methods}


def test_a_summary_ranks_methods_by_their_interquartile_mean_and_leaves_out_where_they_did_not_play():
    found = summary.summarize(
        [
            made_up_cell("a", 0.5, {"pid": [0.0, 0.5, 0.7, 1.0], "ppo": [0.9, 0.9, 0.9, 0.9]}),
            made_up_cell("b", 0.5, {"pid": [0.6, 0.6, 0.6, 0.6]}),
        ]
    )
    assert list(found["methods"]) == ["ppo", "pid"]
    pid = found["methods"]["pid"]
    # Of 0, .5, .6, .6, .6, .6, .7, 1 the middle four.
    assert pid["overall"]["share_of_optimum"]["estimate"] == pytest.approx(0.6)
    assert pid["by_market"]["a"]["estimate"] == pytest.approx(0.6)
    assert found["methods"]["ppo"]["tasks"] == 1
    table = report.markdown(tables.grids(found)[2])
    assert "| ppo | 90.0 | – |" in table


def test_the_pictures_are_written_whole(cells, tmp_path):
    names = pictures.draw(tmp_path, summary.summarize(cells[0]))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rule", "pdi"], "rule must be one of"),
        (["--market", "mars"], "market must be one of"),
        (["--learner", "sarsa"], "learner must be one of"),
        (["--iterations", "0"], "iterations must be at least 1, got 0"),
        (["--write", "/no/such/folder"], "write must be a folder that exists"),
    ],
)
def test_a_wrong_argument_is_refused_in_one_line(arguments, message, tmp_path):
    refused = CliRunner().invoke(app, ["--folder", str(tmp_path / "parts"), *arguments])
    assert refused.exit_code == 2
    assert message in " ".join(refused.output.split())
    assert not (tmp_path / "parts").exists()
