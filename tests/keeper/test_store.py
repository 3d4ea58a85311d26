import sqlite3
from threading import Thread

import pytest

from allmydata.errors import CorruptError
from allmydata.keeper.schedule import Judgement, Sampler, State
from allmydata.keeper.store import KeeperStore
from allmydata.uri import CHKFileVerifierURI


def cap(i, size=3000):
    return CHKFileVerifierURI(i.to_bytes(16, "big"), b"s" * 32, 3, 10, size)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keeper.sqlite"


@pytest.fixture
def store(path):
    store = KeeperStore(path)
    yield store
    store.close()


def look(store, file, state=State.WELL, held=None, spare=7, due=100.0, bad=None, **words):
    good = sum(map(len, (held or {}).values()))
    found = Judgement(state, good, spare, due, None)
    store.save_look(file, found, held or {}, bad or {}, 1e-6, 50.0, **words)


def test_nothing_is_made_until_something_is_kept(store, path):
    assert store.counts().num_files == 0
    assert (store.files(), store.due(1e12, 9), store.weakest(1e12, 9)) == ([], [], [])
    assert store.next_due() is None and store.note("x") == 0.0
    assert store.remove(None) == 0
    assert not path.exists()


def test_whoever_wants_a_look_while_there_is_one_gets_another(store):
    store.add([cap(1), cap(2)])
    first, second = store.due(0.0, 9)
    store.hasten(7.0)
    look(store, first, due=100.0)
    assert {file.number for file in store.due(7.0, 9)} == {first.number, second.number}
    for file in store.due(7.0, 9):
        look(store, file, due=100.0)
    assert store.due(99.0, 9) == []


def test_files_are_kept_once_and_outlast_a_restart(store, path):
    assert store.add([cap(1), cap(2), cap(1)]) == 2
    assert store.add([cap(2), cap(3)]) == 1
    store.close()
    again = KeeperStore(path)
    assert [file.cap for file in again.files()] == [cap(1), cap(2), cap(3)]
    assert all(file.state == State.NEW for file in again.due(0.0, 10))
    again.close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_removed_is_forgotten(store):
    store.add([cap(1), cap(2), cap(3)])
    assert store.remove([cap(2), cap(9)]) == 1
    assert [file.cap for file in store.files()] == [cap(1), cap(3)]
    assert store.remove(None) == 2


def test_caps_that_share_a_storage_index_are_different_files(store):
    assert store.add([cap(1, 3000), cap(1, 4000)]) == 2


def test_what_a_look_found_is_kept(store, path):
    store.add([cap(1)])
    held = {"a" * 32: frozenset([0, 255]), "b" * 32: frozenset([3])}
    look(store, store.files()[0], held=held, bad={"b" * 32: [9]})
    store.close()
    (file,) = KeeperStore(path).files()
    assert file.held == held
    assert file.bad == {"b" * 32: frozenset([9])}
    assert (file.state, file.spare, file.checked) == (State.WELL, 7, 50.0)


def test_the_longest_due_are_looked_at_first(store):
    store.add(map(cap, range(4)))
    for file, due in zip(store.files(), [30, 10, 20, 99], strict=True):
        look(store, file, due=due)
    assert [file.cap for file in store.due(50, 2)] == [cap(1), cap(2)]
    assert store.next_due() == 10
    store.hasten(5.0)
    assert len(store.due(5.0, 9)) == 4


def test_the_weakest_are_repaired_first(store):
    store.add(map(cap, range(5)))
    for file, spare in zip(store.files(), [4, 0, 7, 2, 0], strict=True):
        state = State.WELL if spare == 7 else State.WEAK
        look(store, file, state, spare=spare, due=10)
    assert [file.spare for file in store.weakest(50, 9)] == [0, 0, 2, 4]
    assert store.due(1e9, 9)[0].spare == 7
    assert store.weakest(5, 9) == []


