"""``/metrics``, read with a parser that takes nothing but the text format."""

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pytest_twisted import ensureDeferred

from allmydata.web.metrics import Metric
from tests.support.fake_client import INDEX_WORDS, fake_server

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{((?:{LABEL})(?:,{LABEL})*)\}})? (\S+)")
UNQUOTED = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


class FormatError(Exception):
    pass


class Page:
    """What the lines of a page say: {(name, labels): value}."""

    def __init__(self, text):
        if not text.endswith("\n"):
            raise FormatError("the last line has no end")
        self.kinds, self.found, self.current = {}, {}, None
        lines = iter(text.removesuffix("\n").split("\n"))
        for line in lines:
            if line.startswith("#"):
                self.begin(line, next(lines, ""))
            else:
                self.add(line)
        empty = self.kinds.keys() - {name for name, _ in self.found}
        if empty:
            raise FormatError(f"without a sample: {empty}")

    def begin(self, first, second):
        help_, type_ = first.split(" ", 3), second.split(" ")
        if help_[:2] != ["#", "HELP"] or type_[:2] != ["#", "TYPE"]:
            raise FormatError(f"HELP and TYPE go together: {first}")
        if len(help_) < 4 or not help_[3] or len(type_) != 4 or help_[2] != type_[2]:
            raise FormatError(f"HELP or TYPE says nothing: {first}")
        _, _, self.current, kind = type_
        if self.current in self.kinds:
            raise FormatError(f"{self.current} comes twice")
        if kind not in ("counter", "gauge", "histogram", "summary", "untyped"):
            raise FormatError(f"{self.current} is of no type")
        self.kinds[self.current] = kind

    def add(self, line):
        sample = SAMPLE.fullmatch(line)
        if not sample or sample[1] != self.current:
            raise FormatError(f"no sample of {self.current}: {line!r}")
        pairs = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', sample[2] or "")
        labels = {k: re.sub(r"\\.", lambda m: UNQUOTED[m[0]], v) for k, v in pairs}
        key = self.current, tuple(sorted(labels.items()))
        if key in self.found or len(labels) != len(pairs):
            raise FormatError(f"twice: {line}")
        self.found[key] = float(sample[3])
        is_counter = self.kinds[self.current] == "counter"
        if is_counter and (self.found[key] < 0 or not self.current.endswith("_total")):
            raise FormatError(f"no counter: {line}")


def parse(text):
    """Return {(name, labels): value} of a page; take no liberties with the format."""
    return Page(text).found


@pytest.mark.parametrize(
    "text",
    [
        "a 1",
        "a 1\n",
        "# HELP a words\na 1\n",
        "# TYPE a gauge\n# HELP a words\na 1\n",
        "# HELP a words\n# TYPE b gauge\na 1\n",
        "# HELP a words\n# TYPE a gauge\n",
        "# HELP a words\n# TYPE a gauge\nb 1\n",
        "# HELP a words\n# TYPE a thing\na 1\n",
        "# HELP a words\n# TYPE a gauge\na 1\na 2\n",
        "# HELP a words\n# TYPE a counter\na 1\n",
        '# HELP a words\n# TYPE a gauge\na{b="\n"} 1\n',
        '# HELP a words\n# TYPE a gauge\na{b="c\\d"} 1\n',
        "# HELP a words\n# TYPE a gauge\na{} 1\n",
        "# HELP a words\n# TYPE a gauge\n\na 1\n",
    ],
)
def test_the_parser_refuses_what_is_not_the_format(text):
    with pytest.raises(FormatError):
        parse(text)


@pytest.fixture
def client(gateway):
    return gateway.client


async def scrape(gateway):
    status, headers, body = await gateway.ask("GET", "/metrics")
    assert status == 200
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return parse(body.decode()), body.decode()


def value(found, name, **labels):
    return found[f"allmydata_{name}", tuple(sorted(labels.items()))]


