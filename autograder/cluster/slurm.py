"""Start a Dask cluster of SLURM jobs, and keep it while you grade.

    python -m autograder.cluster.slurm --jobs 4 --cores 16 --memory 32GB --walltime 02:00:00

Run it on a login node, in a copy of the project that all nodes see. It prints the address for `grade --scheduler`.
"""

import argparse
import os
import sys
import time
from pathlib import Path
from shlex import quote
from typing import Any

import dask
from dask_jobqueue import SLURMCluster
from distributed import Security

PROJECT = Path(__file__).resolve().parents[2]


def cluster(options: argparse.Namespace) -> Any:
    """Return a cluster whose jobs are yet to be submitted."""
    # A batch whose job ends is done again once; if that ends too, its submissions go one by one.
    dask.config.set({"distributed.scheduler.allowed-failures": 1})
    settings = os.environ.get("DASK_CONFIG")
    security = Security()
    return SLURMCluster(
        cores=options.cores,  # a thread of the worker examines one submission at a time, in processes of its own
        processes=1,
        memory=options.memory,
        walltime=options.walltime,
        queue=options.queue,
        account=options.account,
        interface=options.interface,
        security=security if security.tls_ca_file else None,
        job_script_prologue=[f"cd {quote(str(PROJECT))}"]
        + ([f"export DASK_CONFIG={quote(settings)}"] if settings else []),
        job_extra_directives=options.sbatch,
        scheduler_options={"dashboard": False, "dashboard_address": ":0"},  # its pages are not encrypted
        worker_extra_args=["--local-directory", "${TMPDIR:-/tmp}", "--no-dashboard"],
        log_directory=str(PROJECT / "_build" / "slurm"),
    )


def main(arguments: list[str] | None = None) -> int:
    """Start the cluster, print its address, and end it when interrupted."""
    options = _parser().parse_args(arguments)
    with cluster(options) as jobs:
        if options.dry_run:
            print(jobs.job_script())
            return 0
        jobs.scale(jobs=options.jobs)
        print(f"python -m autograder grade ASSIGNMENT --scheduler {jobs.scheduler_address}", flush=True)
        print("Ctrl-C here ends the cluster.", file=sys.stderr)
        try:
            while True:
                time.sleep(60)
        except KeyboardInterrupt:
            return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m autograder.cluster.slurm", description="A cluster of SLURM jobs.")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="how many jobs, a worker each")
    parser.add_argument("--cores", type=int, default=8, metavar="N", help="of a job: so many are graded at once")
    parser.add_argument("--memory", default="16GB", metavar="SIZE", help="of a job; about 0.5 GB a core, and reserve")
    parser.add_argument("--walltime", default="01:00:00", metavar="TIME", help="after which SLURM ends a job")
    parser.add_argument("--queue", metavar="NAME", help="SLURM's partition")
    parser.add_argument("--account", metavar="NAME", help="which SLURM charges")
    parser.add_argument("--interface", metavar="NAME", help="network of the nodes, such as ib0")
    parser.add_argument("--sbatch", action="append", default=[], metavar="OPTION", help="any other option of sbatch")
    parser.add_argument("--dry-run", action="store_true", help="print the jobs' script, and submit nothing")
    return parser


if __name__ == "__main__":
    sys.exit(main())
