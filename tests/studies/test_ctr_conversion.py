"""The conversion of a log: its quirks, rows that do not fit, files that are no log, and interruptions."""

import datetime
import gzip
import os
import random
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rtb_envs.studies.ctr import conversion, reading
from rtb_envs.studies.ctr.avazu import LogError
from rtb_envs.studies.ctr.conversion import convert
from tests.studies.ctr_logs import HEADER, ROW, line, write_log

ROOT = Path(__file__).resolve().parents[2]


def converted(tmp_path, lines, **arguments):
    source = write_log(tmp_path / "log.csv", lines)
    report = convert(source, tmp_path / "log.parquet", **arguments)
    return report, pl.read_parquet(tmp_path / "log.parquet")


def leftovers(folder):
    return sorted(path.name for path in folder.iterdir() if path.suffix == ".parquet")


def test_every_column_keeps_its_value_and_has_the_type_that_fits_it(tmp_path):
    report, frame = converted(tmp_path, [line()])
    assert report.rows_written == 1
    hashes = [name for name in ROW if name.startswith(("site", "app")) or name in ("device_id", "device_ip")]
    for name in ROW:
        value = ROW[name] if name in [*hashes, "device_model"] else int(ROW[name])
        assert frame[name].to_list() == [value], name
    assert frame["id"].dtype == pl.UInt64
    assert frame.columns == [*HEADER.split(","), "hour_of_day", "day_of_week"]


def test_hashes_of_decimal_digits_keep_their_leading_zeros(tmp_path):
    _, frame = converted(tmp_path, [line(site_id="00000919", device_ip="00000000")])
    assert frame["site_id"].to_list() == ["00000919"]
    assert frame["device_ip"].to_list() == ["00000000"]


def test_the_calendar_is_that_of_the_date_for_every_hour_of_the_log(tmp_path):
    begin = datetime.datetime(2014, 10, 21)
    times = [begin + datetime.timedelta(hours=hour) for hour in range(240)]
    _, frame = converted(tmp_path, [line(hour=f"{moment:%y%m%d%H}") for moment in times])
    assert frame["hour_of_day"].to_list() == [moment.hour for moment in times]
    assert frame["day_of_week"].to_list() == [moment.isoweekday() for moment in times]


def test_a_log_is_never_written_over_itself_nor_over_a_folder(tmp_path):
    log = write_log(tmp_path / "log.csv", [",".join(ROW.values())])
    before = log.read_bytes()
    for target, reason in ((log, "is the log itself"), (tmp_path, "is a folder")):
        with pytest.raises(LogError, match=reason):
            convert(log, target)
    assert log.read_bytes() == before
    assert list(tmp_path.iterdir()) == [log]


def test_a_log_without_clicks_converts_too(tmp_path):
    header = HEADER.replace("click,", "")
    row = ",".join(value for name, value in ROW.items() if name != "click")
    report = convert(write_log(tmp_path / "test.csv", [row], header), tmp_path / "log.parquet")
    frame = pl.read_parquet(tmp_path / "log.parquet")
    assert not report.has_clicks
    assert "click" not in frame.columns
    assert frame.height == 1


def test_columns_in_another_order_and_foreign_ones_are_understood(tmp_path):
    names = list(reversed(HEADER.split(",")))
    header, row = ",".join([*names, "price"]), ",".join([*(ROW[name] for name in names), "7.5"])
    report = convert(write_log(tmp_path / "log.csv", [row], header), tmp_path / "log.parquet")
    assert report.ignored_columns == ("price",)
    assert pl.read_parquet(tmp_path / "log.parquet")["C21"].to_list() == [79]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_of_both_kinds_and_a_last_line_without_one_are_read(tmp_path, end):
    source = write_log(tmp_path / "log.csv", [line(), line(C21="80")], end=end)
    source.write_bytes(source.read_bytes().removesuffix(end.encode()))
    assert convert(source, tmp_path / "log.parquet").malformed == 0
    assert pl.read_parquet(tmp_path / "log.parquet")["C21"].to_list() == [79, 80]


MALFORMED = [
    (line() + ",1", "25 fields, must be 24"),
    (line() + ",", "25 fields, must be 24"),
    (line() + "," + line(), "48 fields, must be 24"),
    (line().rsplit(",", 1)[0], "23 fields, must be 24"),
    ("1,2,3", "3 fields, must be 24"),
    ("", "1 field, must be 24"),
    ("\x00\x01garbage", "1 field, must be 24"),
    (line(C21=""), "C21 is missing"),
    (line(id="\x00\x01garbage"), "id is '\\x00\\x01garbage', must be a number (UInt64)"),
    (line(id="18446744073709551616"), "id is '18446744073709551616', must be a number (UInt64)"),
    (line(id="-1"), "id is '-1', must be a number (UInt64)"),
    (line(click="2"), "click is '2', must be 0 or 1"),
    (line(click=""), "click is missing"),
    (line(hour="14102124"), "hour is '14102124', must be YYMMDDHH"),
    (line(hour="1410210"), "hour is '1410210', must be YYMMDDHH"),
    (line(hour="014102100"), "hour is '014102100', must be YYMMDDHH"),
    (line(hour="14023000"), "hour is '14023000', must be YYMMDDHH"),
    (line(banner_pos="top"), "banner_pos is 'top', must be a number (UInt8)"),
    (line(banner_pos="300"), "banner_pos is '300', must be a number (UInt8)"),
    (line(site_id="919"), "site_id is '919', must be 8 hexadecimal digits"),
    (line(device_ip="1234567g"), "device_ip is '1234567g', must be 8 hexadecimal digits"),
    (line(app_id='"ecad238'), "app_id is '\"ecad238', must be 8 hexadecimal digits"),
    (line(C20="nan"), "C20 is 'nan', must be a number (Int32)"),
]


