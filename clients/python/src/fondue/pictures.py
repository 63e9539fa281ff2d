"""Pictures to show: files, bytes, Pillow's images, URLs; and what counts as a part of a turn."""

from __future__ import annotations

import os
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, Union

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

Fit: TypeAlias = Literal["crop", "squash"]
"""How a picture is brought to the vision tower's square: `crop` keeps its shape, `squash` its whole area."""


@dataclass(frozen=True, repr=False)
class Image:
    """A picture to show: PNG, JPEG, WebP, GIF (first frame), BMP or TIFF. Made by one of the `from_…` functions."""

    data: bytes = b""
    """The file's bytes; empty if `url` is set."""
    url: str = ""
    """Where the gateway is to fetch it, if its operator allows the host."""
    fit: Fit | None = None
    """None: the server's choice, which is `crop` but in the published behaviour."""

    def __post_init__(self) -> None:
        if bool(self.data) == bool(self.url):
            raise ValueError("a picture has either bytes or a URL")

    def __repr__(self) -> str:
        return f"Image({self.url or f'{len(self.data)} bytes'})"

    @classmethod
    def from_path(cls, path: str | os.PathLike[str], fit: Fit | None = None) -> Image:
        """Reads a file; raises `OSError` as files do."""
        return cls(Path(path).read_bytes(), fit=fit)

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview, fit: Fit | None = None) -> Image:
        """The bytes of a picture file."""
        return cls(bytes(data), fit=fit)

    @classmethod
    def from_pil(cls, image: PilImage, fit: Fit | None = None) -> Image:
        """Pillow's image, sent as PNG; kinds that PNG does not know become RGB. Needs the extra `pillow`."""
        if image.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
            image = image.convert("RGB")
        file = BytesIO()
        image.save(file, "PNG")
        return cls(file.getvalue(), fit=fit)

    @classmethod
    def from_url(cls, url: str, fit: Fit | None = None) -> Image:
        """An http or https URL that the gateway fetches, if its operator allows the host."""
        return cls(url=url, fit=fit)

    @classmethod
    def download(
        cls, url: str, fit: Fit | None = None, *, timeout: float = 30.0, max_bytes: int = 32 << 20
    ) -> Image:
        """Fetches a picture here, for a gateway that may not. Blocks; needs the extra `url`.

        Raises `httpx.HTTPError`, or `ValueError` for a file of more than `max_bytes`.
        """
        import httpx

        data = bytearray()
        with httpx.stream("GET", url, timeout=timeout, follow_redirects=True) as response:
            response.raise_for_status()
            for piece in response.iter_bytes():
                data += piece
                if len(data) > max_bytes:
                    raise ValueError(f"{url} holds more than {max_bytes} bytes")
        return cls(bytes(data), fit=fit)


Part: TypeAlias = Union[str, Image, bytes, bytearray, memoryview, "os.PathLike[str]", "PilImage"]
"""A part of what is said: a `str` is text, a path is a picture file, bytes are its contents."""


def picture(part: Part) -> Image:
    """The picture that a part stands for. Raises `TypeError` for what is none."""
    if isinstance(part, Image):
        return part
    if isinstance(part, (bytes, bytearray, memoryview)):
        return Image.from_bytes(part)
    if isinstance(part, os.PathLike):
        return Image.from_path(part)
    # Pillow need not be installed: what can be saved and has a mode is its image.
    if not isinstance(part, str) and hasattr(part, "save") and hasattr(part, "mode"):
        return Image.from_pil(part)
    raise TypeError(f"a part is a text or a picture, not {type(part).__name__}")
