"""What several rules read of one table, or of all: computed once, and known as long as the table is."""

import weakref
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar, cast

Source = TypeVar("Source")
Others = ParamSpec("Others")
Value = TypeVar("Value")


def once(function: Callable[Concatenate[Source, Others], Value]) -> Callable[Concatenate[Source, Others], Value]:
    """Return the function so that it computes its value for a table once; later arguments must be hashable.

    The same value is given to all who ask: nobody may change it in place.
    """
    known: dict[tuple[object, ...], tuple[weakref.ref[Source], Value]] = {}

    @wraps(function)
    def remembering(source: Source, *args: Others.args, **kwargs: Others.kwargs) -> Value:
        key = (id(source), args, *sorted(kwargs.items()))
        if key in known and known[key][0]() is source:
            return known[key][1]
        value = function(source, *args, **kwargs)
        known[key] = weakref.ref(source, lambda _: known.pop(key, None)), value
        return value

    return cast(Callable[Concatenate[Source, Others], Value], remembering)
