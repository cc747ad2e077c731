"""CSV files as people have them: alone or in a ZIP, in several encodings, with several delimiters.

Reading only, from file objects that can be read again; nothing is unpacked to a disk, and nothing but a line is held in
memory. Whatever the bytes are, what goes wrong is an `Invalid` that names the file and never what stands in it.
"""

import codecs
import contextlib
import csv
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

from relay.errors import Invalid

MOST_FILES = 200
MOST_BYTES = 1024 * 1024 * 1024
"""Of all files of one ZIP, and of all that are uploaded together, unpacked: what a ZIP says itself is asked first, and
no more comes out."""
LONGEST_LINE, LONGEST_RECORD = 1_000_000, 4_000_000
"""Characters. Quoted text may go on over any number of lines."""
MOST_COLUMNS = 1000
DELIMITERS = ",;\t|"
PIECE = 256 * 1024
_ZIP_TROUBLE = (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError)


@dataclass(frozen=True, slots=True)
class Sheet:
    """One CSV file of `size` bytes. `open` gives it from its beginning, as often as asked."""

    name: str
    open: Callable[[], BinaryIO]
    size: int


@dataclass(frozen=True, slots=True)
class Table:
    """A sheet whose encoding, delimiter and header are known. `warnings` are sentences for whoever uploaded it."""

    sheet: Sheet
    encoding: str
    delimiter: str
    header: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.sheet.name

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """(line on which it ends, its fields) of every record that is not blank, without the header.

        :raise Invalid: where a quote is not closed, or a line, a field or a record has no end.
        """
        found = _records(self.sheet, self.encoding, self.delimiter)
        next(found, None)
        for line, record in found:
            if len(record) > MOST_COLUMNS:
                raise _endless(self.sheet, line)
            yield line, record


def sheets(name: str, file: BinaryIO) -> list[Sheet]:
    """The CSV files in `file`: itself, or those in a ZIP. :raise Invalid: when there is none, or it is no good ZIP."""
    name = PurePosixPath(name.replace("\\", "/")).name or "upload"
    file.seek(0)
    start = file.read(8)
    if start.startswith((b"\xd0\xcf\x11\xe0", b"%PDF")):
        raise Invalid(f"{name} is not a CSV file.", remedy="Upload the ZIP as EHQ sent it, or the CSV files in it.")
    if not start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return [Sheet(name, lambda: _again(file), file.seek(0, io.SEEK_END))]
    try:
        return _unzipped(name, zipfile.ZipFile(file))
    except (*_ZIP_TROUBLE, NotImplementedError, RuntimeError):
        pass
    raise Invalid(f"{name} is not a ZIP that can be read.", remedy="Download it again: it may have been cut off.")


def _unzipped(name: str, archive: zipfile.ZipFile) -> list[Sheet]:
    inside = [item for item in archive.infolist() if not item.is_dir()]
    if any(item.filename.startswith("xl/") for item in inside):
        raise Invalid(f"{name} is an Excel workbook.", remedy="Upload the ZIP as EHQ sent it, or save it as CSV UTF-8.")
    wanted = []
    for item in inside:
        path = PurePosixPath(item.filename.replace("\\", "/"))
        if path.name.startswith((".", "~")) or "__MACOSX" in path.parts:
            continue
        if path.suffix.lower() == ".zip":
            raise Invalid(f"{name} has another ZIP in it.", remedy="Unpack it and upload the ones inside.")
        if path.suffix.lower() in (".csv", ".txt", ".tsv"):
            wanted.append((item, path.name))
    if not wanted:
        raise Invalid(f"{name} has no CSV file in it.", remedy="Upload the ZIP as EHQ sent it.")
    if len(wanted) > MOST_FILES or sum(item.file_size for item, _ in wanted) > MOST_BYTES:
        raise Invalid(
            f"{name} unpacks to more than {MOST_FILES} files or {MOST_BYTES // 2**20} MB.",
            remedy="An export of EHQ is far smaller: is this the right file?",
        )
    if any(item.flag_bits & 1 for item, _ in wanted):
        raise Invalid(f"{name} is locked with a password.", remedy="Unpack it and upload the CSV files.")
    return [Sheet(f"{name}/{inner}", _opener(archive, item), item.file_size) for item, inner in wanted]


def _opener(archive: zipfile.ZipFile, item: zipfile.ZipInfo) -> Callable[[], BinaryIO]:
    return lambda: archive.open(item)  # type: ignore[return-value]  # gives no more than the size it declares


def _again(file: BinaryIO) -> BinaryIO:
    file.seek(0)
    return file


