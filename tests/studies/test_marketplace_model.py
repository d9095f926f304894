"""The language model as decision maker, over a real connection: whatever it does, decisions are valid and counted."""

import json
import logging
import sqlite3
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtb_envs.envs.marketplace.decisions import ACCEPT, NO_ANSWER, REJECT
from rtb_envs.studies.marketplace.anomalies import detect
from rtb_envs.studies.marketplace.audit import audit
from rtb_envs.studies.marketplace.deciding import ModelDecider
from rtb_envs.studies.marketplace.meter import Meter
from rtb_envs.studies.marketplace.model_cache import ModelCache
from rtb_envs.studies.marketplace.model_client import MessagesClient, ModelError, client_fault, client_from_environment
from rtb_envs.studies.marketplace.model_run import ModelRun
from rtb_envs.studies.marketplace.questions import CACHEABLE, Question, parse
from rtb_envs.studies.marketplace.results import markets_of
from rtb_envs.studies.marketplace.settings import Settings
from rtb_envs.studies.marketplace.store import Store
from rtb_envs.studies.marketplace.whole_run import whole_run
from tests.studies.conftest import SMALL
from tests.studies.model_server import KEY, ModelServer


def question(i=0, kind="bid_acceptance", hour=0, offered=1.0, remaining=0.05, channel="ctv"):
    return Question(kind, hour, (1, i), i, offered, remaining, channel)


def client(server, **options):
    return MessagesClient(server.url, KEY, **{"timeout": 5.0, "retries": 2, "backoff": 0.0, **options})


@pytest.fixture
def local(tmp_path):
    store = Store(tmp_path / "market.db")
    yield store
    store.close()


def decider(server, store, **options):
    meter = options.pop("meter", Meter())
    return ModelDecider(client(server, **options), "model", ModelCache(store.engine, "scope"), meter)


def test_questions_go_out_in_batches_of_ten_and_answers_come_back_in_order(local):
    with ModelServer(decide=lambda offer: "accept" if offer["id"] % 2 else "reject").running() as server:
        one = decider(server, local)
        # Different ratios, so that no two are alike for the cache.
        questions = [question(i, offered=0.5 + 0.1 * i) for i in range(23)]
        decisions = one.decide(questions)
    assert [len(json.loads(r["messages"][0]["content"])) for _, r in server.requests] == [10, 10, 3]
    expected = [REJECT if i % 10 % 2 == 0 else ACCEPT for i in range(23)]
    assert decisions == [(answer, "model") for answer in expected]
    assert (one.meter.calls, one.meter.input_tokens, one.meter.output_tokens) == (3, 3 * 100 + 23 * 20, 230)


NO_ANSWERS = ["malformed", "short", "long", "misnumbered", "injected", "commanding", "wordy", "no json", "no usage"]


@pytest.mark.parametrize("fault", [*NO_ANSWERS, "brackets", 400])
def test_an_answer_that_is_none_leaves_the_decision_to_the_rules_and_is_counted(fault, local):
    with ModelServer(faults=[fault]).running() as server:
        one = decider(server, local, retries=0)
        decisions = one.decide([question(0), question(1, offered=1.2)])
    assert decisions == [(NO_ANSWER, "rules")] * 2
    assert sum(one.meter.failures.values()) == 1
    assert one.meter.sources == {"rules": 2}
    assert one.cache.find(question(0)) is None


@pytest.mark.parametrize("fault", ["silent", "drip", "header drip"])
def test_a_slow_answer_ends_at_the_deadline_however_it_drips(fault, local):
    with ModelServer(faults=[fault]).running() as server:
        one = decider(server, local, timeout=0.3, retries=0)
        began = time.monotonic()
        assert one.decide([question()]) == [(NO_ANSWER, "rules")]
    assert one.meter.failures == {"timeout": 1}
    # The fault lasts for seconds; a busy machine may take its time too.
    assert time.monotonic() - began < 3 or fault == "drip"


BURSTS = [["wait nan", "wait -1"], ["wait soon", "wait 1e-3"], [429, 429], [500, 503], [529, "silent"], ["silent", 502]]


@pytest.mark.parametrize("burst", BURSTS)
def test_bursts_of_failures_are_retried_until_a_good_answer(burst, local):
    with ModelServer(faults=burst).running() as server:
        one = decider(server, local, timeout=1.5)
        assert one.decide([question()]) == [(ACCEPT, "model")]
    assert len(server.requests) == 3
    assert not one.meter.failures


def test_a_burst_longer_than_the_retries_goes_to_the_rules(local):
    with ModelServer(faults=[500] * 3).running() as server:
        one = decider(server, local)
        assert one.decide([question()]) == [(NO_ANSWER, "rules")]
    assert one.meter.failures == {"status": 1}


