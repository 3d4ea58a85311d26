import pytest

from allmydata.util.workers import Workers


@pytest.fixture
def workers():
    threads = Workers(2, "tests")
    threads.start()
    yield threads
    threads.stop()
