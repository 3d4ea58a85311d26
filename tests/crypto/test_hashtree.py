import hashlib
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allmydata.crypto.hashtree import (
    HashTree,
    IncompleteHashTree,
    first_leaf,
    num_nodes,
    pack_hashes,
    parent,
    path_siblings,
    sibling,
)
from allmydata.errors import BadHashError, NotEnoughHashesError

sizes = st.integers(1, 20)


def leaf(index):
    return hashlib.sha256(b"leaf %d" % index).digest()


def tree_of(num_leaves):
    return HashTree(map(leaf, range(num_leaves)))


def rooted(tree):
    """Return an incomplete tree that knows the root of *tree* and nothing else."""
    incomplete = IncompleteHashTree(tree.num_leaves)
    incomplete.set_root(tree.root)
    return incomplete


def known(incomplete):
    return {i: incomplete[i] for i in range(len(incomplete)) if incomplete[i] is not None}


def branch(tree, leafnum):
    """Return what ties one leaf to the root, the leaf included."""
    return {node: tree[node] for node in tree.needed_hashes(leafnum, include_leaf=True)}


def flipped(value):
    return bytes([value[0] ^ 1]) + value[1:]


# ---- by hand, from nothing but hashlib -------------------------------------------------


def sha256d(data):
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def padding_by_hand(index):
    return sha256d(b"22:Merkle tree empty leaf,%d" % index)


def pair_by_hand(a, b):
    return sha256d(b"25:Merkle tree internal node,32:" + a + b",32:" + b + b",")


# ---- whole trees -----------------------------------------------------------------------


def test_a_tree_over_one_leaf_is_that_leaf():
    tree = HashTree([leaf(0)])
    assert (list(tree), tree.root, tree.needed_hashes(0)) == ([leaf(0)], leaf(0), set())
    assert tree.needed_hashes(0, include_leaf=True) == {0}


def test_a_tree_over_nothing_is_padding_leaf_0():
    assert list(HashTree([])) == [padding_by_hand(0)]


def test_three_leaves_are_padded_by_the_number_of_the_leaf_and_not_of_the_node():
    a, b, c, d = leaf(0), leaf(1), leaf(2), padding_by_hand(3)
    left, right = pair_by_hand(a, b), pair_by_hand(c, d)
    tree = tree_of(3)
    assert list(tree) == [pair_by_hand(left, right), left, right, a, b, c, d]
    assert tree.pack() == b"".join(tree)
    assert tree.root == tree[0]


def test_the_tree_printed_in_the_page_is_right():
    tree = HashTree([bytes([i]) * 32 for i in (1, 2, 3)])
    assert [tree[node].hex() for node in (0, 1, 2, 6)] == [
        "c3a16fe5a278b42b9b46824bb793d0bb80bbe70f018cb21fd3d74ba1de43e1cc",
        "29c2d1c651cb930ac440c4fbedc2dcd489a8e0ae95c2ad2370a81e5c958f98e4",
        "69234b2fb3681c934b428171b00e4ea3b96c5def17aa3ac34b7321a315344525",
        "9ed59076b6bee6b75864630c3c20cff6934efe03a60a7fd28b69542fb13a68a3",
    ]


@given(sizes)
def test_every_node_is_the_hash_of_its_children_and_every_leaf_is_in_its_place(num_leaves):
    tree, first = tree_of(num_leaves), first_leaf(num_leaves)
    assert len(tree) == num_nodes(num_leaves) == 2 * first + 1
    for node in range(first):
        assert tree[node] == pair_by_hand(tree[2 * node + 1], tree[2 * node + 2])
    for i in range(first + 1):
        assert tree[first + i] == (leaf(i) if i < num_leaves else padding_by_hand(i))


@given(st.integers(1, 10**9))
def test_family_ties_agree(node):
    assert sibling(sibling(node)) == node
    assert parent(node) == parent(sibling(node)) < node
    assert {node, sibling(node)} == {2 * parent(node) + 1, 2 * parent(node) + 2}


def test_the_way_to_the_root_is_told_from_the_leaf_up():
    assert list(path_siblings(24)) == [23, 12, 6, 1]
    assert list(path_siblings(0)) == []


@given(sizes, st.data())
def test_needed_hashes_are_one_a_level_and_never_the_root(num_leaves, data):
    leafnum = data.draw(st.integers(0, num_leaves - 1))
    tree = tree_of(num_leaves)
    needed = tree.needed_hashes(leafnum)
    levels = len(tree).bit_length() - 1
    assert sorted((node + 1).bit_length() for node in needed) == list(range(2, levels + 2))
    own = first_leaf(num_leaves) + leafnum
    assert tree.needed_hashes(leafnum, include_leaf=True) == needed | {own}


# ---- trees of which some is known ------------------------------------------------------


@given(sizes, st.data())
def test_branches_may_be_taken_in_any_order(num_leaves, data):
    tree = tree_of(num_leaves)
    incomplete = rooted(tree)
    for leafnum in data.draw(st.permutations(range(num_leaves))):
        needed = incomplete.needed_hashes(leafnum, include_leaf=True)
        assert not needed & known(incomplete).keys()
        incomplete.set_hashes({node: tree[node] for node in needed})
        assert incomplete.get_leaf(leafnum) == leaf(leafnum)
        assert incomplete.needed_hashes(leafnum, include_leaf=True) == set()
    assert known(incomplete).items() <= dict(enumerate(tree)).items()


def test_parents_are_computed_where_both_children_are_given():
    tree = tree_of(4)
    incomplete = rooted(tree)
    incomplete.set_hashes(leaves=dict(enumerate(map(leaf, range(4)))))
    assert known(incomplete) == dict(enumerate(tree))


