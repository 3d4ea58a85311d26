import gc

import hypothesis
import pytest
import pytest_twisted
from foolscap.api import flushEventualQueue
from twisted.internet import reactor
from twisted.logger import LogLevel, globalLogPublisher

# What a machine is busy with beside is no fault of the code.
hypothesis.settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("unhurried")


@pytest.fixture(autouse=True)
def nothing_left_behind():
    errors = []

    def see(e):
        if e.get("log_level") == LogLevel.critical:
            errors.append(e)

    globalLogPublisher.addObserver(see)
    before = set(reactor.getDelayedCalls())
    yield
    pytest_twisted.blockon(flushEventualQueue())
    gc.collect()
    gc.freeze()  # what outlives a test is not looked at after each of the thousands to come
    globalLogPublisher.removeObserver(see)
    late = [c for c in reactor.getDelayedCalls() if c not in before and c.active()]
    assert not late, late
    assert not errors, [e.get("log_failure") for e in errors]


def pytest_collection_finish(session):
    gc.collect()
    gc.freeze()  # what was imported stays: the collections below pass it over
