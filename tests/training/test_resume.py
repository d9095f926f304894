import math
import random
import signal
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import polars as pl
import pytest
from tensorboardX.proto.event_pb2 import Event

from tests.training.guessing import Climber, Guessing, guessing_curriculum
from tests.training.killed import settings, train
from training.checkpoints import Checkpoints
from training.metrics import METRICS, VALIDATION, MetricsLog, read_table
from training.run import RunFolder
from training.trainer import restore_best

ROOT = Path(__file__).resolve().parents[2]
ITERATIONS, CHUNK = 24, 3
TIMES = ["seconds", "wall_time"]


def train_until_killed(folder: Path, deadline: int) -> bool:
    """Run the training in a process that kills itself at a file operation; whether it came to its end before."""
    program = [sys.executable, "-m", "tests.training.killed", str(folder), str(ITERATIONS), str(CHUNK), str(deadline)]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode == 0


def leaves(folder: Path, kind: str) -> list[np.ndarray]:
    """Every array of a checkpoint, and where it stands."""
    learner, curriculum = Climber(Guessing()), guessing_curriculum(ITERATIONS, ITERATIONS // 3)
    shape = jax.eval_shape(lambda: learner.init(0, curriculum.stages[0].params))
    with Checkpoints(RunFolder(folder).checkpoints, kind) as checkpoints:
        state, progress = checkpoints.restore(shape)
    data = [
        jax.random.key_data(leaf) if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
        for leaf in jax.tree.leaves(state)
    ]
    where = [progress.iteration, progress.stage, progress.best_iteration, progress.best_score, progress.finished]
    return [*map(np.asarray, data), np.array(where, float)]


def events(folder: Path) -> list[tuple[str, int, float]]:
    """Tag, step and value of every scalar that TensorBoard would show."""
    found = []
    for path in RunFolder(folder).tensorboard.iterdir():
        data = path.read_bytes()
        while data:
            # A record: length (8 bytes), its checksum (4), the event, its checksum (4).
            length = int.from_bytes(data[:8], "little")
            event = Event.FromString(data[12 : 12 + length])
            found += [(value.tag, event.step, value.simple_value) for value in event.summary.value]
            data = data[16 + length :]
    return sorted(found)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A training that nothing interrupts."""
    folder = tmp_path_factory.mktemp("undisturbed")
    train(folder, ITERATIONS, CHUNK)
    return folder


def assert_same_run(folder: Path, undisturbed: Path) -> None:
    """Parameters, counters and figures are the same bit for bit; only the clock may differ."""
    for kind in ("last", "best"):
        for ours, theirs in zip(leaves(folder, kind), leaves(undisturbed, kind), strict=True):
            assert ours.dtype == theirs.dtype
            assert ours.tobytes() == theirs.tobytes()
    for name in (METRICS, VALIDATION):
        tables = [read_table(RunFolder(path), name).drop(TIMES, strict=False) for path in (folder, undisturbed)]
        assert tables[0].equals(tables[1])
    untimed = [[event for event in events(path) if "seconds" not in event[0]] for path in (folder, undisturbed)]
    assert untimed[0] == untimed[1]


def test_a_run_has_every_iteration_once_in_every_format(undisturbed):
    table = read_table(RunFolder(undisturbed), METRICS)
    assert table["iteration"].to_list() == list(range(1, ITERATIONS + 1))
    assert table["environment_steps"].to_list() == [8 * iteration for iteration in range(1, ITERATIONS + 1)]
    assert table["stage"].to_list() == [1] * 8 + [2] * 16
    assert pl.read_csv(undisturbed / "metrics.csv").equals(table)
    guesses = [(step, value) for tag, step, value in events(undisturbed) if tag == "metrics/guess"]
    assert guesses == [(i, pytest.approx(guess)) for i, guess in enumerate(table["guess"], 1)]


def test_a_run_is_validated_every_so_many_chunks_and_at_the_end_of_each_stage(undisturbed):
    table = read_table(RunFolder(undisturbed), VALIDATION)
    # Chunks of 3 updates in stages of 8 and 16; a validation after every second chunk.
    assert table["iteration"].unique(maintain_order=True).to_list() == [6, 8, 14, 20, 24]
    assert table["seed"].to_list() == [0, 1] * 5


def test_the_best_checkpoint_is_the_one_that_validated_best_in_the_last_stage(undisturbed):
    scores = read_table(RunFolder(undisturbed), VALIDATION).filter(pl.col("stage") == 2)
    by_iteration = scores.group_by("iteration", maintain_order=True).agg(pl.col("score").mean()).sort("score")
    learner, curriculum = Climber(Guessing()), guessing_curriculum(ITERATIONS, ITERATIONS // 3)
    state, progress = restore_best(learner, curriculum, settings(ITERATIONS, CHUNK), RunFolder(undisturbed))
    assert progress.iteration == by_iteration["iteration"][-1]
    guesses = read_table(RunFolder(undisturbed), METRICS)["guess"]
    assert float(state.weights[0]) == guesses[progress.iteration - 1]


def test_a_run_that_is_finished_is_left_as_it_is(undisturbed):
    before = {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*") if path.is_file()}
    train(undisturbed, ITERATIONS, CHUNK)
    assert {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*") if path.is_file()} == before


def test_what_a_run_computes_does_not_depend_on_how_its_updates_are_cut_into_chunks(undisturbed, tmp_path):
    train(tmp_path, ITERATIONS, 1)
    final = [leaves(path, "last")[:-1] for path in (tmp_path, undisturbed)]
    assert all(a.tobytes() == b.tobytes() for a, b in zip(*final, strict=True))


class Died(BaseException):
    """Stands for the process's end: nothing in the project catches it."""


# Writes, in order: tables and ``last`` after every chunk; ``best`` too after the chunks that end at 14 and 20.
BEFORE_LAST, BEFORE_BEST, BEFORE_THE_SECOND_BEST = 10, 11, 16


@pytest.mark.parametrize("fatal", [1, 2, BEFORE_LAST, BEFORE_BEST, BEFORE_THE_SECOND_BEST])
def test_a_run_that_dies_between_two_of_its_writes_ends_with_the_same_bits(undisturbed, tmp_path, fatal):
    calls = 0

    def mortal(write):
        def call(*arguments):
            nonlocal calls
            calls += 1
            if calls == fatal:
                raise Died
            write(*arguments)

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MetricsLog, "flush", mortal(MetricsLog.flush))
        patch.setattr(Checkpoints, "save", mortal(Checkpoints.save))
        with pytest.raises(Died):
            train(tmp_path, ITERATIONS, CHUNK)
    train(tmp_path, ITERATIONS, CHUNK)
    assert_same_run(tmp_path, undisturbed)


