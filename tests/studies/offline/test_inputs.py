"""Forecasts and baselines: what a file may hold, and every error in it at once with item, field and rule."""

import copy
import json
from pathlib import Path

import pytest
import yaml

from rtb_envs.studies.offline.baselines import example_baselines, parse_baselines, read_baselines
from rtb_envs.studies.offline.checks import Checks, InvalidInputError
from rtb_envs.studies.offline.example import (
    BY_EXPOSURE,
    FORECASTS,
    PLACEMENTS,
    example_files,
    example_forecasts,
    write_example,
)
from rtb_envs.studies.offline.forecasts import leading_items, parse_forecasts, read_forecasts
from rtb_envs.users.personas import DAYPARTS

KEY = "30000"


@pytest.fixture
def document():
    return copy.deepcopy(example_forecasts())


def errors_of(document):
    with pytest.raises(InvalidInputError) as refused:
        parse_forecasts(document, KEY, Checks("forecasts.json"))
    return refused.value.errors


def test_rates_and_frequency_are_ratios_of_medians(document):
    figures = document["items"][0]["budgets"][KEY]
    item = parse_forecasts(document, KEY, Checks("f"))[0]
    assert item.ctr == figures["clicks"]["p50"] / figures["impressions"]["p50"]
    assert item.cvr == figures["signups"]["p50"] / figures["clicks"]["p50"]
    assert item.frequency == pytest.approx(figures["impressions"]["p50"] / figures["reach"]["p50"])


def test_rates_have_a_floor_and_frequency_a_default(document):
    figures = document["items"][0]["budgets"][KEY]
    del figures["reach"]
    for name in ("clicks", "signups"):
        figures[name] = {"p10": 0, "p50": 0, "p90": 0}
    item = parse_forecasts(document, KEY, Checks("f"))[0]
    assert (item.ctr, item.cvr, item.frequency) == (1e-6, 1e-6, 3.0)


def test_the_twelve_with_the_highest_p_win_lead(document):
    items = leading_items(parse_forecasts(document, KEY, Checks("f")))
    highest = sorted((entry["p_win"] for entry in document["items"]), reverse=True)[:12]
    assert [item.p_win for item in items] == highest


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("impressions", "p50"), 0, "impressions: p50 must be at least 1e-06, got 0"),
        (("clicks", "p10"), -3, "clicks: p10 must be at least 0, got -3"),
        (("signups", "p50"), "many", "signups: p50 must be a finite number, got 'many'"),
        (("cac", "p90"), True, "cac: p90 must be a finite number, got True"),
        (("cac", "p90"), 10**400, "cac: p90 must be at most 1e+12, got 1000"),
        (("cac", "p50"), float("nan"), "cac: p50 must be a finite number, got nan"),
        (("cac", "p50"), 1e-320, "cac: p50 must be at least 1e-06, got 1e-320"),
        (("impressions", "p90"), 1e-7, "impressions: p90 must be at least 1e-06, got 1e-07"),
        (("cac", "p10"), 1e9, "cac: p10 must not exceed p50"),
        (("reach", "p50"), 0, "reach: p50 must be at least 1e-06, got 0"),
        (("cac",), 5, "cac must be a mapping"),
    ],
)
def test_an_impossible_figure_is_named_with_its_item_field_and_rule(document, path, value, said):
    *parents, last = path
    figures = document["items"][3]["budgets"][KEY]
    for name in parents:
        figures = figures[name]
    figures[last] = value
    name = document["items"][3]["creative_id"]
    assert any(f"item {name!r}: budgets.30000.{said}" in error for error in errors_of(document))


@pytest.mark.parametrize("quantile", ["p10", "p50", "p90"])
def test_counts_must_not_rise_from_impressions_to_signups_at_any_quantile(document, quantile):
    document["items"][0]["budgets"][KEY] = {
        "impressions": dict.fromkeys(("p10", "p50", "p90"), 1000.0),
        "clicks": {**dict.fromkeys(("p10", "p50", "p90"), 1000.0), quantile: 2000.0},
        "signups": {**dict.fromkeys(("p10", "p50", "p90"), 1000.0), quantile: 3000.0},
        "cac": dict.fromkeys(("p10", "p50", "p90"), 30.0),
        "reach": {**dict.fromkeys(("p10", "p50", "p90"), 1000.0), quantile: 4000.0},
    }
    said = [error.split("budgets.30000.")[1] for error in errors_of(document)]
    assert f"clicks: {quantile} must not exceed impressions, got 2000 > 1000" in said
    assert f"signups: {quantile} must not exceed clicks, got 3000 > 2000" in said
    assert f"reach: {quantile} must not exceed impressions, got 4000 > 1000" in said


