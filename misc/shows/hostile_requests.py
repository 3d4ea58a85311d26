"""Bytes that no honest client sends, and what a gateway may answer them with.

Each is a name, what goes over the wire, and the statuses that are right.  ``{…}`` in a
path stands for a capability: FILE, VERIFY, DIR, READ (a directory to be read only).
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

Attempt = tuple[str, bytes, set[int]]

HOST = b"Host: 127.0.0.1\r\n"
GET = b"GET /healthz HTTP/1.1\r\n" + HOST
PUT = b"PUT /uri HTTP/1.1\r\n" + HOST
CHUNKED = b"Transfer-Encoding: chunked\r\n"
HIDDEN = b"PUT /uri HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello"

OVERSIZE = {
    "a line of 20 kB": b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
    "a line of 1 MB without end": b"a" * 10**6,
    "a header of 20 kB": GET + b"X: " + b"a" * 20_000 + b"\r\n\r\n",
    "a header of 10 MB without end": GET + b"X: " + b"a" * 10**7,
    "headers of 20 kB": GET + (b"X: " + b"a" * 1000 + b"\r\n") * 20 + b"\r\n",
    "600 headers": GET + b"X: a\r\n" * 600 + b"\r\n",
    "a folded header of 20 kB": GET + b"X: a\r\n" + b" a\r\n" * 10_000 + b"\r\n",
}

SMUGGLED = {
    "length, then chunked": PUT + b"Content-Length: 5\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "chunked, then length": PUT + CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": PUT + b"Content-Length: 5\r\nContent-Length: 9\r\n\r\nhello",
    "one length twice": PUT + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "lengths in a list": PUT + b"Content-Length: 5, 5\r\n\r\nhello",
    "chunked twice": PUT + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n",
    "chunked and identity": PUT + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunked, misspelt": PUT + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked after a tab": PUT + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": PUT + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a length in a bare line": PUT + b"X: a\nContent-Length: 5\r\n\r\nhello",
    "a negative length": PUT + b"Content-Length: -5\r\n\r\nhello",
    "a length with a sign": PUT + b"Content-Length: +5\r\n\r\nhello",
    "a length in hex": PUT + b"Content-Length: 0x5\r\n\r\nhello",
    "a length of 5000 digits": PUT + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
    "two hosts": GET + HOST + b"\r\n",
    "NUL in a header": GET + b"X: a\0b\r\n\r\n",
    "no colon in a header": GET + b"hello\r\nX: y\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "nothing but words": b"hello\r\n\r\n",
}

CHUNKS = {
    "no number": b"hello\r\n",
    "a negative number": b"-5\r\nhello\r\n",
    "0x5": b"0x5\r\nhello\r\n",
    "a space": b"5 \r\nhello\r\n",
    "more than it says": b"5\r\nhello!\r\n",
    "a comment of 1 MB": b"5;" + b"x" * 10**6,
    "a trailer of 1 MB": b"0\r\nX: " + b"y" * 10**6,
}

RANGES = {  # of a file of 1,000,000 bytes
    "bytes=0-0": {206},
    "bytes=999999-": {206},
    "bytes=-1": {206},
    "bytes=0-99999999999999999999999999": {206},
    "bytes=1000001-1000002": {416},
    "bytes=" + "9" * 98 + "-" + "9" * 99: {416},
    "bytes=" + "9" * 4000 + "-": {200},
    "bytes=5-2": {200},
    "bytes=-0": {200},
    "bytes=": {200},
    "bytes=,,,,": {200},
    "bytes=--1": {200},
    "bytes=0x1-2": {200},
    "bytes=\u00b9-\u00b2".encode().decode("latin-1"): {200},
    "bytes=1-2;3-4": {200},
    "lines=1-2": {200},
    "bytes 1-2": {200},
    "bytes=" + ",".join(["0-"] * 1000): {200},
    "bytes=" + ",".join(f"{i}-{i}" for i in range(0, 3000, 3)): {200},
    "bytes=" + ",".join(["0-999999"] * 16): {206},
}

PATHS = {  # percent-encoding, and what is no path
    "/uri/%": {400},
    "/uri/%zz": {400},
    "/uri/%C0%80": {400},
    "/uri/%FF%FE": {400},
    "/uri/%00": {400},
    "/uri/%ED%A0%80": {400},
    "/uri/{DIR}/%": {404},
    "/uri/{DIR}/%zz": {404},
    "/uri/{DIR}/%FF": {400},
    "/uri/{DIR}/%00": {400, 404},
    "/uri/{DIR}/%2e%2e/x": {400, 404},
    "/uri/{DIR}/a%2Fb": {400, 404},
    "/uri/{DIR}/" + "a" * 8000: {400, 404},
    "/uri/{DIR}/" + "a/" * 4000: {400, 404},
    "/uri/{DIR}?t=%FF": {400},
    "/uri/{DIR}?t=" + "x" * 8000: {400},
    "/uri/{DIR}?" + "&" * 8000: {200},
    "/uri/{DIR}?" + "a=b&" * 2000 + "t=json": {200},
    "/uri?uri=%FF": {400},
    "/%": {404},
    "/%FF": {400},
    "/../../etc/passwd": {404},
    "/static/../../etc/passwd": {404},
    "/_/..%2f..%2fsite.py": {401, 404},
    "//": {404},
    "nowhere": {400, 404},
    "*": {400, 404},
    "http://127.0.0.1/healthz": {200, 400, 404},
}

METHODS = {
    "BREW /": {501},
    "TRACE /": {501},
    "CONNECT 127.0.0.1:80": {400, 404, 501},
    "get /healthz": {501},
    "PATCH /uri": {501},
    "DELETE /uri": {405},
    "PUT /": {405},
    "POST /healthz": {405},
    "DELETE /metrics": {405},
    "PUT /operations/x": {401, 405},
    "PUT /file/{FILE}/a": {400},
    "DELETE /uri/{FILE}": {400},
}

CAPS = {
    "GET /uri/{VERIFY}": {400},
    "GET /uri/{FILE}/a/b": {400, 404},
    "GET /file/{DIR}/a": {400},
    "GET /uri/{FILE}?t=deep-size": {400},
    "GET /uri/{DIR}?t=nonsense": {400},
    "GET /uri/URI:CHK:a:b:3:5:c": {400},
    "GET /uri/URI:LIT:!": {400},
    "GET /uri/URI:LIT:" + "a" * 12_000: {200, 400},
    "GET /uri/URI:SSK:a:b": {400},
    "GET /uri/pb:%2F%2Fx@y%2Fz": {400},
    "POST /uri/{FILE}?t=mkdir&name=a": {400, 409},
    "POST /uri/{VERIFY}?t=unlink&name=a": {400},
    "POST /uri/{READ}?t=mkdir&name=a": {403},
    "POST /uri/{READ}?t=uri&name=a&uri={FILE}": {403},
    "PUT /uri/{READ}/a": {403},
    "PUT /uri/{FILE}/a": {400, 409},
    "POST /uri/{DIR}?t=uri&name=a&uri=URI:CHK:a": {400},
    "POST /uri/{DIR}?t=relink&from_name=a&to_dir={FILE}": {400, 404},
}


def malformed() -> Iterator[Attempt]:
    """Yield what is refused before anybody looks at what is asked for."""
    for name, message in OVERSIZE.items():
        yield f"headers: {name}", message, {431}
    for name, message in SMUGGLED.items():
        yield f"framing: {name}", message + HIDDEN, {400}
    for name, body in CHUNKS.items():
        yield f"chunks: {name}", PUT + CHUNKED + b"\r\n" + body, {400}


def bodies() -> Iterator[Attempt]:
    """Yield bodies that lie, as far as it shows at once."""
    lie = b"Content-Length: 1000000000000000000\r\n\r\n" + bytes(2**16)
    yield "body: 10^18 bytes, convergent", PUT + lie, {507}
    random_key = b"PUT /uri?convergence=none HTTP/1.1\r\n" + HOST
    yield "body: 10^18 bytes, random key", random_key + lie, {413, 500, 507}
    long = CHUNKED + b"\r\n2000000\r\n" + bytes(2**17)
    for method in (b"GET", b"HEAD", b"DELETE", b"BREW"):
        head = method + b" /healthz HTTP/1.1\r\n" + HOST
        yield f"body: without end, {method.decode()}", head + long, {413}
    refused = b"PUT /uri?happy=0 HTTP/1.1\r\n" + HOST + long
    yield "body: without end, where it is refused", refused, {400}
    form = b"POST /uri?t=upload HTTP/1.1\r\n" + HOST
    form += b"Content-Type: multipart/form-data; boundary=x\r\n"
    yield "form: no boundary comes", form + b"Content-Length: 9\r\n\r\nnot a one", {400}
    garbage = b"\r\n--x\r\n" + b"a" * 20_000
    head = b"Content-Length: %d\r\n\r\n" % len(garbage)
    yield "form: a part's header of 20 kB", form + head + garbage, {400}


def asked(caps: dict[str, str]) -> Iterator[Attempt]:
    """Yield requests that are well-formed, and still make no sense.

    :param caps: what stands for each capability, not quoted
    """

    def filled(words: str) -> bytes:
        for name, cap in caps.items():
            words = words.replace(f"{{{name}}}", quote(cap, safe=""))
        return words.encode()

    end = b" HTTP/1.1\r\n" + HOST + b"Connection: close\r\n"
    for header, wanted in RANGES.items():
        head = filled("GET /uri/{FILE}") + end + b"Range: " + header.encode("latin-1")
        yield f"range: {header[:24]}", head + b"\r\n\r\n", wanted
    for path, wanted in PATHS.items():
        yield f"path: {path[:34]}", b"GET " + filled(path) + end + b"\r\n", wanted
    for kind, table in (("method", METHODS), ("capability", CAPS)):
        for words, wanted in table.items():
            head = filled(words) + end
            yield f"{kind}: {words[:44]}", head + b"Content-Length: 0\r\n\r\n", wanted
