"""``rtb report``: what it makes of a run's files, whole, unfinished or damaged."""

import json
import re
import signal
import subprocess
import sys
import threading
import time
from xml.etree import ElementTree

import polars as pl
import pytest
from PIL import Image
from typer.testing import CliRunner

from rtb_envs import cli
from rtb_envs.studies.report import commands, learning, pictures
from rtb_envs.studies.report.agent_metrics import agent_metrics, ghost_ad_lift, market_metrics
from rtb_envs.studies.report.charts import COLORS, Line, LineChart, Span, TextTable, line_color
from rtb_envs.studies.report.effects import effects
from rtb_envs.studies.report.run_files import read_run
from rtb_envs.studies.retargeting.tables import Recording
from rtb_envs.users.attribution import ATTRIBUTIONS
from rtb_envs.users.lifecycle import STAGES


def agents(policies=("aggressive", "adaptive")):
    """Two agents at three times; the second wins nothing. Round figures, so that ratios are known."""
    rows = []
    for step, opportunities in enumerate((0, 500, 1_000)):
        for index, policy in enumerate(policies):
            active = step * (index == 0)
            rows.append(
                {
                    "opportunities": opportunities,
                    "hours": 12.0 * step,
                    "agent": f"advertiser_{index}",
                    "policy": policy,
                    "cost": 20.0 * active,
                    "surcharge": 4.0 * active,
                    "revenue": 60.0 * active,
                    "revenue_later": 15.0 * active,
                    "bids": 200 * step,
                    "wins": 50 * active,
                    "won_bids": 32.0 * active,
                    "clicks": 10 * active,
                    "conversions": 2 * active,
                    "attributed_purchases": 2.0 * active,
                    "new_customers": 1.0 * active,
                    "lifetime_value": 36.0 * active,
                    "yielded": 100 * step * (index == 1),
                    "remaining_budget": 100 - 20.0 * active,
                    "playing": True,
                }
            )
    return pl.DataFrame(rows)


def episode(policies=("aggressive", "adaptive")):
    bids = pl.DataFrame(
        {
            "agent": ["advertiser_0", "advertiser_0", "advertiser_1"],
            "policy": [policies[0], policies[0], policies[1]],
            "stage": ["awareness", "churn_risk", "interest"],
            "hour_of_day": pl.Series([0, 23, 7], dtype=pl.UInt8),
            "opportunities": [10, 5, 3],
            "mean_bid": [0.5, 2.0, 1.0],
            "wins": [5, 5, 0],
            "clicks": [2, 1, 0],
            "conversions": [1, 0, 0],
            "departures": [1, 1, 0],
        }
    )
    journey = pl.DataFrame(
        {
            "opportunities": [time for time in (0, 500, 1_000) for _ in STAGES],
            "hours": [hour for hour in (0.0, 12.0, 24.0) for _ in STAGES],
            "stage": list(STAGES) * 3,
            "customers": [40, 25, 20, 10, 3, 2] * 2 + [42, 27, 14, 13, 2, 2],
            "stage_opportunities": [0] * 6 + [100, 100, 100, 100, 50, 50] + [200, 200, 200, 200, 100, 100],
            "stage_purchases": [0] * 6 + [5, 10, 20, 15, 5, 5] + [10, 20, 40, 30, 10, 10],
        }
    )
    market = pl.DataFrame(
        {
            "opportunities": [0, 500, 1_000],
            "hours": [0.0, 12.0, 24.0],
            "publisher_revenue": [0.0, 16.0, 32.0],
            "surcharge": [0.0, 4.0, 8.0],
            "sold": [0, 50, 100],
            "purchases": [0, 60, 120],
            "organic_purchases": [0, 58, 116],
            "purchase_revenue": [0.0, 3_000.0, 6_000.0],
            "departures": [0, 75, 150],
            "exposed": [0, 400, 800],
            "exposed_purchases": [0, 55, 110],
            "masked_purchases": [0, 50, 100],
        }
    )
    names = ["advertiser_0", "advertiser_1"]
    attribution = pl.DataFrame(
        [
            {"rule": rule, "agent": agent, "policy": policy, "purchases": 2.0 * share, "revenue": 120.0 * share}
            for rule, first in zip(ATTRIBUTIONS, (1.0, 0.5, 1.0, 0.75, 0.6, 0.9), strict=True)
            for agent, policy, share in zip(names, policies, (first, 1 - first), strict=True)
        ]
    )
    ghost_ads = pl.DataFrame(
        {
            "agent": [*names, "all"],
            "policy": [*policies, "all"],
            "cost": [40.0, 0.0, 40.0],
            "attributed_revenue": [120.0, 0.0, 120.0],
            "attributed_purchases": [2.0, 0.0, 2.0],
            "incremental_revenue": [80.0, 0.0, 60.0],
            "incremental_purchases": [1, 0, 1],
        }
    )
    return Recording(agents(policies), bids, market, journey, attribution, ghost_ads)


