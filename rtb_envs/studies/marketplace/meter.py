"""What language models cost: tokens times price, per million."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

MILLION = 1_000_000
BATCH = 10
"""Decisions that one call may hold."""


@dataclass(frozen=True)
class TokenPrices:
    """Dollars per million tokens."""

    input: float = 0.25
    output: float = 1.25

    def dollars(self, input_tokens: float, output_tokens: float) -> float:
        """What so many tokens cost."""
        return (input_tokens * self.input + output_tokens * self.output) / MILLION


@dataclass
class Meter:
    """Counts of what was asked, answered and paid; ``limit`` in dollars, None is none."""

    prices: TokenPrices = TokenPrices()
    limit: float | None = None
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    sources: Counter[str] = field(default_factory=Counter)
    """Decisions by who took them: "model", "cache" or "rules"."""
    failures: Counter[str] = field(default_factory=Counter)
    """Calls that gave nothing, by reason."""
    cacheable: int = 0
    """Decisions of a kind that may be cached."""
    watching_calls: int = 0
    """Calls about anomalies, and what they read and wrote: paid for, but no decisions."""
    watching_input_tokens: int = 0
    watching_output_tokens: int = 0
    unanswered_input_tokens: int = 0
    """Estimates of what attempts without a countable answer read and could write: a server may have billed them."""
    unanswered_output_tokens: int = 0
    system_tokens: int = 0
    """Of the input tokens an estimate of those that every call repeats, for the cost table."""

    @property
    def dollars(self) -> float:
        """What the tokens so far cost."""
        read = self.input_tokens + self.watching_input_tokens
        return self.prices.dollars(read, self.output_tokens + self.watching_output_tokens)

    @property
    def cache_hit_rate(self) -> float:
        """The share of cacheable decisions that were in the cache."""
        return self.sources["cache"] / self.cacheable if self.cacheable else 0.0

    def watched(self, input_tokens: int, output_tokens: int) -> None:
        """Count a call about anomalies."""
        self.watching_calls += 1
        self.watching_input_tokens += input_tokens
        self.watching_output_tokens += output_tokens

    @property
    def most_dollars(self) -> float:
        """What the tokens so far cost, and at most those of attempts without an answer."""
        return self.dollars + self.prices.dollars(self.unanswered_input_tokens, self.unanswered_output_tokens)

    def allows(self, input_tokens: int, output_tokens: int) -> bool:
        """Whether a call of at most so many tokens stays within the limit."""
        return self.limit is None or self.most_dollars + self.prices.dollars(input_tokens, output_tokens) <= self.limit

    def try_once(self, input_tokens: int, output_tokens: int) -> bool:
        """Count an attempt that may read and write so many tokens as one without an answer, if the limit allows it."""
        if not self.allows(input_tokens, output_tokens):
            return False
        self.unanswered_input_tokens += input_tokens
        self.unanswered_output_tokens += output_tokens
        return True

    def was_answered(self, input_tokens: int, output_tokens: int) -> None:
        """Take back the last attempt of that size: its answer says what it took."""
        self.unanswered_input_tokens -= input_tokens
        self.unanswered_output_tokens -= output_tokens


class CostRow(NamedTuple):
    """One line of the cost table."""

    way: str
    calls: float
    input_tokens: float
    output_tokens: float
    dollars: float


def cost_table(meter: Meter, bid_decisions: int) -> list[CostRow]:
    """What the bid decisions of a run would have cost in five ways, from the tokens that ``meter`` counted.

    plain: a call for every decision; + cache: without those that were found; + batch: ten decisions a call; + tree:
    only what the decision tree passes on, which is what was done and paid; mock: the rules. Empty where no model
    answered.
    """
    answered = meter.sources["model"]
    if not answered or not meter.calls:
        return []
    fixed = meter.system_tokens / meter.calls
    each_in = max(meter.input_tokens - meter.system_tokens, 0) / answered
    each_out = meter.output_tokens / answered
    missed = 1 - meter.cache_hit_rate

    def row(way: str, decisions: float, batch: int) -> CostRow:
        calls = decisions / batch
        tokens = calls * fixed + decisions * each_in, decisions * each_out
        return CostRow(way, calls, *tokens, meter.prices.dollars(*tokens))

    return [
        row("plain", bid_decisions, 1),
        row("+ cache", bid_decisions * missed, 1),
        row("+ batch", bid_decisions * missed, BATCH),
        CostRow(
            "+ tree",
            meter.calls,
            meter.input_tokens,
            meter.output_tokens,
            meter.prices.dollars(meter.input_tokens, meter.output_tokens),
        ),
        CostRow("mock", 0, 0, 0, 0.0),
    ]
