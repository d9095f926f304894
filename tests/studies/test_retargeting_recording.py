"""The recording of an episode: the same episode as without it, and tables that agree with each other."""

import jax
import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest
from rich.console import Console
from typer.testing import CliRunner

from rtb_envs import cli
from rtb_envs.envs.retargeting import SEAT_STRATEGIES, make_retargeting, scripted_seats
from rtb_envs.envs.retargeting.metrics import incremental_revenue
from rtb_envs.envs.retargeting.play import play_episodes
from rtb_envs.policies.retargeting import demo_rule
from rtb_envs.studies.retargeting import demo
from rtb_envs.studies.retargeting.recording import Recorder
from rtb_envs.studies.retargeting.tables import ALL_AGENTS, TABLES
from rtb_envs.users.attribution import ATTRIBUTIONS
from rtb_envs.users.lifecycle import STAGES

HORIZON, CUSTOMERS = 1_000, 300


@pytest.fixture(scope="module")
def market():
    return make_retargeting(horizon=HORIZON, num_customers=CUSTOMERS, initial_budget=60)


@pytest.fixture(scope="module")
def policies(market):
    return scripted_seats(len(market.agents), "demo")


@pytest.fixture(scope="module")
def recorder(market, policies):
    recorder = Recorder(market, policies, SEAT_STRATEGIES, jax.random.key(5), every=150)
    recorder.batches = list(recorder.play())
    return recorder


@pytest.fixture(scope="module")
def recording(recorder):
    return recorder.recording()


@pytest.fixture(scope="module")
def played(market, policies):
    return play_episodes(market, policies, jax.random.key(5)[None])


def test_a_recorded_episode_is_the_one_that_is_played_without_a_recording(played, recording):
    info = played.info
    last = recording.agents.filter(pl.col("opportunities") == HORIZON)
    for column, name in {
        "cost": "episode_cost",
        "revenue": "episode_revenue",
        "wins": "episode_wins",
        "bids": "episode_bids",
        "clicks": "episode_clicks",
        "conversions": "episode_conversions",
        "new_customers": "episode_new_customers",
        "remaining_budget": "remaining_budget",
    }.items():
        np.testing.assert_allclose(last[column].to_numpy(), np.asarray(info[name])[0], rtol=1e-6, err_msg=column)


def test_there_is_a_row_for_each_agent_at_the_beginning_every_so_often_and_at_the_end(recorder, recording):
    times = [0, 150, 300, 450, 600, 750, 900, 1_000]
    assert recording.agents["opportunities"].to_list() == [time for time in times for _ in range(4)]
    assert recording.agents["policy"].to_list() == list(SEAT_STRATEGIES) * len(times)
    assert pl.concat(recorder.batches).equals(recording.agents.filter(pl.col("opportunities") > 0))


def test_money_spent_and_money_left_are_the_budget_at_any_time(recording):
    total = (recording.agents["cost"] + recording.agents["remaining_budget"]).to_numpy()
    np.testing.assert_allclose(total, 60.0, atol=1e-9)


def test_the_bids_by_stage_and_hour_hold_every_win_and_lie_between_the_lowest_and_the_highest_bid(recording):
    wins = recording.bids.group_by("agent").agg(pl.col("wins").sum()).sort("agent")["wins"]
    last = recording.agents.filter(pl.col("opportunities") == HORIZON).sort("agent")["wins"]
    assert wins.to_list() == last.to_list()
    assert recording.bids["mean_bid"].is_between(0.01, 20).all()
    assert recording.bids["opportunities"].min() > 0
    assert set(recording.bids["hour_of_day"]) <= set(range(24))


def test_an_agent_is_counted_at_every_opportunity_until_its_budget_is_spent(recording):
    seen = dict(recording.bids.group_by("agent").agg(pl.col("opportunities").sum()).iter_rows())
    last = recording.agents.filter(pl.col("opportunities") == HORIZON)
    for agent, playing in last.select("agent", "remaining_budget").iter_rows():
        assert seen[agent] == HORIZON if playing >= 0.06 else seen[agent] < HORIZON


