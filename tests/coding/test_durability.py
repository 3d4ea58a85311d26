import pytest
from hypothesis import given
from hypothesis import strategies as st

from allmydata.coding.durability import (
    ServerOdds,
    nines,
    readable_odds,
    yearly_loss,
)

TEN = {f"s{i}": [i] for i in range(10)}
MONTH = 1 / 12


def odds(losses, zone="", **more):
    return ServerOdds(losses, 1.0, zone=zone, **more)


def test_one_server_that_holds_all_is_lost_as_often_as_that_server():
    loss = yearly_loss(1, {"a": [0, 1]}, {"a": odds(0.001)}, MONTH)
    assert loss == pytest.approx(0.001, rel=0.01)


def test_two_copies_are_lost_when_the_second_goes_before_the_first_is_mended():
    servers = {"a": odds(0.1), "b": odds(0.1)}
    loss = yearly_loss(1, {"a": [0], "b": [1]}, servers, MONTH)
    assert loss == pytest.approx(2 * 0.1 * 0.1 * MONTH, rel=0.03)


def test_without_repair_it_is_the_odds_that_too_many_go_in_one_year():
    servers = dict.fromkeys("ab", odds(0.1))
    assert yearly_loss(1, {"a": [0], "b": [1]}, servers, None) == pytest.approx(
        (1 - 2.718281828**-0.1) ** 2
    )


def test_too_few_shares_are_a_certain_loss():
    assert yearly_loss(3, {"a": [0], "b": [1]}, {}, MONTH) == 1.0
    assert yearly_loss(3, {}, {}, None) == 1.0


def test_a_zone_takes_all_its_servers_with_it():
    holdings = {"a": [0], "b": [1], "c": [2]}
    same = dict.fromkeys("abc", odds(0.0, zone="here"))
    loss = yearly_loss(1, holdings, same, MONTH, zone_losses=0.01)
    assert loss == pytest.approx(0.01, rel=0.01)
    apart = {name: odds(0.0, zone=name) for name in "abc"}
    assert yearly_loss(1, holdings, apart, MONTH, zone_losses=0.01) < 1e-5


def test_servers_without_a_zone_have_nothing_in_common():
    nowhere = dict.fromkeys("abc", odds(0.0))
    holdings = {"a": [0], "b": [1], "c": [2]}
    assert yearly_loss(1, holdings, nowhere, MONTH, zone_losses=1.0) == 0.0


def test_a_copy_of_a_share_is_not_counted_twice():
    servers = dict.fromkeys("abc", odds(0.1))
    two = yearly_loss(2, {"a": [0], "b": [1]}, servers, MONTH)
    assert yearly_loss(2, {"a": [0], "b": [1], "c": [1]}, servers, MONTH) == two


def test_of_a_copy_on_two_servers_the_better_one_counts():
    servers = {"a": odds(0.5), "b": odds(0.01)}
    assert yearly_loss(1, {"a": [0], "b": [0]}, servers, MONTH) == pytest.approx(
        0.01, rel=0.01
    )


@given(st.integers(1, 10), st.floats(0.01, 2), st.floats(0.001, 0.2))
def test_worse_servers_slower_repair_and_fewer_shares_never_help(k, losses, repair):
    servers = dict.fromkeys(TEN, odds(losses))
    loss = yearly_loss(k, TEN, servers, repair)
    slack = 1 + 1e-9
    assert 0 <= loss <= 1
    assert (
        loss <= yearly_loss(k, TEN, dict.fromkeys(TEN, odds(losses * 1.1)), repair) * slack
    )
    assert loss <= yearly_loss(k, TEN, servers, repair * 1.1) * slack
    nine = {server: held for server, held in TEN.items() if server != "s0"}
    assert loss <= yearly_loss(k, nine, servers, repair) * slack


def test_servers_that_are_often_away_make_repair_wait():
    there = dict.fromkeys(TEN, ServerOdds(0.1, 0.999, 1 / 365))
    away = dict.fromkeys(TEN, ServerOdds(0.1, 0.4, 1 / 12))
    assert yearly_loss(3, TEN, away, 0.001) > 10 * yearly_loss(3, TEN, there, 0.001)


def test_a_server_that_is_gone_already_counts_as_lost():
    servers = {"a": odds(0.0, gone=0.25), "b": odds(0.0, gone=0.5)}
    assert yearly_loss(1, {"a": [0], "b": [1]}, servers, MONTH) == pytest.approx(0.125)


def test_a_file_can_be_read_while_k_of_its_servers_are_up():
    servers = dict.fromkeys("ab", ServerOdds(up=0.9))
    assert readable_odds(1, {"a": [0], "b": [1]}, servers) == pytest.approx(0.99)
    assert readable_odds(2, {"a": [0], "b": [1]}, servers) == pytest.approx(0.81)
    assert readable_odds(3, {"a": [0], "b": [1]}, servers) == 0.0


def test_many_servers_and_zones_are_reckoned_with_soon():
    holdings = {i: [i] for i in range(256)}
    servers = {i: ServerOdds(0.1, 0.99, zone=f"z{i % 40}") for i in range(256)}
    assert 0 <= yearly_loss(100, holdings, servers, MONTH) < 1e-9


class TestWhatIsThoughtOfAServer:
    def test_unwatched_it_is_like_any_other(self):
        assert ServerOdds.observed(0, 0) == ServerOdds()

    def test_the_longer_it_stays_the_better_it_is_thought_of(self):
        young, old = ServerOdds.observed(0.1, 0.1), ServerOdds.observed(3, 3)
        assert old.losses < young.losses < 0.1
        assert old.up > young.up > 0.95

    def test_one_that_is_away_is_gone_for_good_more_likely_day_by_day(self):
        def gone(days):
            return ServerOdds.observed(1, 1 - days / 365, 4, days / 365).gone

        assert ServerOdds.observed(1, 1, 4).gone == 0.0
        assert gone(0.1) < 0.02 < gone(3) < gone(10) < 1.0
        assert gone(300) > 0.99

    def test_one_that_comes_and_goes_answers_less(self):
        assert ServerOdds.observed(1, 0.5, 100).up == pytest.approx(0.53, abs=0.02)


@pytest.mark.parametrize(
    ("loss", "number"), [(0.1, 1), (0.001, 3), (1, 0), (0, 15), (1e-30, 15), (0.5, 0.301)]
)
def test_nines(loss, number):
    assert nines(loss) == pytest.approx(number, abs=0.001)
