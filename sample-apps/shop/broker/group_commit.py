"""One thread that owns the store: what is asked meanwhile goes to disk with a single commit."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from shop.broker.topic_store import TopicStore

T = TypeVar("T")

MAX_TOGETHER = 128


class GroupCommit:
    """Runs functions on the store, one after the other. An answer is given when the function's
    changes are on disk; a function that raises changes nothing and disturbs no other."""

    def __init__(self, open_store: Callable[[], TopicStore]) -> None:
        self._open_store = open_store
        self._asked: queue.SimpleQueue[tuple[Callable[[TopicStore], None], Future[None]] | None]
        self._asked = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="store", daemon=True)
        self._opened: Future[None] = Future()

    def start(self) -> None:
        """Open the store. Raises what opening raises."""
        self._thread.start()
        self._opened.result()

    def stop(self) -> None:
        """Do what was asked before, then close the store."""
        self._asked.put(None)
        self._thread.join()

    def ask(self, function: Callable[[TopicStore], T]) -> Future[T]:
        """Have the store do that. The future raises what the function raises."""
        answer: list[T] = []
        future: Future[T] = Future()
        # From here on nobody can cancel it: the work is done in any case.
        future.set_running_or_notify_cancel()
        committed: Future[None] = Future()

        def settle(done: Future[None]) -> None:
            error = done.exception()
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(answer[0])

        committed.add_done_callback(settle)
        self._asked.put((lambda store: answer.append(function(store)), committed))
        return future

    def _work(self) -> None:
        try:
            store = self._open_store()
        except BaseException as error:
            self._opened.set_exception(error)
            return
        self._opened.set_result(None)
        is_running = True
        while is_running:
            together = [self._asked.get()]
            while len(together) < MAX_TOGETHER and not self._asked.empty():
                together.append(self._asked.get())
            is_running = None not in together
            self._do(store, [one for one in together if one is not None])
        store.close()

    def _do(
        self,
        store: TopicStore,
        together: list[tuple[Callable[[TopicStore], None], Future[None]]],
    ) -> None:
        done: list[Future[None]] = []
        try:
            with store.transaction():
                for function, committed in together:
                    try:
                        with store.transaction():
                            function(store)
                    except Exception as error:
                        committed.set_exception(error)
                    else:
                        done.append(committed)
        except Exception as error:  # the commit itself: a full disk, a broken file
            for committed in done:
                committed.set_exception(error)
            return
        for committed in done:
            committed.set_result(None)
