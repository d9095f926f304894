"""``rtb market`` as a person uses it."""

import contextlib
import json
import re
import subprocess
import sys
import time

import polars
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from rtb_envs.cli import STOPPED, app
from rtb_envs.studies.marketplace.results import measure, read_results, write_results
from rtb_envs.studies.marketplace.schema import ENTRIES
from rtb_envs.studies.marketplace.settings import load_settings
from rtb_envs.studies.marketplace.store import Store
from rtb_envs.studies.marketplace.tables import FIGURES


def rtb(*arguments):
    return CliRunner().invoke(app, ["market", *map(str, arguments)])


@pytest.fixture(scope="module")
def ran(tmp_path_factory, small):
    """A folder with a store and results of the small run."""
    folder = tmp_path_factory.mktemp("results")
    store = Store(folder / "market.db")
    run = small.run(store, "run")
    write_results(measure(store, run, {"seconds": 1.0}), folder / "run.json")
    store.close()
    return folder


def test_run_writes_results_a_dashboard_and_a_log_and_the_second_time_goes_on(tmp_path):
    output = tmp_path / "out" / "run.json"
    arguments = (
        "run",
        "--scenario",
        "c,a",
        "--days",
        2,
        "--buyers",
        2,
        "--sellers",
        2,
        "--mock-llm",
        "--output",
        output,
    )
    first = rtb(*arguments)
    assert first.exit_code == 0, first.stderr
    assert f"results: {output}" in first.stdout
    before = read_results(output)
    assert [market["scenario"] for market in before["markets"]] == ["a", "c"]
    assert "<html" in output.with_suffix(".html").read_text()
    assert "results written" in output.with_suffix(".log").read_text()
    assert rtb(*arguments, "--watch").exit_code == 0
    after = read_results(output)
    assert {**after, "wall_clock": 0} == {**before, "wall_clock": 0}
    refused = rtb(*arguments, "--seed", 5)
    assert refused.exit_code == 2
    assert "in the store with other settings" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        (["--days", "0", "--seeds", "0"], ["days: ", "seeds: "]),
        (["--scenario", "a,x"], ["scenarios: must be different ones of a, b, c"]),
        (["--real-llm"], ["agent_model must name the model"]),
        (["--db", "nosuch://x"], ["db must be the path of an SQLite file or a database URL"]),
    ],
)
def test_wrong_settings_are_refused_all_at_once_in_a_line_each(arguments, messages, tmp_path):
    refused = rtb("run", "--output", tmp_path / "run.json", *arguments)
    assert refused.exit_code == 2
    lines = refused.stderr.splitlines()
    assert len(lines) == len(messages)
    assert all(message in line for message, line in zip(messages, lines, strict=True))


def test_settings_come_from_flags_over_environment_over_file(tmp_path, monkeypatch):
    from rtb_envs.studies.marketplace.settings import load_settings

    path = tmp_path / "market.yaml"
    path.write_text("days: 3\nseeds: 4\nbuyers: 2\nmarket:\n  platform_fee: 0.03\n")
    monkeypatch.setenv("RTB_SEEDS", "6")
    monkeypatch.setenv("RTB_DB_ASYNC_WRITES", "false")
    monkeypatch.setenv("RTB_TIME_ACCELERATION", "1000")
    settings = load_settings(path, days=9)
    assert (settings.days, settings.seeds, settings.buyers) == (9, 6, 2)
    assert settings.options().platform_fee == 0.03
    assert not settings.db_async_writes
    assert settings.time_acceleration == 1000


def test_compare_shows_the_same_tables_in_every_form(ran, tmp_path):
    shown = rtb("compare", ran / "run.json")
    assert shown.exit_code == 0
    for title in ("Scenarios side by side", "Validity", "Hypotheses", "Records of both sides", "Bid decisions"):
        assert f"## {title}" in shown.stdout
    assert all(figure.title in shown.stdout for figure in FIGURES)
    assert "Exchange fee 15% before discounts and clamp, deducted from the sellers' payout." in shown.stdout
    verdicts = json.loads(rtb("compare", ran / "run.json", "--format", "json").stdout)
    assert {row["verdict"] for row in verdicts["validity"]} <= {"expected", "unexpected", "invalid", "not applicable"}
    page = tmp_path / "page.html"
    assert rtb("compare", ran / "run.json", "--format", "html", "--output", page).exit_code == 0
    assert "Day by day" in page.read_text()
    assert rtb("compare", tmp_path / "none.json").exit_code == 2


