"""One function over many captures: in this process, over several, or on Dask workers. The only dask."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from evpn_pcap.errors import CaptureError, DependencyError, OptionError

Runner = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]


@contextmanager
def runner(workers: int = 1, scheduler: str | None = None) -> Iterator[Runner]:
    """Yield a function that works like `map` and keeps its order.

    `workers` 1 is `map` itself, 0 one process a core, more that many processes; `scheduler` is the
    address of a Dask scheduler, whose workers must see the capture files under the same paths.
    Raises DependencyError without the extra `dask`, OptionError when no scheduler answers,
    CaptureError when a worker dies.
    """
    if scheduler:
        with _dask(scheduler) as run:
            yield run
    elif workers == 1:
        yield map
    else:
        with _processes(workers or os.cpu_count() or 1) as run:
            yield run


@contextmanager
def _processes(workers: int) -> Iterator[Runner]:
    """Yield the map of a process pool; when the work is broken off its processes end at once."""
    import multiprocessing  # only here: one process needs none of this
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    others = set(multiprocessing.active_children())
    # forkserver: a fork of a process that has threads (pyarrow's) may deadlock
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("forkserver"))
    try:
        yield pool.map
    except BaseException as cause:
        for child in set(multiprocessing.active_children()) - others:
            child.terminate()
        pool.shutdown(cancel_futures=True)
        if isinstance(cause, BrokenProcessPool):
            raise CaptureError("a worker process died (out of memory?); try fewer --workers") from cause
        raise
    pool.shutdown()


@contextmanager
def _dask(scheduler: str) -> Iterator[Runner]:
    """Yield the map of a Dask cluster."""
    try:
        from distributed import Client, KilledWorker  # an extra: 0.5 s and 30 modules that few need
    except ImportError as cause:
        raise DependencyError("--scheduler needs Dask distributed: pip install 'evpn-pcap[dask]'") from cause
    try:
        client = Client(scheduler, set_as_default=False)
    except (OSError, ValueError) as cause:
        raise OptionError(f"--scheduler {scheduler}: no Dask scheduler answers there ({cause})") from cause

    def run(function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Any]:
        for future in client.map(function, items, pure=False):
            yield future.result()

    with client:
        try:
            yield run
        except KilledWorker as cause:
            raise CaptureError(f"the Dask workers died over and over: {cause}") from cause
