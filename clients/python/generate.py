"""Makes `src/fondue/wire/dialogue_pb2.py` and its types from the contract: `python generate.py`.

The build calls it, so that it is needed by hand only in a checkout that is run without being installed.
"""

from pathlib import Path

HERE = Path(__file__).parent
WIRE = HERE / "src" / "fondue" / "wire"
# In a checkout the contract lies beside the clients; a source distribution carries its own copy.
CONTRACTS = (HERE.parent.parent / "proto" / "dialogue" / "v1", HERE / "proto")
PROTO = "dialogue.proto"


def contract() -> Path:
    """The folder that holds `dialogue.proto`."""
    for folder in CONTRACTS:
        if (folder / PROTO).is_file():
            return folder
    raise FileNotFoundError(f"{PROTO} is in none of {', '.join(map(str, CONTRACTS))}")


def generate() -> None:
    """Runs protoc; raises `RuntimeError` if it fails."""
    from grpc_tools import protoc

    source = WIRE.parent.parent
    # The contract appears to protoc at the place that its module has in the package: imports are right then.
    words = ["protoc", f"-Ifondue/wire={contract()}", f"--python_out={source}", f"--pyi_out={source}"]
    if protoc.main([*words, f"fondue/wire/{PROTO}"]) != 0:
        raise RuntimeError(f"protoc failed on {contract() / PROTO}")


if __name__ == "__main__":
    generate()