def test_nobody_listening_is_a_network_failure():
    with pytest.raises(ModelError, match="network"):
        MessagesClient("http://127.0.0.1:9", KEY, timeout=1, retries=0).ask("model", "", "", 10)


def test_alike_offers_are_answered_from_the_cache_for_24_hours(local):
    with ModelServer().running() as server:
        one = decider(server, local)
        one.decide([question(offered=1.0)])
        assert one.decide([question(offered=1.02, hour=23)]) == [(ACCEPT, "cache")]
        assert one.decide([question(offered=1.0, hour=24)]) == [(ACCEPT, "model")]
        assert one.decide([question(offered=1.04)]) == [(ACCEPT, "model")]
        assert one.decide([question(offered=1.0, channel="video")]) == [(ACCEPT, "model")]
        another = ModelCache(local.engine, "scope")
        assert another.find(question(offered=1.01, hour=5)) == ACCEPT
        assert ModelCache(local.engine, "other scope").find(question()) is None
    assert len(server.requests) == 4


def test_strategy_and_anomalies_are_never_cached(local):
    cache = ModelCache(local.engine, "scope")
    for kind in ("campaign_strategy", "anomaly_detection"):
        assert kind not in CACHEABLE
        cache.keep([(question(kind=kind), ACCEPT)])
        assert cache.find(question(kind=kind)) is None
    for kind in CACHEABLE:
        cache.keep([(question(kind=kind), ACCEPT)])
        assert cache.find(question(kind=kind)) == ACCEPT


def test_every_attempt_may_be_billed_so_the_limit_holds_for_all_of_them(local):
    limit = 0.0008
    with ModelServer(faults=[500] * 100).running() as server:
        one = decider(server, local, retries=20, meter=Meter(limit=limit))
        assert one.decide([question()]) == [(NO_ANSWER, "rules")]
        assert one.decide([question(1)]) == [(NO_ANSWER, "rules")]
    assert one.meter.failures == {"cost limit": 2}
    assert 0 < len(server.requests) < 20
    each = one.meter.most_dollars / len(server.requests)
    assert one.meter.dollars == 0
    assert limit - each < one.meter.most_dollars <= limit


def test_a_run_that_goes_on_keeps_its_costs_and_its_limit(tmp_path, monkeypatch, local):
    monkeypatch.setenv("RTB_MODEL_KEY", KEY)
    with ModelServer(faults=[500, 500]).running() as server:
        monkeypatch.setenv("RTB_MODEL_URL", server.url)
        given = {"mock_llm": False, "agent_model": "small", "model_retries": 1, "model_backoff": 0.0}
        settings = Settings(**{**SMALL, **given})
        local.begin_run("run", settings.fingerprint())
        first = ModelRun(settings, local, "run")
        for i in range(3):
            answered = first._decider("c", 0).decide([question(i, offered=0.5 + 0.1 * i)])
            place = {"run": "run", "scenario": "c", "seed": 0, "day": 1, "package": i, "campaign": i}
            local.write_answers([{**place, "answer": answer, "source": source} for answer, source in answered])
        again = ModelRun(settings, local, "run").meter
    assert first.meter.unanswered_input_tokens > 0 < first.meter.input_tokens
    kept = ("calls", "input_tokens", "output_tokens", "most_dollars", "sources", "failures", "cacheable")
    assert {name: getattr(again, name) for name in kept} == {name: getattr(first.meter, name) for name in kept}


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("RTB_MODEL_KEY", "sch\u00fcssel"),
        ("RTB_MODEL_KEY", "two\nlines"),
        ("RTB_MODEL_URL", "http://"),
        ("RTB_MODEL_URL", "http://a" + "b" * 70_000),
        ("RTB_MODEL_URL", "http://exa mple:x"),
        ("RTB_MODEL_URL", "file:///etc/passwd"),
    ],
)
def test_an_unusable_key_or_url_is_refused_without_showing_the_key(variable, value, monkeypatch):
    monkeypatch.setenv("RTB_MODEL_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("RTB_MODEL_KEY", KEY)
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match=f"{variable} must ") as refused:
        client_from_environment()
    assert len(str(refused.value)) < 300
    assert variable != "RTB_MODEL_KEY" or value not in str(refused.value)


def test_a_cost_limit_stops_before_more_is_spent(local):
    with ModelServer().running() as server:
        one = decider(server, local, meter=Meter(limit=0.0008))
        for i in range(20):
            one.decide([question(i, offered=0.5 + 0.1 * i)])
    assert one.meter.dollars <= 0.0008
    assert 0 < one.meter.calls < 20
    assert one.meter.failures["cost limit"] == 20 - one.meter.calls


