import pytest


@pytest.fixture
def judge():
    import soak

    def judge(figures, pids=None):
        """Judge a node looked at each second, with these MB."""
        pids = pids or [1] * len(figures)
        samples = [soak.Sample(i, pids[i], mb, 20) for i, mb in enumerate(figures)]
        return soak._judge("client", samples, len(figures) / 2)

    return judge


def test_a_node_that_warms_up_and_stays_does_not_grow(judge):
    assert not judge([50, 100, 150, 151, 150, 151, 150, 152, 150, 151])["grows"]


def test_a_node_that_climbs_to_the_end_grows(judge):
    found = judge([100.0 + 10 * i for i in range(20)])
    assert found["grows"]
    assert found["grown_MB"] == 90


def test_a_node_restarted_late_is_not_judged(judge):
    found = judge([100.0] * 15 + [10, 30, 50, 70, 90], [1] * 15 + [2] * 5)
    assert not found["grows"]
    assert (found["lives"], found["grown_MB"]) == (2, None)


def test_descriptors_that_are_never_closed_count_as_growth():
    import soak

    samples = [soak.Sample(i, 1, 100.0, 20 + 10 * i) for i in range(20)]
    assert soak._judge("storage0", samples, 10)["grows"]
