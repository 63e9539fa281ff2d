"""Makes tests/data: small files as Python, NumPy and torch write them, and a few that nobody should.

Run with a Python that has torch and numpy, from anywhere: python make_pickles.py
Written with Python 3.11, NumPy 2.4 and torch 2.13; the tests need no Python.
"""

import collections
import io
import os
import pathlib
import pickle
import zipfile

import numpy as np
import torch

OUT = pathlib.Path(__file__).parent / "data"


def embeddings():
    """As `cc3m_embeddings*.pkl`: element i of row r is r + i / 4, exact in every float type."""
    rows = np.arange(5)[:, None] + np.arange(4)[None, :] / 4
    return {
        "paths": [f"https://example.org/{i}.jpg" for i in range(4)] + ["größe-雪.jpg"],
        "embeddings": rows.astype(np.float32),
        "half": [row.astype(np.float16) for row in rows],
        "double": np.asfortranarray(rows.astype(np.float64)),
        "counts": np.array([1, -2, 200000], dtype=np.int64),
        "bytes": bytes([0, 127, 128, 255, 10]),
        "none": None,
        "yes": True,
        "numbers": [0, -1, 255, 256, 70000, -70000, 2**40, -(2**63), 2**70, 1.5, float("inf")],
        "scalar": np.float32(0.25),
        "whole": np.int64(-7),
        "nested": ({"a": (1, 2)}, [], (), {}),
        3: "three",
    }


def checkpoint():
    base = torch.arange(24, dtype=torch.float32)
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.LayerNorm(2))
    with torch.no_grad():
        for n, parameter in enumerate(model.parameters()):
            parameter.fill_(n + 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.001)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    shared = torch.ones(3, 2)
    return {
        "epoch": 3,
        "best_acc1": torch.tensor(0.5),
        "state_dict": collections.OrderedDict(("module." + k, v) for k, v in model.state_dict().items()),
        "own": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "views": {
            "whole": base,
            "matrix": base.view(4, 6),
            "transposed": base.view(4, 6).t(),
            "row": base.view(4, 6)[2],
            "column": base.view(4, 6)[:, 1],
            "steps": base[1::5],
            "expanded": base[:1].expand(1000, 1000),
            "empty": base[:0],
        },
        "tied": [shared, shared],
        "parameter": torch.nn.Parameter(torch.tensor([1.0, 2.0])),
        "types": {
            str(dtype).removeprefix("torch."): torch.tensor([0, 1, 2, 3]).to(dtype)
            for dtype in (
                torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64,
                torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool,
            )
        },
    }


class Call:
    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


def write(name, data):
    (OUT / name).write_bytes(data)


def main():
    torch.manual_seed(0)
    OUT.mkdir(exist_ok=True)
    for protocol in range(6):
        write(f"embeddings.{protocol}.pkl", pickle.dumps(embeddings(), protocol=protocol))
    # As `pickle.dump` writes tensors: each with its own storage, in torch's old format within bytes.
    rows = torch.arange(12, dtype=torch.float32).view(3, 4)
    tensors = {"rows": [row.to(torch.bfloat16).clone() for row in rows], "whole": rows.t(), "large": torch.ones(300)}
    for protocol in (2, 4):
        write(f"tensors.{protocol}.pkl", pickle.dumps(tensors, protocol=protocol))
    # NumPy 1 had its module under another name.
    old = pickle.dumps(embeddings()["embeddings"], protocol=3)
    write("numpy1.3.pkl", old.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))

    def saved(value, **options):
        stream = io.BytesIO()
        torch.save(value, stream, **options)
        return stream.getvalue()

    good = saved(checkpoint())
    write("checkpoint.pth.tar", good)
    write("checkpoint.4.bin", saved(checkpoint(), pickle_protocol=4))
    small = {"a": torch.arange(6).view(2, 3)}
    write("legacy.bin", saved(small, _use_new_zipfile_serialization=False))
    write("system.bin", saved({"a": Call(os.system, "exit 3")}))
    write("system.4.pkl", pickle.dumps(Call(os.system, "exit 3"), protocol=4))
    write("system.0.pkl", pickle.dumps(Call(os.system, "exit 3"), protocol=0))
    write("big_endian.4.pkl", pickle.dumps(np.arange(3, dtype=">f4"), protocol=4))
    write("texts.4.pkl", pickle.dumps(np.array(["ab", "c"]), protocol=4))

    source = zipfile.ZipFile(io.BytesIO(saved(small)))

    def zipped(change=lambda name, data: (name, data), **options):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", **options) as target:
            for info in source.infolist():
                for name, data in change(info.filename, source.read(info)):
                    target.writestr(name, data)
        return stream.getvalue()

    def same(name, data):
        return [(name, data)]

    write("plain_zip.bin", zipped(same))
    write("compressed.bin", zipped(same, compression=zipfile.ZIP_DEFLATED))
    write("no_storage.bin", zipped(lambda name, data: [] if name.endswith("/data/0") else [(name, data)]))
    write("short_storage.bin", zipped(lambda name, data: [(name, data[:47] if name.endswith("/data/0") else data)]))
    write("big_endian.bin", zipped(lambda name, data: [(name, b"big" if name.endswith("byteorder") else data)]))
    write("duplicate.bin", zipped(lambda name, data: [(name, data)] * (2 if name.endswith("/data/0") else 1)))


main()
