"""The pacing benchmark: what is tried, how it is played, that a stopped session goes on, and its figures."""

import dataclasses
import json
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from typer.testing import CliRunner

from agents import registry
from benchmarks import report
from benchmarks.pacing import cells, fingerprint, markets, methods, orderings, pictures, session, summary, tables
from benchmarks.pacing.__main__ import app
from benchmarks.pacing.budgets import Budgets, BudgetsParams
from benchmarks.pacing.playing import Sizes, Table, evaluation_lanes
from rtb_envs import compile
from training.evaluation import play_episodes
from training.run import RunError

SIZES = Sizes(seeds=2, episodes=4, tuning_episodes=4)
SHARES = (1 / 2, 1 / 4)
OPTIONS = (("horizon", 3), ("n_ads", 4), ("n_users", 4), ("search_volume_mean", 40.0), ("search_volume_std", 4.0))
SMALL = markets.Campaign("small", "small market", "AdAuction-v0", OPTIONS)


def small_task(**changes):
    """A market that compiles quickly, with two rules."""
    task = session.Task(SMALL, SHARES, tuple(methods.by_name(["random"])), (), SIZES, 1)
    return dataclasses.replace(task, **changes)


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """The cells of two budgets, and the folder that holds them."""
    folder = tmp_path_factory.mktemp("benchmark")
    return session.run(folder, [small_task()], 1, lambda _: None), folder


def test_a_grid_is_tried_whole_or_by_a_fixed_choice_of_its_points():
    rule = methods.Rule("pid", "PID", {"base_multiplier": (0.5, 1.0), "integral_gain": (0.0, 0.1, 0.2)})
    points = rule.settings({"linear": 4.0})
    assert [tuple(point.values()) for point in points] == [(b, i) for b in (2.0, 4.0) for i in (0.0, 0.1, 0.2)]
    large = methods.Rule("pid", "PID", {"integral_gain": range(20), "derivative_gain": range(20)})
    assert len(large.settings({})) == methods.MOST_SETTINGS
    assert large.settings({}) == large.settings({})


def test_every_bidding_rule_of_the_registry_takes_part():
    placement = {"fixed", "threshold", "utility"}
    # One action for a whole episode is the linear rule where actions are multipliers, the constant bid where bids are.
    assert {rule.name for rule in methods.RULES} == set(registry.rules()) - placement - {"constant"}
    assert {learner for market in markets.MARKETS for learner in market.learner_actions} == set(registry.learners())


def test_rules_and_markets_are_chosen_by_name():
    assert methods.by_name(["pid"]) == [methods.LINEAR, *(rule for rule in methods.RULES if rule.name == "pid")]
    with pytest.raises(ValueError, match="rule must be one of linear, "):
        methods.by_name(["no such rule"])
    with pytest.raises(ValueError, match="market must be one of ipinyou_1458, "):
        markets.by_name(["no such market"])


def test_a_policy_is_played_in_the_episodes_of_an_evaluation():
    env, params = SMALL.env("bid_curve"), SMALL.params(1 / 4)
    rule = registry.make_rule("random", env, params)
    found = Table(env, 3, SIZES, ("episode_conversion", "episode_conversion")).evaluate_rule(rule, params)
    play = compile.jit(lambda keys, params: play_episodes(env, rule, keys, params, 3))
    expected = play(evaluation_lanes(SIZES), params)
    np.testing.assert_array_equal(found.spend.reshape(-1, 3), expected["cost"])
    np.testing.assert_array_equal(found.value.ravel(), expected["episode_conversion"][:, -1])
    np.testing.assert_array_equal(found.auctions.ravel(), expected["episode_search_volume"][:, -1])


def test_an_episode_of_another_length_is_refused():
    env, params = SMALL.env("bid_curve"), SMALL.params(1 / 4)
    table = Table(env, 2, SIZES, ("episode_conversion", "episode_conversion"))
    with pytest.raises(ValueError, match="horizon must be the length of every episode, got 2"):
        table.evaluate_rule(registry.make_rule("random", env, params), params)


