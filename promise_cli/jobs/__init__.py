"""Work on many cases, in several processes and in several commands at the same time.

`memory` measures the free memory and the cores. `pool` runs jobs in processes that fit into them. `claim` keeps two
commands from working on the same case. `shard` is one part of a job that several machines share. `signals` lets
SIGTERM end a command as Ctrl-C does, and delays both while something must not be interrupted.
"""

from promise_cli.disk.lock import claim
from promise_cli.jobs.memory import free_memory, usable_cores
from promise_cli.jobs.pool import Death, Job, run_jobs, start_jobs
from promise_cli.jobs.shard import Shard, read_shard
from promise_cli.jobs.signals import signals_held, sigterm_interrupts, stop_message, stop_says

__all__ = [
    "Death",
    "Job",
    "Shard",
    "claim",
    "free_memory",
    "read_shard",
    "run_jobs",
    "signals_held",
    "sigterm_interrupts",
    "start_jobs",
    "stop_message",
    "stop_says",
    "usable_cores",
]