@pytest.mark.parametrize(("bad", "reason"), MALFORMED, ids=[reason[:24] for _, reason in MALFORMED])
def test_a_malformed_row_is_left_out_and_counted_with_its_line_and_reason(tmp_path, bad, reason):
    report, frame = converted(tmp_path, [line(C21="1"), bad, line(C21="2")])
    assert frame["C21"].to_list() == [1, 2]
    assert (report.rows_read, report.rows_written, report.malformed) == (3, 2, 1)
    assert report.reasons == (f"line 3: {reason}",)
    assert report.miscounted == ("field" in reason)


@pytest.mark.parametrize(("bad", "reason"), MALFORMED[:3], ids=[reason for _, reason in MALFORMED[:3]])
def test_a_malformed_row_is_refused_if_strict_and_nothing_is_written(tmp_path, bad, reason):
    with pytest.raises(LogError, match=f"log.csv, line 3: {reason}"):
        converted(tmp_path, [line(), bad], strict=True)
    assert leftovers(tmp_path) == []


def test_of_many_malformed_rows_all_are_counted_and_five_are_shown(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "BLOCK_BYTES", 700)  # A few lines in each block: lines are counted across blocks.
    rows = [line(C21=str(number)) if number % 3 else "bad" for number in range(60)]
    report, frame = converted(tmp_path, rows)
    assert frame["C21"].to_list() == [number for number in range(60) if number % 3]
    assert report.malformed == report.miscounted == 20
    assert [reason.split(":")[0] for reason in report.reasons] == [f"line {2 + 3 * k}" for k in range(5)]


def test_blocks_of_any_size_give_the_same_rows(tmp_path, monkeypatch):
    rows = [line(C14=str(number)) for number in range(200)]
    _, whole = converted(tmp_path, rows)
    for size in (211, 1_000, 4_096):
        monkeypatch.setattr(reading, "BLOCK_BYTES", size)
        assert converted(tmp_path, rows)[1].equals(whole)


def pack_gz(path, text):
    path.write_bytes(gzip.compress(text))


def pack_zip(path, text):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train", text)


def pack_gz_in_zip(path, text):
    pack_zip(path, gzip.compress(text))


@pytest.mark.parametrize("pack", [pack_gz, pack_zip, pack_gz_in_zip])
def test_packed_logs_are_known_by_their_content(tmp_path, pack):
    plain = write_log(tmp_path / "log.csv", [line(), line(click="1")])
    pack(tmp_path / "train", plain.read_bytes())
    convert(tmp_path / "train", tmp_path / "log.parquet")
    assert pl.read_parquet(tmp_path / "log.parquet")["click"].to_list() == [0, 1]


def noise(lines, seed=0):
    """Rows that do not compress to almost nothing."""
    rng = random.Random(seed)
    return [line(id=str(rng.randrange(2**63)), device_ip=f"{rng.randrange(2**32):08x}") for _ in range(lines)]


@pytest.mark.parametrize("pack", [pack_gz, pack_gz_in_zip])
def test_a_truncated_gz_is_refused_and_leaves_nothing(tmp_path, pack):
    plain = write_log(tmp_path / "log.csv", noise(500)).read_bytes()
    if pack is pack_gz:
        (tmp_path / "log.gz").write_bytes(gzip.compress(plain)[:-2_000])
    else:
        pack_zip(tmp_path / "log.gz", gzip.compress(plain)[:-2_000])
    with pytest.raises(LogError, match=r"log.gz is cut off: its compressed data ends too early"):
        convert(tmp_path / "log.gz", tmp_path / "log.parquet")
    assert leftovers(tmp_path) == []


