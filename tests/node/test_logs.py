import io
import json

import pytest
from twisted.logger import Logger, LogPublisher

from allmydata.node.config import parse
from allmydata.node.logs import make_observer, open_log


@pytest.fixture
def config(tmp_path):
    return lambda *lines: parse("\n".join(["[node]", *lines]).encode(), tmp_path, "client")


def logged(config, level="info", namespace="allmydata.node.base"):
    """Return what is written of one event."""
    out = io.StringIO()
    log = Logger(namespace, observer=LogPublisher(make_observer(config, out)))
    getattr(log, level)("{num} servers", num=3)
    return out.getvalue()


def test_a_line_of_text_says_when_who_and_what(config):
    line = logged(config())
    assert line.endswith("[allmydata.node.base#info] 3 servers\n") and line[4] == "-"


def test_json_is_one_object_a_line(config):
    (line,) = logged(config("log.format = json")).splitlines()
    assert json.loads(line)["num"] == 3


@pytest.mark.parametrize(
    ("least", "level", "written"),
    [
        ("info", "debug", False),
        ("debug", "debug", True),
        ("warning", "info", False),
        ("warning", "warn", True),
        ("error", "warn", False),
        ("error", "error", True),
    ],
)
def test_the_level_is_the_least_that_is_written(config, least, level, written):
    assert bool(logged(config(f"log.level = {least}"), level)) is written


def test_request_lines_of_the_web_server_are_never_written(config):
    everything = config("log.level = debug")
    assert logged(everything, "info", "twisted.web.server") == ""
    assert logged(everything, "warn", "twisted.web.server") != ""


def test_a_full_log_is_set_aside_and_the_oldest_deleted(config, tmp_path):
    log = open_log(
        config("log.max_size = 100", "log.keep = 2"), tmp_path / "logs" / "n.log"
    )
    for number in range(50):
        log.write(f"line {number:03}\n")
    log.close()
    names = sorted(path.name for path in (tmp_path / "logs").iterdir())
    assert names == ["n.log", "n.log.1", "n.log.2"]
