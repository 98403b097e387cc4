"""Ids out of CSV files: the right column, every line accounted for, nothing taken from a file that is doubtful."""

from __future__ import annotations

import time

import pytest

from kovra.dashboard.id_file import MAX_FILE_BYTES, read_id_file
from kovra.dashboard.id_list import read_ids
from kovra.errors import Malformed

A, B, C = 428043321819600133, 1234908386379402654, 518351161559407816
GUILD = 200000000000000001


def box(text, most=500):
    content = text if isinstance(text, bytes) else text.encode()
    return read_id_file("raid.csv", content, most).box.split("\n")


@pytest.mark.parametrize(
    ("text", "lines"),
    {
        "ids alone": (f"{A}\n{B}\n", [str(A), str(B)]),
        "a heading": (f"name,User-ID\nx,{A}\n", ["", str(A)]),
        "a byte order mark and semicolons": (f"\ufeffname;id\r\nx;{A}\r\n", ["", str(A)]),
        "UTF-16 with its separator named": (f"sep=|\nx|{A}".encode("utf-16"), ["", str(A)]),
        "an older code page": (f"név;{A}\n".encode("latin-1"), [str(A)]),
        "tabs": (f"x\t{A}\n", [str(A)]),
        "quoted separators and ends of lines": (f'id,said\n{A},"a,\nb"\n{B},c', ["", str(A), "", str(B)]),
        "a quote that is never closed": (f'id,said\n{A},"a\n{B},c\n{C},d', ["", str(A), str(B), str(C)]),
        "numbers kept as text": (f'id\n="{A}"\n\'{B}', ["", str(A), str(B)]),
        "mentions": (f"<@!{A}>", [f"<@!{A}>"]),
        "the server's id in every line": (f"{GUILD},{A}\n{GUILD},{B}", [str(A), str(B)]),
        "the target beside the server": (f"guild_id,target_id\n{GUILD},{A}\n", ["", str(A)]),
        "a heading that holds none": (f"id;who\n1;{A}\n", ["", str(A)]),
        "lines without an id": (f"id;n\n{A};x\nnobody;y\n;z\n;\n{B};v", ["", str(A), "nobody", "(no ID)", "", str(B)]),
        "a long text with an id in it": (f"id\n{A} {'x' * 300}", ["", f"{A} {'x' * 40}"]),
        "a sign that ends lines in Unicode alone": (f"n,id\na\x85b,{A}\nc,{B}", ["", str(A), str(B)]),
    }.values(),
)
def test_each_line_of_the_file_is_a_line_of_the_box(text, lines):
    assert box(text) == lines


@pytest.mark.parametrize(
    ("content", "why"),
    {
        "empty": (b"", "empty"),
        "no id": (b"id\nx\n", "holds no ID in the column"),
        "a workbook": (b"PK\x03\x04\x00", "is a workbook"),
        "one endless cell": (b'"' * (1 << 20), "is empty"),
        "a picture": (b"\x89PNG\x00\x01", "not a text file"),
        "too large": (b"1" * (MAX_FILE_BYTES + 1), "larger than 1 MB"),
        "too many": ("\n".join(str(A + n) for n in range(501)).encode(), "holds 501 IDs"),
        "rounded to fifteen digits": (b"id\n428043321819600000\n1234908386379400000\n", "a spreadsheet has rounded"),
        "rounded in its display": (b"id\n4.28043E+17\n", "a spreadsheet has rounded"),
        "too many lines": (f"{A}\n".encode() + b"\n" * 10_000, "has 10,002 lines"),
        "another file than was meant": (f"{A}\n".encode() + b"x\n" * 501, "501 of its lines hold no ID"),
    }.values(),
)
def test_a_doubtful_file_gives_nothing_and_says_why(content, why):
    with pytest.raises(Malformed, match=why):
        read_id_file("raid.csv", content, 500)


def test_a_file_made_to_be_slow_is_read_in_no_time():
    evil = (b'"' + b"," * 100 + b"\n") * 9_999
    began = time.process_time()

    with pytest.raises(Malformed):
        read_id_file("raid.csv", evil, 500)

    assert time.process_time() - began < 5


def test_a_pasted_text_tells_of_all_its_words():
    read = read_ids(f"Ann {A}, {B}\n\n{A} 4.28043E+17\nnobody at all")

    assert read.found == {A: 1, B: 1}
    assert list(read.again) == [(3, A, 1)]
    assert [(one.line, one.text) for one in read.unread] == [(1, "Ann"), (3, "4.28043E+17"), (4, "nobody at all")]
    assert "spreadsheet" in read.unread[1].why