BY_DAY = {"opportunities": [10] * 6, "deals": [9, 8, 9, 3, 9, 9], "false_claims": [0] * 6, "rot_events": [0] * 6}


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("[2,5]", ([2, 5], "model")),
        ("[]", ([], "model")),
        # Not rising, not in the run, no whole number, no array: the rule names day 4, which sold 3 of 10 packages.
        *((text, ([4], "rules")) for text in ("[5,2]", "[7]", "[2.0]", "[true]", "day 2", '{"days":[2]}')),
    ],
)
def test_anomalous_days_come_from_a_valid_answer_or_from_the_rule(said, found):
    with ModelServer(faults=[said]).running() as server:
        meter = Meter()
        assert detect(client(server), "manager", meter, BY_DAY) == found
    assert meter.watching_calls == 1
    assert meter.dollars == pytest.approx((400 * 0.25 + 6 * 1.25) / 1e6)
    assert sum(meter.failures.values()) == (found[1] == "rules")


@given(
    st.text()
    | st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x)).map(json.dumps)
)
def test_nothing_but_the_exact_form_is_an_answer(text):
    assert parse(text, 2) is None


def test_the_exact_form_is():
    text = '[{"id":0,"decision":"accept"},{"decision":"reject","id":1}]'
    assert parse(text, 2) == [ACCEPT, REJECT]
    assert parse(text, 3) is None
    assert parse(text.replace("0", "false"), 2) is None


def test_the_environment_names_the_model(monkeypatch):
    monkeypatch.delenv("RTB_MODEL_URL", raising=False)
    with pytest.raises(ValueError, match="RTB_MODEL_URL must be the http"):
        client_from_environment()
    monkeypatch.setenv("RTB_MODEL_URL", "http://127.0.0.1:9")
    with pytest.raises(ValueError, match="RTB_MODEL_KEY must hold"):
        client_from_environment()
    monkeypatch.setenv("RTB_MODEL_KEY", KEY)
    assert KEY not in repr(client_from_environment())
    assert "does not answer" in client_fault()
    with ModelServer().running() as server:
        monkeypatch.setenv("RTB_MODEL_URL", server.url)
        assert client_fault() is None


# In seed 0 one channel has few campaigns, whose budgets end; floors bring counter-offers.
SETTINGS = {"scenarios": "a,c", "market": {"floor_share": [0.7, 1.05]}, "mock_llm": False, "agent_model": "model"}
SETTINGS["manager_model"] = "manager"


def test_a_run_with_a_model_asks_little_and_a_second_one_hits_the_cache(tmp_path, monkeypatch, local, caplog):
    for name in ("httpx", "httpcore"):
        caplog.set_level(logging.DEBUG, logger=name)
    settings = Settings(**SETTINGS, model_backoff=0.0)
    faults = [429, None, 500, "injected"]
    monkeypatch.setenv("RTB_MODEL_KEY", KEY)
    with ModelServer(faults, decide=lambda offer: "accept").running() as server:
        monkeypatch.setenv("RTB_MODEL_URL", server.url)
        first = whole_run(settings, local, "first")
        second = whole_run(settings, local, "second")
        asked = len(server.requests)
        resumed = whole_run(settings, local, "second")["wall_clock"]["model"]
        # A resumed run keeps its answers and what they cost; only anomalies are asked for anew, once for each market.
        assert len(server.requests) == asked + 2
    assert all(headers["x-api-key"] == KEY for headers, _ in server.requests)
    one, two = first["wall_clock"]["model"], second["wall_clock"]["model"]
    kept = ("calls", "input_tokens", "output_tokens", "decisions", "cacheable", "cache_hit_rate")
    assert {name: resumed[name] for name in kept} == {name: two[name] for name in kept}
    print(f"first run: {one}\nsecond run: {two}")
    assert one["tree_share"] >= 0.8
    assert one["decisions"]["model"] > 0
    assert one["failed_calls"] == {"invalid": 1}
    assert two["cache_hit_rate"] >= 0.9
    assert [(found["scenario"], found["days"], found["source"]) for found in two["anomalies"]] == [
        ("a", [2, 5], "model"),
        ("c", [2, 5], "model"),
    ]
    assert [row["way"] for row in one["cost_table"]] == ["plain", "+ cache", "+ batch", "+ tree", "mock"]
    costs = [row["dollars"] for row in one["cost_table"]]
    assert costs == sorted(costs, reverse=True)
    run = local.find_run("first")
    for scenario, seed in markets_of(run):
        kept = local.answers("first", scenario, seed)
        assert all((answer == NO_ANSWER) == (source == "rules") for *_, answer, source in kept)
        assert audit(local, run, scenario, seed).problems == ()
    assert KEY not in caplog.text
    local.close()
    with sqlite3.connect(tmp_path / "market.db") as connection:
        assert all(KEY not in line for line in connection.iterdump())
    assert all(KEY.encode() not in path.read_bytes() for path in tmp_path.iterdir())
