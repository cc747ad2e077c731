"""CSV files as people have them: ZIPs, encodings, delimiters, and whatever else somebody uploads."""

from __future__ import annotations

import io
import zipfile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.ehq import sheets as reading
from relay.ehq.dialect import dialect
from relay.ehq.export import is_address_column, rows
from relay.ehq.sheets import Table, sheets, table
from relay.errors import Invalid

TEXT = 'Screen Name,Email,Gender\r\nalthea,althea@example.com,"Fe\r\nmale, or Żoë"\r\n'


def tables(data: bytes, name: str = "people.csv") -> list[Table]:
    spoken = dialect()
    return [table(sheet, lambda column: is_address_column(spoken, column)) for sheet in sheets(name, io.BytesIO(data))]


def read(data: bytes, name: str = "people.csv") -> list[list[str]]:
    return [record for one in tables(data, name) for _, record in one.records()]


def packed(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_every_encoding_that_can_be_told_reads_the_same(encoding: str) -> None:
    assert read(TEXT.encode(encoding)) == [["althea", "althea@example.com", "Fe\r\nmale, or Żoë"]]


def test_what_is_no_unicode_is_read_as_windows_and_says_so() -> None:
    data = "Email,Name\na@example.com,Zoë\n".encode("cp1252")
    (one,) = tables(data)
    assert [record for _, record in one.records()] == [["a@example.com", "Zoë"]]
    assert "Windows-1252" in one.warnings[0]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_shows_a_column_email(delimiter: str) -> None:
    data = f'"A question, with; much\t in | it"{delimiter}Email\nyes{delimiter}a@example.com\n'
    assert read(data.encode()) == [["yes", "a@example.com"]]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_every_line_end_and_blank_lines_are_fine(newline: str) -> None:
    lines = ["Email,Name", "a@example.com,A", "", ",", "b@example.com,B"]
    assert read(newline.join(lines).encode()) == [["a@example.com", "A"], ["b@example.com", "B"]]


def test_a_zip_gives_its_csv_files_in_whatever_folder_and_nothing_else() -> None:
    data = packed(**{
        "export/part 1.csv": b"Email\na@example.com\n", "export/part 2.CSV": b"Email\nb@example.com\n",
        "__MACOSX/export/._part 1.csv": b"\0", "read me.pdf": b"x",
    })  # fmt: skip
    assert read(data, "C:\\fakepath\\export.zip") == [["a@example.com"], ["b@example.com"]]
    assert [one.name for one in tables(data, "e.zip")] == ["e.zip/part 1.csv", "e.zip/part 2.CSV"]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"Name,Gender\na,b\n", "no column Email"),
        (b"", "no column Email"),
        (b"Email,Name\na@example.com,\"never closed\nb@example.com,b\n", "a quote is not closed"),
        (b"Email\n" + b"x" * 200_000, "cannot be read"),
        (packed(**{"a.txt.pdf": b"x"}), "no CSV file in it"),
        (packed(**{"inner.zip": packed(a=b"")}), "another ZIP"),
        (packed(**{"xl/workbook.xml": b"x"}), "Excel"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "not a CSV"),
        (packed(**{"a.csv": b"Email\n" * 99})[:-30], "ZIP that can be read"),
        ("Email\nżółw@example.com".encode("utf-16")[:-1], "not text in UTF-16"),
        (",".join(["Email", *map(str, range(1000))]).encode(), "columns"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_cannot_be_used_is_said_with_the_file_s_name(data: bytes, says: str) -> None:
    with pytest.raises(Invalid, match=says) as caught:
        read(data, "upload.any")
    assert caught.value.message.startswith("upload.any")
    assert caught.value.remedy


def test_a_bomb_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = packed(**{"a.csv": b"Email\n" + b"\n" * 5_000_000})
    assert len(bomb) < 20_000
    monkeypatch.setattr(reading, "MOST_BYTES", 1_000_000)
    with pytest.raises(Invalid, match="unpacks to more than"):
        read(bomb, "bomb.zip")
    monkeypatch.setattr(reading, "MOST_FILES", 3)
    with pytest.raises(Invalid, match="more than 3 files"):
        read(packed(**{f"{n}.csv": b"Email\n" for n in range(4)}), "many.zip")


@pytest.mark.parametrize("entry", ['"x' + '\n","' * 60 + '"', "," * 60 + "y"], ids=["lines", "fields"])
def test_an_entry_that_does_not_end_is_refused(monkeypatch: pytest.MonkeyPatch, entry: str) -> None:
    data = f"Email,Gender\na@example.com,x\n{entry}\n".encode()
    assert len(read(data)) == 2
    monkeypatch.setattr(reading, "LONGEST_RECORD", 100)
    monkeypatch.setattr(reading, "MOST_COLUMNS", 50)
    with pytest.raises(Invalid, match="an entry that does not end"):
        read(data)


def test_a_zip_that_lies_about_its_size_gives_no_more_than_it_says() -> None:
    honest = packed(**{"a.csv": b"Email\n" + b"\n" * 100_000})
    lying = honest.replace((100_006).to_bytes(4, "little"), (50).to_bytes(4, "little"))
    assert lying != honest
    with pytest.raises(Invalid):
        read(lying, "liar.zip")


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.binary(max_size=200).map(lambda b: b"Email,Joined,Gender\n" + b),
                 st.text(max_size=200).map(lambda t: ("Email;User Status\n" + t).encode("utf-16")),
                 st.binary(max_size=200).map(lambda b: packed(**{"a.csv": b"Email,x\n" + b})),
                 st.tuples(st.integers(0, 150), st.binary(max_size=5)).map(
                     lambda cut: (z := packed(**{"a.csv": b"Email\n"}))[: cut[0]] + cut[1] + z[cut[0] :])))  # fmt: skip
def test_whatever_the_bytes_are_nothing_but_a_clear_refusal_comes_of_them(data: bytes) -> None:
    try:
        found = [row for one in tables(data) for row in rows(one, dialect(), ZoneInfo("Australia/Sydney"))]
    except Invalid as error:
        assert error.message  # noqa: PT017
        assert error.remedy  # noqa: PT017
        return
    assert all(isinstance(row, int) or "@" in row.email for row in found)
