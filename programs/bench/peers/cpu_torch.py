"""Lets PyPI's torch, which is built for CUDA, start without CUDA's libraries, which are several GB.

torch's own libraries stay as they are. For each library of others that they name and that is not there, this writes a stub
beside them: it has the functions that they want of such libraries, which do nothing. On a CPU nobody calls them.

usage: cpu_torch.py, run by the environment's own Python; needs a C compiler and nm and readelf, which come with it
"""

import os
import pathlib
import re
import subprocess
import sysconfig
import tempfile


def told(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


packages = pathlib.Path(sysconfig.get_path("purelib"))
lib = packages / "torch" / "lib"
there = {path.name for path in packages.glob("nvidia/**/*.so*")} | {path.name for path in lib.iterdir()}
needed, wanted = set(), {}
for path in lib.glob("lib*.so"):
    needed.update(re.findall(r"\(NEEDED\).*\[(.*)\]", told("readelf", "-d", path)))
    for symbol in told("nm", "-D", "--undefined-only", "--format=just-symbols", path).split():
        name, _, version = symbol.partition("@")
        if re.match(r"(cu|nccl|nvrtc|nvJitLink|nvshmem)", name):
            wanted.setdefault(version.lstrip("@"), set()).add(name)
# What is not of CUDA the system has, or torch cannot start anyway; the driver is asked for when it is used.
missing = [name for name in needed - there if re.match(r"lib(cu|nccl|nv)", name) and not name.startswith("libcuda.")]

with tempfile.TemporaryDirectory() as folder:
    source, versions = os.path.join(folder, "stub.c"), os.path.join(folder, "versions")
    with open(source, "w") as file:
        file.writelines(f"void *{name}(void) {{ return 0; }}\n" for name in sorted(set().union(*wanted.values())))
    with open(versions, "w") as file:
        # The loader wants to find each function under its version in the library that it was seen in.
        for version, names in wanted.items():
            file.write(f"{version or 'UNVERSIONED'} {{ global: {'; '.join(sorted(names))}; }};\n")
    for name in missing:
        told("cc", "-shared", "-fPIC", f"-Wl,-soname,{name},--version-script,{versions}", "-o", lib / name, source)

told(os.sys.executable, "-c", "import torch; assert not torch.cuda.is_available()")
