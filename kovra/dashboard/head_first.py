"""The head of a page goes out before the page is drawn, so that the browser fetches and reads its styles meanwhile.

Only to a browser that opens a page, and only for pages that answer 200 once their policy is met: the status goes out
with the head. What fails after that is told in the page as it would be otherwise, and is in the log; the status is all
that a browser is not told then, and it shows none. Whatever else asks gets the whole page with its true status.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

import brotli
from flask import Response, current_app, make_response, render_template, request, stream_with_context

#: As ``COMPRESS_BR_LEVEL``, and zlib's usual level with gzip's frame.
_BROTLI_LEVEL, _ZLIB_LEVEL, _GZIP = 5, 6, 31


def head_first(view: Callable[..., str | Response]) -> Callable[..., str | Response]:
    """Let a page be drawn after its head is on its way."""

    @functools.wraps(view)
    def answer(**where: int) -> str | Response:
        # A browser says so by itself, and no script can.
        if request.method != "GET" or request.headers.get("Sec-Fetch-Dest") != "document":
            return view(**where)
        packer = _packer()
        pieces = stream_with_context(_pieces(packer, lambda: view(**where)))
        made = Response(pieces, content_type="text/html; charset=utf-8")
        if packer.encoding:
            made.headers["Content-Encoding"] = packer.encoding
        return made

    return answer


def _pieces(packer: _Packer, view: Callable[[], str | Response]) -> Iterator[bytes]:
    head = render_template("head.html")
    yield packer.first(head.encode())
    try:
        drawn = make_response(view())
    except Exception as error:
        # As the view's own failure would be answered; it is logged there.
        drawn = make_response(current_app.handle_user_exception(error))
    yield packer.last(drawn.get_data().removeprefix(head.encode()))


class _Packer(Protocol):
    """Compresses a page in two pieces, the first of which can be read without the second."""

    encoding: str

    def first(self, piece: bytes) -> bytes: ...

    def last(self, piece: bytes) -> bytes: ...


class _Brotli:
    encoding = "br"

    def __init__(self) -> None:
        self._packing = brotli.Compressor(quality=_BROTLI_LEVEL)

    def first(self, piece: bytes) -> bytes:
        return bytes(self._packing.process(piece) + self._packing.flush())

    def last(self, piece: bytes) -> bytes:
        return bytes(self._packing.process(piece) + self._packing.finish())


class _Gzip:
    encoding = "gzip"

    def __init__(self) -> None:
        self._packing = zlib.compressobj(_ZLIB_LEVEL, wbits=_GZIP)

    def first(self, piece: bytes) -> bytes:
        return self._packing.compress(piece) + self._packing.flush(zlib.Z_SYNC_FLUSH)

    def last(self, piece: bytes) -> bytes:
        return self._packing.compress(piece) + self._packing.flush()


class _Plain:
    encoding = ""

    def first(self, piece: bytes) -> bytes:
        return piece

    def last(self, piece: bytes) -> bytes:
        return piece


def _packer() -> _Packer:
    taken = request.accept_encodings
    return _Brotli() if "br" in taken else _Gzip() if "gzip" in taken else _Plain()