def test_leaves_and_nodes_may_come_together():
    tree = tree_of(8)
    incomplete = rooted(tree)
    needed = incomplete.needed_hashes(5)
    incomplete.set_hashes({node: tree[node] for node in needed}, leaves={5: leaf(5)})
    assert incomplete.get_leaf(5) == leaf(5)


@given(st.integers(1, 12), st.data())
def test_one_wrong_node_and_nothing_is_taken(num_leaves, data):
    tree = tree_of(num_leaves)
    leafnum = data.draw(st.integers(0, num_leaves - 1))
    earlier = data.draw(st.none() | st.integers(0, num_leaves - 1))
    for hashes in (branch(tree, leafnum), dict(enumerate(tree))):
        for wrong in hashes:
            incomplete = rooted(tree)
            if earlier is not None:
                incomplete.set_hashes(branch(tree, earlier))
            before = known(incomplete)
            with pytest.raises(BadHashError):
                incomplete.set_hashes(hashes | {wrong: flipped(hashes[wrong])})
            assert known(incomplete) == before
            incomplete.set_hashes(hashes)


@given(st.integers(2, 12), st.data())
def test_one_missing_node_and_nothing_is_taken(num_leaves, data):
    tree = tree_of(num_leaves)
    hashes = branch(tree, data.draw(st.integers(0, num_leaves - 1)))
    missing = data.draw(st.sampled_from(sorted(hashes)))
    incomplete = rooted(tree)
    del hashes[missing]
    with pytest.raises(NotEnoughHashesError, match=f"node {missing} .* is missing"):
        incomplete.set_hashes(hashes)
    assert known(incomplete) == {0: tree.root}


@given(st.lists(st.integers(0, 30), min_size=1, unique=True))
def test_whatever_part_of_the_truth_is_offered_only_what_is_tied_to_the_root_is_known(
    nodes,
):
    tree = tree_of(16)
    incomplete = rooted(tree)
    try:
        incomplete.set_hashes({node: tree[node] for node in nodes})
    except NotEnoughHashesError:
        assert known(incomplete) == {0: tree.root}
        return
    for node in known(incomplete).keys() - {0}:
        assert incomplete[sibling(node)] is not None
        assert incomplete[parent(node)] is not None


def test_a_wrong_hash_may_not_replace_a_right_one():
    tree = tree_of(4)
    incomplete = rooted(tree)
    incomplete.set_hashes(branch(tree, 1))
    with pytest.raises(BadHashError, match="node 4 of a hash tree does not match"):
        incomplete.set_hashes(leaves={1: leaf(9)})
    assert incomplete.get_leaf(1) == leaf(1)


def test_a_node_named_twice_must_be_the_same_twice():
    incomplete = rooted(tree_of(2))
    with pytest.raises(BadHashError, match="node 1 "):
        incomplete.set_hashes({1: leaf(0), 2: leaf(1)}, leaves={0: leaf(5)})
    incomplete.set_hashes({1: leaf(0), 2: leaf(1)}, leaves={0: leaf(0)})


@pytest.mark.parametrize(
    ("hashes", "why"),
    [
        ({7: bytes(32)}, "node 7 of a tree of 7"),
        ({-1: bytes(32)}, "node -1 of a tree of 7"),
        ({65535: bytes(32)}, "node 65535 of a tree of 7"),
        ({1: bytes(31)}, "node 1 is 31 bytes, wanted 32"),
        ({1: b""}, "node 1 is 0 bytes, wanted 32"),
        ({0: bytes(32)}, "node 0 of a hash tree does not match"),
    ],
)
def test_what_is_no_node_of_the_tree_is_refused(hashes, why):
    incomplete = rooted(tree_of(3))
    with pytest.raises(BadHashError, match=why):
        incomplete.set_hashes(hashes)


def test_leaves_outside_the_tree_are_refused():
    incomplete = rooted(tree_of(4))
    for leafnum in (4, -5):
        with pytest.raises(BadHashError, match="of a tree of 7"):
            incomplete.set_hashes(leaves={leafnum: bytes(32)})


def test_nothing_is_believed_before_the_root_is_known():
    tree = tree_of(4)
    incomplete = IncompleteHashTree(4)
    with pytest.raises(NotEnoughHashesError, match="root"):
        incomplete.set_hashes(dict(enumerate(tree)))
    assert known(incomplete) == {}


def test_the_root_is_set_once():
    incomplete = rooted(tree_of(4))
    incomplete.set_root(tree_of(4).root)
    with pytest.raises(BadHashError, match="another root"):
        incomplete.set_root(bytes(32))
    assert incomplete[0] == tree_of(4).root


def test_a_forged_size_costs_no_memory():
    tracemalloc.start()
    incomplete = IncompleteHashTree(2**61)
    incomplete.set_root(bytes(32))
    needed = incomplete.needed_hashes(2**60, include_leaf=True)
    assert len(needed) == 62
    with pytest.raises(BadHashError):
        incomplete.set_hashes(dict.fromkeys(needed, bytes(32)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200_000


def test_a_tree_that_is_known_whole_takes_little_more_than_its_hashes():
    whole = tree_of(1024)
    tracemalloc.start()
    incomplete = rooted(whole)
    for number in range(1024):
        needed = incomplete.needed_hashes(number, include_leaf=True)
        incomplete.set_hashes({node: whole[node] for node in needed})
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 1.4 * len(whole.pack())
    assert [incomplete[node] for node in range(len(whole))] == list(whole)


def test_what_lies_in_one_piece_is_not_copied():
    whole = tree_of(5)
    assert pack_hashes(whole) is whole.pack()
    assert pack_hashes(list(whole)) == whole.pack()
