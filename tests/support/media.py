"""Small files of the kinds that a browser shows: a picture, a sound, a document."""

import io
import math
import struct
import wave
import zlib


def png(
    width: int = 64, height: int = 40, colour: tuple[int, int, int] = (31, 111, 92)
) -> bytes:
    """Return a picture of one colour."""
    rows = (b"\0" + bytes(colour) * width) * height
    head = struct.pack(">2L5B", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">L", len(data))
        + kind
        + data
        + struct.pack(">L", zlib.crc32(kind + data))
        for kind, data in parts
    )


def wav(seconds: int, rate: int = 44100) -> bytes:
    """Return a sound: the note A, in stereo."""
    period = rate // 441 * 4
    wave_of = (int(8000 * math.sin(2 * math.pi * 440 * i / rate)) for i in range(period))
    piece = b"".join(struct.pack("<2h", one, one) for one in wave_of)
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(2)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(
            (piece * (seconds * rate * 4 // len(piece) + 1))[: seconds * rate * 4]
        )
    return out.getvalue()


def pdf(text: str) -> bytes:
    """Return a document of one page."""
    stream = f"BT /F1 36 Tf 40 90 Td ({text}) Tj ET".encode()
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 200]/Contents 4 0 R"
        b"/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    out, places = b"%PDF-1.4\n", []
    for i, one in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj%s endobj\n" % (i, one)
    rows = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % len(out)
    return out + b"xref\n0 6\n0000000000 65535 f \n" + rows + end