def test_compare_exits_with_1_only_when_twenty_seeds_show_an_invalid_figure(ran, tmp_path):
    document = read_results(ran / "run.json")
    of_scenario = {market["scenario"]: market for market in document["markets"]}
    for market in of_scenario.values():
        market["figures"]["fee_rate"] = 0.01
    for seeds, code in ((19, 0), (20, 1)):
        document["settings"] |= {"seed": 0, "seeds": seeds}
        document["markets"] = [{**market, "seed": n} for market in of_scenario.values() for n in range(seeds)]
        write_results(document, tmp_path / "run.json")
        judged = rtb("compare", tmp_path / "run.json")
        assert judged.exit_code == code
    assert "invalid: exchange fees, A" in judged.stderr


def test_every_figure_of_the_article_is_in_the_results(ran):
    text = rtb("article", ran / "run.json").stdout
    document = read_results(ran / "run.json")
    charge = [m["figures"]["buyer_spend_usd"] for m in document["markets"] if m["scenario"] == "a"]
    assert f"Buyers paid ${sum(charge) / len(charge):,.0f}" in text
    entries = [m["figures"]["entries"] for m in document["markets"] if m["scenario"] == "c"]
    assert f"Its {sum(entries) / len(entries):,.0f} entries" in text
    assert "nan" not in text


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_export_has_a_row_for_each_market_and_day(suffix, ran, tmp_path):
    path = tmp_path / f"metrics{suffix}"
    assert rtb("export", "--run", "run", "--output", path, "--db", ran / "market.db").exit_code == 0
    frame = polars.read_csv(path) if suffix == ".csv" else polars.read_parquet(path)
    assert frame.select("scenario", "seed", "day").n_unique() == len(frame) == 3 * 2 * 6
    document = read_results(ran / "run.json")
    expected = sum(market["figures"]["deals"] for market in document["markets"])
    assert frame["deals"].sum() == expected
    assert rtb("export", "--run", "run", "--output", tmp_path / "x.txt", "--db", ran / "market.db").exit_code == 2


def test_status_verify_and_recovery_speak_of_a_whole_run(ran):
    db = ("--db", ran / "market.db")
    status = rtb("status", "run", *db).stdout
    assert "run 'run': complete, 36 of 36 days of all markets (100%)" in status
    for limit in ("CPU: ", "memory: ", "store query: "):
        assert re.search(rf"{limit}[0-9.]+ (%|ms) \(limit", status)
    assert "entries verify" in rtb("verify", "--run", "run", "--results", ran / "run.json", *db).stdout
    one = rtb("test-recovery", "--run", "run", "--agent", "buyer-001", "--seed", 1, *db)
    assert one.stdout.splitlines() == [
        "buyer-001, seed 1: recovered, digest equal",
        "recovery rate: 100.0% of 1 agents",
    ]
    unknown = rtb("test-recovery", "--run", "run", "--agent", "buyer-999", *db)
    assert unknown.exit_code == 2
    assert "agent must be one of buyer-001 to buyer-002" in unknown.stderr
    assert rtb("status", "other", *db).exit_code == 2


def test_a_changed_ledger_fails_verification_and_recovery(small, tmp_path):
    store = Store(tmp_path / "market.db")
    small.run(store, "run")
    with store.engine.begin() as connection:
        where = (ENTRIES.c.scenario == "c") & (ENTRIES.c.kind == "delivery")
        connection.execute(sa.delete(ENTRIES).where(where))
    store.close()
    verified = rtb("verify", "--run", "run", "--db", tmp_path / "market.db")
    assert verified.exit_code == 1
    assert "does not follow from the entry before it" in verified.stderr
    recovered = rtb("test-recovery", "--run", "run", "--db", tmp_path / "market.db")
    assert recovered.exit_code == 1
    assert "NOT recovered" in recovered.stdout


def test_check_names_every_fault_at_once(tmp_path, monkeypatch):
    monkeypatch.delenv("RTB_MODEL_URL", raising=False)
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("days: 0\nnonsense: 1\n")
    checked = rtb("check", "--db", tmp_path, "--config", wrong, "--real-llm")
    assert checked.exit_code == 2
    for fault in ("days: ", "nonsense: ", "db can not be used", "RTB_MODEL_URL must be"):
        assert fault in checked.stderr
    assert rtb("check", "--db", tmp_path / "market.db").stdout.startswith("ready")


def test_reset_removes_a_run_and_asks_first(small, tmp_path):
    store = Store(tmp_path / "market.db")
    small.run(store, "one")
    small.run(store, "two")
    assert CliRunner().invoke(app, ["market", "reset", "--db", str(tmp_path / "market.db")], input="n\n").exit_code == 1
    assert rtb("reset", "--run", "one", "--db", tmp_path / "market.db", "--yes").exit_code == 0
    assert [run.name for run in store.runs()] == ["two"]
    store.close()


