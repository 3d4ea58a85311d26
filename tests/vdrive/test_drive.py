"""The drive: its roots, their files, and where its server is found."""

import pytest
from foolscap.api import flushEventualQueue
from pytest_twisted import blockon, ensureDeferred

from allmydata.errors import ConfigError, ConflictError, ServerLostError, UploadSourceError
from allmydata.grid.vdrive import CONNECT_S, place_of
from allmydata.streams.uploadable import Data
from allmydata.util.deferreds import start
from allmydata.vdrive.home import HomeServer
from tests.support.checks import until
from tests.support.drive import DriveBench

LIT = "URI:LIT:nbuq"
FURL = f"pb://{'a' * 32}@tcp:127.0.0.1:1/one"


@pytest.fixture
def bench(tmp_path):
    bench = DriveBench(tmp_path)
    blockon(start(bench.serve()))
    yield bench
    blockon(start(bench.stop()))


@pytest.fixture
def served(bench):
    return bench.servers[0]


def answering(*answers):
    """Return what gives one of *answers* each time it is asked, the last for ever."""
    left = list(answers)

    async def ask():
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return ask


# ---- round trips -----------------------------------------------------------------------


@ensureDeferred
async def test_a_path_costs_one_question_a_step(bench, served):
    root = await bench.drive(served).get_private_root()
    deep = root
    for name in "abcde":
        deep = await deep.create_empty_directory(name)
    served.forget_calls()
    assert await root.get_child_at_path("a/b/c/d/e") == deep
    assert served.calls == ["get_many"] * 5


@ensureDeferred
async def test_each_call_costs_one_question(bench, served):
    node = await bench.drive(served).create_directory()
    await node.set_uri("x", LIT)
    for work, calls in (
        (lambda: node.set_uri("y", LIT), ["set_many"]),
        (lambda: node.set_children({str(i): LIT for i in range(1000)}), ["set_many"]),
        (lambda: node.has_child("y"), ["get_many"]),
        (lambda: node.delete("y"), ["delete"]),
        (lambda: node.create_empty_directory("d"), ["create_directory", "set_many"]),
        (lambda: node.move_child_to("x", node, "z"), ["get_many", "move"]),
        (lambda: node.list(), ["list_page", "list_page"]),
    ):
        served.forget_calls()
        await work()
        assert served.calls == calls


@ensureDeferred
async def test_nothing_is_remembered_that_others_may_change(bench, served):
    node = await bench.drive(served).create_directory()
    other = await bench.drive(served).get_node(node.get_uri())
    await node.set_uri("x", LIT)
    assert list(await other.list()) == ["x"]
    await other.delete("x")
    assert await node.list() == {}


@ensureDeferred
async def test_nothing_is_uploaded_for_a_name_or_directory_that_can_not_take_it(
    bench, served
):
    drive = bench.drive(served)
    node = await drive.create_directory()
    weak = await drive.get_node(node.get_immutable_uri())
    for view, name in ((node, "a/b"), (weak, "ok")):
        with pytest.raises(Exception, match="can't"):
            await view.add_file(name, Data(b"x" * 100))
    assert bench.uploader.files == {}


@ensureDeferred
async def test_a_file_that_can_not_be_read_leaves_no_name(bench, served):
    node = await bench.drive(served).create_directory()
    bench.uploader.error = UploadSourceError("gone")
    with pytest.raises(UploadSourceError):
        await node.add_file("f", Data(b"x" * 100))
    assert await node.list() == {}


@ensureDeferred
async def test_many_names_that_must_be_new_are_set_or_not_a_thousand_at_a_time(
    bench, served
):
    node = await bench.drive(served).create_directory()
    await node.set_uri("n5", LIT)
    with pytest.raises(ConflictError):
        await node.set_children({f"n{i}": LIT for i in range(1000)}, replace=False)
    assert list(await node.list()) == ["n5"]


@ensureDeferred
async def test_a_walk_ends_where_a_directory_is_lost(bench, served):
    drive = bench.drive(served)
    root = await drive.get_private_root()
    await root.set_uri(
        "lost", (await bench.drive(await bench.serve()).create_directory()).get_uri()
    )
    bench.servers[1].is_up = False
    bench.servers[1].lose()
    seen = []

    async def walk():
        async for path, _ in root.walk():
            seen.append(path)

    waiting = start(walk())
    await until(lambda: len(seen) == 2)
    for _ in range(3):
        await flushEventualQueue()
        bench.clock.advance(CONNECT_S / 2)
    with pytest.raises(ServerLostError):
        await waiting
    assert seen == [(), ("lost",)]


