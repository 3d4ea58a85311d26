import errno
import io
import socket
import threading

import pytest

from allmydata.errors import NodeNotRunningError, UploadSourceError
from allmydata.webapi import CHUNK_SIZE, NodeHTTP, RemoteNodeError, lines_of

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nURI:LIT"


class Peer:
    """Answers one connection with fixed bytes, after it has read as much as it wants."""

    def __init__(self, answer, wanted):
        self.seen = b""
        self._answer = answer
        self._wanted = wanted
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        connection, _ = self._listener.accept()
        with connection, self._listener:
            while self._wanted not in self.seen:
                piece = connection.recv(65536)
                if not piece:
                    return
                self.seen += piece
            connection.sendall(self._answer)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                self.seen += piece

    def join(self):
        self._thread.join()
        return self.seen


@pytest.fixture
def peer():
    made = []

    def make(answer=OK, wanted=b"\r\n\r\n"):
        made.append(Peer(answer, wanted))
        return made[-1]

    yield make
    for one in made:
        one.join()


def body_of(request):
    return request.partition(b"\r\n\r\n")[2]


def test_put_sends_size_and_bytes(peer):
    node = peer(wanted=b"hello")
    assert NodeHTTP(node.url).put(io.BytesIO(b"hello"), 5) == "URI:LIT"
    assert b"\r\nContent-Length: 5\r\n" in node.join()
    assert body_of(node.join()) == b"hello"


def test_the_token_goes_to_the_node_of_its_directory_and_to_no_other(peer, tmp_path):
    token = "a-token-of-a-node-0123456789"
    node, other = peer(wanted=b"hello"), peer(wanted=b"hello")
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "api_auth_token").write_text(f"{token}\n")
    (tmp_path / "node.url").write_text(node.url)
    own = NodeHTTP.of_directory(tmp_path)
    own.put(io.BytesIO(b"hello"), 5)
    NodeHTTP(other.url, tmp_path).put(io.BytesIO(b"hello"), 5)
    assert f"\r\nAuthorization: Bearer {token}\r\n".encode() in node.join()
    assert b"Authorization" not in other.join()
    assert token not in repr(own)


@pytest.mark.parametrize("data", [b"", b"a\r\nX: y", b"\xff"])
def test_a_token_that_can_not_be_sent_is_not(tmp_path, data):
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "api_auth_token").write_bytes(data)
    (tmp_path / "node.url").write_text("http://127.0.0.1:1/")
    assert NodeHTTP.of_directory(tmp_path).token == ""


def test_put_of_unknown_size_is_chunked(peer):
    node = peer(wanted=b"0\r\n\r\n")
    NodeHTTP(node.url).put(io.BytesIO(b"x" * (CHUNK_SIZE + 3)), None)
    body = body_of(node.join())
    assert body.startswith(b"40000\r\nxxx")
    assert body.endswith(b"\r\n3\r\nxxx\r\n0\r\n\r\n")


def test_put_tells_progress(peer):
    steps = []
    node = peer(wanted=b"x" * (2 * CHUNK_SIZE + 1))
    size = 2 * CHUNK_SIZE + 1
    NodeHTTP(node.url).put(io.BytesIO(b"x" * size), size, progress=steps.append)
    assert steps == [CHUNK_SIZE, CHUNK_SIZE, 1]


@pytest.mark.parametrize(
    ("size", "why"), [(4, "grew"), (CHUNK_SIZE, "grew"), (99, "shrank")]
)
def test_put_never_finishes_a_body_of_another_size(peer, size, why):
    data = b"hello" if size != CHUNK_SIZE else b"x" * (CHUNK_SIZE + 1)
    node = peer(wanted=b"never")
    with pytest.raises(UploadSourceError, match=why):
        NodeHTTP(node.url).put(io.BytesIO(data), size)
    assert len(body_of(node.join())) < size


def test_a_source_that_fails_says_so_and_the_body_stays_open(peer):
    class Broken(io.BytesIO):
        def read(self, size=-1):
            if self.tell() < 5:
                return super().read(size)
            raise OSError(errno.EIO, "Input/output error")

    node = peer(wanted=b"never")
    with pytest.raises(UploadSourceError, match="can't be read"):
        NodeHTTP(node.url).put(Broken(b"hello"), None)
    assert b"0\r\n\r\n" not in body_of(node.join())


