"""Runs a workflow of Toil on LSF: shards side by side, then their sum; one shard fails at first and is tried again.

Arguments are Toil's: a job store, --batchSystem lsf and so on. The last line is the sum, 55.
"""

import os

from toil.common import Toil
from toil.job import Job

NEEDS = {"cores": 1, "memory": "256M", "disk": "16M"}


def shard(job, n, flag):
    if n == 3 and not os.path.exists(flag):
        open(flag, "w").close()
        raise RuntimeError("the first try of shard 3 fails")
    return n * n


def merge(job, parts):
    return sum(parts)


def fan_out(job, width, flag):
    parts = [job.addChildJobFn(shard, n, flag, **NEEDS).rv() for n in range(width)]
    return job.addFollowOnJobFn(merge, parts, **NEEDS).rv()


if __name__ == "__main__":
    options = Job.Runner.getDefaultArgumentParser().parse_args()
    with Toil(options) as toil:
        print(toil.start(Job.wrapJobFn(fan_out, 6, os.path.abspath("tried"), **NEEDS)))
