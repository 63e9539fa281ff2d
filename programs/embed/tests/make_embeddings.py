"""Makes tests/data: files of embeddings in every form that is read, and in some that are not.

Run with a Python that has torch and numpy, from anywhere: python make_embeddings.py
Written with Python 3.11, NumPy 2.4 and torch 2.13; the tests need no Python.
"""

import os
import pathlib
import pickle

import numpy as np
import torch

OUT = pathlib.Path(__file__).parent / "data"
ROWS, DIM = 6, 4


def rows():
    """Exact in every float type; no two rows have the same direction."""
    return np.array([[(7 * r + 3 * c + r * c) % 11 - 5.5 for c in range(DIM)] for r in range(ROWS)])


def urls(n=ROWS, start=0):
    return [f"https://example.org/{i}.jpg" for i in range(start, start + n)]


class Call:
    def __reduce__(self):
        return os.system, ("exit 3",)


def write(name, embeddings, paths=None, **more):
    content = {"paths": urls() if paths is None else paths, "embeddings": embeddings, **more}
    (OUT / name).write_bytes(pickle.dumps(content, protocol=4))


def good():
    plain = rows()
    tensor = torch.from_numpy(plain)
    write("array_f64.pkl", np.asfortranarray(plain))
    write("array_f32.pkl", plain.astype(np.float32))
    write("array_f16.pkl", plain.astype(np.float16))
    write("rows_f32.pkl", [row.astype(np.float32) for row in plain])
    write("rows_f16.pkl", [row.astype(np.float16) for row in plain])
    write("blocks_f32.pkl", [block.astype(np.float32) for block in np.split(plain, [1, 1, 4])])
    write("blocks_mixed.pkl", [plain[:2].astype(np.float16), plain[2].astype(np.float32), tensor[3:].float()])
    # As the published extraction script does, and as `pickle.dump` writes it.
    write("tensors_bf16.pkl", [row.bfloat16() for row in tensor])
    write("tensor_f32.pkl", tensor.float().t().contiguous().t())
    torch.save({"paths": urls(), "embeddings": tensor.bfloat16()}, OUT / "saved_bf16.pkl")
    torch.save({"paths": urls(), "embeddings": [row.half() for row in tensor]}, OUT / "saved_rows_f16.pkl")


def bad():
    plain = rows().astype(np.float32)
    odd = np.concatenate([plain, plain]).copy()
    odd[1] = 0
    odd[3, 2] = np.nan
    odd[4, 0] = -np.inf
    odd[8] = 1e-30  # small, but a direction
    paths = urls(12)
    paths[5] = "photos/5.jpg"
    paths[6] = paths[0]
    paths[7] = paths[1]  # the first one of these is left out, for its vector
    paths[9] = "https://example.org/" + 1100 * "9"
    paths[10] = "https://example.org/\x1b[2J"
    paths[11] = paths[0]
    write("odd.pkl", odd, paths)
    write("lengths.pkl", plain, urls(5))
    write("lengths_list.pkl", list(plain), urls(7))
    write("ragged.pkl", [plain[0], plain[1], plain[2, :3]])
    write("integers.pkl", plain.astype(np.int32))
    write("cube.pkl", plain[:, None])
    write("texts.pkl", ["a"] * ROWS)
    write("paths_text.pkl", plain, "https://example.org/")
    write("path_none.pkl", plain, urls(5) + [None])
    write("code.pkl", plain, more=Call())
    write("expanded.pkl", torch.ones(1).expand(1 << 40, 4))
    write("wide.pkl", torch.ones(1).expand(6, 1 << 40))
    write("empty.pkl", [], [])
    write("zeros.pkl", 0 * plain)
    (OUT / "list.pkl").write_bytes(pickle.dumps(plain, protocol=4))
    (OUT / "no_paths.pkl").write_bytes(pickle.dumps({"embeddings": plain}, protocol=4))
    (OUT / "no_embeddings.pkl").write_bytes(pickle.dumps({"paths": urls()}, protocol=4))


def shipped():
    """Of the length that the shipped model has."""
    random = np.random.default_rng(5)
    write("shipped.pkl", random.standard_normal((12, 128)).astype(np.float32), urls(12))


OUT.mkdir(exist_ok=True)
good()
bad()
shipped()