QUICK = ("--scenario", "a", "--days", 1, "--buyers", 1, "--sellers", 1)


@pytest.mark.parametrize("name", ["market.db", "run.html", "run.log", "run"])
def test_results_never_take_the_place_of_the_store_or_of_what_lies_beside_them(name, tmp_path):
    (tmp_path / name).write_text("kept")
    refused = rtb("run", *QUICK, "--output", tmp_path / name)
    assert refused.exit_code == 2
    assert "output must end in .json and be another file than the store" in refused.stderr
    assert (tmp_path / name).read_text() == "kept"


def test_a_store_beside_the_results_under_their_name_is_refused(tmp_path):
    refused = rtb("run", *QUICK, "--output", tmp_path / "run.json", "--db", tmp_path / "run.html")
    assert (refused.exit_code, list(tmp_path.iterdir())) == (2, [])


def test_what_can_not_be_written_is_told_in_a_line(ran, tmp_path):
    (tmp_path / "file").write_text("")
    below = tmp_path / "file" / "run"
    for arguments in (
        ("run", *QUICK, "--output", below.with_suffix(".json")),
        ("compare", ran / "run.json", "--output", below),
        ("article", ran / "run.json", "--output", below),
        ("export", "--run", "run", "--db", ran / "market.db", "--output", below.with_suffix(".csv")),
    ):
        refused = rtb(*arguments)
        assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1), arguments


@pytest.mark.parametrize("text", ["a: [", "- 1\n- 2\n", "\x00", "days: 3\ndays: 4\n"])
def test_a_configuration_that_is_no_mapping_is_refused(text, tmp_path):
    (tmp_path / "settings.yaml").write_text(text)
    refused = rtb("run", "--config", tmp_path / "settings.yaml", "--output", tmp_path / "run.json")
    assert refused.exit_code == 2
    assert "settings.yaml" in refused.stderr


@pytest.mark.parametrize("keep", [0, 1, 2])
def test_results_that_lack_something_are_refused_in_a_line(ran, tmp_path, keep):
    document = json.loads((ran / "run.json").read_text())
    broken = [{**document, "markets": [{}]}, {**document, "settings": {}}, {**document, "wall_clock": 3}][keep]
    (tmp_path / "run.json").write_text(json.dumps(broken))
    for command in ("compare", "article"):
        refused = rtb(command, tmp_path / "run.json")
        assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)


def test_scenarios_of_the_environment_are_separated_by_commas(monkeypatch):
    monkeypatch.setenv("RTB_SCENARIOS", "C,a")
    assert load_settings().scenarios == ("a", "c")


def test_looking_at_a_store_neither_makes_nor_changes_it(ran, tmp_path):
    for command in (("status", "run"), ("verify", "--run", "run"), ("test-recovery", "--run", "run")):
        refused = rtb(*command, "--db", tmp_path / "none.db")
        assert (refused.exit_code, list(tmp_path.iterdir())) == (2, [])
    copy = tmp_path / "store"
    copy.mkdir()
    (copy / "market.db").write_bytes((ran / "market.db").read_bytes())
    (copy / "market.db").chmod(0o444)
    copy.chmod(0o555)
    before = (copy / "market.db").read_bytes()
    assert rtb("verify", "--run", "run", "--db", copy / "market.db").exit_code == 0
    copy.chmod(0o755)
    assert (copy / "market.db").read_bytes() == before


def test_a_termination_stops_a_run_as_ctrl_c_does_and_it_goes_on_later(tmp_path):
    output = tmp_path / "run.json"
    command = [sys.executable, "-m", "rtb_envs.cli", "market", "run", *map(str, QUICK[:2]), "--days", "30"]
    command += ["--output", str(output), "--acceleration", "86400"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not _days_written(tmp_path / "market.db"):
        time.sleep(0.2)
    process.terminate()
    time.sleep(0.01)
    process.terminate()
    assert process.wait(60) == STOPPED
    assert "Traceback" not in process.stderr.read()
    with contextlib.closing(Store(tmp_path / "market.db", read_only=True)) as store:
        assert store.find_run("run").status == "stopped"
        assert 0 < store.progress("run")["a", 0] < 30


def _days_written(path):
    if not path.exists():
        return False
    with contextlib.closing(Store(path, read_only=True)) as store, contextlib.suppress(sa.exc.OperationalError):
        return bool(store.progress("run"))
