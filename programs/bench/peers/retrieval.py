"""A peer of the index: reads questions as JSON lines, writes the rows that it found and how long it took.

usage: retrieval.py search|build NAME DATA INDEX THREADS LINKS EF_CONSTRUCTION
NAME: faiss    flat, and HNSW over inner products
      usearch  HNSW over inner products, which for vectors of unit length are cosines, without the division
DATA: folder of vectors.npy and queries.npy
INDEX: the file of the graph, which is built once

A question: {"do": "exact", "first": n, "count": n, "together": n}
            {"do": "graph", "first": n, "count": n, "ef": n, "one_by_one": bool}
            {"do": "memory"}
"""

import json
import os
import subprocess
import sys
import time

task, name, data, path = sys.argv[1:5]
threads, links, ef_construction = map(int, sys.argv[5:])
os.environ["OMP_NUM_THREADS"] = str(threads)
K = 10

import numpy as np

if name == "faiss":
    import faiss
else:
    from usearch.index import Index


def vectors():
    return np.load(os.path.join(data, "vectors.npy"), mmap_mode="r")


def faiss_peer():
    def build():
        rows = vectors()
        index = faiss.IndexHNSWFlat(rows.shape[1], links, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = ef_construction
        index.add(rows)
        return lambda file: faiss.write_index(index, file)

    def load():
        index = faiss.read_index(path)
        flat = faiss.downcast_index(index.storage)

        def exact(queries):
            return flat.search(queries, K)[1]

        def graph(queries, ef, n_threads):
            index.hnsw.efSearch = ef
            faiss.omp_set_num_threads(n_threads)
            return index.search(queries, K)[1]

        return exact, graph

    return build, load


def usearch_peer():
    def empty():
        return Index(
            ndim=queries.shape[1], metric="ip", dtype="f32", connectivity=links, expansion_add=ef_construction
        )

    def build():
        rows, index = vectors(), empty()
        index.add(np.arange(len(rows)), rows, threads=threads)
        return index.save

    def load():
        index = empty()
        index.load(path)

        def graph(queries, ef, n_threads):
            index.expansion_search = ef
            # Of a single query it gives no matrix.
            return np.atleast_2d(index.search(queries, K, threads=n_threads).keys.astype(np.int64))

        return None, graph

    return build, load


def resident():
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def timed(search):
    start = time.perf_counter()
    rows = search()
    return time.perf_counter() - start, rows.tolist()


def run_exact(first, count, together):
    chosen = np.ascontiguousarray(queries[np.arange(first, first + count) % len(queries)])
    # Below the threshold it takes one query after the other, from it on a multiplication of matrices: whichever is faster.
    faiss.omp_set_num_threads(threads)
    ways = []
    for threshold in (20, 1):
        faiss.cvar.distance_compute_blas_threshold = threshold
        runs = [timed(lambda: exact(chosen[n : n + together])) for n in range(0, count, together)]
        ways.append(([seconds for seconds, _ in runs], [row for _, rows in runs for row in rows]))
    seconds, rows = min(ways, key=lambda way: sorted(way[0])[len(way[0]) // 2])
    return {"seconds": seconds, "rows": rows}


def run_graph(first, count, ef, one_by_one):
    chosen = np.ascontiguousarray(queries[np.arange(first, first + count) % len(queries)])
    if not one_by_one:
        seconds, rows = timed(lambda: graph(chosen, ef, threads))
        return {"seconds": [seconds], "rows": rows}
    runs = [timed(lambda: graph(chosen[n : n + 1], ef, 1)) for n in range(count)]
    return {"seconds": [seconds for seconds, _ in runs], "rows": [rows[0] for _, rows in runs]}


queries = np.load(os.path.join(data, "queries.npy"))
build, load = {"faiss": faiss_peer, "usearch": usearch_peer}[name]()
if task == "build":
    if name == "faiss":
        faiss.omp_set_num_threads(threads)
    start = time.perf_counter()
    write = build()
    seconds = time.perf_counter() - start
    write(path + ".part")
    with open(path + ".json", "w") as file:
        json.dump({"build_seconds": seconds}, file)
    os.rename(path + ".part", path)
    sys.exit()

if not os.path.exists(path):
    # By another process: the memory that it takes is not this one's.
    subprocess.run([sys.executable, __file__, "build", *sys.argv[2:]], check=True, stdout=2)
baseline = resident()
exact, graph = load()
with open(path + ".json") as file:
    known = json.load(file)
print("ready " + json.dumps({**known, "bytes": os.path.getsize(path), "graph": True}), flush=True)
for line in sys.stdin:
    ask = json.loads(line)
    do = ask.pop("do")
    if do == "memory":
        print("memory " + json.dumps({"baseline": baseline, "resident": resident()}), flush=True)
    else:
        print("found " + json.dumps({"exact": run_exact, "graph": run_graph}[do](**ask)), flush=True)