@ensureDeferred
async def test_a_node_that_did_nothing_has_zeros(gateway, client):
    found, _ = await scrape(gateway)
    for name in ("uploads_total", "download_bytes_total", "servers_known"):
        assert value(found, name) == 0
    assert not [name for name, _ in found if "storage" in name or "failures" in name]
    assert all(name.startswith("allmydata_") for name, _ in found)


@ensureDeferred
async def test_what_moved_is_counted(gateway, client):
    client.move("upload", 300)
    client.move("upload", 400)
    client.move("download", 50)
    client.fail("download")
    with client.transfers.running("download", 9, bytes(16)):
        found, text = await scrape(gateway)
    assert value(found, "uploads_total") == 2
    assert value(found, "upload_bytes_total") == 700
    assert value(found, "downloads_total") == 1
    assert value(found, "download_bytes_total") == 50
    assert value(found, "downloads_running") == 1 and value(found, "uploads_running") == 0
    failures = "transfer_failures_total"
    assert value(found, failures, kind="download", code="unrecoverable") == 1
    assert INDEX_WORDS[:5] not in text


@ensureDeferred
async def test_servers_and_readiness_are_told(gateway, client):
    client.servers += [fake_server(f"s{i}", connected=i < 3) for i in range(5)]
    client.introducers += ["Connected to tcp:127.0.0.1:2 via tcp", "Trying to connect"]
    client.ready = (False, "too few")
    found, _ = await scrape(gateway)
    assert value(found, "servers_connected") == 3 and value(found, "servers_known") == 5
    assert value(found, "introducers_connected") == 1
    assert value(found, "ready") == 0


@ensureDeferred
async def test_a_storage_node_tells_what_it_keeps(gateway, client):
    client.figures = {"shares": 7, "bytes": 7000, "available": 10**12, "uploads": 2}
    found, _ = await scrape(gateway)
    assert value(found, "storage_shares") == 7
    assert value(found, "storage_bytes") == 7000
    assert value(found, "storage_available_bytes") == 10**12
    assert value(found, "storage_uploads") == 2


@ensureDeferred
async def test_what_was_not_counted_yet_is_left_out(gateway, client):
    client.figures = {"shares": None, "bytes": None, "available": 5, "uploads": 0}
    found, _ = await scrape(gateway)
    names = {name for name, _ in found}
    assert "allmydata_storage_available_bytes" in names
    assert "allmydata_storage_shares" not in names


@ensureDeferred
async def test_the_process_is_told_of(gateway, client):
    first, _ = await scrape(gateway)
    second, _ = await scrape(gateway)
    for name in ("process_cpu_seconds_total", "process_uptime_seconds"):
        assert 0 < value(first, name) <= value(second, name)


def test_labels_and_help_are_escaped():
    text = 'a "b"\\\nc'
    metric = Metric("x", "gauge", "two\nlines", [({"l": text}, 1)])
    found = parse("".join(f"{line}\n" for line in metric.lines()))
    assert found == {("x", (("l", text),)): 1.0}


@ensureDeferred
async def test_the_reactor_s_lag_is_told(gateway, client):
    client.lag = (0.25, 1.5)
    found, _ = await scrape(gateway)
    assert value(found, "reactor_lag_seconds") == 0.25
    assert value(found, "reactor_lag_max_seconds") == 1.5


@ensureDeferred
async def test_prometheus_own_parser_reads_the_same(gateway, client):
    client.move("upload", 300)
    client.fail("download")
    client.servers += [fake_server('a "quoted"\\ name')]
    client.figures = {"shares": 7, "bytes": 7000, "available": 10**12, "uploads": 2}
    found, text = await scrape(gateway)
    families = list(text_string_to_metric_families(text))
    theirs = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }
    assert theirs == found
    assert {family.type for family in families} == {"counter", "gauge"}
    assert all(family.documentation for family in families)


@ensureDeferred
async def test_only_reading_is_allowed(gateway, client):
    for page in ("metrics", "statistics", "status", "live"):
        assert (await gateway.ask("POST", f"/{page}"))[0] == 405