def kill_again_and_again(folder: Path, deadlines: list[int]) -> int:
    """Train with one kill after the other, then to the end; how often the training was killed."""
    for kills, deadline in enumerate(deadlines):
        if train_until_killed(folder, deadline):
            return kills
    train(folder, ITERATIONS, CHUNK)
    return len(deadlines)


def test_a_run_that_is_killed_and_started_again_ends_with_the_same_bits(undisturbed, tmp_path):
    assert kill_again_and_again(tmp_path, [47, 95, 61]) == 3
    assert_same_run(tmp_path, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_a_run_survives_kills_at_any_file_operation(undisturbed, tmp_path, seed):
    choose = random.Random(seed)
    assert kill_again_and_again(tmp_path, [choose.randrange(1, 120) for _ in range(6)]) >= 3
    assert_same_run(tmp_path, undisturbed)


def test_a_figure_that_there_is_not_is_null_in_the_table_and_no_event_also_when_the_run_goes_on(tmp_path):
    rows = [{"iteration": i, "wall_time": 0.0, "mean": mean} for i, mean in ((1, math.nan), (2, 0.5), (3, math.nan))]
    folder = RunFolder(tmp_path)
    with MetricsLog(folder, 0) as log:
        log.add(METRICS, rows[:2])
        log.flush()
    with MetricsLog(folder, 2) as log:
        log.add(METRICS, rows[2:])
        log.flush()
    assert read_table(folder, METRICS)["mean"].to_list() == [None, 0.5, None]
    assert events(tmp_path) == [("metrics/mean", 2, 0.5)]
