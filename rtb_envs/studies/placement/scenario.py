"""Scenario files: a policy, an auction and how ads wear on users, in YAML; every error of a file at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, ValidationError

from rtb_envs.envs.ad_placement import AdPlacement, make_ad_placement
from rtb_envs.envs.ad_placement.config import LEAST_AMOUNT, MAX_CPM
from rtb_envs.model_errors import rule_broken
from rtb_envs.policies.placement import FixedPlacement, ThresholdPlacement, UtilityPlacement
from rtb_envs.policies.policy import Policy
from rtb_envs.validation import shown
from rtb_envs.yaml_reader import YamlError, read_yaml

MAX_EVENTS = 5_000_000
"""Events of all days together: every one is kept, in some hundred bytes."""


def _printable(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError("must be printable, without spaces around it")
    return text


def _in_a_list(text: str) -> str:
    # The log lists the winners of an event's slots with commas between them.
    if "," in text:
        raise ValueError("must be without a comma")
    return text


Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict()]
Share = Annotated[Number, Field(ge=0, le=1)]
Name = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_printable)]


class ScenarioError(Exception):
    """A file that is no scenario; ``errors`` are lines that name item, field and rule."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("; ".join(errors))
        self.errors = errors


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Fixed(_Section):
    """Opens slots every so many events."""

    rule: Literal["fixed"]
    slots_per_open: Annotated[Whole, Field(ge=0, le=8)] = 1
    every_n_events: Annotated[Whole, Field(ge=1, le=100_000)] = 1


class Threshold(_Section):
    """Opens slots while the expected eCPM exceeds a threshold."""

    rule: Literal["threshold"]
    threshold_ecpm: Annotated[Number, Field(ge=0, le=MAX_CPM)]
    max_slots: Annotated[Whole, Field(ge=0, le=8)] | None = None
    exploration: Share | None = None


class Utility(_Section):
    """Weighs revenue against annoyance; ``lambda`` is its weight, in $."""

    rule: Literal["utility"]
    annoyance_weight: Annotated[Number, Field(ge=0, le=1e6, alias="lambda")]
    max_slots: Annotated[Whole, Field(ge=0, le=8)] | None = None


class AdvertiserItem(_Section):
    """One advertiser; see ``rtb_envs.envs.ad_placement.Advertiser``."""

    name: Annotated[Name, AfterValidator(_in_a_list)]
    ctr: Share
    quality: Annotated[Number, Field(ge=0, le=10)] = 1.0
    format: Name = "banner"
    bid_cpm: Annotated[Number, Field(ge=LEAST_AMOUNT, le=200)] | None = None
    value_per_click: Annotated[Number, Field(ge=LEAST_AMOUNT, le=1e4)] | None = None
    daily_budget: Annotated[Number, Field(ge=LEAST_AMOUNT, le=2000)] | None = None


class SlotTypeItem(_Section):
    """One slot type; see ``rtb_envs.envs.ad_placement.SlotType``."""

    name: Name
    viewability: Share
    floor_cpm: Annotated[Number, Field(ge=0, le=200)]
    format: Name = "banner"
    share: Annotated[Number, Field(ge=LEAST_AMOUNT, le=1e6)] = 1.0


class Auction(_Section):
    """What is sold, to whom, and how."""

    pricing: Literal["second_price", "first_price", "hybrid"] = "second_price"
    hybrid_weight: Share = 0.25
    floor_multiplier: Annotated[Number, Field(ge=0, le=1000)] = 1.0
    below_floor: Literal["no_fill", "try_next"] = "no_fill"
    viewability: Annotated[bool, Strict()] = True
    max_slots: Annotated[Whole, Field(ge=1, le=8)] = 3
    advertisers: Annotated[list[AdvertiserItem], Field(min_length=1, max_length=64)] | None = None
    slot_types: Annotated[list[SlotTypeItem], Field(min_length=1, max_length=16)] | None = None


class Fatigue(_Section):
    """How ads wear on users; all but ``noise`` and ``fatigue_sensitivity`` are of the real market."""

    noise: Annotated[Number, Field(ge=0, le=0.05)] | None = None
    fatigue_sensitivity: Annotated[Number, Field(ge=0, le=2)] | None = None
    fatigue_floor: Share = 0.4
    pressure_half_life: Annotated[Number, Field(ge=0.1, le=20)] = 2.0
    patience: Annotated[Number, Field(ge=0, le=60)] = 2.0
    leaving_hazard: Annotated[Number, Field(ge=0, le=0.5)] = 0.02
    annoyance_hazard: Annotated[Number, Field(ge=0, le=0.5)] = 0.1
    arrival_rate: Annotated[Number, Field(ge=LEAST_AMOUNT, le=1)] = 0.03


