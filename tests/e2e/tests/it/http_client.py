"""OpenAI's own client against a running gateway: argument 1 is its base URL, argument 2 a picture file."""

import base64
import sys

import openai

base_url, picture = sys.argv[1:]
client = openai.OpenAI(base_url=base_url + "/v1", api_key="none", max_retries=0, timeout=120)

# Models.
(model,) = client.models.list().data
assert model.id == "fondue" and client.models.retrieve("fondue").object == "model"
try:
    client.models.retrieve("other")
    raise AssertionError("a model that is not there")
except openai.NotFoundError as error:
    assert error.code == "model_not_found" and error.request_id, error

# A whole answer to a picture, with pictures.
data = base64.b64encode(open(picture, "rb").read()).decode()
url = f"data:image/png;base64,{data}"
shown = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "Show me another like this."}]
messages = [{"role": "system", "content": "You are kind."}, {"role": "user", "content": shown}]
options = {"model": model.id, "seed": 1, "max_completion_tokens": 24}
extra = {"fondue": {"ret_bias": 100.0, "min_word_tokens": 2, "max_images": 2}}
answer = client.chat.completions.create(messages=messages, extra_body=extra, **options)
(choice,) = answer.choices
assert choice.finish_reason in ("stop", "length") and answer.usage.total_tokens > 2, answer
assert answer.id == "chatcmpl-" + answer.fondue["turn_id"] and len(answer._request_id) == 32
assert answer.fondue["images"], answer
for image in answer.fondue["images"]:
    assert f"]({image['url']}#ret={image['ret_index']}&at={image['text_offset']})" in choice.message.content
    file = client.with_options(max_retries=0)._client.get(base_url + image["url"])
    assert file.status_code == 200 and file.headers["content-type"] == image["media_type"], file

# The same streamed is the same answer.
stream = client.chat.completions.create(
    messages=messages, extra_body=extra, stream=True, stream_options={"include_usage": True}, **options
)
chunks = list(stream)
last = [chunk for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason][0]
assert last.choices[0].finish_reason == choice.finish_reason
assert last.fondue["transcript"] == answer.fondue["transcript"], (last, answer)
assert last.fondue["image_ids"] == answer.fondue["image_ids"]
assert chunks[-1].usage.completion_tokens == answer.usage.completion_tokens
content = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)

# The answer goes back into the history as the client has it: as a message, and as the streamed text.
for past in (choice.message, {"role": "assistant", "content": content}):
    more = [*messages, past, {"role": "user", "content": "And now?"}]
    again = client.chat.completions.create(messages=more, extra_body={"fondue": {"ret_bias": 100.0}}, **options)
    found = set(again.fondue["image_ids"])
    assert found and not found & set(answer.fondue["image_ids"]), "found again"

# Rows: the client asks for base64 unless it is told otherwise, and reads it itself.
inputs = ["a red apple", "a car"]
rows = [row.embedding for row in client.embeddings.create(model=model.id, input=inputs).data]
plain = client.embeddings.create(model=model.id, input=inputs, encoding_format="float").data
assert [row.embedding for row in plain] == rows and len(rows[0]) == len(rows[1]) > 1
assert all(abs(sum(x * x for x in row) - 1) < 1e-3 for row in rows)
seen = client.embeddings.create(model=model.id, input=[[{"type": "image_url", "image_url": {"url": url}}]])
assert len(seen.data[0].embedding) == len(rows[0])

# What is wrong is said in words that the client knows.
for wrong, kind in [({"temperature": -1}, openai.BadRequestError), ({"tools": [{}]}, openai.BadRequestError)]:
    try:
        client.chat.completions.create(messages=messages, **{**options, **wrong})
        raise AssertionError(wrong)
    except kind as error:
        assert error.param == next(iter(wrong)), error
print("ok")
