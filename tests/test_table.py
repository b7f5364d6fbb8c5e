"""Tables as plain columns: what they say is what the DataFrame made of them says."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evpn_pcap.errors import SchemaError
from evpn_pcap.model import Decoded
from evpn_pcap.table import Column, Columns, Kind, Maybe, Table, Words, plain

TABLE = Table(
    "SHELF",
    "one row per book",
    (
        Column("id", Kind("int64"), "number"),
        Column("title", Kind("str"), "title"),
        Column("pages", Kind("UInt16"), "pages"),
        Column("is_lent", Kind("boolean"), "lent"),
        Column("note", Kind("str"), "note"),
    ),
    ("id",),
)
BOOKS = st.lists(
    st.tuples(
        st.integers(-(2**63), 2**63 - 1),
        st.sampled_from([None, "a", "b", "ü"]),
        st.none() | st.integers(0, 65535),
        st.sampled_from([None, True, False]),
        st.none() | st.text("xy"),
    ),
    max_size=6,
)


def shelf(books):
    """Return books as the columns that a decoder makes: codes, numbers with a mask, plain lists."""
    ids, titles, pages, lent, notes = ([book[place] for book in books] for place in range(5))
    has_pages, is_known = (np.array([one is not None for one in column], bool) for column in (pages, lent))
    words = sorted({title for title in titles if title is not None}, reverse=True)
    return Columns(
        TABLE,
        {
            "id": np.array(ids, np.int64),
            "title": Words(np.array([-1 if one is None else words.index(one) for one in titles], np.int8), words),
            "pages": Maybe(np.array([one or 0 for one in pages], np.uint16), ~has_pages),
            "is_lent": Maybe(np.array([bool(one) for one in lent], bool), ~is_known),
            "note": notes,
        },
    )


def told(data):
    """Return the rows of a frame or of columns as Python values."""
    return [*zip(*(plain(data[column.name]) for column in TABLE.columns), strict=True)]


@settings(max_examples=40, deadline=None)
@given(BOOKS)
def test_columns_and_their_frame_say_the_same(books):
    """Plain columns and the DataFrame of them give back the values that went in, of the declared dtypes."""
    columns = shelf(books)
    frame = columns.frame()

    assert told(columns.data) == told(frame) == books
    assert len(columns) == len(frame) == len(books)
    assert [str(dtype) for dtype in frame.dtypes] == [column.kind.dtype for column in TABLE.columns]


@settings(max_examples=40, deadline=None)
@given(st.lists(BOOKS, max_size=3))
def test_joined_columns_are_the_rows_in_order(parts):
    """Joined parts have the rows of all, in order, each with its own words, and so has their frame."""
    joined = TABLE.joined([shelf(books) for books in parts])
    rows = [book for books in parts for book in books]

    assert told(joined.data) == told(joined.frame()) == rows


def test_parts_held_in_different_ways_can_be_joined():
    """A column that is an array in one part and a list or a Series in another is joined as values."""
    one = shelf([(1, "a", 5, None, "x")])
    other = Columns(TABLE, dict(shelf([(2, None, None, True, None)]).frame().items()))
    third = Columns(TABLE, {"id": [3], "title": ["c"], "pages": [7], "is_lent": [False], "note": [None]})

    assert told(TABLE.joined([one, other, third]).data) == [
        (1, "a", 5, None, "x"),
        (2, None, None, True, None),
        (3, "c", 7, False, None),
    ]


@settings(max_examples=20, deadline=None)
@given(BOOKS)
def test_wanted_rows_are_taken(books):
    """`where` keeps exactly the rows that are wanted, in every kind of column."""
    is_wanted = np.arange(len(books)) % 2 == 0

    assert told(shelf(books).where(is_wanted).data) == books[::2]


def test_undeclared_columns_are_refused():
    """Columns that lack a declared column, or have another, raise an error that names the table."""
    with pytest.raises(SchemaError, match=r"SHELF: \['note'\]"):
        Columns(TABLE, {"id": [], "title": [], "pages": [], "is_lent": []})


def test_decoded_travels_between_processes():
    """A decoded capture that is pickled gives the same DataFrames, made once."""
    before = Decoded(None, {"packets": shelf([(1, "a", 5, None, "x"), (2, None, None, True, None)])})
    after = pickle.loads(pickle.dumps(before))

    pd.testing.assert_frame_equal(after.packets, before.packets)
    assert after.packets is after.packets