# ---- roots -----------------------------------------------------------------------------


@ensureDeferred
async def test_the_roots_are_kept_and_not_asked_for_again(bench, served):
    drive = bench.drive(served, "c")
    roots = await drive.get_private_root(), await drive.get_public_root()
    served.forget_calls()
    again = bench.drive(served, "c")
    assert (await again.get_private_root(), await again.get_public_root()) == roots
    assert served.calls == []


@ensureDeferred
async def test_a_private_root_is_never_overwritten(bench, served):
    mine = await bench.drive(served, "c").get_private_root()
    other = await bench.serve()
    assert await bench.drive(other, "c").get_private_root() == mine


@ensureDeferred
async def test_the_public_root_is_that_of_the_server_there_is_now(bench, served):
    first = await bench.drive(served, "c").get_public_root()
    other = await bench.serve()
    drive = bench.drive(other, "c")
    second = await drive.get_public_root()
    assert second != first and second.place == place_of(other.furl)
    assert (bench.base / "c" / "global_root.uri").read_text() == second.get_uri() + "\n"


@pytest.mark.parametrize("text", ["", "URI:LIT:nbuq\n", "nonsense", "\xff"])
@ensureDeferred
async def test_a_damaged_file_of_a_root_is_named_and_left_alone(bench, served, text):
    drive = bench.drive(served, "c")
    for name in ("my_vdrive.uri", "global_root.uri"):
        (bench.base / "c" / name).write_text(text, "latin-1")
    with pytest.raises(ConfigError, match=r"my_vdrive\.uri does not hold"):
        await drive.get_private_root()
    with pytest.raises(ConfigError, match=r"global_root\.uri does not hold"):
        await drive.get_public_root()
    assert (bench.base / "c" / "my_vdrive.uri").read_text("latin-1") == text


@ensureDeferred
async def test_a_private_root_that_could_not_be_made_is_tried_again(bench, served):
    drive = bench.drive(None, "c", ask=answering(ServerLostError("down"), served.furl))
    with pytest.raises(ServerLostError):
        await drive.get_private_root()
    assert not (bench.base / "c" / "my_vdrive.uri").exists()
    assert (await drive.get_private_root()).place == place_of(served.furl)


# ---- where the server is ---------------------------------------------------------------


@ensureDeferred
async def test_what_was_heard_is_remembered(tmp_path):
    home = HomeServer(tmp_path, None, answering(FURL))
    assert home.known() == ""
    assert await home.furl() == home.known() == FURL
    later = HomeServer(tmp_path, None, answering(ServerLostError("down")))
    assert await later.furl() == FURL


@ensureDeferred
async def test_what_is_configured_wins_and_nobody_is_asked(tmp_path):
    (tmp_path / "vdrive.furl").write_text(FURL.replace("one", "other"))
    home = HomeServer(tmp_path, FURL, answering(ServerLostError("asked")))
    assert await home.furl() == FURL
    assert await home.find_again() == ""


@pytest.mark.parametrize("answer", ["http://example.com/", "pb://short@h/n"])
@ensureDeferred
async def test_an_answer_that_is_no_furl_is_not_kept(tmp_path, answer):
    with pytest.raises(ConfigError, match="can't be") as e:
        await HomeServer(tmp_path, None, answering(answer)).furl()
    assert answer not in str(e.value) + e.value.why
    assert not (tmp_path / "vdrive.furl").exists()


@ensureDeferred
async def test_newer_hints_of_the_same_server_are_taken_up(tmp_path):
    newer = FURL.replace("127.0.0.1:1", "192.0.2.7:9")
    home = HomeServer(tmp_path, None, answering(FURL, newer))
    await home.furl()
    assert await home.find_again() == home.known() == newer


@pytest.mark.parametrize(
    "answer", [FURL.replace("one", "other"), FURL.replace("a" * 32, "b" * 32), "", "junk"]
)
@ensureDeferred
async def test_another_server_is_not_taken_up(tmp_path, answer):
    home = HomeServer(tmp_path, None, answering(FURL, answer))
    await home.furl()
    assert await home.find_again() == ""
    assert home.known() == FURL


@ensureDeferred
async def test_an_introducer_that_is_down_changes_nothing(tmp_path):
    home = HomeServer(tmp_path, None, answering(FURL, ServerLostError("down")))
    await home.furl()
    assert await home.find_again() == ""