def test_a_learner_meets_every_budget_and_is_told_which():
    env, base = SMALL.env("continuous"), SMALL.env("continuous").default_params
    budget, worth = jnp.array([800.0, 100.0]), jnp.array([4.0, 0.5])
    params = BudgetsParams(base, budget, worth, jnp.float32(800))
    several = Budgets(env, params, SMALL.with_budget)
    keys = jax.random.split(jax.random.key(0), 400)
    observation, state = jax.jit(jax.vmap(several.reset_env, (0, None)))(keys, params)
    assert several.observation_space(params).contains(np.asarray(observation[0]))
    # 400 fair draws: four standard deviations are 40.
    assert abs(int((state.budget == 100).sum()) - 200) < 40
    np.testing.assert_array_equal(observation[:, -2], np.log2(state.budget / 800))
    np.testing.assert_array_equal(observation[:, -1], 1.0)
    lane = int(np.argmax(state.budget == 100))
    one = jax.tree.map(lambda leaf: leaf[lane], state)
    action = jnp.ones(1)
    seen, after, reward, *_ = jax.jit(several.step_env)(keys[lane], one, action, params)
    own = SMALL.with_budget(base, jnp.float32(100))
    start = jax.jit(env.reset_env)(keys[lane], own)[1]
    expected, _, own_reward, *_ = jax.jit(env.step_env)(keys[lane], start, action, own)
    np.testing.assert_array_equal(seen[:-2], expected)
    assert float(reward) == float(own_reward) / 0.5
    assert float(seen[-1]) == pytest.approx(float(after.market.remaining_budget) / 100, rel=1e-6)


def test_a_cell_holds_every_metric_of_every_method_and_seed(played):
    for cell, share in zip(played[0], SHARES, strict=True):
        assert cell["budget_share"] == share
        assert list(cell["methods"]) == ["linear", "random"]
        for method in cell["methods"].values():
            assert np.shape(method["share_of_optimum"]) == (SIZES.seeds,)
            assert all(0 <= use <= 1 for use in method["budget_use"])
            # Value and R* are means over the episodes of a seed, so their ratio is the ratio of sums; to 7 digits.
            ratio = np.divide(method["value"], cell["optimum_by_seed"])
            np.testing.assert_allclose(method["share_of_optimum"], ratio, rtol=1e-6)


def test_the_optimum_of_several_budgets_is_that_of_each(played):
    env, params = SMALL.env("bid_curve"), SMALL.params(1 / 4)
    keys = jax.vmap(jax.random.fold_in, (0, None))(evaluation_lanes(SIZES), 0)
    single = jax.jit(jax.vmap(env.hindsight, (0, None)))(keys, params).optimum.reshape(2, 4).mean(axis=1)
    np.testing.assert_allclose(played[0][1]["optimum_by_seed"], single, rtol=1e-5)


def test_half_the_budget_share_is_half_the_budget(played):
    half, quarter = (cell["budget"] for cell in played[0])
    assert abs(half - 2 * quarter) <= 1


def test_a_task_that_went_to_another_process_is_played_as_it_is_here():
    # The best linear multiplier is the unit of this rule's settings: a rule must be known by what it says, as the
    # object that arrives there is another one.
    here = small_task(shares=SHARES[:1], rules=tuple(methods.by_name(["pid"])))
    there = pickle.loads(pickle.dumps(here))
    ours, theirs = (
        cells.run_market(task.market, task.shares, task.rules, task.learners, task.sizes, task.iterations)[0]
        for task in (here, there)
    )
    assert ours["methods"]["linear"]["settings"]["multiplier"] != 1
    assert theirs["methods"] == ours["methods"]


def test_a_session_that_is_started_again_reads_what_is_finished(played):
    done, folder = played
    (path,) = folder.iterdir()
    edited = [{**cell, "title": "read, not run"} for cell in done]
    path.write_text(json.dumps({"cells": edited}))
    assert session.run(folder, [small_task()], 1, lambda _: None) == edited


def test_other_settings_or_code_make_another_file(tmp_path):
    paths = {
        task.path(tmp_path, code)
        for code in ("a", "b")
        for task in (small_task(), small_task(iterations=2), small_task(sizes=Sizes(2, 5, 4)))
    }
    assert len(paths) == 6
    assert small_task().path(tmp_path, "a") in paths


def test_a_changed_source_changes_the_fingerprint(tmp_path):
    for source in fingerprint.SOURCES:
        path = tmp_path / source
        (path if not source.endswith(".py") else path.parent).mkdir(parents=True, exist_ok=True)
        if source.endswith(".py"):
            path.write_text("x = 1\n")
    before = fingerprint.of_code(tmp_path)
    assert before == fingerprint.of_code(tmp_path)
    (tmp_path / "agents" / "new.py").write_text("x = 1\n")
    assert fingerprint.of_code(tmp_path) != before


