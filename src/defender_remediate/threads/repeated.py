"""A call that is made again and again."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import TypeVar

from defender_remediate.threads.pool import NAME

_T = TypeVar("_T")


def every(seconds: float, function: Callable[[_T], object], subject: _T) -> Callable[[], None]:
    """Call a function with an object again and again in a thread, until the returned function is called or the object is gone.

    The returned function waits for the call that is going on. The thread keeps neither the object nor the process alive.

    Args:
        seconds: The pause before each call.
        function: What is called. It must not raise.
        subject: What it is called with.
    """
    stopped = threading.Event()
    reference = weakref.ref(subject)
    del subject

    def repeat() -> None:
        while not stopped.wait(seconds):
            subject = reference()
            if subject is None:
                return
            function(subject)
            del subject

    thread = threading.Thread(target=repeat, name=f"{NAME}-every", daemon=True)
    thread.start()

    def stop() -> None:
        stopped.set()
        thread.join()

    return stop