def test_what_its_owner_wants_repaired_stays_so_until_it_was(store):
    store.add([cap(1)])
    look(store, store.files()[0])
    store.mend([1], 60.0)
    look(store, store.files()[0], verified=True)  # finds that it is well
    (file,) = store.weakest(60, 9)
    look(store, file, mended=True)
    assert store.weakest(1e9, 9) == []
    look(store, file)
    assert store.files()[0].state == State.WELL


def test_what_fails_waits_and_counts(store):
    store.add([cap(1)])
    look(store, store.files()[0], State.WEAK, due=0)
    store.save_failure(store.files()[0], 500.0, "no room")
    assert store.weakest(499, 9) == []
    (file,) = store.weakest(500, 9)
    assert file.failures == 1
    look(store, file, State.WELL)
    assert store.files()[0].failures == 0


def test_a_sample_is_marked_until_it_was_read(store):
    store.add(map(cap, range(1000)))
    for file in store.files():
        look(store, file, held={"a": [0], "b": [1]})
    assert store.num_held() == {"a": 1000, "b": 1000}
    sampler = Sampler.for_servers(store.num_held())
    store.sample(sampler.wants, lambda: sampler.is_done)
    marked = store.sampled(2000)
    assert len(marked) == store.counts().num_sampled == 368
    assert marked[-1].number > 800  # from anywhere
    look(store, marked[0], verified=True)
    assert store.counts().num_sampled == 367


def test_the_files_of_a_server_that_gave_a_bad_share_are_all_to_be_read(store):
    store.add(map(cap, range(3)))
    for file, server in zip(store.files(), "aba", strict=True):
        look(store, file, held={server: [0]})
    store.suspect("a")
    assert [file.cap for file in store.sampled(9)] == [cap(0), cap(2)]


def test_renewal_goes_on_where_it_ended(store, path):
    store.add(map(cap, range(25)))
    for i, file in enumerate(store.files()):
        look(store, file, held={"a": [0]} if i % 2 else {"b": [0]})
    found, reached = store.held_by("a", 0, 10)
    store.save_renewal("a", 0.0, reached)
    store.close()
    again = KeeperStore(path)
    rest, end = again.held_by("a", again.renewal("a")[1], 1000)
    assert [f.cap for f in [*found, *rest]] == [cap(i) for i in range(1, 25, 2)]
    assert end == 0
    again.close()


def test_counts_say_how_many_files_are_how(store):
    store.add(map(cap, range(4)))
    files = store.files()
    look(store, files[0])
    look(store, files[1], State.WEAK, spare=2)
    look(store, files[2], State.UNREADABLE, spare=-1)
    counts = store.counts()
    assert counts.by_state == {
        **{State.NEW: 1, State.WELL: 1, State.WEAK: 1, State.UNREADABLE: 1}
    }
    assert counts.by_spare == {7: 1, 2: 1, -1: 1}
    assert (counts.size, counts.missing) == (12000, 3000)
    assert counts.losses == pytest.approx(3e-6)


def test_threads_take_turns(store):
    def add(first):
        for i in range(first, first + 50):
            store.add([cap(i)])
            store.counts()

    threads = [Thread(target=add, args=(i * 50,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.counts().num_files == 200


@pytest.mark.parametrize("garbage", [b"this is no database " * 500, b"x", b"\0" * 8192])
def test_garbage_is_refused_and_left_alone(store, path, garbage):
    path.write_bytes(garbage)
    with pytest.raises(CorruptError, match=r"can't use .*keeper.sqlite"):
        store.add([cap(1)])
    with pytest.raises(CorruptError):
        store.counts()
    assert path.read_bytes() == garbage


def test_a_list_damaged_inside_is_refused(store, path):
    store.add(map(cap, range(500)))
    store.close()
    data = bytearray(path.read_bytes())
    data[8192:20000] = bytes(20000 - 8192)
    path.write_bytes(data)
    with pytest.raises(CorruptError):
        KeeperStore(path).counts()


def test_another_programs_database_is_refused(store, path):
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE t (a)")
    db.commit()
    db.close()
    with pytest.raises(CorruptError, match="can't use"):
        store.counts()
