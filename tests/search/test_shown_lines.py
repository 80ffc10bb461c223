"""Which lines of a long unit a hit shows: those with the query's words, rather where its meaning is."""

import pytest

from indexer.index import Index
from search.engine import Engine

# One function of several blocks; both its ends say what is asked for, the first more of it.
LONG = """def build(order):
    alpha = beta(gamma, gamma, alpha)
    gamma = beta(alpha, alpha, beta)
    beta = alpha(gamma, gamma, beta)
    frame = saw(oak, pine, birch)
    joint = glue(frame, clamp, screw)
    panel = plane(frame, joint, square)
    shelf = mount(panel, bracket, level)
    price = tax(total, discount, currency)
    bill = print(price, invoice, receipt)
    parcel = post(alpha, beta, bill)
    return parcel
"""


@pytest.fixture
def engine(tmp_path, quick, stub_encoder):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "shop.py").write_text(LONG)
    return Engine(Index.build(tmp_path / "index", [str(tmp_path / "source")], encoder=stub_encoder), stub_encoder)


@pytest.fixture
def blocks(engine):
    """The first and the last line of each block."""
    with engine._index.view() as view:
        (found,) = view.store.blocks(view.catalogue.keys.tolist()).values()
    assert len(found) > 2
    return [(block.start_line, block.end_line) for block, _ in found]


def shown(engine, text, **options):
    return engine.search(text, **options).hits[0].lines


def test_words_alone_mark_every_line_that_says_enough_of_them(engine):
    assert shown(engine, "alpha beta gamma", mode="lexical") == (2, 3, 4, 11)


def test_what_is_nearest_in_meaning_comes_before_what_only_repeats_words(engine, blocks):
    assert blocks[0][1] >= 3
    found = shown(engine, "alpha beta gamma")
    assert {2, 3} <= set(found)
    assert 11 not in found


def test_without_a_word_in_common_the_nearest_part_is_where_it_starts(engine, blocks):
    (line,) = shown(engine, "zebra", mode="vector")
    assert line in [first for first, _ in blocks]


def test_what_a_pasted_error_message_quotes_is_shown_and_not_demanded(engine):
    answer = engine.search('Error: the "frame" of your order is not "as ordered" yet', mode="lexical")
    assert answer.hits[0].lines == (5, 6, 7)
    assert any("quotes was taken as words" in note for note in answer.notes)
    demanded = engine.search('order "as ordered"', mode="lexical")
    assert (demanded.hits, demanded.notes) == ((), ())