def test_every_customer_is_in_one_stage_and_every_opportunity_is_counted_in_one(recording):
    for time, rows in recording.journey.group_by("opportunities"):
        assert rows["customers"].sum() == CUSTOMERS
        assert rows["stage_opportunities"].sum() == time[0]
        assert rows["stage"].to_list() == list(STAGES)


def test_what_customers_did_by_stage_and_hour_adds_up_to_the_episode(recording):
    of_cells = recording.bids.select(pl.col("clicks", "conversions", "departures").sum()).row(0)
    agents, market = (
        table.filter(pl.col("opportunities") == HORIZON) for table in (recording.agents, recording.market)
    )
    assert of_cells[:2] == agents.select(pl.col("clicks", "conversions").sum()).row(0)
    assert 0 < of_cells[2] <= market["departures"][0]
    last = recording.journey.filter(pl.col("opportunities") == HORIZON)
    assert last["stage_purchases"].sum() == market["purchases"][0]


def test_every_rule_credits_each_attributed_purchase_once_and_the_markets_own_as_the_market_does(recording):
    last = recording.agents.filter(pl.col("opportunities") == HORIZON)
    own = recording.attribution.filter(pl.col("rule") == "last")
    for ours, theirs in (("purchases", "attributed_purchases"), ("revenue", "revenue")):
        assert own[ours].to_list() == pytest.approx(last[theirs].to_list(), abs=1e-9)
    sums = recording.attribution.group_by("rule").agg(pl.col("purchases", "revenue").sum())
    assert sorted(sums["rule"]) == sorted(ATTRIBUTIONS)
    assert sums["purchases"].to_list() == pytest.approx([last["attributed_purchases"].sum()] * 6, abs=1e-6)
    assert sums["revenue"].to_list() == pytest.approx([last["revenue"].sum()] * 6, abs=1e-6)


@pytest.mark.slow
def test_paths_followed_beside_a_market_are_credited_as_markets_with_the_other_rules_credit_them():
    """By rules that bid whatever is attributed to them, so that the episode is the same under every rule."""
    options = {"horizon": HORIZON, "num_customers": 20, "initial_budget": 5_000}
    names = ("aggressive", "conservative", "brand", "retargeting")
    rules, key = [demo_rule(name) for name in names], jax.random.key(7)
    recorder = Recorder(make_retargeting(**options), rules, names, key, every=HORIZON)
    list(recorder.play())
    attribution = recorder.recording().attribution
    credits = set()
    for rule in ATTRIBUTIONS:
        ours = attribution.filter(pl.col("rule") == rule)
        theirs = play_episodes(make_retargeting(**options, attribution=rule), rules, key[None]).info
        for column, name in (("purchases", "episode_attributed_purchases"), ("revenue", "episode_revenue")):
            np.testing.assert_allclose(ours[column], np.asarray(theirs[name])[0], rtol=1e-6, atol=1e-3)
        credits.add(tuple(ours["purchases"]))
    assert len(credits) == 5  # Ad clicks are the only touches, so last non-direct is last.


def test_without_anybodys_ads_the_purchases_are_those_of_an_episode_in_which_nobody_is_shown(
    market, policies, played, recording
):
    nobody = market.default_params.replace(shown=jnp.zeros(4, bool))
    masked = play_episodes(market, policies, jax.random.key(5)[None], nobody)
    total = recording.ghost_ads.filter(pl.col("agent") == ALL_AGENTS)
    assert total["incremental_revenue"][0] == pytest.approx(incremental_revenue(played, masked), rel=1e-5)
    missing = np.asarray(played.info["market_purchases"]) - np.asarray(masked.info["market_purchases"])
    assert total["incremental_purchases"][0] == missing[0] > 0


def test_the_ads_of_an_agent_that_shows_none_bring_nothing(market, policies):
    params = market.default_params.replace(shown=jnp.array([True, False, True, True]))
    recorder = Recorder(market, policies, SEAT_STRATEGIES, jax.random.key(5), params=params, every=HORIZON)
    list(recorder.play())
    rows = recorder.recording().ghost_ads
    assert rows["agent"].to_list() == [*market.agents, ALL_AGENTS]
    assert rows["incremental_revenue"][1] == 0
    assert rows["incremental_purchases"][0] > 0
    assert rows["cost"][1] > 0  # It went on paying.


