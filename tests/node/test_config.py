import re
from pathlib import Path

import pytest
from attrs import fields_dict
from hypothesis import given
from hypothesis import strategies as st

from allmydata.errors import ConfigError, NotFoundError
from allmydata.node.config import NodeConfig, detect_kind, keys, parse, read
from allmydata.node.schema import NOT_USED, SECTIONS

BASE = Path("/n")
FURL = f"pb://{'a' * 32}@tcp:127.0.0.1:1/name"
# What `tahoe create-node` of 1.20 writes, comments left out.
WRITTEN_BY_1_20 = """
[node]
nickname = storage1
reveal-IP-address = true
web.port = tcp:3456:interface=127.0.0.1
web.static = public_html
tub.port = tcp:4000
tub.location = tcp:127.0.0.1:4000

[client]
helper.furl =
shares.needed = 3
shares.happy = 7
shares.total = 10

[storage]
enabled = true
reserved_space = 1G

[helper]
enabled = false
"""


def client(text):
    return parse(text.encode(), BASE, "client")


def introducer(text):
    return parse(text.encode(), BASE, "introducer")


def test_a_file_of_1_20_loads_without_a_warning():
    config = client(WRITTEN_BY_1_20)
    assert config.warnings == ()
    assert config.nickname == "storage1"
    assert config.web_port == "tcp:3456:interface=127.0.0.1"
    assert config.tub_ports == ("tcp:4000",)
    assert config.tub_hints == ("tcp:127.0.0.1:4000",)
    assert (config.shares_needed, config.shares_happy, config.shares_total) == (3, 7, 10)
    assert config.storage_reserved_space == 10**9


def test_an_empty_file_is_a_storage_node_with_a_chosen_port():
    config = client("")
    assert config.storage_enabled
    assert config.tub_ports is None
    assert config.tub_hints is None
    assert config.listens
    assert config.web_port is None
    assert config.shares_needed is None
    assert config.storage_dir == BASE / "storage"
    assert config.log_file is None
    assert config.nickname == "<unspecified>"


def test_every_default_can_be_written_in_the_file():
    lines = {}
    for key in keys().values():
        if key.default is not None:
            lines.setdefault(key.section, []).append(f"{key.name} = {key.default}")
    for kind, sections in SECTIONS.items():
        text = "".join(f"[{s}]\n" + "\n".join(lines.get(s, [])) + "\n" for s in sections)
        assert parse(text.encode(), BASE, kind) == parse(b"", BASE, kind)


def test_every_field_has_its_key():
    assert set(keys()) == set(fields_dict(NodeConfig)) - {"basedir", "kind", "warnings"}


def test_the_manual_names_every_key_with_its_default():
    manual = Path(__file__).parents[2] / "docs" / "configuration.md"
    rows = {}
    section = ""
    for line in manual.read_text().splitlines():
        if found := re.match(r"## \[(\w+)\]", line):
            section = found[1]
        if found := re.match(r"\| `([\w.-]+)` \| (.*?) \| (.*?) \| (.*) \|$", line):
            rows[section, found[1]] = found[2], found[3], found[4]
    wanted = {
        (key.section, key.name): (
            key.type.name,
            f"`{key.default}`" if key.default else "",
            key.meaning,
        )
        for key in keys().values()
    }
    assert rows == wanted


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff[node]\nnickname = ü %(x)s",
        "[node]\r\nnickname: ü %(x)s\r\n",
        "[node]\nNickName=ü %(x)s",
        "[node]\nnickname = old\n# a comment\nnickname = ü %(x)s\n",
        "[node]\nnickname = old\n[client]\n[node]\n; more\nnickname = ü %(x)s",
        "[node]\nnickname =\n  ü %(x)s\n",
    ],
)
def test_syntax(text):
    assert client(text).nickname == "ü %(x)s"


