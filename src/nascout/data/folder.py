"""A folder of images with one sub-folder per class.

Either ``root/<class>/*.png`` or ``root/train/<class>/*.png`` with ``root/test/<class>/*.png``. The
order is that of the sorted paths, so it is the same on every machine.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from nascout.data.arrays import Data
from nascout.data.assemble import Part, assemble
from nascout.data.images import resize
from nascout.data.memory import require_memory
from nascout.errors import DataError, UnsafePath

__all__ = ["load_folder"]

SUFFIXES = (
    *(".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm"),
    *(".png", ".ppm", ".tif", ".tiff", ".webp"),
)
GREY = frozenset(("1", "L", "LA"))
EIGHT_BITS = GREY | {"P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"}
LAYOUT = "Put the images in one sub-folder per class, or in train/<class> and test/<class>."
PILLOW_ERRORS = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


def load_folder(
    root: Path, *, image_size: int | None = None, flip: bool = True, test_fraction: float = 0.2
) -> Data:
    """Read every image below ``root`` as uint8: grey if all are grey, otherwise RGB.

    Transparency is dropped. Without ``root/test`` a stratified fraction is held out for testing.

    Args:
        root: the folder.
        image_size: make every image a square of that many pixels; None if all have one size.
        flip: whether a mirrored image keeps its class.
        test_fraction: of the images, where there is no test folder.

    Raises:
        DataError: no images, an unreadable one, or sizes that differ without ``image_size``.
        UnsafePath: a link that leads out of ``root``.
    """
    train_files, test_files = _parts(root)
    files = [path for path, _ in train_files + test_files]
    channels, height, width = _common_shape(root, files, image_size)
    require_memory(len(files) * channels * height * width, str(root))

    def read(part: list[tuple[Path, str]]) -> Part:
        images = torch.empty(len(part), channels, height, width, dtype=torch.uint8)
        for i, (path, _) in enumerate(part):
            images[i] = _pixels(path, channels, image_size)
        return images, np.array([label for _, label in part])

    return assemble(
        root.resolve().name,
        read(train_files),
        read(test_files) if test_files else None,
        flip=flip,
        test_fraction=test_fraction,
    )


def _parts(root: Path) -> tuple[list[tuple[Path, str]], list[tuple[Path, str]]]:
    """(file, class) of the training and of the test part; the latter empty if there is none."""
    folders = {path.name: path for path in _folders(root)}
    if "train" not in folders or not _folders(folders["train"]):  # "train" may be a class, too
        return _labelled(root, root), []
    if others := sorted(folders.keys() - {"train", "test"}):
        raise DataError(
            f"{root} holds {', '.join(others)} beside train",
            "Keep train and test only: validation images are taken from train.",
        )
    return (
        _labelled(folders["train"], root),
        _labelled(folders["test"], root) if "test" in folders else [],
    )


def _folders(root: Path) -> list[Path]:
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))


def _labelled(part: Path, root: Path) -> list[tuple[Path, str]]:
    """(file, class) of every image below the class folders of ``part``."""
    classes = _folders(part)
    if not classes:
        raise DataError(f"{part} has no sub-folders", LAYOUT)
    found = []
    for folder in classes:
        files = [p for p in _inside(folder, root) if p.suffix.lower() in SUFFIXES and p.is_file()]
        if not files:
            raise DataError(f"the class folder {folder} holds no images", "Fill or remove it.")
        found += [(path, folder.name) for path in files]
    return found


def _inside(folder: Path, root: Path) -> list[Path]:
    """Everything below ``folder``, sorted; refuses links that lead out of ``root``."""
    home = root.resolve()
    found = sorted(folder.rglob("*"))
    hidden = [any(part.startswith(".") for part in p.relative_to(folder).parts) for p in found]
    paths = [folder, *(p for p, skip in zip(found, hidden, strict=True) if not skip)]
    for path in paths:
        if path.is_symlink() and not path.resolve().is_relative_to(home):
            raise UnsafePath(f"{path} is a link out of {root}", "Copy the image into the folder.")
    return paths


def _common_shape(root: Path, files: list[Path], image_size: int | None) -> tuple[int, int, int]:
    """(channels, height, width) of all images, from their headers alone."""
    headers = [_header(path) for path in files]
    channels = 1 if all(mode in GREY for mode, _ in headers) else 3
    if image_size is not None:
        return channels, image_size, image_size
    width, height = headers[0][1]
    for path, (_, size) in zip(files, headers, strict=True):
        if size != (width, height):
            raise DataError(
                f"images of {root} differ in size: {files[0].relative_to(root)} is "
                f"{width}x{height}, {path.relative_to(root)} is {size[0]}x{size[1]}",
                "Pass --image-size N to make all of them N x N pixels.",
            )
    return channels, height, width


def _header(path: Path) -> tuple[str, tuple[int, int]]:
    """Colour mode and (width, height)."""
    try:
        with Image.open(path) as image:
            mode, size = image.mode, image.size
    except PILLOW_ERRORS as error:
        raise DataError(f"cannot read the image {path}", "Mend or remove it.") from error
    if mode not in EIGHT_BITS:  # Pillow would clip 16-bit pixels at 255 without a word
        raise DataError(
            f"{path} has pixels of mode {mode}, not 8 bits per channel",
            "Convert it to 8 bits, or save the images as floats in an .npz file.",
        )
    return mode, size


def _pixels(path: Path, channels: int, image_size: int | None) -> torch.Tensor:
    """uint8, (channels, height, width)."""
    try:
        with Image.open(path) as image:
            # A palette with transparency must pass through RGBA, or Pillow warns.
            full = image.convert("RGBA") if image.mode in ("P", "PA") else image
            array = np.array(full.convert("L" if channels == 1 else "RGB"))
    except PILLOW_ERRORS as error:
        raise DataError(f"cannot read the image {path}", "Mend or remove it.") from error
    x = torch.from_numpy(array.reshape(*array.shape[:2], channels)).permute(2, 0, 1)
    return x if image_size is None else resize(x[None].contiguous(), image_size)[0]
