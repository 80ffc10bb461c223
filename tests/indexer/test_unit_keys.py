import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from indexer.keys import among

KEYS = st.lists(st.integers(0, 30), max_size=12)


@given(KEYS, KEYS)
def test_keys_among_others_are_those_that_numpy_finds(asked, many):
    keys, ascending = np.array(asked, np.int64), np.unique(np.array(many, np.int64))
    assert among(keys, ascending).tolist() == np.isin(keys, ascending).tolist()
