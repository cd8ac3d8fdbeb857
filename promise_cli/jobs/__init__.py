"""Work on many cases: processes within the free memory, simultaneous commands, and shards of a job.

`memory` says how much there is, `pool` runs jobs in processes, `claim` keeps two commands off one case, `shard` is
one part of a job that several machines do, and `signals` keeps what must not be cut short.
"""

from promise_cli.disk.lock import claim
from promise_cli.jobs.memory import format_bytes, free_memory, usable_cores
from promise_cli.jobs.pool import Death, Job, run_jobs, start_jobs
from promise_cli.jobs.shard import Shard, read_shard
from promise_cli.jobs.signals import signals_held

__all__ = [
    "Death",
    "Job",
    "Shard",
    "claim",
    "format_bytes",
    "free_memory",
    "read_shard",
    "run_jobs",
    "signals_held",
    "start_jobs",
    "usable_cores",
]
