from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allmydata.coding.placement import happiness, happiness_without, permute, plan

unhurried = settings(deadline=None)
SERVERS = ["a", "b", "c", "d", "e", "f"]
small_placements = st.dictionaries(
    st.sampled_from(SERVERS), st.sets(st.integers(0, 5)), max_size=6
)


@st.composite
def questions(draw, max_servers=4, max_shares=4):
    """Keyword arguments of plan(), any of them possibly empty."""
    num_shares = draw(st.integers(0, max_shares))
    servers = draw(st.permutations(SERVERS))
    num_writable = draw(st.integers(0, max_servers))
    num_readonly = draw(st.integers(0, max_servers - num_writable))
    held = draw(
        st.dictionaries(
            st.sampled_from(SERVERS), st.sets(st.integers(0, max_shares + 1)), max_size=6
        )
    )
    return {
        "num_shares": num_shares,
        "writable": servers[:num_writable],
        "readonly": servers[num_writable : num_writable + num_readonly],
        "held": held,
        "zones": draw(st.dictionaries(st.sampled_from(SERVERS), st.sampled_from("xyz"))),
    }


def present(question):
    """Return what the servers asked about hold of this file's shares."""
    shares = set(range(question["num_shares"]))
    servers = question["writable"] + question["readonly"]
    return {s: question["held"].get(s, set()) & shares for s in servers}


def after(question, placement):
    """Return what they hold once the placement is carried out."""
    everything = {s: set(shares) for s, shares in present(question).items()}
    for share, server in placement.new.items():
        everything[server].add(share)
    return everything


def slow_happiness(placements):
    """Try for every server each of its shares, or none."""
    choices = [[None, *shares] for shares in placements.values()]
    sizes = [0]
    for chosen in product(*choices):
        shares = [share for share in chosen if share is not None]
        if len(set(shares)) == len(shares):
            sizes.append(len(shares))
    return max(sizes)


# ---- the ring --------------------------------------------------------------------------


def test_position_in_the_ring_is_sha1_of_storage_index_and_seed():
    seeds = [bytes([number]) * 20 for number in range(6)]
    order = permute(b"\x11" * 16, seeds, lambda seed: seed)
    assert [seed[0] for seed in order] == [4, 1, 3, 0, 2, 5]


def test_another_file_has_another_order_of_the_same_servers():
    seeds = [bytes([number]) * 20 for number in range(20)]
    orders = [permute(bytes([n]) * 16, seeds, lambda seed: seed) for n in range(9)]
    assert len({tuple(order) for order in orders}) == 9
    assert all(sorted(order) == seeds for order in orders)


def test_order_does_not_depend_on_the_order_servers_were_met():
    seeds = [bytes([number]) * 20 for number in range(20)]
    one = permute(b"i" * 16, seeds, lambda seed: seed)
    assert permute(b"i" * 16, reversed(seeds), lambda seed: seed) == one


# ---- happiness -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("placements", "expected"),
    [
        ({}, 0),
        ({"s1": set()}, 0),
        ({"s1": {1, 2, 3, 4}, "s2": {6}, "s3": {3}, "s4": {4}, "s5": {2}}, 5),
        ({"s1": {0, 1, 2, 3}}, 1),
        ({"s1": {0}, "s2": {0}, "s3": {0}}, 1),
        ({"s1": {0, 1}, "s2": {0}, "s3": {0, 1}}, 2),
        ({"s1": {0, 1}, "s2": {0, 2}, "s3": {1, 2}, "s4": {0}}, 3),
    ],
)
def test_happiness_of(placements, expected):
    assert happiness(placements) == expected


@unhurried
@given(small_placements)
def test_happiness_is_the_largest_pairing_there_is(placements):
    assert happiness(placements) == slow_happiness(placements)


@unhurried
@given(st.integers(0, 255))
def test_a_chain_of_servers_that_must_all_pass_on_is_paired_whole(start):
    ring = {server: {server, (server + 1) % 256} for server in range(256)}
    assert happiness(ring) == 256
    assert happiness({**ring, start: {start}}) == 256


def test_every_server_holding_everything_makes_as_many_pairs_as_shares():
    assert happiness({server: range(256) for server in range(512)}) == 256
    assert happiness({server: range(256) for server in range(100)}) == 100


def test_losing_a_server_costs_its_pair_only_where_no_other_holds_the_share():
    placements = {"a": {0}, "b": {1}, "c": {1, 2}, "d": {2}}
    assert happiness(placements) == 3
    assert happiness_without(placements, "a") == 2
    assert happiness_without(placements, "b") == 3
    assert happiness_without(placements, "nobody") == 3


# ---- the plan --------------------------------------------------------------------------


def test_a_new_file_goes_to_the_first_servers_in_order():
    placement = plan(3, ["a", "b", "c", "d"])
    assert placement.new == {0: "a", 1: "b", 2: "c"}
    assert (placement.kept, placement.unplaced, placement.happiness) == ({}, set(), 3)


def test_too_few_servers_take_several_shares_each_evenly():
    placement = plan(7, ["a", "b", "c"])
    assert sorted(len(placement.shares_on(server)) for server in "abc") == [2, 2, 3]
    assert placement.happiness == 3


def test_shares_in_place_are_kept_and_only_the_rest_is_uploaded():
    held = {"a": {0}, "b": {1}, "r": {2}}
    placement = plan(4, ["a", "b", "c"], ["r"], held)
    assert placement.kept == {0: "a", 1: "b", 2: "r"}
    assert placement.new == {3: "c"}
    assert placement.happiness == 4