def test_files_hold_what_was_recorded(recording, tmp_path):
    recording.write(tmp_path / "run" / "episode")
    for name in TABLES:
        assert pl.read_parquet(tmp_path / "run" / "episode" / f"{name}.parquet").equals(getattr(recording, name))


def test_an_episode_can_end_early(market, policies):
    recorder = Recorder(market, policies, SEAT_STRATEGIES, jax.random.key(0), every=150, opportunities=200)
    assert [rows["opportunities"][0] for rows in recorder.play()] == [150, 200]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"policies": []}, "policies must be one for each of 4 agents"),
        ({"labels": ["a"]}, "labels must be one for each of 4 agents"),
        ({"every": 0}, "every must be"),
    ],
)
def test_wrong_arguments_are_named(market, policies, changed, message):
    arguments = {"policies": policies, "labels": SEAT_STRATEGIES, "key": jax.random.key(0), **changed}
    with pytest.raises(ValueError, match=message):
        Recorder(market, **arguments)


def test_a_market_with_several_opportunities_a_step_is_refused(policies):
    with pytest.raises(ValueError, match="opportunities_per_step must be 1"):
        Recorder(make_retargeting(opportunities_per_step=2), policies, SEAT_STRATEGIES, jax.random.key(0))


def test_the_demo_shows_every_rule_and_keeps_its_episode(tmp_path):
    done = CliRunner().invoke(cli.app, ["demo", "--opportunities", "100", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    for rule in SEAT_STRATEGIES:
        assert rule in done.stdout
    assert "opportunity 100 of 100" in done.stdout
    assert pl.read_parquet(tmp_path / "episode" / "agents.parquet")["opportunities"].max() == 100


def test_the_demo_is_slow_enough_to_be_watched_on_a_terminal(monkeypatch):
    pauses = []
    monkeypatch.setattr(demo.time, "sleep", pauses.append)
    done = CliRunner().invoke(cli.app, ["demo", "--opportunities", "100"], env={"TTY_COMPATIBLE": "1"})
    assert done.output.count("of 100   day 1") >= demo.FRAMES
    assert pauses.count(demo.FRAME_SECONDS) == demo.FRAMES
    assert "slowed down by 3 s to be watched" in done.output


def test_the_screen_of_the_demo_fits_into_eighty_columns(recorder, capsys):
    dear = recorder.batches[-1].with_columns(cost=pl.lit(10_000.0), revenue=pl.lit(123_456.0), wins=pl.lit(20_000))
    Console(width=80).print(demo._screen(dear, 20_000))
    shown = capsys.readouterr().out
    assert "123,456" in shown
    assert "…" not in shown
    assert max(len(line.rstrip()) for line in shown.splitlines()) < 80


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--rules", "best"), "error: rules must be demo or strategy, not 'best'"),
        (("--opportunities", "0"), "error: opportunities must lie in 1 to 20,000, got 0"),
        (("--seed", "-1"), "error: seed must lie in 0 to 4,294,967,295, got -1"),
        (("--seed", str(2**32)), "error: seed must lie in 0 to 4,294,967,295, got 4,294,967,296"),
    ],
)
def test_the_demo_refuses_wrong_arguments_in_one_line(arguments, message):
    refused = CliRunner().invoke(cli.app, ["demo", *arguments])
    assert refused.exit_code == 2
    assert refused.stderr == message + "\n"


def test_the_demo_finds_out_that_its_episode_cannot_be_kept_before_it_plays(tmp_path, monkeypatch):
    monkeypatch.setattr(Recorder, "compile", lambda recorder: pytest.fail("a demo was played"))
    (tmp_path / "file").touch()
    (tmp_path / "run" / "episode").mkdir(parents=True)
    (tmp_path / "run" / "settings.json").touch()
    for name, message in {"file": "a folder that can be written", "run": "no run of a training"}.items():
        refused = CliRunner().invoke(cli.app, ["demo", "--opportunities", "100", "--out", str(tmp_path / name)])
        assert refused.exit_code == 2
        assert f"error: --out: must be {message}" in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
    assert [path.name for path in (tmp_path / "run" / "episode").iterdir()] == []
