"""Inject into a compressed page as a stream: decode, inject, encode, in bounded memory.

Only gzip and deflate: both are in the standard library. An app had better inject before it compresses.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from dub_middleware.inject.injector import Injector

#: codings that can be decoded here, by their names in Content-Encoding (RFC 9110 §8.4.1)
CODINGS = frozenset(("gzip", "x-gzip", "deflate"))

#: decoded bytes in memory at any time, whatever the ratio of the compression
PIECE = 65536

_FHCRC, _FEXTRA, _FNAME, _FCOMMENT = 2, 4, 8, 16  # RFC 1952 §2.3.1
_MAX_HEADER = 4096


class Recoder:
    """Wrap an injector so that it takes and returns the compressed bytes of one page.

    Until the first bytes come out of the decoder, and whenever no tag is added to them, the page passes as
    it is. From then on one item out per item in, flushed with each, so that a streamed page still streams.
    """

    __slots__ = ("_decoder", "_encoder", "_injector", "_untouched", "settled")

    def __init__(self, injector: Injector, coding: str) -> None:
        self._injector = injector
        self._decoder = _Decoder(coding != "deflate")
        self._encoder: _Encoder | None = None
        self._untouched = b""
        self.settled = False

    @property
    def injected(self) -> bool:
        """Whether the bytes differ from the app's."""
        return self._encoder is not None

    def feed(self, data: bytes) -> bytes:
        if self.settled:
            return data
        if self._encoder is not None:
            return self._recode(self._decoder.decode(data))
        self._untouched += data
        pieces = self._decoder.decode(data)
        try:
            first = next(pieces, b"")
        except zlib.error:
            return self._give_up()  # not what the header says: not ours to mend
        if not first and len(self._untouched) < _MAX_HEADER:
            return b""
        fed = self._injector.feed(first)
        if self._injector.settled and not self._injector.injected:
            return self._give_up()
        self._encoder = _Encoder(self._decoder.wrapper(self._untouched))
        self._untouched = b""
        return self._encoder.encode(fed) + self._recode(pieces)

    def close(self) -> bytes:
        if self._encoder is None:
            return self._give_up()
        tail = self._encoder.encode(self._injector.close())
        # a page that was cut short stays visibly cut short
        return tail + (self._encoder.finish() if self._decoder.is_complete else self._encoder.flush())

    def _give_up(self) -> bytes:
        untouched, self._untouched = self._untouched, b""
        self.settled = True
        return untouched

    def _recode(self, pieces: Iterator[bytes]) -> bytes:
        encoder = self._encoder
        assert encoder is not None
        out = bytearray()
        try:
            for piece in pieces:
                out += encoder.encode(self._injector.feed(piece))
        except zlib.error:
            self._decoder.is_broken = True
        return bytes(out + encoder.flush())


class _Decoder:
    """Decode a gzip or deflate stream piece by piece; gzip may have several members."""

    def __init__(self, is_gzip: bool) -> None:
        self._is_gzip = is_gzip
        self._raw = False
        self._zlib = zlib.decompressobj(31 if is_gzip else 15)
        self._started = b""
        self.is_broken = False

    @property
    def is_complete(self) -> bool:
        return self._zlib.eof and not self.is_broken

    def decode(self, data: bytes) -> Iterator[bytes]:
        """Yield what *data* decodes to, at most `PIECE` bytes at a time. Raises zlib.error."""
        if self.is_broken:
            return
        if not self._is_gzip and len(self._started) < 2:
            # RFC 9110 means zlib's format by "deflate", but bare deflate is about as common
            self._started += data
            if len(self._started) < 2:
                return
            data = self._started
            if data[0] & 0x0F != 8 or int.from_bytes(data[:2], "big") % 31:
                self._raw = True
                self._zlib = zlib.decompressobj(-15)
        while True:
            piece = self._zlib.decompress(data, PIECE)
            if piece:
                yield piece
            if self._zlib.eof:
                data = self._zlib.unused_data
                if not (self._is_gzip and data.startswith(b"\x1f\x8b")):
                    return  # anything else behind the end is padding
                self._zlib = zlib.decompressobj(31)
                continue
            data = self._zlib.unconsumed_tail
            if not data and not piece:
                return

    def wrapper(self, start: bytes) -> bytes | int:
        """Return what the encoder writes around its stream: the app's gzip header, or zlib's wbits.

        The header is copied for its random file name, by which Django makes BREACH attacks harder.
        """
        if self._is_gzip:
            return start[: _gzip_header_size(start)] or b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
        return -15 if self._raw else 15


class _Encoder:
    """Encode as the app did; a gzip stream gets the app's header and a trailer of its own."""

    def __init__(self, wrapper: bytes | int) -> None:
        self._is_gzip = isinstance(wrapper, bytes)
        self._header = wrapper if isinstance(wrapper, bytes) else b""
        self._zlib = zlib.compressobj(6, zlib.DEFLATED, wrapper if isinstance(wrapper, int) else -15)
        self._crc = self._size = 0

    def encode(self, data: bytes) -> bytes:
        header, self._header = self._header, b""
        if self._is_gzip:
            self._crc = zlib.crc32(data, self._crc)
            self._size += len(data)
        return header + self._zlib.compress(data)

    def flush(self) -> bytes:
        return self._zlib.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        trailer = struct.pack("<LL", self._crc, self._size & 0xFFFFFFFF) if self._is_gzip else b""
        return self._zlib.flush() + trailer


def _gzip_header_size(data: bytes) -> int:
    """Return the size of the gzip header that *data* begins with (RFC 1952 §2.3), 0 when it is cut off."""
    if len(data) < 10:
        return 0
    flags, pos = data[3], 10
    if flags & _FEXTRA:
        pos += 2 + int.from_bytes(data[pos : pos + 2], "little")
    for flag in (_FNAME, _FCOMMENT):
        if flags & flag:
            pos = data.find(b"\0", pos) + 1
            if not pos:
                return 0
    pos += 2 if flags & _FHCRC else 0
    return pos if pos <= len(data) else 0
