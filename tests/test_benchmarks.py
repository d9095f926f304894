"""The speed measurement: what it counts, what it makes of the counts, and that a session yields every row."""

import json
from dataclasses import replace
from importlib.util import find_spec

import pytest
from typer.testing import CliRunner

import benchmarks.__main__ as command
from benchmarks import auction_markets, environments, readme, report, results, rtbgym
from benchmarks.cases import Case, cases
from benchmarks.process import ROOT, Worker, WorkerError
from tests.pauses import AUCTIONS_PER_STEP

HORIZON, DAY = 7, 48
VOLUMES = (10, 309)  # of one step: the configured minimum, and the mean of 200 with 5.42 standard deviations of 20

RTBGYM_SCRIPT = """#!/bin/sh
cat <<'JSON'
{"versions": {"python": "3.11.7", "scope-rl": "0.2.1"}, "configurations": {
    "registered": {"steps_per_second": {"median": 2000}, "auctions_per_second": {"median": 400000}},
    "oracle": {"steps_per_second": {"median": 4000}, "auctions_per_second": {"median": 800000}}}}
JSON
"""


def run_benchmarks(*arguments: str):
    return CliRunner().invoke(command.app, list(arguments))


@pytest.fixture
def without_compiling(monkeypatch, tmp_path):
    """All cases, with pauses in place of their work, and a script that answers in place of RTBGym."""

    def paused(num_envs):
        return [
            replace(case, entry_point="tests.pauses:pauses", options={"num_envs": case.options.get("num_envs", 1)})
            for case in cases(num_envs)
        ]

    script = tmp_path / "run.sh"
    script.write_text(RTBGYM_SCRIPT, encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setattr(command, "cases", paused)
    monkeypatch.setattr(rtbgym, "SCRIPT", script)


def names(num_envs: list[int]) -> list[str]:
    variants = ("rollout", "rollout-no-emitters", "rollout-threefry")
    markets = ["auto_bidding-4", "contextual_auction-4", "retargeting-1024", "ad_placement-32768"]
    adapters = [f"make_vec-{num_envs[0]}", "make", f"sb3-{num_envs[0]}"]
    return [f"{name}-{n}" for name in variants for n in num_envs] + [*adapters, *markets, "ppo"]


@pytest.mark.parametrize(
    ("prepare", "amount", "environment_steps"),
    [
        (lambda: environments.rollout(num_envs=4), 2, 4 * 2 * HORIZON),
        (lambda: environments.make_vec(num_envs=4), 2 * (HORIZON + 1), 4 * 2 * HORIZON),
        (environments.make, 2, 2 * HORIZON),
    ],
    ids=["rollout", "make_vec", "make"],
)
def test_only_steps_in_which_auctions_are_held_are_counted(prepare, amount, environment_steps):
    workload = prepare()
    done = workload.run(amount)
    assert done.environment_steps == environment_steps
    assert VOLUMES[0] * environment_steps <= done.auctions <= VOLUMES[1] * environment_steps
    assert workload.run(amount).environment_steps == environment_steps


def test_a_market_with_many_bidders_counts_every_auction_of_its_days():
    workload = auction_markets.auto_bidding(num_envs=2, num_opportunities=480)
    done = workload.run(1)
    assert done.environment_steps == 2 * DAY
    assert 480 * 2 * 0.9 < done.auctions < 480 * 2 * 1.1


def test_rounds_are_counted_in_every_world():
    assert auction_markets.contextual_auction(num_envs=2, rounds=100).run(3) == (600, 600)


def test_a_rate_is_told_by_its_median_and_its_extremes():
    turns = [{"steps_per_second": rate, "auctions_per_second": None} for rate in (3.0, 1.0, 9.0, 4.0, 5.0)]
    row = results.measurement("name", "title", 1, 2.0, turns)
    assert row["steps_per_second"] == {"median": 4.0, "min": 1.0, "max": 9.0}
    assert row["auctions_per_second"] is None


def test_a_turn_that_is_slow_for_both_leaves_the_ratio_as_it_is():
    ours = [{"steps_per_second": rate, "auctions_per_second": None} for rate in (100.0, 10.0, 100.0)]
    theirs = [{"steps_per_second": rate, "auctions_per_second": 1.0} for rate in (5.0, 0.5, 5.0)]
    times = results.ratio(ours, theirs)
    assert times == {"steps_per_second": {"median": 20.0, "min": 20.0, "max": 20.0}, "auctions_per_second": None}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0123, "0.0123"),
        (9.999, "10.0"),
        (94.26, "94.3"),
        (999.7, "1.00k"),
        (14_249, "14.2k"),
        (999_800, "1.00M"),
        (214.2e6, "214M"),
        (2.14e9, "2,140M"),
    ],
)
def test_quantities_are_shown_with_three_significant_digits(value, text):
    assert report.quantity(value) == text


