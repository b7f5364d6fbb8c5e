"""One function over many captures, or parts of them: here, over processes, or on Dask workers. The only dask."""

import os
import pickle
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO, NoReturn

from evpn_pcap.errors import CaptureError, DependencyError, OptionError

ENDING = (signal.SIGINT, signal.SIGTERM)

Map = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]


@dataclass(frozen=True, slots=True)
class Runner:
    """Functions that work like `map` and keep its order; called itself, it is the first."""

    over_captures: Map = map
    over_parts: Map = map  # of captures large enough to start processes for
    over_shares: Map = map  # of what this process has in memory, too large to be sent to another
    process_count: int = 1  # how many parts of a large capture can be read at once

    def __call__(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterable[Any]:
        """Return the function's values, in the order of the items."""
        return self.over_captures(function, items)


@contextmanager
def runner(workers: int | None = None, scheduler: str | None = None) -> Iterator[Runner]:
    """Yield what runs a function over captures.

    `workers` None is this process, and one a core for the parts of large work; 1 is this process
    alone; 0 one process a core, more that many processes, for captures and for parts. `scheduler` is
    the address of a Dask scheduler, whose workers must see the capture files under the same paths.
    Raises DependencyError without the extra `dask`, OptionError when no scheduler answers,
    CaptureError when a worker dies.
    """
    if scheduler:
        with _dask(scheduler) as run:
            yield Runner(run)
    elif workers == 1:
        yield Runner()
    elif workers is None:
        with _forks(_core_count()) as fork:
            yield Runner(map, fork, fork, _core_count() if _may_fork() else 1)
    else:
        count = workers or _core_count()
        with _processes(count) as run, _forks(count) as fork:
            yield Runner(run, fork if _may_fork() else run, fork, count)


def _core_count() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _may_fork() -> bool:
    """Return whether a fork is safe: no other thread may hold a lock at that moment.

    Threads of OpenBLAS, Arrow (ARROW-17975) and jemalloc do not count: each has handlers for a fork.
    """
    return sys.platform == "linux" and threading.active_count() == 1


@contextmanager
def _forks(process_count: int) -> Iterator[Map]:
    """Yield a map over this process and children of it, which start in a moment and know all that it knows.

    It does all itself where it must not fork, and what a child leaves undone that dies (of too little
    memory, say). On leaving, all children are ended.
    """
    children: list[_Child] = []

    def run(function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Any]:
        shares = min(process_count, len(items)) if _may_fork() else 1
        started = [_Child(function, items[share::shares]) for share in range(1, shares)]
        children.extend(started)
        return _gathered(function, items, started)

    try:
        yield run
    finally:
        for child in children:
            child.end()


class _Child:
    """A process that does its share of the items and sends one value after the other."""

    def __init__(self, function: Callable[[Any], Any], items: Sequence[Any]) -> None:
        source, sink = os.pipe()
        self._values = os.fdopen(source, "rb")
        self._id = 0
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # the parent's handlers are not for a child
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of threads: numpy's are idle and hold no lock
                self._id = os.fork()
        except OSError:  # no process to be had: the pipe's end is met at once, and the share is done by the parent
            is_child = False
        else:
            is_child = self._id == 0
        if is_child:
            _send(function, items, os.fdopen(sink, "wb"))
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        os.close(sink)

    def values(self) -> Iterator[Any]:
        """Yield what the child found, until it is done or dead."""
        while True:
            try:
                value = pickle.load(self._values)
            except (EOFError, pickle.UnpicklingError):  # nothing more, or not whole
                return
            yield value

    def end(self) -> None:
        """End the process, whatever it does."""
        self._values.close()
        if self._id:
            with suppress(ProcessLookupError, ChildProcessError):  # where nobody waits for ended processes
                os.kill(self._id, signal.SIGKILL)
                os.waitpid(self._id, 0)
            self._id = 0


def _send(function: Callable[[Any], Any], items: Sequence[Any], sink: BinaryIO) -> NoReturn:
    """Be a child: send the values, and never come back to what the parent was doing."""
    try:
        for one in ENDING:
            signal.signal(one, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        for item in items:
            pickle.dump(function(item), sink, pickle.HIGHEST_PROTOCOL)
            sink.flush()
    finally:
        os._exit(0)  # if it failed, the parent finds out itself why


def _gathered(function: Callable[[Any], Any], items: Sequence[Any], children: Sequence[_Child]) -> Iterator[Any]:
    """Yield the value of each item: in turn one of this process and one of each child."""
    done = [child.values() for child in children]
    for place, item in enumerate(items):
        turn = place % (len(children) + 1)
        found = list(islice(done[turn - 1], 1)) if turn else []
        yield found[0] if found else function(item)


@contextmanager
def _processes(workers: int) -> Iterator[Map]:
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
def _dask(scheduler: str) -> Iterator[Map]:
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
