"""The reference's training loop, written anew in PyTorch from its description: what `fondue train ground` is compared with.

As there, the frozen towers run on every step, and the whole token embedding has a gradient and optimiser state, of which all
rows but that of [RET] are zeroed before each update. The towers are Transformers' own (5.24.0, PyTorch 2.13.0).

usage: reference.py prepare MODEL FOLDER ROWS BATCH STEPS SEED
           writes pictures/, train.tsv, order.jsonl and init/ (mapping layers) for both sides
       reference.py run MODEL FOLDER THREADS
           trains on them; prints a line `step {"loss": …, "captioning": …, "ret_lm": …, "contrastive": …, "seconds": …}` each,
           then `ready {…}` with the most memory that it had
"""

import json
import math
import pathlib
import random
import resource
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer

PAD, MAX_LEN, Q = 1, 24, 256
RATE, WARMUP = 3e-4, 100
COLOURS = "red green blue yellow black purple orange grey white brown pink teal".split()
THINGS = "square circle cross stripe corner frame dot band wedge spot line block".split()
PLACES = ["on the left", "on the right", "at the top", "at the bottom", "in the middle"]


def widths(model):
    clip = json.loads((model / "clip/config.json").read_text())
    clip = clip.get("vision_config", clip)
    opt = json.loads((model / "opt/config.json").read_text())
    return clip["image_size"], clip["hidden_size"], opt.get("word_embed_proj_dim", opt["hidden_size"])


def tokenizer(model):
    bpe = Tokenizer.from_file(str(model / "opt/tokenizer.json"))
    bpe.add_special_tokens([AddedToken("<|image|>", special=True)])
    bpe.add_tokens([AddedToken("[RET]", lstrip=True, rstrip=True)])
    return bpe, bpe.token_to_id("[RET]")


