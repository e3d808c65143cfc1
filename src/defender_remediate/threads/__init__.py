"""The only package of the library that starts threads.

None of its functions returns or raises while one is alive, except for ``every``, and for a listing that is given up in the middle,
whose last requests may end a moment later.
"""

from concurrent.futures import Executor

from defender_remediate.threads.calls import in_parallel
from defender_remediate.threads.executors import on_executor
from defender_remediate.threads.listings import interleave
from defender_remediate.threads.repeated import every
from defender_remediate.threads.tasks import run_side_by_side, wait_on_this_thread, waiting

__all__ = [
    "Executor",
    "every",
    "in_parallel",
    "interleave",
    "on_executor",
    "run_side_by_side",
    "wait_on_this_thread",
    "waiting",
]
