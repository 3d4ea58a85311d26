from allmydata.grid.trust import LOW_S, Trust


def test_trust_is_low_for_some_hours_after_a_bad_share():
    trust = Trust()
    assert not trust.is_low(0.0)
    trust.lose(100.0)
    assert trust.is_low(100.0) and trust.is_low(99.0 + LOW_S)
    assert not trust.is_low(100.0 + LOW_S)
    assert trust.num_damages == 1