class Scenario(_Section):
    """A whole file. ``days`` episodes of ``events`` events on the market's draws of ``seed``."""

    name: Name
    market: Literal["real", "classic"] = "real"
    seed: Annotated[Whole, Field(ge=0, lt=2**32)] = 1
    events: Annotated[Whole, Field(ge=1, le=100_000)] = 1000
    days: Annotated[Whole, Field(ge=2, le=4096)] = 64
    policy: Annotated[Fixed | Threshold | Utility, Field(discriminator="rule")]
    auction: Auction = Auction()
    fatigue: Fatigue = Fatigue()

    def environment(self) -> AdPlacement:
        """The market of the file. Its rules are told every eCPM that bids can reach."""
        options = {**self.auction.model_dump(), **self.fatigue.model_dump(), "max_ecpm": MAX_CPM}
        return make_ad_placement(market=self.market, horizon=self.events, **options)

    def rule(self, env: AdPlacement) -> Policy:
        """The policy of the file."""
        settings = self.policy.model_dump(exclude={"rule"})
        families: dict[str, Any] = {"fixed": FixedPlacement, "threshold": ThresholdPlacement}
        policy: Policy = families.get(self.policy.rule, UtilityPlacement).for_env(env, **settings)
        return policy


def read_scenario(path: Path) -> Scenario:
    """The scenario of a YAML file; ScenarioError with every error that it has."""
    try:
        content = read_yaml(path)
    except OSError as error:
        raise ScenarioError([f"{path}: cannot be read: {error.strerror}"]) from None
    except YamlError as error:
        raise ScenarioError([f"{path}: {one}" for one in error.errors]) from None
    return scenario_of(content, str(path))


def scenario_of(content: Any, source: str = "scenario") -> Scenario:
    """The scenario of a mapping; ScenarioError with every error that it has."""
    if not isinstance(content, dict):
        raise ScenarioError([f"{source}: must be a mapping with name and policy, got {shown(content)}"])
    try:
        scenario = Scenario.model_validate(content)
    except ValidationError as error:
        raise ScenarioError([f"{source}: {_line(one, content)}" for one in error.errors()]) from None
    if errors := list(_contradictions(scenario)):
        raise ScenarioError([f"{source}: {error}" for error in errors])
    return scenario


def _line(error: Any, content: dict[str, Any]) -> str:
    """Item, field, rule and what was given."""
    where, place = "", content
    section: type[_Section] = Scenario
    for part in error["loc"]:
        section = _SECTIONS.get(part, section)
        if part in _RULES:
            continue  # pydantic's own name of the chosen policy
        where += f"[{part}]" if isinstance(part, int) else f".{part}" if where else str(part)
        place = _inside(place, part)
        if isinstance(part, int) and isinstance(place, dict) and "name" in place:
            where += f" ({shown(place['name'])})"
    if error["type"] == "union_tag_not_found":
        return f"{where}.rule: is missing; the rules are {', '.join(_RULES)}"
    if error["type"] == "union_tag_invalid":
        return f"{where}.rule: must be one of {', '.join(_RULES)}, got {shown(error['input']['rule'])}"
    if error["type"] == "extra_forbidden":
        known = (field.alias or name for name, field in section.model_fields.items())
        return f"{where}: is no field; the fields are {', '.join(known)}"
    return f"{where}: {rule_broken(error)}"


_RULES: dict[Any, type[_Section]] = {"fixed": Fixed, "threshold": Threshold, "utility": Utility}
_SECTIONS: dict[Any, type[_Section]] = {
    **_RULES,
    "auction": Auction,
    "advertisers": AdvertiserItem,
    "slot_types": SlotTypeItem,
    "fatigue": Fatigue,
}


def _inside(place: Any, part: Any) -> Any:
    try:
        return place[part]
    except (KeyError, IndexError, TypeError):
        return None


def _contradictions(scenario: Scenario) -> Any:
    """What each field allows, but not together."""
    if scenario.days * scenario.events > MAX_EVENTS:
        yield f"days: days times events must be at most {MAX_EVENTS:,}, got {scenario.days * scenario.events:,}"
    needed = "bid_cpm" if scenario.market == "classic" else "value_per_click"
    for index, advertiser in enumerate(scenario.auction.advertisers or ()):
        if getattr(advertiser, needed) is None:
            rule = f"must be given in the {scenario.market} market"
            yield f"auction.advertisers[{index}] ({advertiser.name!r}).{needed}: {rule}"
    for kind in ("advertisers", "slot_types"):
        seen: set[str] = set()
        for index, item in enumerate(getattr(scenario.auction, kind) or ()):
            if item.name in seen:
                yield f"auction.{kind}[{index}] ({item.name!r}).name: must be unique"
            seen.add(item.name)
    for field in ("slots_per_open", "max_slots"):
        slots = getattr(scenario.policy, field, None)
        if slots is not None and slots > scenario.auction.max_slots:
            yield f"policy.{field}: must be at most auction.max_slots, {scenario.auction.max_slots}, got {slots}"
