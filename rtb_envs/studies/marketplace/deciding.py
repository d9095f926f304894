"""Decisions that the tree passes on: from the cache, from the model in batches, or left to the rules."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rtb_envs.envs.marketplace.decisions import NO_ANSWER
from rtb_envs.studies.marketplace.meter import BATCH, Meter
from rtb_envs.studies.marketplace.model_cache import ModelCache
from rtb_envs.studies.marketplace.model_client import MessagesClient, ModelError
from rtb_envs.studies.marketplace.questions import (
    CACHEABLE,
    SYSTEM,
    Question,
    estimated_tokens,
    max_output_tokens,
    parse,
    prompt,
)

Decision = tuple[int, str]
"""An answer (``decisions.ACCEPT``, ``REJECT``, or ``NO_ANSWER`` for the rules), and "model", "cache" or "rules"."""


@dataclass(frozen=True)
class Call:
    """What one call of a model was about and took."""

    kind: str
    decisions: int
    input_tokens: int
    output_tokens: int
    unanswered_input_tokens: int
    """As ``Meter``'s; of the call's attempts."""
    unanswered_output_tokens: int
    seconds: float
    outcome: str


@dataclass(frozen=True)
class ModelDecider:
    """Answers questions, cache first; whatever a model fails to answer goes to the rules and is counted."""

    client: MessagesClient
    model: str
    cache: ModelCache
    meter: Meter
    batch: int = BATCH
    on_call: Callable[[Call], None] = lambda call: None

    def decide(self, questions: Sequence[Question]) -> list[Decision]:
        """A decision about each of ``questions``, in order."""
        decisions: list[Decision] = [(NO_ANSWER, "rules")] * len(questions)
        missed = []
        for i, question in enumerate(questions):
            self.meter.cacheable += question.kind in CACHEABLE
            known = self.cache.find(question)
            if known is None:
                missed.append(i)
            else:
                decisions[i] = (known, "cache")
        for first in range(0, len(missed), self.batch):
            part = missed[first : first + self.batch]
            answers = self._ask([questions[i] for i in part])
            if answers is not None:
                self.cache.keep([(questions[i], answer) for i, answer in zip(part, answers, strict=True)])
                for i, answer in zip(part, answers, strict=True):
                    decisions[i] = (answer, "model")
        self.meter.sources.update(source for _, source in decisions)
        return decisions

    def _ask(self, questions: list[Question]) -> list[int] | None:
        """The model's answers, or None where there is no valid one to every question."""
        text, meter = prompt(questions), self.meter
        most = estimated_tokens(SYSTEM + text), max_output_tokens(len(questions))
        if not meter.allows(*most):
            meter.failures["cost limit"] += 1
            return None
        began, used, answers = time.monotonic(), (0, 0), None
        before = meter.unanswered_input_tokens, meter.unanswered_output_tokens
        try:
            reply = self.client.ask(self.model, SYSTEM, text, most[1], lambda: meter.try_once(*most))
            meter.was_answered(*most)
            used = reply.input_tokens, reply.output_tokens
            answers = parse(reply.text, len(questions))
            outcome = "answered" if answers is not None else "invalid"
        except ModelError as error:
            outcome = error.reason
        lost = meter.unanswered_input_tokens - before[0], meter.unanswered_output_tokens - before[1]
        meter.calls += 1
        meter.input_tokens += used[0]
        meter.output_tokens += used[1]
        if used[0]:
            meter.system_tokens += round(used[0] * len(SYSTEM) / len(SYSTEM + text))
        if answers is None:
            meter.failures[outcome] += 1
            logging.warning("a model call gave no answer (%s); the rules decide %d offers", outcome, len(questions))
        self.on_call(Call(questions[0].kind, len(questions), *used, *lost, time.monotonic() - began, outcome))
        return answers