def test_a_damaged_gz_and_a_truncated_zip_are_refused(tmp_path):
    plain = write_log(tmp_path / "log.csv", noise(500)).read_bytes()
    packed = bytearray(gzip.compress(plain))
    packed[len(packed) // 2 :] = bytes(len(packed) - len(packed) // 2)
    (tmp_path / "log.gz").write_bytes(packed)
    pack_zip(tmp_path / "log.zip", plain)
    (tmp_path / "log.zip").write_bytes((tmp_path / "log.zip").read_bytes()[:-2_000])
    for name in ("log.gz", "log.zip"):
        with pytest.raises(LogError, match=rf"{name} is .*(damaged|cut off)"):
            convert(tmp_path / name, tmp_path / "log.parquet")
    assert leftovers(tmp_path) == []


def test_a_zip_of_several_files_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "log.zip", "w") as archive:
        archive.writestr("train.csv", "a")
        archive.writestr("test.csv", "b")
    with pytest.raises(LogError, match="holds 2 files, must hold one"):
        convert(tmp_path / "log.zip", tmp_path / "log.parquet")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "log.csv is empty: a log begins with a header line"),
        ("\n", "log.csv is empty"),
        (HEADER, "log.csv has a header and no rows"),
        (HEADER + "\n", "log.csv has a header and no rows"),
        (HEADER + "\nbad\nworse\n", "all 2 rows are malformed, the first: line 2: 1 field, must be 24"),
        (HEADER.replace(",C14", "").replace(",hour", ""), "log.csv lacks 2 of Avazu's columns: hour, C14"),
        (HEADER + ",C14\n", "log.csv has columns of the same name: C14"),
        ("x,y\n1,2\n", "log.csv lacks 23 of Avazu's columns: id, hour"),
    ],
)
def test_a_file_that_is_no_log_is_refused_in_one_line(tmp_path, content, message):
    (tmp_path / "log.csv").write_text(content)
    with pytest.raises(LogError, match=message) as refused:
        convert(tmp_path / "log.csv", tmp_path / "log.parquet")
    assert "\n" not in str(refused.value)
    assert leftovers(tmp_path) == []


def test_a_file_without_line_ends_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "BLOCK_BYTES", 1 << 20)
    (tmp_path / "log.csv").write_bytes(b"x" * (3 << 20))
    with pytest.raises(LogError, match="has a line of more than 1 MiB"):
        convert(tmp_path / "log.csv", tmp_path / "log.parquet")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(LogError, match=r"none.csv cannot be read: No such file"):
        convert(tmp_path / "none.csv", tmp_path / "log.parquet")
    with pytest.raises(LogError, match="Is a directory"):
        convert(tmp_path, tmp_path / "log.parquet")


def test_a_refused_log_leaves_the_earlier_conversion_as_it_was(tmp_path):
    _, before = converted(tmp_path, [line()])
    with pytest.raises(LogError):
        converted(tmp_path, ["bad"])
    assert pl.read_parquet(tmp_path / "log.parquet").equals(before)


def splitmix64(x):
    """The finaliser in Python's integers."""
    mask = 2**64 - 1
    x = (x + 0x9E3779B97F4A7C15) & mask
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & mask
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & mask
    return x ^ (x >> 31)


def test_ids_are_hashed_as_published():
    ids = [0, 1, 2**63, 2**64 - 1, 10015140740686523448]
    assert conversion.hashes(np.array(ids, np.uint64)).tolist() == [splitmix64(x) for x in ids]


def test_a_sample_is_of_the_size_asked_for_spread_over_all_hours_and_in_the_order_of_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "BLOCK_BYTES", 20_000)
    rng = random.Random(1)
    ids = [rng.randrange(2**64) for _ in range(4_800)]
    rows = [line(id=str(ids[k]), hour=f"1410{21 + k // 480}{k // 20 % 24:02}") for k in range(4_800)]
    report, frame = converted(tmp_path, rows, rows=1_000)
    largest = sorted(map(splitmix64, ids))[999]
    assert frame["id"].to_list() == [x for x in ids if splitmix64(x) <= largest]
    assert report.rows_written == 1_000
    # 100 expected a day; 6 standard deviations of the hypergeometric count are 52.
    assert all(48 < count < 152 for count in frame.group_by(pl.col("hour") // 100).len()["len"])


def test_a_sample_larger_than_the_log_is_the_log(tmp_path):
    report, frame = converted(tmp_path, [line(), line(id="7"), "bad"], rows=2)
    assert frame.height == report.rows_written == 2
    with pytest.raises(LogError, match="rows: got 0, must be at least 1"):
        converted(tmp_path, [line()], rows=0)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_conversion_leaves_no_half_file_and_can_be_repeated(tmp_path, end):
    source = write_log(tmp_path / "log.csv", noise(20_000))
    # Hold the conversion in the middle of its blocks, so that it is interrupted while it writes.
    program = (
        "import time; from rtb_envs import cli; from rtb_envs.studies.ctr import reading\n"
        "reading.BLOCK_BYTES = 100_000\n"
        "parse = reading.AvazuLog._parse\n"
        "def slow(self, block):\n"
        "    time.sleep(0.05); print(self.rows, flush=True); return parse(self, block)\n"
        "reading.AvazuLog._parse = slow\n"
        f"import sys; sys.argv = ['rtb', 'ctr', 'convert', {str(source)!r}, {str(tmp_path / 'log.parquet')!r}]\n"
        "cli.main()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True)
    for _ in range(5):
        running.stdout.readline()
    running.send_signal(end)
    running.communicate(timeout=60)
    assert running.returncode != 0
    # Only who is killed can not clean up.
    assert leftovers(tmp_path) == ([".log.unfinished.parquet"] if end == signal.SIGKILL else [])
    assert convert(source, tmp_path / "log.parquet").rows_written == 20_000
    assert pl.read_parquet(tmp_path / "log.parquet").height == 20_000
    assert leftovers(tmp_path) == ["log.parquet"]
