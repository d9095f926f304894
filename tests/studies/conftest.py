"""A small marketplace, run once for all tests, and stores on both databases."""

import dataclasses
import os
import pickle

import pytest
import sqlalchemy as sa

from rtb_envs.studies.marketplace.runner import rule_markets, run_study
from rtb_envs.studies.marketplace.schema import METADATA
from rtb_envs.studies.marketplace.settings import Settings
from rtb_envs.studies.marketplace.store import Store

SMALL = {"days": 6, "buyers": 2, "sellers": 3, "market": {"campaigns_per_buyer": 3}, "db_batch_entries": 100}
POSTGRES_VARIABLE = "RTB_TEST_POSTGRES_URL"


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch):
    for name in [name for name in os.environ if name.startswith("RTB_") and name != POSTGRES_VARIABLE]:
        monkeypatch.delenv(name)


@dataclasses.dataclass(frozen=True)
class Played:
    """Settings, and the markets that they give, by seed: no test needs to compute them again."""

    settings: Settings
    markets: dict

    def run(self, store, name="small", settings=None, listener=lambda progress: None):
        run_study(settings or self.settings, store, name, listener, self.markets.__getitem__)
        return store.find_run(name)


@pytest.fixture(scope="session")
def small():
    settings = Settings(**SMALL, seeds=2)
    play = rule_markets(settings)
    return Played(settings, pickle.loads(pickle.dumps({seed: play(seed) for seed in range(2)})))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request, tmp_path):
    """An empty store."""
    if request.param == "postgres" and POSTGRES_VARIABLE not in os.environ:
        pytest.skip(f"{POSTGRES_VARIABLE} names no server; make test-postgres starts one")
    url = str(tmp_path / "market.db") if request.param == "sqlite" else os.environ[POSTGRES_VARIABLE]
    opened = Store(url)
    yield opened
    if request.param == "postgres":
        METADATA.drop_all(opened.engine)
    opened.close()


def change(store, statement, *parameters):
    """Run SQL past the store's own ways; how many rows it changed."""
    with store.engine.begin() as connection:
        return connection.execute(sa.text(statement), *parameters).rowcount