SETTINGS = {"env": "AdAuction-v0", "algo": "ppo", "seed": 7}
RESULTS = {
    "evaluation": {
        "value": "expected conversions",
        "confidence": 0.95,
        "ceiling": 10.0,
        "methods": [
            {
                "name": name,
                "label": label,
                "value": {"estimate": value, "low": value - 1, "high": value + 1},
                "share_of_ceiling": {"estimate": value / 10, "low": value / 10 - 0.1, "high": value / 10 + 0.1},
            }
            for name, label, value in (("pid", "PID pacing", 8.0), ("ppo", "PPO, trained", 9.0))
        ],
    }
}


def training(path, is_finished=True):
    """The files of a training with one agent in two stages."""
    path.mkdir(exist_ok=True)
    (path / "settings.json").write_text(json.dumps(SETTINGS))
    steps = list(range(1_000, 11_000, 1_000))
    pl.DataFrame(
        {
            "iteration": range(1, 11),
            "environment_steps": steps,
            "mean_episode_return": [float(step) for step in steps],
            "episodes": [5.0] * 10,
            "constant": [1.0] * 10,
            "my_measure": [0.1 * step for step in steps],
        }
    ).write_parquet(path / "metrics.parquet")
    pl.DataFrame(
        [
            {"environment_steps": step, "stage": 1 + (step > 5_000), "seed": seed, "score": step / 1e4 + 0.1 * seed}
            for step in steps
            for seed in (0, 1)
        ]
    ).write_parquet(path / "validation.parquet")
    if is_finished:
        (path / "results.json").write_text(json.dumps(RESULTS))
    return path


def rtb(*arguments):
    return CliRunner().invoke(cli.app, ["report", *map(str, arguments)])


def titles(path):
    return re.findall(r"<b>(.*?)</b>", re.sub(r"<script.*?</script>", "", path.read_text(), flags=re.DOTALL))


def test_a_recorded_episode_gives_one_page_that_loads_nothing(tmp_path):
    episode().write(tmp_path / "episode")
    done = rtb(tmp_path)
    assert done.exit_code == 0, done.output
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    markup = re.sub(r"<script.*?</script>", "<script></script>", page, flags=re.DOTALL)
    assert not re.search(r"<(script|link|img|iframe)[^>]*(src|href)=", markup)
    assert "An episode of Retargeting: 1,000 opportunities in 1.0 days" in page
    assert titles(tmp_path / "report" / "report.html") == [
        "The episode of each agent and of all",
        "Spend, revenue and profit",
        "Revenue by when it arrives",
        "Rates of the agents",
        "Claimed and true effects",
        "Revenue by attribution rule and true incremental revenue",
        "Revenue credited by each attribution rule ($)",
        "ROAS over time",
        "Revenue against spend",
        "Customers by stage of the journey",
        "Journey funnel by stage",
        "Funnel of each agent from bid to new customer",
        "Funnel from bid to new customer",
        "Mean bid of aggressive",
        "Mean bid of adaptive",
    ]
    assert 'http-equiv="refresh"' not in page


def test_the_metrics_of_an_agent_are_the_ratios_of_its_totals():
    first, second = agent_metrics(episode())
    expected = {
        "profit": 80.0,
        "roas": 3.0,
        "ctr": 20 / 100,
        "cvr": 4 / 20,
        "cpc": 40 / 20,
        "cac": 40 / 2,
        "win_rate": 100 / 400,
        "price_over_bid": 32 / 64,
        "market_share": 1.0,
        "lifetime_value": 72 / 4,
        "churn_rate": 2 / 10,
    }
    assert {name: first.values[name] for name in expected} == pytest.approx(expected)
    undefined = ("roas", "ctr", "cvr", "cpc", "cac", "price_over_bid", "lifetime_value")
    assert all(second.values[name] is None for name in undefined)
    assert second.values["win_rate"] == second.values["market_share"] == 0
    assert second.values["cooperation"] == 200 / 1_000