@pytest.mark.parametrize("name", ["", "a\nb", "\ud800", "x" * 201, 5, None])
def test_a_creative_has_a_name_that_can_be_shown(document, name):
    document["items"][0]["creative_id"] = name
    (error,) = errors_of(document)
    assert "item 0: creative_id " in error
    assert len(error) < 400


def test_a_key_that_is_given_twice_is_named_with_its_item(tmp_path, document):
    name = document["items"][0]["creative_id"]
    text = json.dumps(document).replace('"p10"', '"p50"', 1).replace('"p_win"', '"creative_id": "x", "p_win"', 1)
    path = tmp_path / "forecasts.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInputError) as refused:
        read_forecasts(path, "10000")
    assert "forecasts.json: item 0 must give 'creative_id' once" in refused.value.errors
    assert any("impressions must give 'p50' once" in error for error in refused.value.errors), name


def test_a_byte_order_mark_is_read_over_and_another_encoding_refused(tmp_path, document):
    path = tmp_path / "forecasts.json"
    path.write_text(json.dumps(document), encoding="utf-8-sig")
    assert len(read_forecasts(path, KEY)) == 16
    path.write_text(json.dumps(document), encoding="utf-16")
    with pytest.raises(InvalidInputError, match=r"forecasts\.json: the file is not UTF-8: byte 0 is 0xff"):
        read_forecasts(path, KEY)


def test_thousands_of_equal_names_are_found_in_one_pass(document):
    document["items"] *= 1000
    assert len(errors_of(document)) == 16


@pytest.mark.parametrize("figure", ["impressions", "clicks", "signups", "cac"])
def test_every_figure_and_quantile_that_is_missing_is_named(document, figure):
    del document["items"][0]["budgets"][KEY][figure]
    del document["items"][1]["budgets"][KEY][figure]["p50"]
    first, second = (document["items"][index]["creative_id"] for index in (0, 1))
    assert errors_of(document) == [
        f"forecasts.json: item {first!r}: budgets.30000.{figure} is missing",
        f"forecasts.json: item {second!r}: budgets.30000.{figure}: p50 is missing",
    ]


def test_several_errors_are_reported_at_once(document):
    document["items"][0]["p_win"] = 1.5
    del document["items"][1]["creative_id"]
    document["items"][2]["budgets"] = {"10": {}}
    document["items"][4]["creative_id"] = document["items"][5]["creative_id"]
    document["items"][6] = "video"
    errors = errors_of(document)
    assert len(errors) == 5
    for said in (
        "p_win must be at most 1, got 1.5",
        "item 1: creative_id is missing",
        "has no '30000'",
        "must be unique",
        "item 6 must be a mapping",
    ):
        assert any(said in error for error in errors)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ((0,), "item 0 must be a mapping"),
        ((0, "budgets"), "budgets must be a mapping"),
        ((0, "budgets", KEY), "budgets.30000 must be a mapping"),
        ((0, "budgets", KEY, "cac"), "budgets.30000.cac must be a mapping"),
    ],
)
def test_what_holds_nothing_is_no_figure(document, path, said):
    parent = document["items"]
    for name in path[:-1]:
        parent = parent[name]
    parent[path[-1]] = {}
    (error,) = errors_of(document)
    assert said in error


@pytest.mark.parametrize("text", ["", "{", "[]", '{"items": []}', '{"items": 3}', "[" * 100_000])
def test_a_file_that_is_no_forecast_is_refused(tmp_path, text):
    path = tmp_path / "forecasts.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInputError, match=r"forecasts\.json"):
        read_forecasts(path, KEY)


def test_the_examples_placements_are_the_published_ones():
    baselines = example_baselines()
    assert baselines.placements == ("Feed", "Stories", "Reels", "Audience Network", "Video Feeds")
    clicks, impressions = baselines.clicks[:, 0, 0], baselines.impressions[:, 0, 0]
    assert clicks / impressions == pytest.approx([0.0145, 0.0213, 0.0187, 0.0124, 0.0245])
    assert baselines.conversions[:, 0, 0] / clicks == pytest.approx([0.0031, 0.0042, 0.0028, 0.0019, 0.0038])
    assert not baselines.detailed
    assert baselines.assumed_impressions