def test_a_cap_that_comes_before_the_whole_body_is_not_believed(peer):
    with pytest.raises(RemoteNodeError, match="before it had the whole file"):
        NodeHTTP(peer().url).put(io.BytesIO(bytes(50_000_000)), 50_000_000)


def test_an_early_answer_stops_the_body(peer):
    refusal = b'{"error": {"code": "no-space", "message": "full", "fix": "buy a disk"}}'
    head = b"HTTP/1.1 507 Full\r\nContent-Length: %d\r\n\r\n" % len(refusal)
    node = peer(answer=head + refusal)
    with pytest.raises(RemoteNodeError, match="full") as caught:
        NodeHTTP(node.url).put(io.BytesIO(bytes(50_000_000)), 50_000_000)
    assert (caught.value.code, caught.value.why, caught.value.fix) == (
        "no-space",
        "",
        "buy a disk",
    )
    assert len(node.join()) < 50_000_000


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (b"410 Gone", b"NoSharesError: no shares could be found.", "unrecoverable"),
        (b"404 Not Found", b"<html>404 - Error</html>", "not-found"),
        (b"500 Oops", b"UploadUnhappinessError: only 2", "not-enough-servers"),
        (b"500 Oops", b"<html>", "failed"),
        (b"503 Busy", b"[1, 2]", "not-ready"),
        (b"409 Conflict", b'{"error": "text"}', "conflict"),
        (b"400 Bad", b"", "usage"),
    ],
)
def test_errors_that_are_no_object_of_ours(peer, status, body, code):
    answer = b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)
    with pytest.raises(RemoteNodeError) as caught:
        NodeHTTP(peer(answer=answer).url).json("/")
    assert caught.value.code == code
    assert "<html>" not in caught.value.why


def test_an_answer_that_is_no_json(peer):
    with pytest.raises(RemoteNodeError, match="no JSON"):
        NodeHTTP(peer().url).json("/?t=json")


def test_a_peer_that_does_not_speak_http(peer):
    with pytest.raises(NodeNotRunningError, match="hung up"):
        NodeHTTP(peer(answer=b"SSH-2.0-x\r\n").url).json("/")


def test_a_peer_that_hangs_up(peer):
    with pytest.raises(NodeNotRunningError, match="hung up"):
        NodeHTTP(peer(answer=b"").url).get("URI:LIT:")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "http://127.0.0.1:99999/", "nonsense", ""]
)
def test_nobody_at_the_address(url, tmp_path):
    with pytest.raises(NodeNotRunningError, match=f"of {tmp_path}") as caught:
        NodeHTTP(url, tmp_path).json("/")
    assert caught.value.fix == f"tahoe -d {tmp_path} start"


def test_a_directory_without_address(tmp_path):
    with pytest.raises(NodeNotRunningError, match="no node has offered a gateway"):
        NodeHTTP.of_directory(tmp_path)


def test_the_capability_is_one_segment_of_the_path(peer):
    node = peer()
    NodeHTTP(node.url).get("URI:CHK:a/b").close()
    assert node.join().startswith(b"GET /uri/URI%3ACHK%3Aa%2Fb HTTP/1.1\r\n")


def test_a_body_of_unknown_size_is_whole_at_its_end(peer):
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    download = NodeHTTP(peer(answer=answer).url).get("URI:LIT:")
    assert b"".join(download.chunks()) == b"hello"
    download.close()


def test_a_chunked_body_that_is_cut_is_not_whole(peer):
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"
    download = NodeHTTP(peer(answer=answer).url).get("URI:LIT:")
    with pytest.raises(NodeNotRunningError):  # asked for the rest, the peer is gone
        list(download.chunks())


def test_a_download_may_begin_later(peer):
    answer = b"HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\n\r\nlo!"
    node = peer(answer=answer)
    download = NodeHTTP(node.url).get("URI:CHK:x", 3)
    assert (download.offset, download.size) == (3, 6)
    assert b"".join(download.chunks()) == b"lo!"
    download.close()
    assert b"\r\nRange: bytes=3-\r\n" in node.join()


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_lines_are_the_same_however_they_come(size):
    text = b"one\n\ntwo two\nthree"
    for whole in (text, text + b"\n", b"", b"\n", b"no end"):
        pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
        assert list(lines_of(pieces)) == whole.splitlines()


def test_a_line_is_there_before_the_next_piece_is_asked_for():
    def pieces():
        yield b"one\ntw"
        raise AssertionError("asked for more")

    assert next(lines_of(pieces())) == b"one"
