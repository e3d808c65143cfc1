"""The only package of the library that starts threads. There is a module for each way to use them.

- ``calls``: a function is called for many items, and the results come in order. Most packages need no more than this.
- ``listings``: pages of several listings are read ahead while one of them is used.
- ``executors``: a function is called on an executor of the caller's, such as a process pool.
- ``repeated``: a function is called again and again, as the renewal of a lease is.
- ``pool``: a pool of threads that never outlives its use, for the others.
- ``side_by_side``: the steps of a run. A step is a ``Task``, a generator that yields a ``Pause`` when it has to wait (see
  ``defender_remediate.pauses``). ``schedule`` says which task is advanced next, and ``side_by_side`` has the threads that advance it.

None of the functions returns or raises while a thread of it is alive, except for ``every``, and for a listing that is given up in
the middle, whose last requests may end a moment later.
"""

from concurrent.futures import Executor

from defender_remediate.threads.calls import in_parallel
from defender_remediate.threads.executors import on_executor
from defender_remediate.threads.listings import interleave
from defender_remediate.threads.repeated import every
from defender_remediate.threads.schedule import Task
from defender_remediate.threads.side_by_side import run_side_by_side, wait_on_this_thread, waiting

__all__ = [
    "Executor",
    "Task",
    "every",
    "in_parallel",
    "interleave",
    "on_executor",
    "run_side_by_side",
    "wait_on_this_thread",
    "waiting",
]
