"""Lists for many machines: shards on Dask, each fetched by a process of its own."""