def test_the_figures_of_the_market_are_those_of_all_agents_and_the_lift_is_that_of_the_counts():
    figures = market_metrics(episode())
    expected = {"roas": 3.0, "ctr": 0.2, "profit": 80.0, "fill_rate": 0.1, "churn_rate": 0.15, "later_share": 0.25}
    expected |= {"revenue": 120.0, "revenue_within": 90.0, "revenue_later": 30.0, "cost": 40.0, "budget_used": 0.2}
    expected |= {"win_rate": 100 / 800, "price_over_bid": 32 / 64, "lifetime_value": 18.0, "cooperation": 0.2}
    assert {name: figures[name] for name in expected} == pytest.approx(expected)
    assert ghost_ad_lift(episode()).lift == pytest.approx(0.1)


def test_claims_stand_beside_what_the_ads_added():
    table, chart, rules = effects(episode(), {"advertiser_0": "aggressive", "advertiser_1": "adaptive"}).parts
    assert table.rows == (
        ("aggressive", "40", "120", "80", "1.50", "3.00", "2.00", "2", "1"),
        ("adaptive", "0", "0", "0", "–", "–", "–", "0", "0"),
        ("all together", "40", "120", "60", "2.00", "3.00", "1.50", "2", "1"),
    )
    assert chart.values["first click"] == (60.0, 60.0)
    assert chart.values["true incremental (ghost ads)"] == (80.0, 0.0)
    assert [row[0] for row in rules.rows][:2] == ["last click", "first click"]
    assert {row[-2:] for row in rules.rows} == {("120", "2")}  # Every rule credits everything once.


def test_the_metrics_are_written_as_parquet_and_csv(tmp_path):
    episode().write(tmp_path / "episode")
    rtb(tmp_path, "--out", tmp_path / "out")
    parquet = pl.read_parquet(tmp_path / "out" / "agent_metrics.parquet")
    csv = pl.read_csv(tmp_path / "out" / "agent_metrics.csv", schema=parquet.schema)
    assert parquet.equals(csv)
    assert parquet["roas"].to_list() == [3.0, None]


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_every_chart_becomes_a_picture_of_the_kind_asked_for(tmp_path, kind):
    episode().write(tmp_path / "episode")
    assert rtb(tmp_path, "--format", kind, "--out", tmp_path / "a").exit_code == 0
    made = sorted((tmp_path / "a").glob(f"*.{kind}"))
    assert [path.stem for path in made] == [
        "customers_by_stage_of_the_journey",
        "funnel_of_each_agent_from_bid_to_new_customer",
        "journey_funnel_by_stage",
        "mean_bid_of_adaptive",
        "mean_bid_of_aggressive",
        "rates_of_the_agents",
        "revenue_against_spend",
        "revenue_by_attribution_rule_and_true_incremental_revenue",
        "revenue_by_when_it_arrives",
        "roas_over_time",
        "spend_revenue_and_profit",
    ]
    for path in made:
        if kind == "png":
            with Image.open(path) as picture:
                assert min(picture.size) > 500
        elif kind == "svg":
            assert ElementTree.parse(path).getroot().tag.endswith("svg")
        else:
            assert path.read_bytes().startswith(b"%PDF")


def test_equal_charts_are_equal_files(tmp_path):
    chart = LineChart("Dollars", "time (days)", "revenue ($/$)", (Line("a", [0, 1], [1, 2], [0, 1], [2, 3]),))
    for kind in ("png", "pdf", "svg"):
        written = [pictures.write(chart, tmp_path, kind).read_bytes() for _ in range(2)]
        assert written[0] == written[1]
    assert "revenue ($/$)" in (tmp_path / "dollars.svg").read_text()  # Not a formula between dollars.


def test_agents_with_the_same_policy_are_told_apart(tmp_path):
    episode(("ppo", "ppo")).write(tmp_path / "episode")
    rtb(tmp_path)
    assert "Mean bid of ppo (advertiser_1)" in titles(tmp_path / "report" / "report.html")


def test_a_finished_training_shows_curves_results_and_what_changes_of_the_learner(tmp_path):
    assert rtb(training(tmp_path / "run")).exit_code == 0
    path = tmp_path / "run" / "report" / "report.html"
    assert titles(path) == ["Validation score", "Methods on held-out seeds", "Mean return", "My measure"]
    page = path.read_text(encoding="utf-8")
    assert "AdAuction-v0, ppo, seed 7: 10,000 environment steps, finished" in page
    assert "90.0 [80.0, 100.0]" in page
    assert page.index("PPO, trained") < page.index("PID pacing")


