import pytest


@pytest.fixture
def compare():
    import goals

    return goals.compare


def line(compare, key, ours, peers):
    (found,) = compare({"ours": {key: ours}, "peer": {key: peers}}, "1 MB")
    return found


def test_a_ratio_says_how_many_times_better_ours_is(compare):
    assert line(compare, "web_put", [100.0], [25.0])["ratio"] == 4
    assert line(compare, "ready", [1.0], [4.0])["ratio"] == 4


def test_figures_are_medians_and_the_spread_is_that_of_rounds(compare):
    found = line(compare, "web_get", [10.0, 80.0, 30.0], [10.0, 10.0, 20.0])
    assert (found["ours"], found["peer"], found["ratio"]) == (30, 10, 3)
    assert (found["least"], found["most"]) == (1, 8)


@pytest.mark.parametrize(
    ("ours", "is_held", "aim_is_held"),
    [(24.0, False, False), (25.0, True, False), (45.0, True, True)],
)
def test_floor_and_aim_are_judged(compare, ours, is_held, aim_is_held):
    import goals

    found = line(compare, "web_put", [ours], [10.0])
    assert (found["first_held"], found["then_held"]) == (is_held, aim_is_held)
    assert goals.missed([found]) == ([] if is_held else ["web_put"])


def test_some_limits_are_on_our_own_figure(compare):
    assert not line(compare, "put_peak_client", [101.0], [900.0])["first_held"]
    assert line(compare, "put_peak_client", [99.0], [50.0])["first_held"]


def test_what_the_peer_was_not_asked_has_no_ratio(compare):
    (found,) = compare({"ours": {"mkdir": [2.0]}, "peer": {}}, "1 MB")
    assert "ratio" not in found


def test_every_figure_of_a_row_is_in_the_text(compare):
    import goals

    text = goals.as_text([line(compare, "web_put", [12.5], [3.0])])
    assert all(one in text for one in ("web PUT, 1 MB", "12.5", "4.17 x", "2.5 x held"))
