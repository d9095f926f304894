"""YAML of settings: the core schema of YAML 1.2, and every error of a file with its line."""

import math

import pytest

from rtb_envs.yaml_reader import MAX_BYTES, YamlError, parse_yaml, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # YAML 1.2.2, section 10.3.2: tag resolution of the core schema.
        ("null", None),
        ("~", None),
        ("", None),
        ("true", True),
        ("FALSE", False),
        ("0", 0),
        ("-17", -17),
        ("010", 10),
        ("0o10", 8),
        ("0xA", 10),
        ("1e5", 100_000.0),
        ("1.5e-3", 0.0015),
        (".5", 0.5),
        ("-.inf", -math.inf),
        ("+.INF", math.inf),
        # What YAML 1.1 takes for booleans, base 60, a date and grouped digits is text.
        ("yes", "yes"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("1_000", "1_000"),
        ("'5'", "5"),
        ("!!str 5", "5"),
        ("{a: [1, {b: }], no: 2}", {"a": [1, {"b": None}], "no": 2}),
    ],
)
def test_a_scalar_is_what_the_core_schema_says(text, value):
    read = parse_yaml(text)
    assert read == value
    assert type(read) is type(value)


def test_not_a_number_is_read_as_it():
    assert math.isnan(parse_yaml(".nan"))


def test_every_error_is_told_with_its_line():
    text = "a: 1\nb: {c: 1, c: 2}\na: 3\n5: six\n? [x]\n: 1\ntrue: no\n"
    text += "big: 123456789012345678901\nfar: 1e400\nat: !!set {x}\n"
    with pytest.raises(YamlError) as refused:
        parse_yaml(text)
    assert refused.value.errors == [
        "line 2: c is given again, first in line 2",
        "line 3: a is given again, first in line 1",
        "line 4: the key 5 must be a text: put it in quotes",
        "line 5: the key (sequence) must be a text: put it in quotes",
        "line 7: the key true must be a text: put it in quotes",
        "line 8: 123456789012345678901 is no int that can be held",
        "line 9: 1e400 is no float that can be held",
        "line 10: the tag tag:yaml.org,2002:set is not taken",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1", "is not YAML: .*line 1"),
        ("a: 1\n---\nb: 2", "is not YAML: .*single document"),
        ("a: &x [1]\nb: *x", "aliases are not taken.*line 2"),
        ("a: &x [*x]", "aliases are not taken"),
        ("[" * 3000, "is nested too deeply"),
        ("a: !!python/object:os.system {}", "the tag tag:yaml.org,2002:python/object:os.system is not taken"),
        ("a: \x07", "is not YAML"),
    ],
)
def test_what_settings_do_not_need_is_refused_in_a_line(text, said):
    with pytest.raises(YamlError, match=said) as refused:
        parse_yaml(text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("name: é".encode("latin-1"), "is not UTF-8: byte 6 is 0xe9"),
        (b"a: " + b"x" * MAX_BYTES, "is larger than 1,000,000 bytes"),
    ],
)
def test_a_file_in_another_encoding_or_too_large_is_refused(tmp_path, content, said):
    path = tmp_path / "settings.yaml"
    path.write_bytes(content)
    with pytest.raises(YamlError, match=said):
        read_yaml(path)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_text("name: é", encoding="utf-8-sig")
    assert read_yaml(path) == {"name": "é"}
