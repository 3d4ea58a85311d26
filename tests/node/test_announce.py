import pytest

from allmydata.crypto.signing import NodeKey
from allmydata.errors import ConfigError
from allmydata.formats.announcement import Announcement
from allmydata.node.announce import Announcer, load_key, static_servers
from allmydata.util import base32

FURL = "pb://" + "a" * 32 + "@tcp:127.0.0.1:1/" + "b" * 32


@pytest.fixture
def basedir(tmp_path):
    (tmp_path / "private").mkdir()
    return tmp_path


def announcer(basedir, furl=FURL):
    return Announcer(basedir, "alice", "allmydata/1", "a" * 32, furl)


def test_a_server_announces_itself_under_a_new_number_each_time(basedir):
    first, second = (announcer(basedir).announcements()[0] for _ in range(2))
    opened = Announcement.open(second.signed)
    assert opened.replaces(first) and not first.replaces(opened)
    assert opened.facts["seqnum"] == 2
    assert (basedir / "announcement-seqnum").read_text() == "2\n"
    assert opened.furl == FURL
    assert opened.seed == base32.a2b("a" * 32)
    assert first.key == second.key


def test_the_key_is_made_once_and_is_nobody_elses_to_read(basedir):
    key = load_key(basedir)
    assert load_key(basedir) == key
    path = basedir / "private" / "node.privkey"
    assert path.stat().st_mode & 0o777 == 0o600
    assert NodeKey.load(path.read_text().strip()) == key
    assert (basedir / "node.pubkey").read_text() == f"pub-{key.name}\n"


def test_a_node_that_was_one_of_tahoe_lafs_keeps_its_place_in_the_ring(basedir):
    seed = b"the 52 characters of a public key"
    (basedir / "permutation-seed").write_text(base32.b2a(seed) + "\n")
    [told] = announcer(basedir).announcements()
    assert told.seed == seed


def test_who_has_no_storage_announces_nothing(basedir):
    assert announcer(basedir, furl="").announcements() == []
    assert not (basedir / "announcement-seqnum").exists()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("private/node.privkey", "priv-v0-nonsense"),
        ("announcement-seqnum", "many"),
        ("permutation-seed", "!!"),
    ],
)
def test_a_damaged_file_is_an_error_that_names_it(basedir, name, text):
    (basedir / name).write_text(text)
    with pytest.raises(ConfigError, match=name.rpartition("/")[2]):
        announcer(basedir).announcements()
    assert (basedir / name).read_text() == text


def test_static_servers_are_those_of_the_file(basedir):
    assert static_servers(basedir / "private") == []
    (basedir / "private" / "servers.yaml").write_text(
        "storage:\n"
        "  v0-abc:\n"
        "    ann:\n"
        f"      anonymous-storage-FURL: {FURL}\n"
        "      nickname: cellar\n"
    )
    [server] = static_servers(basedir / "private")
    assert (server.furl, server.nickname) == (FURL, "cellar")


@pytest.mark.parametrize(
    "text", ["[", "storage: 3", "storage: {a: {}}", "storage: {a: {ann: {nickname: x}}}"]
)
def test_servers_that_can_not_be_understood_are_an_error(basedir, text):
    (basedir / "private" / "servers.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"servers\.yaml"):
        static_servers(basedir / "private")
