"""Infos of many lanes: one dictionary each, made when first looked at, and from then on the caller's."""

import pytest

from rtb_envs.adapters.lane_infos import LaneInfos


def test_told_lanes_have_what_was_told_and_the_others_nothing():
    infos = LaneInfos(4, lambda: {2: {"won": 1}})
    assert len(infos) == 4
    assert list(infos) == [{}, {}, {"won": 1}, {}]
    assert infos[-2] == {"won": 1}
    assert infos[:] == list(infos)
    assert [lane for lane, info in enumerate(infos) if "won" in info] == [2]
    with pytest.raises(IndexError):
        infos[4]


def test_nothing_is_made_until_an_info_is_looked_at_and_then_once():
    calls = []
    infos = LaneInfos(3, lambda: calls.append("made") or {0: {"won": 1}})
    assert len(infos) == 3
    assert calls == []
    infos[1]["note"] = "mine"
    infos[2] = {"other": 2}
    assert list(infos) == [{"won": 1}, {"note": "mine"}, {"other": 2}]
    assert calls == ["made"]
    assert infos[0] is not LaneInfos(3)[0]
