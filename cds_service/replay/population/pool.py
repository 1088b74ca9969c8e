"""Work spread over processes that end with the one that started them."""

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from threading import Thread
from typing import TypeVar

from cds_service.errors import CdsServiceError

_Task = TypeVar("_Task")
_Done = TypeVar("_Done")
_AHEAD = 4


def spread(work: Callable[[_Task], _Done], tasks: Iterable[_Task], jobs: int) -> Iterator[tuple[_Task, _Done]]:
    """Each task with what came of it, as they are done; in this process where ``jobs`` is 1.

    Raises:
        CdsServiceError: a process died, as when memory runs out.
    """
    if jobs == 1:
        yield from ((task, work(task)) for task in tasks)
        return
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _end_with_parent)
    try:
        yield from _done(pool, work, iter(tasks), jobs * _AHEAD)
    except BrokenProcessPool:
        raise CdsServiceError("a worker process died; run the same command again: it goes on where it stood") from None
    finally:
        pool.shutdown(cancel_futures=True)


def _done(
    pool: ProcessPoolExecutor, work: Callable[[_Task], _Done], tasks: Iterator[_Task], ahead: int
) -> Iterator[tuple[_Task, _Done]]:
    """Never more than ``ahead`` tasks wait at a time, however many there are."""
    running: dict[Future[_Done], _Task] = {pool.submit(work, task): task for task in islice(tasks, ahead)}
    while running:
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            yield running.pop(future), future.result()
            running |= {pool.submit(work, task): task for task in islice(tasks, 1)}


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent:
            parent.join()
            os._exit(1)

    Thread(target=watch, daemon=True).start()
