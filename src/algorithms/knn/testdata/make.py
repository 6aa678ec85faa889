#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the *.index files beside it with Debian's python3-faiss (1.7.3): what "others" write in the published layout.

Also prints the neighbours faiss finds for the first row, which index_file_test.cpp and index_test.cpp compare.
"""
import pathlib

import faiss
import numpy as np

HERE = pathlib.Path(__file__).parent
rows = (np.arange(300 * 4) * 7919 % 1009).astype(np.float32).reshape(300, 4)


def write(name, index, n=300):
    if not index.is_trained:
        index.train(rows)
    index.add(rows[:n])
    faiss.write_index(index, str(HERE / (name + ".index")))
    distances, ids = index.search(rows[:1], 3)
    print(name, distances.tolist(), ids.tolist())


write("flat_l2", faiss.IndexFlatL2(4), 20)
write("flat_ip", faiss.IndexFlatIP(4), 20)
for name, metric in (("ivfflat_l2", faiss.METRIC_L2), ("ivfflat_ip", faiss.METRIC_INNER_PRODUCT)):
    index = faiss.IndexIVFFlat(faiss.IndexFlat(4, metric), 4, 5, metric)
    index.nprobe = 5
    write(name, index, 30)
sparse = faiss.IndexIVFFlat(faiss.IndexFlatL2(4), 4, 20)
sparse.nprobe = 20
write("ivfflat_sparse", sparse, 3)  # most lists empty: stored as pairs
pq = faiss.IndexIVFPQ(faiss.IndexFlatL2(4), 4, 3, 2, 8)
pq.nprobe = 2
write("ivfpq", pq, 40)
