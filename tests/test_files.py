"""Files are there whole or not at all."""

import json
from pathlib import Path

import pytest

from rtb_envs.files import check_writable, whole_or_nothing, write_atomically, write_json, write_text, write_texts


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_write_that_fails_leaves_nothing_new(tmp_path, kind):
    (tmp_path / "kept").write_text("before")

    def write():
        with whole_or_nothing(tmp_path / "kept") as unfinished:
            if kind == "file":
                unfinished.write_text("half")
            else:
                unfinished.mkdir()
                (unfinished / "part").write_text("half")
            raise RuntimeError("disk")

    with pytest.raises(RuntimeError, match="disk"):
        write()
    assert [file.name for file in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept").read_text() == "before"


def test_a_file_that_fails_while_it_is_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "table.csv"
    write_text(path, "old")

    def fail(unfinished):
        unfinished.write_text("ne")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        write_atomically(path, fail)
    assert path.read_text() == "old"
    write_text(path, "new")
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [("table.csv", "new")]


def test_what_a_killed_process_left_is_overwritten(tmp_path):
    path = tmp_path / "dataset"
    with whole_or_nothing(path) as unfinished:
        unfinished.touch()
    path.unlink()
    unfinished.mkdir()
    (unfinished / "part").write_text("half")
    write_text(path, "whole")
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [("dataset", "whole")]


def test_an_unfinished_file_has_the_suffix_that_writers_choose_their_format_by(tmp_path):
    written = []
    write_atomically(tmp_path / "curve.png", lambda unfinished: (written.append(unfinished), unfinished.touch()))
    assert written[0].suffix == ".png"
    assert written[0].name.startswith(".")


def test_json_never_holds_what_is_no_json(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "results.json", {"share": float("nan")})
    assert list(tmp_path.iterdir()) == []
    write_json(tmp_path / "results.json", {"share": 0.1})
    assert json.loads((tmp_path / "results.json").read_text()) == {"share": 0.1}


def test_texts_are_written_together_or_none_of_them(tmp_path):
    (tmp_path / "a").write_text("old")
    (tmp_path / "mine").write_text("kept")
    with pytest.raises(UnicodeEncodeError):
        write_texts(tmp_path, {"a": "new", "b": "\ud800"})
    assert {found.name: found.read_text() for found in tmp_path.iterdir()} == {"a": "old", "mine": "kept"}
    assert write_texts(tmp_path, {"a": "new", "b": "é"}) == [tmp_path / "a", tmp_path / "b"]
    read = {found.name: found.read_text(encoding="utf-8") for found in tmp_path.iterdir()}
    assert read == {"a": "new", "b": "é", "mine": "kept"}


def test_a_folder_in_a_texts_place_is_refused_before_anything_is_written(tmp_path):
    (tmp_path / "b").mkdir()
    with pytest.raises(IsADirectoryError, match="b is a folder"):
        write_texts(tmp_path, {"a": "new", "b": "new"})
    assert [found.name for found in tmp_path.iterdir()] == ["b"]


def test_what_can_be_written_is_found_out_without_a_trace(tmp_path):
    (tmp_path / "old").write_text("mine", encoding="utf-8")
    for path in (tmp_path / "old", tmp_path / "new", tmp_path / "not" / "yet" / "there.json"):
        check_writable(path)
    assert [(path.name, path.read_text(encoding="utf-8")) for path in tmp_path.iterdir()] == [("old", "mine")]


def test_what_cannot_be_written_is_found_out_without_a_trace(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    too_long = "x" * 250  # itself a name, but not so the hidden one beside it
    for path in (tmp_path / "file" / "a", tmp_path / "folder", tmp_path / "new" / too_long, tmp_path / "new" / "\0"):
        with pytest.raises((OSError, ValueError)):
            check_writable(path)
    with pytest.raises(OSError, match=r"Read-only|Permission|No such file"):
        check_writable(Path("/proc/new"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]
