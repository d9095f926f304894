"""The page of textbook numbers names tests that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "theory.md").read_text(encoding="utf-8")


def test_every_test_that_the_page_of_textbook_numbers_names_is_in_one_of_the_files_of_its_section():
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        files = re.findall(r"`(tests/[\w/]+\.py)`", section)
        defined = set(
            re.findall(r"^def (test_\w+)", "\n".join((ROOT / file).read_text() for file in files), re.MULTILINE)
        )
        named = set(re.findall(r"`(test_\w+)`", section))
        assert named, section.splitlines()[0]
        assert named <= defined, named - defined
