from hypothesis import given
from hypothesis import strategies as st

from allmydata.formats.container import LEASE_DURATION_S
from allmydata.storage.expiry import DAY_S, ExpiryPolicy
from allmydata.storage.inventory import IMMUTABLE, MUTABLE, UNREADABLE, Held

NOW = 1_700_000_000
times = st.integers(0, 2**32 - 1)


def is_over(policy, now, *ends, kind=IMMUTABLE):
    first, last = min(ends, default=0), max(ends, default=0)
    return policy.over(now).covers(Held(100, kind, len(ends), first, last))


def test_by_age_a_lease_is_over_when_it_says():
    policy = ExpiryPolicy(mode="age")
    assert is_over(policy, NOW, NOW - 1)
    assert not is_over(policy, NOW, NOW)


def test_another_duration_counts_from_the_last_renewal():
    policy = ExpiryPolicy(mode="age", duration_s=7 * DAY_S)
    renewed = NOW - 7 * DAY_S
    assert not is_over(policy, NOW, renewed + LEASE_DURATION_S)
    assert is_over(policy, NOW, renewed + LEASE_DURATION_S - 1)


def test_a_cutoff_date_knows_no_clock():
    policy = ExpiryPolicy(mode="cutoff-date", cutoff=NOW)
    for now in (0, NOW, NOW * 2):
        assert is_over(policy, now, NOW + LEASE_DURATION_S - 1)
        assert not is_over(policy, now, NOW + LEASE_DURATION_S)


@given(st.lists(times, max_size=5), times)
def test_one_live_lease_is_enough_and_none_at_all_too(ends, now):
    policy = ExpiryPolicy(mode="age")
    assert is_over(policy, now, *ends) == (bool(ends) and max(ends) < now)


def test_what_is_excluded_can_not_be_read_or_has_no_date_is_never_over():
    assert not is_over(ExpiryPolicy(mode="cutoff-date"), NOW, 0)
    assert not is_over(ExpiryPolicy(), NOW, 0, kind=UNREADABLE)
    assert not ExpiryPolicy().over(NOW).covers(None)
    for kept, gone in ((IMMUTABLE, MUTABLE), (MUTABLE, IMMUTABLE)):
        policy = ExpiryPolicy(immutable=kept != IMMUTABLE, mutable=kept != MUTABLE)
        assert not is_over(policy, NOW, 0, kind=kept)
        assert is_over(policy, NOW, 0, kind=gone)


def test_the_rule_can_be_said():
    assert ExpiryPolicy().words() == "31 days after it was last renewed"
    assert ExpiryPolicy(duration_s=DAY_S).words() == "1 days after it was last renewed"
    cutoff = ExpiryPolicy(mode="cutoff-date", cutoff=NOW)
    assert cutoff.words() == "when it was last renewed before 2023-11-14"
    assert ExpiryPolicy(immutable=False, mutable=False).words().startswith("never")