def prepare(model, folder, rows, batch, steps, seed):
    rng, numbers = random.Random(seed), np.random.default_rng(seed)
    size, feature, word = widths(model)
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    lines = ["caption\timage"]
    for n in range(rows):
        # At the towers' own size, so that no resizing stands between the two sides.
        pixels = numbers.integers(0, 256, (size // 8, size // 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
        Image.fromarray(pixels).save(folder / f"pictures/{n}.png")
        one, two = rng.sample(COLOURS, 2)
        caption = f"a {one} {rng.choice(THINGS)} {rng.choice(PLACES)} of a {two} {rng.choice(THINGS)}"
        lines.append(f"{caption}\tpictures/{n}.png")
    (folder / "train.tsv").write_text("\n".join(lines) + "\n")
    with open(folder / "order.jsonl", "w") as file:
        for _ in range(steps):
            order = {"rows": rng.sample(range(rows), batch), "pairs": rng.random() < 0.5}
            file.write(json.dumps(order) + "\n")
    torch.manual_seed(seed)
    bound = lambda shape, fan_in: torch.empty(shape).uniform_(-(fan_in**-0.5), fan_in**-0.5)
    (folder / "init").mkdir(exist_ok=True)
    save_file(
        {
            "model.logit_scale": torch.tensor(math.log(1 / 0.07)),
            "model.visual_embeddings.weight": bound((word, feature), feature),
            "model.visual_embeddings.bias": bound((word,), feature),
            "model.visual_fc.weight": bound((Q, feature), feature),
            "model.visual_fc.bias": bound((Q,), feature),
            "model.text_hidden_fcs.0.0.weight": bound((Q, word), word),
            "model.text_hidden_fcs.0.0.bias": bound((Q,), word),
            "ret_input_embeddings.weight": torch.randn(1, word) * 0.02,
        },
        folder / "init/mapping.safetensors",
    )
    args = {"n_visual_tokens": 1, "shared_emb_dim": Q, "text_emb_layers": [-1]}
    (folder / "init/model_args.json").write_text(json.dumps(args))


def dataset(model, folder, ret, bpe):
    """Pixels, token rows, lengths; decoded once, so that no reading is timed."""
    told = json.loads((model / "clip/preprocessor_config.json").read_text())
    mean, std = (np.array(told[key], np.float32) for key in ("image_mean", "image_std"))
    pixels, tokens, lengths = [], [], []
    for line in (folder / "train.tsv").read_text().splitlines()[1:]:
        caption, image = line.split("\t")
        picture = np.asarray(Image.open(folder / image).convert("RGB"), np.float32) / 255
        pixels.append(torch.tensor(((picture - mean) / std).transpose(2, 0, 1)))
        ids = [2] + bpe.encode(caption + "[RET]", add_special_tokens=False).ids
        ids = ids[:MAX_LEN] + [PAD] * (MAX_LEN - len(ids))
        if ids[-1] not in (ret, PAD):
            ids[-1] = ret
        tokens.append(torch.tensor(ids))
        lengths.append(sum(token != PAD for token in ids))
    return torch.stack(pixels), torch.stack(tokens), torch.tensor(lengths)


def paired(embeds, labels):
    """Rows 0 and 1, 2 and 3, … behind each other: what is valid first, padding last."""
    rows, told = [], []
    for n in range(0, len(embeds), 2):
        valid = [int((row != -100).nonzero().max()) + 1 for row in labels[n : n + 2]]
        order = lambda both: [both[n][: valid[0]], both[n + 1][: valid[1]], both[n][valid[0] :], both[n + 1][valid[1] :]]
        rows.append(torch.cat(order(embeds)))
        told.append(torch.cat(order(labels)))
    return torch.stack(rows), torch.stack(told)


def run(model, folder, threads):
    from transformers import CLIPVisionModel, OPTForCausalLM

    torch.set_num_threads(threads)
    bpe, ret = tokenizer(model)
    lm = OPTForCausalLM.from_pretrained(model / "opt", dtype=torch.float32).eval()
    vision = CLIPVisionModel.from_pretrained(model / "clip", dtype=torch.float32).eval()
    lm.requires_grad_(False)
    vision.requires_grad_(False)
    lm.resize_token_embeddings(ret + 1, mean_resizing=False)
    table = lm.get_input_embeddings()
    maps = load_file(folder / "init/mapping.safetensors")
    with torch.no_grad():
        table.weight[ret] = maps.pop("ret_input_embeddings.weight")[0]
    # Resizing turns it on in the reference.
    table.weight.requires_grad_(True)
    maps = {name: torch.nn.Parameter(tensor) for name, tensor in maps.items()}
    linear = lambda name, x: F.linear(x, maps[f"model.{name}.weight"], maps[f"model.{name}.bias"])
    optimizer = torch.optim.AdamW([*maps.values(), table.weight], lr=RATE, betas=(0.9, 0.95), eps=1e-8, weight_decay=0)
    pixels, tokens, lengths = dataset(model, folder, ret, bpe)

    for step, line in enumerate((folder / "order.jsonl").read_text().splitlines()):
        order = json.loads(line)
        begun = time.perf_counter()
        rows = torch.tensor(order["rows"])
        images, ids, ends = pixels[rows], tokens[rows], lengths[rows] - 1
        # Captioning: the picture's vector, then the caption.
        pooled = vision(pixel_values=images).pooler_output
        embeds = torch.cat([linear("visual_embeddings", pooled)[:, None], table(ids)], 1)
        labels = ids.clone()
        labels[torch.arange(MAX_LEN) >= ends[:, None]] = -100
        # -2 marks the picture's place as valid, which is no label all the same.
        labels = torch.cat([torch.full((len(rows), 1), -2), labels], 1)
        if order["pairs"]:
            embeds, labels = paired(embeds, labels)
        captioning = lm(inputs_embeds=embeds, labels=labels.masked_fill(labels < 0, -100), use_cache=False).loss
        # Retrieval: the caption alone; the tower runs once more, as the reference's passes know nothing of each other.
        pooled = vision(pixel_values=images).pooler_output
        output = lm(
            inputs_embeds=table(ids),
            labels=ids.masked_fill(ids == PAD, -100),
            output_hidden_states=True,
            use_cache=False,
        )
        texts = linear("text_hidden_fcs.0.0", output.hidden_states[-1])[torch.arange(len(rows)), ends]
        views = linear("visual_fc", pooled)
        scale = maps["model.logit_scale"].exp()
        scores = scale * (views / views.norm(dim=-1, keepdim=True)) @ (texts / texts.norm(dim=-1, keepdim=True)).T
        right = torch.arange(len(rows))
        contrastive = (F.cross_entropy(scores, right) + F.cross_entropy(scores.T, right)) / 2
        loss = captioning + output.loss + contrastive
        loss.backward()
        # Only the row of [RET] is to change.
        table.weight.grad[:ret] = 0
        torch.nn.utils.clip_grad_norm_([*maps.values(), table.weight], 1.0)
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(step / WARMUP, 1)
        optimizer.step()
        optimizer.zero_grad()
        with torch.no_grad():
            table.weight[ret] /= table.weight[ret].norm() / table.weight[:ret].norm(dim=1).mean()
        seconds = time.perf_counter() - begun
        parts = {"captioning": captioning, "ret_lm": output.loss, "contrastive": contrastive}
        parts = {name: value.item() for name, value in parts.items()}
        print("step", json.dumps({"loss": loss.item(), **parts, "seconds": seconds}), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print("ready", json.dumps({"peak": peak}), flush=True)


def main():
    what, model, folder, *numbers = sys.argv[1:]
    model, folder, numbers = pathlib.Path(model), pathlib.Path(folder), [int(number) for number in numbers]
    {"prepare": prepare, "run": run}[what](model, folder, *numbers)


main()