def test_a_share_is_uploaded_again_only_where_that_makes_one_more_server_happy():
    placement = plan(3, ["a", "b"], (), {"a": {0, 1, 2}})
    assert placement.kept.keys() | placement.new.keys() == {0, 1, 2}
    assert set(placement.new.values()) == {"b"}
    assert (len(placement.new), placement.happiness) == (1, 2)


def test_a_server_that_wants_a_share_of_its_own_gets_one_nobody_holds():
    placement = plan(4, ["a", "b"], (), {"a": {0, 1, 2}})
    assert placement.new == {3: "b"}


def test_a_readonly_server_keeps_its_only_share_and_the_writable_one_another():
    placement = plan(2, ["w"], ["r"], {"w": {0, 1}, "r": {0}})
    assert placement.kept == {0: "r", 1: "w"}
    assert (placement.new, placement.happiness) == ({}, 2)


def test_a_server_named_both_writable_and_readonly_is_readonly():
    placement = plan(1, ["a"], ["a"])
    assert (placement.new, placement.unplaced) == ({}, {0})


def test_with_no_writable_server_the_missing_shares_stay_unplaced():
    placement = plan(3, [], ["r"], {"r": {1}})
    assert (placement.new, placement.kept, placement.unplaced) == ({}, {1: "r"}, {0, 2})
    assert placement.happiness == 1


def test_shares_to_ask_a_server_for_include_those_it_holds():
    placement = plan(3, ["a"], (), {"a": {1}})
    assert placement.shares_on("a") == {0, 1, 2}
    assert placement.shares_on("b") == set()


@unhurried
@given(questions())
def test_happiness_is_the_greatest_these_servers_allow(question):
    placement = plan(**question)
    shares, writable = range(question["num_shares"]), question["writable"]
    best = slow_happiness({**present(question), **dict.fromkeys(writable, shares)})
    assert placement.happiness == best == slow_happiness(after(question, placement))


@unhurried
@given(questions())
def test_every_share_is_placed_once_if_any_server_is_writable(question):
    placement = plan(**question)
    new, kept, unplaced = set(placement.new), set(placement.kept), placement.unplaced
    assert len(new) + len(kept) + len(unplaced) == question["num_shares"]
    assert new | kept | unplaced == set(range(question["num_shares"]))
    assert not (question["writable"] and unplaced)


@unhurried
@given(questions())
def test_uploads_go_to_writable_servers_that_lack_the_share(question):
    placement, before = plan(**question), present(question)
    for share, server in placement.new.items():
        assert server in question["writable"]
        assert share not in before[server]
    for share, server in placement.kept.items():
        assert share in before[server]


@unhurried
@given(questions(max_servers=3, max_shares=3))
def test_no_way_to_the_same_happiness_uploads_less(question):
    placement, before = plan(**question), present(question)
    lacking = set(range(question["num_shares"])) - set().union(*before.values())
    choices = []
    for share in range(question["num_shares"]):
        able = [s for s in question["writable"] if share not in before[s]]
        choices.append([*able] if share in lacking and able else [None, *able])
    fewest = question["num_shares"]
    for chosen in product(*choices):
        trial = {s: set(shares) for s, shares in before.items()}
        sent = [(share, s) for share, s in enumerate(chosen) if s is not None]
        for share, server in sent:
            trial[server].add(share)
        if slow_happiness(trial) == placement.happiness:
            fewest = min(fewest, len(sent))
    assert len(placement.new) == fewest


@unhurried
@given(questions())
def test_the_same_question_gets_the_same_answer(question):
    assert plan(**question) == plan(**question)


@unhurried
@given(questions())
def test_carrying_a_plan_out_leaves_nothing_to_do(question):
    first = plan(**question)
    again = plan(**{**question, "held": after(question, first)})
    assert again.new == {}
    assert again.happiness == first.happiness


# ---- zones -----------------------------------------------------------------------------


def zone_loads(placement, zones):
    used = [*placement.new.values(), *placement.kept.values()]
    return {zone: sum(zones[s] == zone for s in used) for zone in set(zones.values())}


def test_zones_take_turns_though_one_comes_first_in_the_order():
    zones = {"a": "x", "b": "x", "c": "x", "d": "y", "e": "z"}
    placement = plan(3, list(zones), zones=zones)
    assert placement.new == {0: "a", 1: "d", 2: "e"}


def test_a_zone_that_holds_shares_already_waits_for_the_others():
    zones = {"a": "x", "b": "x", "c": "y", "d": "y"}
    placement = plan(3, list(zones), (), {"a": {0}}, zones)
    assert placement.new == {1: "c", 2: "b"}


def test_zones_never_cost_happiness():
    zones = {"a": "x", "b": "x", "c": "x", "d": "y"}
    placement = plan(4, list(zones), zones=zones)
    assert placement.happiness == 4


@unhurried
@given(st.integers(1, 12), st.dictionaries(st.integers(0, 30), st.sampled_from("xyz")))
def test_a_zone_gets_more_than_another_only_when_the_other_is_used_up(num_shares, zones):
    placement = plan(num_shares, list(zones), zones=zones)
    if len(zones) < num_shares:
        return
    loads = zone_loads(placement, zones)
    full = {zone: sum(z == zone for z in zones.values()) for zone in loads}
    for zone, load in loads.items():
        assert load == full[zone] or load >= max(loads.values()) - 1


@unhurried
@given(st.integers(1, 12), st.dictionaries(st.sampled_from(SERVERS), st.just("x")))
def test_servers_all_in_one_zone_are_as_if_there_were_none(num_shares, zones):
    servers = list(zones)
    assert plan(num_shares, servers, zones=zones) == plan(num_shares, servers)