def test_what_is_finished_is_kept_when_a_later_market_fails(tmp_path, monkeypatch):
    def run_market(market, *_):
        if market.name == "broken":
            raise KeyboardInterrupt
        return [{"market": market.name}]

    monkeypatch.setattr(session, "run_market", run_market)
    tasks = [small_task(), small_task(market=dataclasses.replace(SMALL, name="broken"))]
    with pytest.raises(KeyboardInterrupt):
        session.run(tmp_path, tasks, 1, lambda _: None)
    assert [path.name.split("-")[0] for path in tmp_path.iterdir()] == ["small"]


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="folder must be one that can be written"):
        session.run(tmp_path / "file" / "folder", [small_task()], 1, lambda _: None)


def made_up_cell(market, share, scores):
    methods = {
        name: {"label": name, "is_learner": name == "ppo", **dict.fromkeys(summary.METRICS[:-1], values)}
        | {"auctionnet_score": values}
        for name, values in scores.items()
    }
    of_market = {"market": market, "title": market, "horizon": 24, "expected_auctions": 100.0, "episodes": 4}
    return {**of_market, "budget_share": share, "budget": 10.0, "optimum_by_seed": [2.0] * 4, "methods": methods}


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


def test_an_ordering_is_read_off_paired_differences_in_the_tasks_that_it_is_about():
    # Seeds differ more than methods do, but every seed prefers the first by .05.
    linear = [0.5, 0.7, 0.9, 0.6]
    tight = made_up_cell("a", 1 / 32, {"linear": linear, "mcpc": [value - 0.05 for value in linear]})
    loose = made_up_cell("a", 1 / 2, {"linear": [0.1] * 4, "mcpc": [0.9] * 4})
    (found,) = orderings.compare([tight, loose])
    assert (found["first"], found["second"], found["tasks"], found["tasks_won"]) == ("linear", "mcpc", 1, 1)
    assert found["estimate"] == pytest.approx(0.05)
    assert found["low"] == pytest.approx(0.05)
    assert found["verdict"] == "holds"


@pytest.mark.parametrize(
    ("relation", "low", "high", "verdict"),
    [
        (">", 0.01, 0.02, "holds"),
        (">", -0.01, 0.02, "open"),
        (">", -0.02, -0.01, "does not hold"),
        ("≥", -0.01, 0.05, "holds"),
        ("≥", -0.05, 0.01, "open"),
        ("≥", -0.05, -0.03, "does not hold"),
        ("≈", -0.01, 0.015, "holds"),
        ("≈", -0.05, 0.01, "open"),
        ("≈", 0.03, 0.05, "does not hold"),
    ],
)
def test_an_interval_that_decides_neither_way_leaves_an_ordering_open(relation, low, high, verdict):
    assert orderings.verdict(relation, low, high) == verdict


def test_the_pictures_are_written_whole(played, tmp_path):
    names = pictures.draw(tmp_path, summary.summarize(played[0]))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


@pytest.mark.slow
@pytest.mark.parametrize("market", [SMALL, markets.by_name(["auto_bidding"])[0]], ids=lambda market: market.name)
def test_every_learner_is_trained_once_and_judged_at_every_budget(market):
    learners = registry.learners()
    found = cells.run_market(market, SHARES, [methods.LINEAR], learners, SIZES, 1)
    assert [list(cell["methods"]) for cell in found] == [["linear", *learners]] * 2
    for cell in found:
        shares = np.array([cell["methods"][name]["share_of_optimum"] for name in learners])
        assert np.isfinite(shares).all()
        # One that has hardly begun to learn may buy nothing; that none does is a fault.
        assert (shares >= 0).all()
        assert (shares.max(axis=0) > 0).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rule", "pdi"], "rule must be one of"),
        (["--market", "mars"], "market must be one of"),
        (["--learner", "sarsa"], "learner must be one of"),
        (["--iterations", "0"], "iterations must be an integer in [1, 1000000], got 0"),
        (["--processes", "0"], "processes must be an integer in [1, 1024], got 0"),
        (["--write", "/no/such/folder"], "write must be a folder that exists"),
    ],
)
def test_a_wrong_argument_is_refused_in_one_line(arguments, message, tmp_path):
    refused = CliRunner().invoke(app, ["--folder", str(tmp_path / "parts"), *arguments])
    assert refused.exit_code == 2
    assert message in " ".join(refused.output.split())
    assert not (tmp_path / "parts").exists()
