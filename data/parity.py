#!/usr/bin/env python3
"""The engine's hit ratio against that of its simulator, tide-log, with as many live entries.

    parity.py PROGRAM FOLDER SIZE... -- TRACE...

PROGRAM is the lab's command, FOLDER is for copies of the traces. What sizes they tell is taken
out: the simulator counts entries there, the engine bytes, and how many entries happen to live at the
end says little. Each run of the engine has other hashes, so three are averaged; the simulator is asked
for 0.97, 1 and 1.03 times as many keys, as single sizes are erratic where there are few. Cells in which
nothing was evicted are left out.
"""

import json
import pathlib
import subprocess
import sys

RUNS = 3
RECORD = 24  # u32 time, u64 object, u32 size, i64 next request
SIZE_AT = 12


def without_sizes(program, trace, folder):
    """A copy of a trace in which every entry's size is the same."""
    copy = folder / (pathlib.Path(trace).name.split(".")[0] + ".oracleGeneral")
    subprocess.run([program, trace, "--write", copy], check=True, capture_output=True)
    records = bytearray(copy.read_bytes())
    count = len(records) // RECORD
    for at, byte in enumerate((1).to_bytes(4, "little")):
        records[SIZE_AT + at :: RECORD] = bytes([byte]) * count
    copy.write_bytes(records)
    return copy


def replay(program, trace, policy, sizes):
    """The rows of the sizes that could be replayed; none where the cache would be too small."""
    told = trace.with_suffix(".json")
    command = [program, trace, "--policy", policy, "--sizes", ",".join(sizes), "--json", told]
    if subprocess.run(command, capture_output=True).returncode != 0:
        return []
    rows = json.loads(told.read_text())["traces"][0]["rows"]
    return [row for row in rows if "hit_ratio" in row]


def mean(numbers):
    return sum(numbers) / len(numbers)


def main():
    program, folder, *rest = sys.argv[1:]
    split = rest.index("--")
    sizes, traces = rest[:split], rest[split + 1 :]
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    differences = []
    print("trace              size     keys   engine  tide-log  difference")
    for trace in traces:
        trace = without_sizes(program, trace, folder)
        for size in sizes:
            engine = replay(program, trace, "engine", [size] * RUNS)
            if not engine or min(row["evictions"] for row in engine) == 0:
                continue
            keys = mean([row["keys"] for row in engine])
            around = [f"{max(1, round(keys * factor))}keys" for factor in (0.97, 1, 1.03)]
            simulator = replay(program, trace, "tide-log", around)
            hits = [100 * mean([row["hit_ratio"] for row in rows]) for rows in (engine, simulator)]
            differences.append(hits[0] - hits[1])
            name = trace.name.split(".")[0]
            print(f"{name:18} {size:>4} {keys:8.0f} {hits[0]:8.2f} {hits[1]:9.2f} {differences[-1]:+11.2f}", flush=True)
    if not differences:
        sys.exit("nothing to compare: at every size the cache would be too small, or evicts nothing; give other sizes")
    far = sum(abs(difference) > 0.3 for difference in differences)
    print(f"{len(differences)} cells: {mean(differences):+.2f} in the mean, {min(differences):+.2f} to "
          f"{max(differences):+.2f}, {far} beyond 0.3")


if __name__ == "__main__":
    main()
