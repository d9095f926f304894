"""A training that kills itself at a given file operation: run as a program by the tests of exact resumption.

Arguments: the run's folder, iterations, updates in a chunk, and the number of the file operation inside the folder at
which to die by SIGKILL (0: never). A training that ends prints the number of file operations.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from tests.training.guessing import Climber, Guessing, guessing_curriculum
from training.run import RunFolder
from training.settings import Settings
from training.trainer import Trainer
from training.validation import Validator

FILE_OPERATIONS = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree")


class Silent:
    """A watcher that never stops."""

    def began(self, *told: Any) -> None:
        pass

    compiled = advanced = validated = began

    def should_stop(self) -> bool:
        return False


def settings(iterations: int, chunk_iterations: int) -> Settings:
    """Settings of a run in the guessing market."""
    return Settings(
        chunk_iterations=chunk_iterations,
        stage1={"iterations": 1},
        stage2={"iterations": 1},
        stage3={"iterations": iterations - 2},
        validation={"every_chunks": 2, "seeds": 2, "episodes": 4},
    )


def train(folder: Path, iterations: int, chunk_iterations: int) -> None:
    """Train to the end in ``folder``, a third of the iterations in the first stage."""
    env = Guessing()
    curriculum = guessing_curriculum(iterations, iterations // 3)
    chosen = settings(iterations, chunk_iterations)
    learner = Climber(env)
    validator = Validator(learner, curriculum, chosen.validation)
    Trainer(learner, curriculum, validator, chosen, RunFolder(folder), Silent()).run()


def main() -> None:
    folder, iterations, chunk_iterations, deadline = Path(sys.argv[1]), *map(int, sys.argv[2:])
    count = 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        if event in FILE_OPERATIONS and str(folder) in str(arguments[0]):
            count += 1
            if count == deadline:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    train(folder, iterations, chunk_iterations)
    print(count)


if __name__ == "__main__":
    main()