def table(sheet: Sheet, known: Callable[[str], bool]) -> Table:
    """`known` tells whether a column's name is one that such a file must have: by it the delimiter is found.

    :raise Invalid: without such a column, or when the file is no text.
    """
    encoding, warnings = _encoding(sheet)
    for delimiter in DELIMITERS:
        try:
            header = next(_records(sheet, encoding, delimiter), (0, []))[1]
        except Invalid:
            continue
        names = tuple(name.strip() for name in header)
        if len(names) > MOST_COLUMNS:
            raise Invalid(f"{sheet.name} has more than {MOST_COLUMNS} columns.", remedy="Is it the right file?")
        if any(known(name) for name in names):
            return Table(sheet, encoding, delimiter, names, tuple(warnings))
    raise Invalid(
        f"{sheet.name} has no column Email in its first line.",
        remedy="Upload the participant export as EHQ sent it, with its line of column names. If this site calls the "
        "column otherwise, say so under Overrides (overrides.columns).",
    )


def _encoding(sheet: Sheet) -> tuple[str, list[str]]:
    """What the file is written in. The whole file is looked at: one accent near its end decides."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    utf8, first = True, b""
    for piece in _pieces(sheet):
        if not first:
            first = piece
            if marked := _marked(piece):
                return marked, []
        try:
            utf8 = utf8 and decoder.decode(piece) is not None
        except UnicodeDecodeError:
            utf8 = False
        if not utf8:
            break
    if utf8:
        try:
            decoder.decode(b"", final=True)
            return "utf-8", []
        except UnicodeDecodeError:
            pass
    return "cp1252", [
        f"{sheet.name} is not in UTF-8. It was read as Windows-1252: look whether accents in names are right."
    ]


def _marked(first: bytes) -> str | None:
    """By a byte order mark, or by the zeros that UTF-16 puts into plain letters."""
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if first.startswith(mark):
            return name
    even, odd = first[0:400:2], first[1:400:2]
    if odd and odd.count(0) > len(odd) * 0.8 and even.count(0) < len(even) * 0.2:
        return "utf-16-le"
    if odd and even.count(0) > len(even) * 0.8 and odd.count(0) < len(odd) * 0.2:
        return "utf-16-be"
    return None


def _pieces(sheet: Sheet) -> Iterator[bytes]:
    try:
        stream = sheet.open()
        while piece := stream.read(PIECE):
            yield piece
        return
    except (*_ZIP_TROUBLE, NotImplementedError, RuntimeError):
        pass
    raise _damaged(sheet)


def _damaged(sheet: Sheet) -> Invalid:
    return Invalid(f"{sheet.name} cannot be read to its end.", remedy="Download it again: it may have been cut off.")


def _endless(sheet: Sheet, line: int) -> Invalid:
    return Invalid(f"{sheet.name} has an entry that does not end, near line {line}.", remedy="Is it a CSV file?")


def _lines(sheet: Sheet, encoding: str) -> Iterator[str]:
    errors = "replace" if encoding == "cp1252" else "strict"
    text = io.TextIOWrapper(sheet.open(), encoding, errors, newline="")
    try:
        while line := text.readline(LONGEST_LINE):
            if len(line) >= LONGEST_LINE:
                raise Invalid(f"{sheet.name} has a line that does not end.", remedy="Is it a CSV file?")
            yield line
    finally:
        with contextlib.suppress(ValueError):  # closed meanwhile, for whoever stopped half way
            text.detach()  # the file is read again; closing it is for whoever opened it


def _records(sheet: Sheet, encoding: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    line = length = 0

    def bounded() -> Iterator[str]:
        nonlocal length
        for text in _lines(sheet, encoding):
            length += len(text)
            if length > LONGEST_RECORD:
                raise _endless(sheet, line)
            yield text

    try:
        reader = csv.reader(bounded(), delimiter=delimiter, strict=True)
        for record in reader:
            line, length = reader.line_num, 0
            if any(field.strip() for field in record):
                yield line, record
        return
    except csv.Error:
        problem = Invalid(
            f"{sheet.name}: the entry after line {line} cannot be read: a quote is not closed, or out of place.",
            remedy="Upload the file as EHQ sent it, not one that was edited or cut.",
        )
    except UnicodeError:
        problem = Invalid(
            f"{sheet.name} is not text in {encoding.upper()} after line {line}.", remedy="Upload it as EHQ sent it."
        )
    except (*_ZIP_TROUBLE, NotImplementedError, RuntimeError):
        problem = _damaged(sheet)
    raise problem
