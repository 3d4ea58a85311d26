"""``tahoe blobs`` and ``/blobs`` of the gateway, on a real demo grid."""

import os
import subprocess

import pytest

from tests.support.running_demo import TAHOE, running_demo

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def demo():
    with running_demo() as demo:
        yield demo


def test_what_is_put_is_listed_got_and_taken_out(demo, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(os.urandom(100_000))
    demo.tahoe("blobs", "put", "keys", "a/b é", file)
    assert demo.tahoe("blobs", "list", "keys") == "a/b é"
    assert "keys" in demo.tahoe("blobs", "status")
    demo.tahoe("blobs", "get", "keys", "a/b é", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == file.read_bytes()
    assert _code(demo, "put", "--new", "keys", "a/b é", file) == 16
    assert "1 keys" in demo.tahoe("blobs", "recover")
    demo.tahoe("blobs", "rm", "keys", "a/b é")
    assert demo.tahoe("blobs", "list", "keys") == ""
    assert _code(demo, "get", "keys", "a/b é") == 2
    assert _code(demo, "rm", "keys", "a/b é") == 2
    assert _code(demo, "list", "No Name") == 3


def _code(demo, *words) -> int:
    command = [*TAHOE, "-d", str(demo.node_directory), "blobs", *map(str, words)]
    done = subprocess.run(command, env=demo.environment, capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    return done.returncode


def test_the_gateway_serves_its_owner_alone(demo):
    assert demo.ask("PUT", "/blobs/web/%ff%00", b"0123456789").status == 204
    assert demo.ask("GET", "/blobs/web/%ff%00", Range="bytes=2-3").body == b"23"
    again = demo.ask("PUT", "/blobs/web/%ff%00", b"x", **{"If-None-Match": "*"})
    assert again.status == 412
    assert demo.ask("GET", "/blobs/web?t=list").json["blobs"][0]["size"] == 10
    assert demo.ask_bare("GET", "/blobs/web/%ff%00").status == 401
    assert demo.ask("DELETE", "/blobs/web/%ff%00").status == 204
    assert demo.ask("GET", "/blobs/web/%ff%00").status == 404
    for path, status in (("/blobs", 400), ("/blobs/A?t=list", 400), ("/blobs/a/b/c", 400)):
        assert demo.ask("GET", path).status == status
