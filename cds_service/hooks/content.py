"""The content of a request, gzip unpacked: whole and within the limit, or not at all."""

import zlib
from collections.abc import Iterator

from flask import Request
from werkzeug.exceptions import HTTPException

from cds_service.errors import MalformedCall, TooLarge, WrongContentType

_PIECE_BYTES = 65_536
_PLAIN, _GZIP = ("", "identity"), ("gzip", "x-gzip")
_GZIP_WINDOW = 16 + zlib.MAX_WBITS  # with gzip's header and checksum


def read_content(request: Request, most_bytes: int) -> bytes:
    """The bytes of a body; a larger one is read, or unpacked, to just past ``most_bytes`` and no further.

    Raises:
        WrongContentType: it is packed otherwise than once, by gzip.
        TooLarge: it is over ``most_bytes``, as sent or unpacked, whether or not its length was declared.
        MalformedCall: it ends early or is not the gzip that it is said to be.
    """
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in _PLAIN + _GZIP:
        raise WrongContentType("Send the request as it is, or as Content-Encoding: gzip.")
    if (request.content_length or 0) > most_bytes:
        raise _too_large(most_bytes)
    pieces = _within(_pieces(request), most_bytes)
    return b"".join(_within(_unpacked(pieces, most_bytes), most_bytes) if encoding in _GZIP else pieces)


def _pieces(request: Request) -> Iterator[bytes]:
    try:
        while piece := request.stream.read(_PIECE_BYTES):
            yield piece
    except HTTPException:
        raise
    except Exception:  # the server's own kinds, whose text may quote the body
        raise MalformedCall("The body ends early, or its chunks are not well formed.") from None


def _within(pieces: Iterator[bytes], most_bytes: int) -> Iterator[bytes]:
    """The pieces, as long as all of them together are within the limit."""
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > most_bytes:
            raise _too_large(most_bytes)
        yield piece


def _unpacked(pieces: Iterator[bytes], most_bytes: int) -> Iterator[bytes]:
    """What gzip holds, a piece at a time: one that unpacks to more than the limit is cut just past it."""
    gzip = zlib.decompressobj(_GZIP_WINDOW)
    try:
        for piece in pieces:
            yield gzip.decompress(piece, most_bytes + 1)
            if gzip.unused_data:
                raise MalformedCall("Something follows the gzip of the body.")
    except zlib.error:
        raise MalformedCall("The body is not the gzip that Content-Encoding says.") from None
    if not gzip.eof:
        raise MalformedCall("The gzip of the body ends early.")


def _too_large(most_bytes: int) -> TooLarge:
    return TooLarge(f"The body is larger than {most_bytes} bytes; send fewer results per call.")
