"""Measures libCacheSim's policies on a folder of oracleGeneral traces, for the lab's `--yardstick`.

    pip install libcachesim
    python yardstick.py FOLDER OUTPUT.csv 1% 10% 1%bytes

`1%` is of the distinct keys, of which 200 are the least that is measured; `1%bytes` is of the bytes of all objects.
"""

import pathlib
import struct
import sys
from concurrent.futures import ProcessPoolExecutor

import libcachesim

POLICIES = ["LRU", "S3FIFO", "Sieve", "ARC", "LIRS", "WTinyLFU", "Clock2QPlus", "TwoQ", "Belady"]
LEAST_KEYS = 200


def sizes_of(file):
    """The objects of a trace and the bytes that are first told for them."""
    sizes = {}
    for _, key, size, _ in struct.iter_unpack("<IQIq", file.read_bytes()):
        sizes.setdefault(key, size)
    return sizes


def hits(file, policy, capacity, by_bytes):
    """Hits in percent of the requests."""
    how = libcachesim.ReaderInitParam(ignore_obj_size=not by_bytes)
    reader = libcachesim.TraceReader(str(file), libcachesim.TraceType.ORACLE_GENERAL_TRACE, how)
    cache = getattr(libcachesim, policy)(cache_size=capacity)
    misses, _ = cache.process_trace(reader)
    return 100 * (1 - misses)


def rows_of(job):
    """The lines of a trace."""
    file, shares = job
    sizes = sizes_of(file)
    keys, all_bytes = len(sizes), sum(sizes.values())
    rows = []
    for share in shares:
        by_bytes = share.endswith("bytes")
        part = float(share.removesuffix("bytes").removesuffix("%")) / 100
        capacity = int((all_bytes if by_bytes else keys) * part)
        if by_bytes and all_bytes == keys or not by_bytes and capacity < LEAST_KEYS:
            continue
        percents = [f"{hits(file, policy, capacity, by_bytes):.3f}" for policy in POLICIES]
        name = file.name.split(".")[0]
        rows.append(",".join([name, share, *percents]))
    return rows


def main():
    folder, output, *shares = sys.argv[1:]
    files = sorted(pathlib.Path(folder).glob("*.oracleGeneral"))
    with ProcessPoolExecutor() as workers, open(output, "w") as out:
        print("trace,size," + ",".join(POLICIES), file=out)
        for rows in workers.map(rows_of, [(file, shares) for file in files]):
            for row in rows:
                print(row, file=out, flush=True)


if __name__ == "__main__":
    main()