def test_an_indented_line_goes_on_with_a_list():
    config = client("[node]\ntub.port = tcp:1,\n   tcp:2\ntub.location = AUTO")
    assert config.tub_ports == ("tcp:1", "tcp:2")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[client]\n\nbogus.key = 1",
            "/n/tahoe.cfg:3: unknown key 'bogus.key' in [client]",
        ),
        ("[nosec]\nx = 1", "/n/tahoe.cfg:2: unknown section [nosec]"),
        ("[node]\nnickname", "/n/tahoe.cfg:2: neither a [section] nor"),
        ("nickname = x", "/n/tahoe.cfg:1: a key before the first [section]"),
        ("[introducer]\nshares.needed = 3", "[introducer] is not for this kind of node"),
        ("[node]\nssh.port = 22", "unknown key 'ssh.port'"),
        ("[client]\nshares.needed = 0", "'0' is out of range"),
        ("[client]\nshares.needed = 257", "'257' is out of range"),
        ("[client]\nshares.needed = three", "'three' is not a whole number"),
        (
            "[client]\nshares.needed = 5\nshares.total = 4",
            ":2: shares.needed in [client]: 5 is",
        ),
        ("[client]\nshares.happy = 5\nshares.total = 4", "5 is more than shares.total, 4"),
        ("[storage]\nenabled = maybe", "'maybe' is neither true nor false"),
        ("[storage]\nreserved_space = big", "'big' is not a size"),
        ("[node]\nweb.port = tcp:99999", "has no port from 0 to 65535"),
        ("[node]\nweb.port = somewhere", "is not an endpoint"),
        ("[node]\ntub.port = 0", "has port 0"),
        ("[node]\ntub.port = tcp:0:interface=127.0.0.1", "has port 0"),
        ("[node]\ntub.port =", "is empty"),
        ("[node]\ntub.port = listen:tor", "needs Tor"),
        ("[node]\ntub.location = tor:x.onion:1", "needs Tor"),
        ("[node]\ntub.location = 127.0.0.1:80", "names no host and port"),
        ("[node]\ntub.port = disabled", "only one of port and location is disabled"),
        (
            "[node]\ntub.port = disabled\ntub.location = disabled",
            "a storage node must listen",
        ),
        (
            "[node]\nreveal-IP-address = false",
            "reveal-IP-address in [node]: false needs Tor",
        ),
        ("[connections]\ntcp = tor", "Tor is not offered"),
        ("[connections]\ntcp = pigeon", "'pigeon' is not known here"),
        ("[node]\nlog.level = loud", "'loud' is not known here"),
        ("[client]\nvdrive.furl = http://x/", "the value is not a FURL"),
        ("[helper]\nenabled = maybe", "neither true nor false"),
    ],
)
def test_refuses(text, said):
    with pytest.raises(ConfigError) as caught:
        client(text)
    assert said in caught.value.message
    assert caught.value.message.startswith("/n/tahoe.cfg")


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("[client]\nshares.neded = 3", "did you mean 'shares.needed'?"),
        ("[clent]\nshares.needed = 3", "did you mean 'client'?"),
        ("[node]\nshares.needed = 3", "it belongs in [client]"),
        ("[client]\nshares.needed = x", "allowed: a whole number from 1 to 256"),
        ("[connections]\ntcp = x", "allowed: one of tcp, tor, disabled"),
    ],
)
def test_says_what_to_do(text, fix):
    with pytest.raises(ConfigError) as caught:
        client(text)
    assert caught.value.fix == fix


def test_names_the_line_of_a_byte_that_is_not_utf_8():
    with pytest.raises(ConfigError, match=r"tahoe.cfg:2: not UTF-8"):
        parse(b"[node]\nnickname = \xff\n", BASE, "client")


def test_never_quotes_a_secret():
    with pytest.raises(ConfigError) as caught:
        client(f"[client]\nintroducer.furl = x{FURL}")
    assert "aaaa" not in str(caught.value)


def test_one_warning_names_all_that_is_not_done():
    config = client(
        "[node]\nweb.static = public_html\ntempdir = /var/tmp\n"
        "[tor]\nenabled = true\n[i2p]\nenabled = false\n[helper]\nenabled = yes\n"
        "[storageserver.plugins.x]\nanything = 1\n"
    )
    (warning,) = config.warnings
    assert warning == (
        "/n/tahoe.cfg: not done by this version, ignored: "
        "[node] tempdir, [tor] enabled, [helper] enabled, [storageserver.plugins.x]"
    )


def test_every_key_of_1_20_is_accepted():
    for key in NOT_USED:
        client(f"[{key.section}]\n{key.name} =")


@pytest.mark.parametrize("value", ["True", "False"])
@pytest.mark.parametrize("section", ["client", "storage"])
def test_force_foolscap_loads_with_either_value(section, value):
    config = client(f"[{section}]\nforce_foolscap = {value}")
    assert config.warnings == ()
    assert getattr(config, f"{section}_force_foolscap") is (value == "True")


