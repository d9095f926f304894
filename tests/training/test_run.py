import pytest

from training.run import RunError, RunFolder

SETTINGS = {"seed": 0, "stage1": {"iterations": 3}}


@pytest.fixture
def folder(tmp_path):
    """The folder of a run that is about to begin."""
    return RunFolder(tmp_path / "runs" / "first")


def test_a_folder_belongs_to_the_settings_that_claimed_it(folder):
    folder.claim(SETTINGS)
    folder.claim(SETTINGS)
    assert folder.read_settings() == SETTINGS


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({**SETTINGS, "seed": 1}, "holds a run with seed = 0, this one has 1"),
        ({**SETTINGS, "stage1": {"iterations": 4}}, "holds a run with stage1.iterations = 3, this one has 4"),
        ({"seed": 0}, "holds a run with stage1 = {'iterations': 3}, this one has None"),
    ],
)
def test_a_folder_of_another_run_is_refused_and_left_alone(folder, other, message):
    folder.claim(SETTINGS)
    with pytest.raises(RunError, match=message):
        folder.claim(other)
    assert folder.read_settings() == SETTINGS


def test_a_folder_with_other_files_is_refused_and_left_alone(folder):
    folder.path.mkdir(parents=True)
    (folder.path / "thesis.tex").touch()
    with pytest.raises(RunError, match="holds files but no run"):
        folder.claim(SETTINGS)
    assert [path.name for path in folder.path.iterdir()] == ["thesis.tex"]


def test_a_path_that_cannot_be_a_run_is_refused_before_anything_is_written(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").touch()
    (tmp_path / "notes").touch()
    for path, message in (("thesis", "holds files but no run"), ("notes", "cannot be the folder of a run")):
        with pytest.raises(RunError, match=message), RunFolder(tmp_path / path).locked():
            pass
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
        "notes",
        "thesis",
        "thesis/thesis.tex",
    ]


def test_results_without_an_evaluation_are_refused(folder):
    folder.path.mkdir(parents=True)
    folder.results.write_text("{}", encoding="utf-8")
    with pytest.raises(RunError, match="holds no evaluation"):
        folder.read_results()


def test_one_process_at_a_time_writes_a_run(folder):
    with folder.locked(), pytest.raises(RunError, match="is being written by another process"), folder.locked():
        pass
    with folder.locked():
        folder.claim(SETTINGS)


@pytest.mark.parametrize("text", [None, "{", "[1]"])
def test_a_folder_without_readable_settings_is_no_run(folder, text):
    folder.path.mkdir(parents=True)
    if text is not None:
        folder.settings.write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match="is not the folder of a run"):
        folder.read_settings()
