"""Reading Avazu's CSV block by block: as it is, or inside a .gz or .zip, with memory that does not grow with the file.

Every field is read as text and then converted, so that a row which does not fit is known with its line and reason.
"""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, cast

import polars as pl

from rtb_envs.studies.ctr.avazu import CALENDAR, COLUMNS, HASHES, LogError

BLOCK_BYTES = 16 << 20
SHOWN_REASONS = 5
_SURPLUS = "\x00surplus"
_HEX_DIGITS = "^[0-9a-f]{8}$"


class AvazuLog:
    """A log in ``path``; ``rows`` and ``malformed`` count what ``batches`` has met so far.

    ``miscounted`` are those of the malformed that have another number of fields than the header.

    Raises LogError when the file cannot be read, is empty, or lacks a column other than ``click``.
    """

    def __init__(self, path: Path, strict: bool = False) -> None:
        self.path = path
        self._strict = strict
        self.rows = self.malformed = self.miscounted = 0
        self.reasons: list[str] = []
        self.header = self._read_header()
        self.has_clicks = "click" in self.header

    @property
    def schema(self) -> dict[str, type[pl.DataType]]:
        """Names and types of the columns that ``batches`` yields."""
        return {name: dtype for name, dtype in COLUMNS.items() if name in self.header} | CALENDAR

    @property
    def ignored_columns(self) -> list[str]:
        """Columns of the file that are none of Avazu's."""
        return [name for name in self.header if name not in COLUMNS]

    def batches(self) -> Iterator[pl.DataFrame]:
        """The well-formed rows in the order of the file, some ten thousand at a time.

        Raises LogError when the file ends in the middle of its compressed data, and, if strict, at the first
        malformed row.
        """
        self.rows = self.malformed = self.miscounted = 0
        self.reasons = []
        with ExitStack() as stack:
            stream = self._open(stack)
            for index, block in enumerate(self._blocks(stream)):
                yield self._parse(block.partition(b"\n")[2] if index == 0 else block)

    def _parse(self, block: bytes) -> pl.DataFrame:
        """The well-formed rows of whole lines; the others are counted."""
        if not block:
            return pl.DataFrame(schema=self.schema)
        text = pl.read_csv(
            io.BytesIO(block),
            has_header=False,
            schema=dict.fromkeys([*self.header, _SURPLUS], pl.String),
            missing_columns="insert",
            truncate_ragged_lines=True,
            quote_char=None,  # There are no quotes in the file, and one by accident must not swallow line ends.
            encoding="utf8-lossy",
        )
        names = [name for name in COLUMNS if name in self.header]
        parsed = text.select(*(_convert(name) for name in names), *_calendar())
        is_valid = parsed.select(pl.all_horizontal(pl.all().is_not_null())).to_series() & text[_SURPLUS].is_null()
        first_line, columns = self.rows + 2, len(self.header)
        self.rows += text.height
        # Fields that are missing read as empty ones do, and so do empty ones in excess: they are counted in the bytes.
        if not is_valid.all() or block.count(b",") != text.height * (columns - 1):
            fields = pl.Series([line.count(b",") + 1 for line in block.removesuffix(b"\n").split(b"\n")])
            is_valid &= fields == columns
            self._note(text, parsed, ~is_valid, fields, first_line)
            parsed = parsed.filter(is_valid)
        return parsed

    def _note(
        self, text: pl.DataFrame, parsed: pl.DataFrame, is_malformed: pl.Series, fields: pl.Series, first_line: int
    ) -> None:
        """Count malformed rows and say what is wrong with the first of them; ``fields`` is the number of each row's."""
        columns = len(self.header)
        for row in is_malformed.arg_true().to_list()[: SHOWN_REASONS - len(self.reasons)]:
            if fields[row] == columns:
                reason = _reason(text.row(row, named=True), parsed.row(row, named=True))
            else:
                reason = f"{fields[row]} field{'s' if fields[row] > 1 else ''}, must be {columns}"
            self.reasons.append(f"line {first_line + row}: {reason}")
            if self._strict:
                raise LogError(f"{self.path}, {self.reasons[-1]}")
        self.malformed += int(is_malformed.sum())
        self.miscounted += int((fields != columns).sum())

    def _read_header(self) -> list[str]:
        with ExitStack() as stack:
            first = next(self._blocks(self._open(stack)), b"").partition(b"\n")[0]
        names = first.decode("utf-8-sig", errors="replace").strip("\r\n").split(",")
        if not first.strip():
            raise LogError(f"{self.path} is empty: a log begins with a header line")
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise LogError(f"{self.path} has columns of the same name: {', '.join(repeated)}")
        missing = [name for name in COLUMNS if name not in names and name != "click"]
        if missing:
            raise LogError(f"{self.path} lacks {len(missing)} of Avazu's columns: {', '.join(missing)}")
        return names

    def _blocks(self, stream: IO[bytes]) -> Iterator[bytes]:
        """The file in blocks of whole lines."""
        rest = b""
        try:
            while block := stream.read(BLOCK_BYTES):
                lines, newline, beginning = block.rpartition(b"\n")
                if newline:
                    yield rest + lines + newline
                    rest = beginning
                else:
                    rest += block
                if len(rest) > BLOCK_BYTES:
                    raise LogError(f"{self.path} has a line of more than {BLOCK_BYTES >> 20} MiB: it is no CSV log")
            if rest:
                yield rest
        except EOFError:
            raise LogError(f"{self.path} is cut off: its compressed data ends too early") from None
        except (gzip.BadGzipFile, zipfile.BadZipFile, zlib.error) as error:
            raise LogError(f"{self.path} is damaged after {self.rows} rows: {error}") from None
        except OSError as error:
            raise LogError(f"{self.path} cannot be read: {error.strerror or error}") from None

    def _open(self, stack: ExitStack) -> IO[bytes]:
        """The CSV's bytes, whatever it is packed in; what it is, the first bytes tell and not the name."""
        try:
            stream: IO[bytes] = stack.enter_context(self.path.open("rb"))
            start = stream.read(4)
            stream.seek(0)
            if start == b"PK\x03\x04":
                archive = stack.enter_context(zipfile.ZipFile(stream))
                members = [name for name in archive.namelist() if not name.endswith("/")]
                if len(members) != 1:
                    raise LogError(f"{self.path} holds {len(members)} files, must hold one: unpack the one to convert")
                stream = stack.enter_context(archive.open(members[0]))
                start = stream.read(4)
                stream.seek(0)
            if start[:2] == b"\x1f\x8b":
                stream = cast(IO[bytes], stack.enter_context(gzip.GzipFile(fileobj=stream)))
        except zipfile.BadZipFile as error:
            raise LogError(f"{self.path} is a damaged or cut off .zip: {error}") from None
        except OSError as error:
            raise LogError(f"{self.path} cannot be read: {error.strerror or error}") from None
        return stream


