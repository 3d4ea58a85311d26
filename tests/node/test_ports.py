import socket

from allmydata.node import ports


def test_ports_are_different_and_not_for_outgoing_connections(tmp_path, monkeypatch):
    (tmp_path / "range").write_text("20000\t30000\n")
    monkeypatch.setattr(ports, "_PORT_RANGE", tmp_path / "range")
    found = ports.free_ports(20)
    assert len(set(found)) == 20
    assert all(10_000 <= port < 20_000 for port in found)
    monkeypatch.setattr(ports, "_PORT_RANGE", tmp_path / "none")
    assert ports.free_ports(1)[0] < 32768


def test_a_port_somebody_listens_at_is_not_free():
    with socket.create_server((ports.LOOPBACK, 0)) as server:
        number = server.getsockname()[1]
        assert not ports.is_free(number)
    assert ports.is_free(number)
