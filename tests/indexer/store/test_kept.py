"""What is kept of rows: never another's, never many more than were allowed, and the newest longest."""

from concurrent.futures import ThreadPoolExecutor

from indexer.store.kept import Kept


def test_only_what_was_kept_is_there():
    kept = Kept(10)
    assert kept.of([]) == {} == kept.of([1, 2])
    kept.keep({1: "one", 2: "two"})
    assert kept.of([3, 2, 1, 2]) == {2: "two", 1: "one"}


def test_the_first_go_first():
    kept = Kept(4)
    for key in range(20):
        kept.keep({key: str(key)})
        assert kept.of([key]) == {key: str(key)}
        assert len(kept.of(range(20))) <= 4
    assert kept.of([18, 19, 1]) == {18: "18", 19: "19"}


def test_more_at_once_than_are_kept_are_kept_until_the_next():
    kept = Kept(2)
    kept.keep({key: key for key in range(5)})
    assert len(kept.of(range(5))) == 5
    kept.keep({9: 9})
    assert kept.of([9]) == {9: 9}


def test_the_sum_of_their_sizes_may_be_bounded():
    kept = Kept(100, len)
    for key in range(40):
        kept.keep({key: "x" * 9, key + 1: "x" * 9})
        kept.keep({key: "x" * 9})  # is there already
        assert sum(map(len, kept.of(range(50)).values())) <= 100
    assert len(kept.of(range(50))) > 4
    kept.keep({99: "x" * 500})
    assert kept.of([99, 39]) == {99: "x" * 500, 39: "x" * 9}
    kept.keep({100: "y"})
    assert kept.of([99, 100]) == {99: "x" * 500, 100: "y"}


def test_threads_read_what_they_kept():
    kept = Kept(50)

    def work(first):
        for key in range(first, first + 400):
            kept.keep({key: -key})
            found = kept.of(range(first, key + 1))
            assert all(value == -name for name, value in found.items())
            assert found.get(key, -key) == -key
        return True

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(work, range(0, 6_000, 1_000)))
