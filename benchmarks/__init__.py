"""How fast this program is, beside others that do the same. Run `python -m benchmarks --help`.

It is no test: nothing here passes or fails for being quick or slow. A tool that leaves a wrong
file is shown as failed, whatever its time. What each workload is for is in docs/benchmarks.rst.

    workloads    what is fetched, and how many at a time
    tools        who fetches it, and with which options; `drivers` are clients for libraries
    data         the files that are served, and those that must come out
    servers      nginx, and programs of ours beside it: `delay` (a far network), `mute`
    measure      one run of one tool, by `child`, which is small so that memory can be told
    running      every workload, every tool, several rounds;  `cancelling` is the odd one
    results      what came of it, to JSON and back;  `table` and `picture` show it
"""
