"""Examine a class on many machines, with Dask distributed.

At home is whoever grades: `home` packs submissions into batches, sends them to the scheduler of a cluster, and gets
papers back, which are saved as those of this machine's workers are. On each node a Dask worker hands its batches on
to an agent (`node`), a process of its own that loads everything once, proves its jail, and forks for each batch
(`agent`). Everything that a node needs of a course travels with the batch (`parcel`): it reads none of home's files.
"""