def cells():
    return [
        {"daypart": part, "exposure": n, "impressions": 1000 * n, "clicks": 20, "conversions": 1}
        for part in DAYPARTS
        for n in range(1, 9)
    ]


def test_cells_of_dayparts_and_exposures_are_read_in_their_places():
    document = {"placements": {"Feed": {"cpm_dollars": 100, "cells": cells()[::-1]}}}
    baselines = parse_baselines(document, Checks("placements.yaml"))
    assert baselines.detailed
    assert not baselines.assumed_impressions
    assert baselines.impressions.shape == (1, 4, 8)
    assert baselines.impressions[0, 2].tolist() == [1000 * n for n in range(1, 9)]


def test_every_error_of_a_baselines_file_is_reported():
    broken = cells()
    broken[0]["clicks"] = 5000
    broken[1]["conversions"] = 30
    broken[2]["exposure"] = 9
    broken[3] = broken[4]
    broken[5]["click"] = 1
    broken[6]["exposure"] = True
    document = {
        "placements": {"Feed": {"cpm_dollars": -1, "cells": broken}, "Reels": {"ctr_percent": 0, "impresions": 5}}
    }
    with pytest.raises(InvalidInputError) as refused:
        parse_baselines(document, Checks("placements.yaml"))
    text = str(refused.value)
    for said in (
        "must give cells for every placement or for none",
        "'Feed': cpm_dollars must be at least 1e-06, got -1",
        "'Reels': ctr_percent must be at least 0.0001, got 0",
        "'Reels': cvr_percent is missing",
        "'Reels': cpm_dollars is missing",
        "'Reels': 'impresions' is no field; the fields are cpm_dollars, ctr_percent, cvr_percent, impressions",
    ):
        assert said in text
    document["placements"].pop("Reels")
    with pytest.raises(InvalidInputError) as refused:
        parse_baselines(document, Checks("placements.yaml"))
    text = str(refused.value)
    for said in (
        "cell 0: clicks must not exceed impressions, got 5000 > 1000",
        "cell 1: conversions must not exceed clicks, got 30 > 20",
        "cell 2 must have a daypart",
        "cell 5: 'click' is no field; the fields are daypart, exposure, impressions, clicks, conversions",
        "cell 6 must have a daypart",
        "repeats morning, exposure 5",
        "3 are missing",
    ):
        assert said in text


@pytest.mark.parametrize("clicks", [0, 1e-320, 0.03])
def test_cells_without_a_click_have_no_conversion_rate(clicks):
    few = [{**cell, "clicks": clicks, "conversions": 0} for cell in cells()]
    document = {"placements": {"Feed": {"cpm_dollars": 1, "cells": few}}}
    with pytest.raises(InvalidInputError, match="'Feed': cells must have a click in one of them at least"):
        parse_baselines(document, Checks("placements.yaml"))


@pytest.mark.parametrize(
    "text",
    [
        *("", "a: [", "placements: {}", "placements: 3", "placements: {Feed: 3}", "placements: {Feed: {}, Feed: {}}"),
        *("placements: {5: {}}", "x: 1", "placements: {?: 1}"),
        "placements:\n" + "".join(f"  p{i}: {{cpm_dollars: 1, ctr_percent: 1, cvr_percent: 1}}\n" for i in range(201)),
    ],
)
def test_a_file_that_holds_no_baselines_is_refused(tmp_path, text):
    path = tmp_path / "placements.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInputError, match=r"placements\.yaml"):
        read_baselines(path)


def test_the_examples_files_that_the_page_links_to_are_the_generators():
    shipped = Path(__file__).resolve().parents[3] / "docs" / "_static" / "offline_study"
    assert {path.name: path.read_text(encoding="utf-8") for path in shipped.iterdir()} == example_files()


def test_the_example_is_what_its_generator_writes_and_what_the_study_reads(tmp_path):
    paths = write_example(tmp_path / "new" / "folder")
    assert [path.name for path in paths] == [FORECASTS, PLACEMENTS, BY_EXPOSURE]
    assert {path.name: path.read_text(encoding="utf-8") for path in paths} == example_files()
    assert len(read_forecasts(paths[0], KEY)) == 16
    assert read_baselines(paths[1]).placements == example_baselines().placements
    assert read_baselines(paths[2]).detailed
    assert json.loads(example_files()[FORECASTS]) == example_forecasts()
    assert "Feed" in yaml.safe_load(example_files()[PLACEMENTS])["placements"]