def test_a_team_has_a_line_for_each_agent_and_a_row_of_results(tmp_path):
    run = training(tmp_path / "run")
    names = ("advertiser_0", "advertiser_1")
    metrics = pl.read_parquet(run / "metrics.parquet").select("iteration", "environment_steps")
    told = {f"{name}/policy_loss": pl.col("iteration") * (1.0 + i) for i, name in enumerate(names)}
    metrics.with_columns(**told).write_parquet(run / "metrics.parquet")
    compared = {
        name: {"estimate": value, "low": value - 1, "high": value + 1}
        for name, value in (("profit", 1_250.0), ("rule_profit", 1_000.0), ("difference", 250.0), ("ratio", 1.25))
    }
    told = {"algo": "dqn", "rule": "adaptive", "roas": 2.5, "cac": None, "budget_used": 0.875}
    agents = [{"agent": name, **told, **compared} for name in names]
    evaluation = {"confidence": 0.95, "agents": agents, "total": {**compared, "ratio": None}, "market": {"roas": 3.0}}
    (run / "results.json").write_text(json.dumps({"evaluation": evaluation}))
    assert learning.lead(read_run(run)).startswith("AdAuction-v0, a team, seed 7: ")
    sections = learning.sections(read_run(run))
    profits, campaigns = (part for section in sections for part in section.parts if isinstance(part, TextTable))
    figures = ("1,250 [1,249, 1,251]", "1,000 [999, 1,001]", "250 [249, 251]")
    assert profits.rows[0] == ("advertiser_0 (dqn)", "adaptive in the same seat", *figures, "1.25")
    assert profits.rows[-1] == ("all together", "strategy set in all seats", *figures, "–")
    assert ("ROAS ($/$)", "2.50", "2.50", "3.00") in campaigns.rows
    assert ("budget spent (%)", "87.5", "87.5", "–") in campaigns.rows
    assert ("CAC ($)", "–", "–", "–") in campaigns.rows
    (chart,) = sections[-1].parts
    assert chart.title == "Policy loss"
    assert [(line.name, line.y[-1]) for line in chart.lines] == [("advertiser_0", 10.0), ("advertiser_1", 20.0)]


def test_a_learning_curve_is_the_mean_over_seeds_with_their_range_by_stage(tmp_path):
    (chart,) = learning.sections(read_run(training(tmp_path / "run")))[0].parts
    assert [line.name for line in chart.lines] == ["stage 1", "stage 2"]
    first = chart.lines[0]
    assert first.x == pytest.approx([0.001, 0.002, 0.003, 0.004, 0.005])
    assert first.y == pytest.approx([0.15, 0.25, 0.35, 0.45, 0.55])
    assert first.low == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    assert first.high == pytest.approx([0.2, 0.3, 0.4, 0.5, 0.6])
    assert chart.spans == (Span("stage 1", 0.0, 0.005), Span("stage 2", 0.005, 0.01))


def test_learners_of_a_team_are_drawn_beside_the_rules_of_their_seats_and_with_their_campaigns(tmp_path):
    run = training(tmp_path / "run")
    validation = pl.read_parquet(run / "validation.parquet")
    told = {"profit/a": pl.col("score") * 100, "rule_profit/a": pl.lit(7.0), "roas/a": pl.lit(2.0), "cvr/b": 0.25}
    validation.with_columns(**told).write_parquet(run / "validation.parquet")
    _, profit, *figures = learning.sections(read_run(run))[0].parts
    assert profit.title == "Profit of a in validation"
    learner, rule = profit.lines
    assert (learner.y[0], learner.low[0], learner.high[0]) == pytest.approx((15, 10, 20))
    assert rule.is_reference
    assert set(rule.y) == {7.0}
    drawn = [(chart.title, chart.lines[0].name, chart.lines[0].y[0]) for chart in figures]
    assert drawn == [("ROAS in validation", "a", 2.0), ("CVR in validation", "b", 25.0)]


def test_an_agent_has_its_place_and_colour_in_every_chart_of_a_team(tmp_path):
    run = training(tmp_path / "run")
    validation, metrics = (pl.read_parquet(run / f"{name}.parquet") for name in ("validation", "metrics"))
    # In the order in which values came up, as in a training in which agent 1 sold nothing at first.
    told = {f"{name}/agent_{i}": pl.lit(1.0) for name, order in (("cvr", (10, 2, 1)), ("cac", (2,))) for i in order}
    validation.with_columns(**told).write_parquet(run / "validation.parquet")
    told = {f"agent_{i}/{name}": pl.col("iteration") for name, i in (("alive", 10), ("entropy", 2), ("alive", 1))}
    metrics.select("iteration", "environment_steps").with_columns(**told).write_parquet(run / "metrics.parquet")
    sections = learning.sections(read_run(run))
    charts = [part for section in sections for part in section.parts if "agent_" in str(part)]
    lines = {chart.title: [(line.name, line_color(chart, line)) for line in chart.lines] for chart in charts}
    one, two, ten = zip(("agent_1", "agent_2", "agent_10"), COLORS[:3], strict=True)
    assert lines == {
        "CVR in validation": [one, two, ten],
        "CAC in validation": [two],
        "Agents with budget": [one, ten],
        "Entropy of the policy": [two],
    }


