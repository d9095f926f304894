"""``python -m training ab``: two runs in the same held-out episodes. Runs here hold policies that nobody trained."""

import jax
import pytest
from rich.console import Console
from typer.testing import CliRunner

from rtb_envs.files import write_json
from tests.training.test_main import TINY
from tests.training.test_teams import SMALL
from training.__main__ import app
from training.ab import ab, compare_runs
from training.ab_report import verdict
from training.run import RunError
from training.settings import Settings
from training.solo import Solo
from training.teams import TeamTask


def untrained(folder, **settings):
    """A run whose policy is what its seed begins with."""
    chosen = Settings(**settings)
    task = TeamTask(chosen) if chosen.is_team else Solo(chosen)
    state = jax.jit(task.learner.init, static_argnums=0)(chosen.seed, task.curriculum.stages[0].training_params)
    folder.mkdir()
    write_json(folder / "settings.json", chosen.identity())
    task.save(state, folder)
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return [untrained(folder / f"seed{seed}", **TINY, seed=seed) for seed in (0, 1)]


def test_a_run_is_as_good_as_itself(runs):
    evaluation = compare_runs(runs[0], runs[0])["evaluation"]
    assert evaluation["differences"][0]["value"]["by_seed"] == [0, 0, 0]
    assert verdict({"evaluation": evaluation}) == "A and B do the same."


def test_the_difference_of_two_runs_is_that_of_their_values_in_the_same_episodes_and_turns_with_their_order(runs):
    there, back = (compare_runs(*order)["evaluation"] for order in (runs, runs[::-1]))
    a, b = (method["value"]["by_seed"] for method in there["methods"])
    difference = there["differences"][0]["value"]
    assert difference["by_seed"] == pytest.approx([ours - theirs for ours, theirs in zip(a, b, strict=True)])
    assert difference["by_seed"] == pytest.approx([-one for one in back["differences"][0]["value"]["by_seed"]])
    assert difference["low"] <= difference["estimate"] <= difference["high"]


def test_the_comparison_of_single_agents_shows_both_and_the_lead(runs, capsys):
    ab(*runs, Console(width=100))
    shown = capsys.readouterr().out
    assert "A: seed0" in shown
    assert "B: seed1" in shown
    assert "A's lead" in shown


@pytest.mark.slow
def test_teams_are_compared_by_agent_and_in_total(tmp_path, capsys):
    teams = [untrained(tmp_path / f"team{seed}", **SMALL, seed=seed) for seed in (0, 1)]
    rows = compare_runs(*teams)["rows"]
    assert list(rows) == ["advertiser_0", "advertiser_1", "advertiser_2", "advertiser_3", "total"]
    agents = [row["difference"]["estimate"] for name, row in rows.items() if name != "total"]
    assert rows["total"]["difference"]["estimate"] == pytest.approx(sum(agents))
    assert all(row["difference"]["estimate"] == 0 for row in compare_runs(teams[0], teams[0])["rows"].values())
    ab(*teams, Console(width=80))
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80
    (teams[1] / "agents" / "advertiser_2" / "policy.npz").unlink()
    with pytest.raises(RunError, match="team1 has no policy of advertiser_2 yet: train it to its end"):
        compare_runs(*teams)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"env": "AdAuctionDiscrete-v0"}, "env is AdAuction-v0 in A and AdAuctionDiscrete-v0 in B"),
        ({"env": "retargeting_v0"}, "env is AdAuction-v0 in A and retargeting_v0 in B"),
        ({"env_options": {**TINY["env_options"], "horizon": 4}}, "env_options.horizon is 3 in A and 4 in B"),
        ({"stage3": {"options": {"shock_factor": 2.0}}}, "stage3.options.shock_factor is None in A and 2.0 in B"),
        ({"curriculum": 2}, "curriculum is 3 in A and 2 in B"),
    ],
)
def test_runs_in_different_markets_are_refused_with_what_differs(runs, tmp_path, changes, message):
    settings = {**TINY, **changes}
    if not settings.get("env", "AdAuction").startswith("AdAuction"):
        settings = {**SMALL}
    other = tmp_path / "other"
    other.mkdir()
    write_json(other / "settings.json", Settings(**settings).identity())
    refused = CliRunner().invoke(app, ["ab", str(runs[0]), str(other)])
    assert refused.exit_code == 2
    assert message in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_options_that_say_what_is_the_default_make_no_other_market(runs, tmp_path):
    (tmp_path / "run").mkdir()
    options = {**TINY["env_options"], "pricing": "second_price"}
    write_json(tmp_path / "run" / "settings.json", Settings(**{**TINY, "env_options": options}).identity())
    with pytest.raises(
        RunError, match=r"run has no policy yet: train it to its end, or have its best one so far saved"
    ):
        compare_runs(runs[0], tmp_path / "run")


def team(folder, **options):
    """A run of a team in a market of ``options`` that has no policies yet."""
    folder.mkdir()
    env_options = {"env_options": {**SMALL["env_options"], **options}}
    write_json(folder / "settings.json", Settings(**{**SMALL, **env_options}).identity())
    return folder


def test_teams_that_learned_by_other_rewards_are_in_the_same_market(tmp_path):
    rewards = {"reward_weights": [1, 0, 0, 0, 0], "spend_weight": 2.0, "spend_weight_growth": 7.0}
    weighted, plain = team(tmp_path / "weighted", **rewards), team(tmp_path / "plain")
    with pytest.raises(RunError, match="has no policy of advertiser_0 yet"):
        compare_runs(weighted, plain)
    with pytest.raises(RunError, match=r"env_options\.reserve_price is None in A and 0\.1 in B"):
        compare_runs(weighted, team(tmp_path / "dear", reserve_price=0.1))


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda run: None, "other is not the folder of a run"),
        (lambda run: run.mkdir(), "other is not the folder of a run"),
        (lambda run: (run.mkdir(), (run / "settings.json").write_text("{")), "is not JSON"),
        (
            lambda run: (run.mkdir(), (run / "settings.json").write_text('{"env": 1, "stage1": {"length": 2}}')),
            "settings.json holds settings of another version: env must be a text, got 1; stage1.length is no setting; "
            "the settings are options, iterations, threshold$",
        ),
    ],
)
def test_what_is_no_run_is_refused(runs, tmp_path, prepare, message):
    prepare(tmp_path / "other")
    with pytest.raises(RunError, match=message) as refused:
        compare_runs(runs[0], tmp_path / "other")
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (1.0, 3.0, r"A is better by 2.00 \[1.00, 3.00] clicks an episode."),
        (-3.0, -1.0, r"B is better by 2.00 \[1.00, 3.00] clicks an episode."),
        (-1.0, 3.0, "These episodes cannot tell A and B apart: the interval of their difference holds 0."),
    ],
)
def test_the_verdict_goes_by_the_interval(low, high, said):
    difference = {"estimate": (low + high) / 2, "low": low, "high": high}
    assert verdict({"evaluation": {"value": "clicks", "differences": [{"value": difference}]}}) == said
