"""A peer of the vision service: Transformers' processor and tower.

usage: vision.py MODEL THREADS
A cell: {"files": [paths], "batch": n} → the seconds from files to features of all.
"""

import json
import os
import sys
import time

model, threads = sys.argv[1], int(sys.argv[2])
os.environ["OMP_NUM_THREADS"] = str(threads)

import torch
from PIL import Image
from transformers import CLIPImageProcessor, CLIPVisionModel

torch.set_num_threads(threads)
processor = CLIPImageProcessor.from_pretrained(model)
tower = CLIPVisionModel.from_pretrained(model, dtype=torch.float32).eval()


@torch.inference_mode()
def run(files, batch):
    start = time.perf_counter()
    for first in range(0, len(files), batch):
        pictures = [Image.open(path).convert("RGB") for path in files[first : first + batch]]
        pixels = processor(images=pictures, return_tensors="pt").pixel_values
        tower(pixel_values=pixels).pooler_output.sum().item()
    return time.perf_counter() - start


print("ready", flush=True)
for line in sys.stdin:
    cell = json.loads(line)
    print("seconds " + json.dumps(run(cell["files"], cell["batch"])), flush=True)