def test_a_session_yields_every_row_in_the_file_and_in_the_table(without_compiling, tmp_path):
    path, page = tmp_path / "speed.json", tmp_path / "README.md"
    page.write_text(f"# Before\n\n{readme.BEGIN}\nstale\n{readme.END}\n\nAfter\n", encoding="utf-8")
    arguments = ["--num-envs", "8", "--num-envs", "4", "--seconds", "0.01", "--peers", "venv", "--markdown"]
    done = run_benchmarks(*arguments, "--write", str(path), "--readme", str(page))
    assert done.exit_code == 0, done.output
    figures = json.loads(path.read_text(encoding="utf-8"))
    assert [row["name"] for row in figures["measurements"]] == names([4, 8])
    assert [row["num_envs"] for row in figures["measurements"]] == [4, 8] * 3 + [4, 1, 4, 4, 4, 1024, 32768, 1]
    assert figures["repetitions"] == 5
    assert {"jax", "python"} <= figures["versions"].keys()
    assert {"processor", "cores"} <= figures["machine"].keys()
    for row in figures["measurements"]:
        rates = row["steps_per_second"]
        assert 0 < rates["min"] <= rates["median"] <= rates["max"]
        assert row["auctions_per_second"]["median"] == pytest.approx(AUCTIONS_PER_STEP * rates["median"])
    # Against 2000 and 4000 steps, and 400k and 800k auctions, a second.
    median = {row["name"]: row["steps_per_second"]["median"] for row in figures["measurements"]}
    compared = ["rollout-4", "rollout-8", "make_vec-4", "make"]
    assert [ratio["name"] for ratio in figures["rtbgym"]["ratios"]] == [name for name in compared for _ in range(2)]
    for ratio in figures["rtbgym"]["ratios"]:
        theirs = {"registered": 2000, "oracle": 4000}[ratio["configuration"]]
        for unit in ("steps_per_second", "auctions_per_second"):
            assert ratio[unit]["median"] == pytest.approx(median[ratio["name"]] / theirs)
    renewed = page.read_text(encoding="utf-8")
    assert renewed.startswith("# Before\n")
    assert renewed.endswith("\n\nAfter\n")
    assert "stale" not in renewed
    retargeting = report.quantity(median["retargeting-1024"])
    assert f"| retargeting_v0, 4 agents, 10,000 customers | 1,024 | {retargeting} |" in renewed
    table = [line for line in done.output.splitlines() if line.startswith("| ")]
    assert len(table) == (2 + 14 + 2) + (2 + 4)  # header and rule with ours and RTBGym's, then the ratios


def test_the_table_of_the_readme_is_what_the_recorded_figures_say():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    recorded = json.loads((ROOT / "docs/benchmark_speed.json").read_text(encoding="utf-8"))
    assert readme.renewed(text, recorded) == text


def test_a_page_without_the_places_of_the_table_is_refused():
    with pytest.raises(ValueError, match="must have one line '<!-- figures of"):
        readme.renewed("# A page\n", {})


def test_work_that_a_machine_does_not_have_is_told_apart_from_work_that_fails():
    with Worker(Case("absent", "", "tests.pauses:impossible"), seconds=0.01) as worker:
        assert worker.prepared() is None
    failing = Worker(Case("wrong", "", "tests.pauses:nothing"), seconds=0.01)
    with failing, pytest.raises(WorkerError, match="the process of wrong ended with status 1"):
        failing.prepared()


def test_a_failure_of_rtbgym_ends_the_session_with_its_reason(without_compiling, monkeypatch, tmp_path):
    script = tmp_path / "failing.sh"
    script.write_text("#!/bin/sh\necho no Python 3.11 here >&2\nexit 2\n", encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setattr(rtbgym, "SCRIPT", script)
    done = run_benchmarks("--num-envs", "4", "--seconds", "0.01", "--peers", "venv")
    assert done.exit_code == 1
    assert "failing.sh ended with status 2: no Python 3.11 here" in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--repetitions", "4"], "repetitions must be an integer in [5, 1000], got 4"),
        (["--seconds", "nan"], "seconds must be a finite number in [0.001, 60], got nan"),
        (["--num-envs", "8", "--num-envs", "0"], "num_envs must be an integer in [1, 16777216], got 0"),
        (["--readme", "LICENSE"], "readme must be a file with a table after"),
        (["--write", "nowhere/speed.json"], "write must be a file in a folder that exists, got 'nowhere/speed.json'"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_measured(arguments, message, monkeypatch):
    monkeypatch.setattr(command, "measure", lambda *_: pytest.fail("measured"))
    refused = run_benchmarks(*arguments)
    assert refused.exit_code == 2
    assert message in " ".join(refused.output.split())


@pytest.mark.slow
def test_the_real_work_runs_at_tiny_sizes(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    path = tmp_path / "speed.json"
    done = run_benchmarks("--num-envs", "4", "--seconds", "0.01", "--write", str(path))
    assert done.exit_code == 0, done.output
    figures = json.loads(path.read_text(encoding="utf-8"))
    on_this_machine = [name for name in names([4]) if name != "sb3-4" or find_spec("stable_baselines3")]
    assert [row["name"] for row in figures["measurements"]] == on_this_machine
    assert figures["import_seconds"]["min"] > 0
