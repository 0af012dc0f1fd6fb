"""Where nothing looks on: to measure which lines run takes up to three times as long as they do."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def untraced() -> Iterator[None]:
    """Let no line be measured for as long as this lasts; other tests go through the same ones."""
    trace = sys.gettrace()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(trace)