def test_paths_are_absolute():
    config = client("[storage]\nstorage_dir = shares\n[node]\nlog.file = logs/x")
    assert config.storage_dir == BASE / "shares"
    assert config.log_file == BASE / "logs/x"
    assert client("[storage]\nstorage_dir = /big").storage_dir == Path("/big")
    assert client("[storage]\nstorage_dir = ~/s").storage_dir == Path("~/s").expanduser()


def test_a_bare_number_is_a_tcp_port():
    assert client("[node]\nweb.port = 3456").web_port == "tcp:3456"
    assert client("[node]\ntub.port = 4000").tub_ports == ("tcp:4000",)


def test_a_client_may_listen_to_nobody():
    text = "[node]\ntub.port = disabled\ntub.location = disabled\n[storage]\nenabled=false"
    assert not client(text).listens


def test_an_introducer_gives_advice_and_must_listen():
    config = introducer("[introducer]\nshares.needed = 2\nshares.total = 4\n[tor]\n")
    assert (config.advice_needed, config.advice_happy, config.advice_total) == (2, None, 4)
    with pytest.raises(ConfigError, match="an introducer must listen"):
        introducer("[node]\ntub.port = disabled\ntub.location = disabled")
    with pytest.raises(ConfigError, match=r"\[storage\] is not for this kind of node"):
        introducer("[storage]\nenabled = true")


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    for start in (b"", b"[node]\n", b"[node]\ntub.port =", b"[storage]\nmax_size ="):
        try:
            parse(start + data, BASE, "client")
        except ConfigError as e:
            assert e.message.startswith("/n/tahoe.cfg")


# ---- directories


def test_the_name_of_the_tac_tells_the_kind(tmp_path):
    (tmp_path / "tahoe-introducer.tac").write_text("raise SystemExit")
    assert detect_kind(tmp_path) == "introducer"
    (tmp_path / "tahoe.cfg").write_text("[node]\n")
    assert read(tmp_path).kind == "introducer"


def test_names_of_the_gateway_are_names():
    assert client("[node]").web_hosts == ()
    assert client("[node]\nweb.hosts = NAS.lan, a-b.example").web_hosts == (
        "nas.lan",
        "a-b.example",
    )
    for bad in ("http://nas.lan", "nas.lan:80", "*.lan", "a..b", "a b"):
        with pytest.raises(ConfigError, match="no name of a host"):
            client(f"[node]\nweb.hosts = {bad}")


def test_not_a_node_directory(tmp_path):
    with pytest.raises(ConfigError, match="is not a node directory"):
        detect_kind(tmp_path)
    with pytest.raises(NotFoundError, match="does not look like a directory at all"):
        detect_kind(tmp_path / "none")


def test_two_kinds_at_once(tmp_path):
    (tmp_path / "tahoe-introducer.tac").touch()
    (tmp_path / "tahoe-client.tac").touch()
    with pytest.raises(ConfigError, match="not a node directory") as caught:
        detect_kind(tmp_path)
    assert "tahoe-client.tac, tahoe-introducer.tac" in caught.value.why


def test_without_tahoe_cfg(tmp_path):
    (tmp_path / "tahoe-client.tac").touch()
    with pytest.raises(ConfigError, match=r"tahoe.cfg can't be read"):
        read(tmp_path)


def test_files_older_than_tahoe_cfg_are_named(tmp_path):
    for name in ("tahoe-client.tac", "webport", "introducer.furl"):
        (tmp_path / name).touch()
    (tmp_path / "tahoe.cfg").touch()
    with pytest.raises(
        ConfigError, match=r"older than tahoe.cfg: webport, introducer.furl"
    ):
        read(tmp_path)


@pytest.mark.parametrize(
    ("lines", "is_good"),
    [
        ("", True),
        ("port = tcp:5909", False),
        ("port = 5909", False),
        ("port = tcp:5909:interface=0.0.0.0", False),
        ("port = tcp6:5909:interface=\\:\\:1", True),
        ("port = tcp:5909\nauth = token", True),
    ],
)
def test_a_hive_that_others_reach_asks_for_a_token(lines, is_good):
    text = f"[hive]\nenabled = true\n{lines}\n".encode()
    if is_good:
        assert parse(text, BASE, "client").hive_enabled
    else:
        with pytest.raises(ConfigError, match="others could reach it"):
            parse(text, BASE, "client")
