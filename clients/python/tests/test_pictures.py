"""Whatever may be a part becomes the picture, or the text, that it stands for."""

from io import BytesIO
from pathlib import Path
from threading import Thread
from http.server import BaseHTTPRequestHandler, HTTPServer

import PIL.Image
import pytest

from fondue import Condition, FoundImage, Image, requests
from fondue.wire import dialogue_pb2 as wire


def sent(*parts):
    return [part.image for part in requests.parts(parts)]


def test_files_bytes_and_urls(tmp_path: Path) -> None:
    file = tmp_path / "cat.png"
    file.write_bytes(b"cat")
    data = [image.data for image in sent(file, b"cat", bytearray(b"cat"), memoryview(b"cat"), Image.from_path(str(file)))]
    assert data == [b"cat"] * 5
    squashed, linked = sent(Image.from_bytes(b"cat", "squash"), Image.from_url("https://x/cat.png", "crop"))
    assert (squashed.fit, linked.fit) == (wire.IMAGE_FIT_SQUASH, wire.IMAGE_FIT_CROP)
    assert (linked.url, linked.data) == ("https://x/cat.png", b"")
    assert requests.parts(["cat.png"])[0].text == "cat.png", "a str is text"


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1", "CMYK", "F"])
def test_pillow_of_every_kind(mode: str) -> None:
    image = sent(PIL.Image.new(mode, (3, 2)))[0]
    assert PIL.Image.open(BytesIO(image.data)).size == (3, 2)


def test_what_is_no_part_is_refused() -> None:
    with pytest.raises(TypeError, match="not int"):
        sent(3)
    with pytest.raises(FileNotFoundError):
        sent(Path("there/is/no/such.png"))
    with pytest.raises(ValueError, match="fit"):
        sent(Image.from_bytes(b"cat", "stretch"))  # type: ignore[arg-type]


def test_found_pictures_become_files_and_pillows(tmp_path: Path) -> None:
    file = BytesIO()
    PIL.Image.new("RGB", (3, 2)).save(file, "PNG")
    fields = {"score": 1.0, "caption": "", "media_type": "image/png", "generation": "", "index": ""}
    places = {"text_offset": 0, "ret_index": 0, "rank": 0}
    found = FoundImage(id="a", data=file.getvalue(), url="", **fields, **places)
    assert found.pil().size == (3, 2)
    assert found.save(tmp_path / "a.png").read_bytes() == file.getvalue()
    linked = FoundImage(id="a", data=b"", url="http://x/a", **fields, **places)
    with pytest.raises(ValueError, match="http://x/a"):
        linked.save(tmp_path / "b.png")
    with pytest.raises(ValueError, match="bytes"):
        linked.pil()


class Pictures(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/cat.png" else 404)
        self.end_headers()
        self.wfile.write(b"cat" * 100)

    def log_message(self, *words: object) -> None:
        """Nothing."""


def test_downloads_within_a_limit() -> None:
    import httpx

    with HTTPServer(("127.0.0.1", 0), Pictures) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        place = f"http://127.0.0.1:{server.server_port}"
        assert Image.download(f"{place}/cat.png").data == b"cat" * 100
        with pytest.raises(ValueError, match="more than 299 bytes"):
            Image.download(f"{place}/cat.png", max_bytes=299)
        with pytest.raises(httpx.HTTPStatusError):
            Image.download(f"{place}/dog.png")
        server.shutdown()


def test_conditions_say_what_they_test() -> None:
    asked = requests.conditions(
        [
            Condition("group", equals="cats"),
            Condition("year", at_least=1990, below=2000, negate=True),
            Condition("wild", any_of=[True, 2, "three"]),
        ]
    )
    assert asked[0].equals.text == "cats"
    assert (asked[1].range.at_least, asked[1].range.below, asked[1].negate) == (1990, 2000, True)
    assert not asked[1].range.HasField("above")
    assert [value.WhichOneof("value") for value in asked[2].any_of.values] == ["truth", "number", "text"]
    with pytest.raises(ValueError, match="one test"):
        Condition("group")
    with pytest.raises(ValueError, match="one test"):
        Condition("group", equals="cats", below=3)
