"""A peer of the language service: reads cells as JSON lines, writes the times of tokens.

usage: language.py KIND MODEL THREADS SCRATCH
KIND: reference    the published loop: the whole prefix again for every token, no cache
      transformers Transformers' own cache
      ctranslate2-float32, ctranslate2-int8
A cell: {"prompts": [[ids]], "new_tokens": n}
"""

import json
import os
import subprocess
import sys
import time

kind, model, threads, scratch = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
os.environ["OMP_NUM_THREADS"] = str(threads)


def peak():
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def torch_peer():
    import torch
    from transformers import OPTForCausalLM

    torch.set_num_threads(threads)
    lm = OPTForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    embeddings = lm.get_input_embeddings()
    to_retrieval = torch.nn.Linear(embeddings.embedding_dim, 256)

    @torch.inference_mode()
    def reference(prompts, new_tokens):
        # One caller at a time. In every pass all positions run again; all get logits and are mapped to retrieval space.
        start, all_times, all_ids = time.perf_counter(), [], []
        for prompt in prompts:
            inputs, times, ids = embeddings(torch.tensor([prompt])), [], []
            for _ in range(new_tokens):
                out = lm(inputs_embeds=inputs, use_cache=False, output_hidden_states=True)
                states = to_retrieval(out.hidden_states[-1])
                states = states / states.norm(dim=-1, keepdim=True)
                token = out.logits[:, -1, :].argmax(-1, keepdim=True)
                ids.append(token.item())
                times.append(time.perf_counter() - start)
                inputs = torch.cat([inputs, embeddings(token)], dim=1)
            all_times.append(times)
            all_ids.append(ids)
        return all_times, all_ids

    @torch.inference_mode()
    def cached(prompts, new_tokens):
        start, times, ids = time.perf_counter(), [], []
        out = lm(input_ids=torch.tensor(prompts), use_cache=True, logits_to_keep=1)
        for n in range(new_tokens):
            token = out.logits[:, -1, :].argmax(-1, keepdim=True)
            ids.append(token[:, 0].tolist())
            times.append(time.perf_counter() - start)
            if n + 1 < new_tokens:
                out = lm(input_ids=token, past_key_values=out.past_key_values, use_cache=True, logits_to_keep=1)
        return [times] * len(prompts), [list(one) for one in zip(*ids)]

    return reference if kind == "reference" else cached


def ctranslate2_peer():
    import ctranslate2

    precision = kind.split("-")[1]
    folder = os.path.join(scratch, "ctranslate2-" + precision)
    if not os.path.exists(os.path.join(folder, "model.bin")):
        # By another process: the memory that it takes is not this one's.
        convert = (
            "import sys, ctranslate2; model, folder, precision = sys.argv[1:]; "
            "ctranslate2.converters.TransformersConverter(model).convert(folder, quantization=precision, force=True)"
        )
        subprocess.run([sys.executable, "-c", convert, model, folder + ".part", precision], check=True, stdout=2)
        os.rename(folder + ".part", folder)
    generator = ctranslate2.Generator(
        folder, device="cpu", compute_type=precision, inter_threads=1, intra_threads=threads
    )
    with open(os.path.join(model, "tokenizer.json")) as file:
        tokens = {id: token for token, id in json.load(file)["model"]["vocab"].items()}

    def run(prompts, new_tokens):
        times, ids = [[] for _ in prompts], [[] for _ in prompts]
        start = time.perf_counter()

        def step(result):
            times[result.batch_id].append(time.perf_counter() - start)
            ids[result.batch_id].append(result.token_id)
            return False

        generator.generate_batch(
            [[tokens[id] for id in prompt] for prompt in prompts],
            max_length=new_tokens,
            min_length=new_tokens,
            beam_size=1,
            sampling_topk=1,
            include_prompt_in_result=False,
            callback=step,
        )
        return times, ids

    return run


run = ctranslate2_peer() if kind.startswith("ctranslate2") else torch_peer()
print("ready", flush=True)
for line in sys.stdin:
    cell = json.loads(line)
    times, ids = run(cell["prompts"], cell["new_tokens"])
    print("answers " + json.dumps({"tokens": times, "ids": ids, "peak": peak()}), flush=True)