def _convert(name: str) -> pl.Expr:
    """A column of text as what it should be, null where it is not that."""
    column = pl.col(name)
    if name in HASHES:
        return pl.when(column.str.contains(_HEX_DIGITS)).then(column)
    number = column.cast(COLUMNS[name], strict=False)
    return pl.when(number <= 1).then(number).alias(name) if name == "click" else number


def _calendar() -> tuple[pl.Expr, pl.Expr]:
    """Hour of the day and day of the week of ``hour``, null where it is no date."""
    # A format with hours but without minutes is refused, hence the added zeros. Of seven digits it would take the last
    # one and the zeros for the time.
    digits = pl.when(pl.col("hour").str.contains("^[0-9]{8}$")).then(pl.col("hour"))
    time = (digits + "00").str.to_datetime("%y%m%d%H%M", strict=False)
    return time.dt.hour().cast(pl.UInt8).alias("hour_of_day"), time.dt.weekday().cast(pl.UInt8).alias("day_of_week")


def _reason(text: dict[str, str | None], parsed: dict[str, object]) -> str:
    """What is wrong with one row of as many fields as there should be."""
    wrong = next(name for name, value in parsed.items() if value is None)
    name = "hour" if wrong in CALENDAR else wrong
    if text[name] is None:
        return f"{name} is missing"
    allowed = "8 hexadecimal digits" if name in HASHES else {"click": "0 or 1", "hour": "YYMMDDHH"}.get(name)
    return f"{name} is {text[name]!r}, must be {allowed or f'a number ({COLUMNS[name].__name__})'}"