def test_a_report_reads_files_and_changes_none_of_them(tmp_path):
    run = training(tmp_path / "run")
    before = {path: path.read_bytes() for path in run.iterdir()}
    rtb(run, "--out", tmp_path / "out")
    assert {path: path.read_bytes() for path in run.iterdir()} == before


def test_watching_writes_the_page_anew_until_the_run_is_finished(tmp_path):
    run = training(tmp_path / "run", is_finished=False)
    page, seen = run / "report" / "report.html", []

    def finish():
        while not page.exists():
            time.sleep(0.01)
        seen.append(page.read_text(encoding="utf-8"))
        (run / ".results").write_text(json.dumps(RESULTS))
        (run / ".results").rename(run / "results.json")

    trainer = threading.Thread(target=finish)
    trainer.start()
    done = rtb(run, "--watch", "--seconds", "0.1")
    trainer.join()
    assert done.exit_code == 0, done.output
    assert 'http-equiv="refresh" content="1"' in seen[0]
    assert "still training" in seen[0]
    last = page.read_text(encoding="utf-8")
    assert 'http-equiv="refresh"' not in last
    assert "Methods on held-out seeds" in last


def interrupted(process):
    """What a process says and complains of at Ctrl-C. It is pressed again after half a minute: Python loses one that
    comes within a callback of the garbage collector, and complains of that itself.
    """
    process.send_signal(signal.SIGINT)
    try:
        return process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        return process.communicate(timeout=60)[0], ""


def test_ctrl_c_ends_watching_with_a_page_that_no_longer_loads_itself(tmp_path):
    run = training(tmp_path / "run", is_finished=False)
    page = run / "report" / "report.html"
    watching = subprocess.Popen(
        [sys.executable, "-m", "rtb_envs.cli", "report", str(run), "--watch", "--seconds", "60"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert "report.html follows the run until it is finished" in watching.stdout.readline()
    assert 'http-equiv="refresh" content="60"' in page.read_text(encoding="utf-8")
    said, complained = interrupted(watching)
    assert watching.returncode == 130
    assert said == "stopped watching; the run itself is not touched\n"
    assert complained == ""
    assert 'http-equiv="refresh"' not in page.read_text(encoding="utf-8")


def test_watching_writes_nothing_while_nothing_has_changed(tmp_path, monkeypatch):
    run = training(tmp_path / "run", is_finished=False)
    pages = []
    monkeypatch.setattr(commands, "_page", lambda files, *_, **__: pages.append(files) or [run])
    looks = iter([lambda: None, lambda: None, lambda: training(run).touch(), None])
    monkeypatch.setattr(time, "sleep", lambda seconds: next(looks)())
    assert rtb(run, "--watch").exit_code == 0
    assert [files.is_finished for files in pages] == [False, True]


def test_a_run_that_has_just_begun_can_be_watched_and_is_refused_otherwise(tmp_path):
    (tmp_path / "settings.json").write_text(json.dumps(SETTINGS))
    refused = rtb(tmp_path)
    assert refused.exit_code == 2
    assert "has nothing to report yet: --watch waits for it" in refused.stderr


def damaged(name, content):
    def write(path):
        training(path)
        (path / name).write_text(content)

    return write


@pytest.mark.parametrize(
    ("prepare", "arguments", "message"),
    [
        (lambda path: None, (), "run is not a folder"),
        (lambda path: path.mkdir(), (), "is not the folder of a run: it has neither settings.json nor an episode"),
        (damaged("settings.json", "{"), (), "settings.json cannot be read: "),
        (damaged("results.json", "[]"), (), "results.json holds no object"),
        (damaged("metrics.parquet", "PAR1 but no more"), (), "metrics.parquet cannot be read: "),
        (training, ("--format", "gif"), "format must be html, png, pdf or svg, not 'gif'"),
        (training, ("--format", "png", "--watch"), "--watch writes a page: format must be html, not 'png'"),
    ],
)
def test_what_cannot_be_reported_on_is_one_line_and_exit_code_2(tmp_path, prepare, arguments, message):
    prepare(tmp_path / "run")
    refused = rtb(tmp_path / "run", *arguments)
    assert refused.exit_code == 2
    assert message in refused.stderr
    assert refused.stderr.startswith("error: ")
    assert refused.stderr.count("\n") == 1
