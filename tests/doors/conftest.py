"""A hive, for the tests of it."""

import pytest
from pytest_twisted import blockon

from allmydata.util.deferreds import start
from tests.support.hive import HiveBench


@pytest.fixture
def bench(tmp_path):
    bench = HiveBench(tmp_path)
    blockon(start(bench.start()))
    yield bench
    blockon(start(bench.stop()))


@pytest.fixture
def room(bench):
    return bench.listen()
