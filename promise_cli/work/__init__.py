"""How work on many cases is shared: processes within memory, commands beside each other, shards of a job.

`memory` says how much there is, `pool` runs jobs in processes, `claim` keeps two commands off one case, and `shard` is
one part of a job that several machines do.
"""

from promise_cli.work.claim import claim
from promise_cli.work.memory import format_bytes, free_memory, usable_cores
from promise_cli.work.pool import Death, Job, run_jobs
from promise_cli.work.shard import Shard, read_shard

__all__ = [
    "Death",
    "Job",
    "Shard",
    "claim",
    "format_bytes",
    "free_memory",
    "read_shard",
    "run_jobs",
    "usable_cores",
]
