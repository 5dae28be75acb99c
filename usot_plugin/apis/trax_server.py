"""Serve a tracker over TraX, the protocol by which the VOT toolkit drives trackers from its own
workspace.

Needs ``vot-trax``. Reference: TraX (Cehovin, Neurocomputing 2017).
"""

from __future__ import annotations

import configparser
import shlex
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from usot_plugin.structures.boxes import xywh_to_xyxy, xyxy_to_xywh
from usot_plugin.structures.clip import ClipError, read_image
from usot_plugin.structures.regions import BoxRegion, MaskRegion, PolygonRegion, Region
from usot_plugin.structures.trajectory import Prediction
from usot_plugin.tracking import Tracker
from usot_plugin.utils.atomic import write_text
from usot_plugin.utils.optional import require

from ..tracking.online import as_bgr_u8

#: A region that says "the target is nowhere".
UNKNOWN_CODE = 0


def serve(tracker: Tracker, name: str, description: str = '') -> None:
    """Answer one TraX client until it quits.

    The client starts with any number of objects, as rectangles, polygons or masks; a tracker gets
    their bounding boxes. Each frame is answered with the tracker's region of each object (its box,
    if it gives none) and the property ``confidence``. A new start forgets the objects before it.
    The channel is the socket that the client names in ``TRAX_SOCKET``, else stdin and stdout:
    nothing may be printed.

    Args:
        tracker: Any tracker.
        name: What the client is told.
        description: What the client is told.

    Raises:
        MissingPackageError: ``vot-trax`` is not installed.
        ClipError: An image cannot be read; the client is told.
        ValueError: A box to start from cannot be used, or an update before the start; the client is
            told.
    """
    trax = require('trax', 'the VOT toolkit')
    server = trax.Server(
        [trax.Region.RECTANGLE, trax.Region.POLYGON, trax.Region.MASK],
        [trax.Image.PATH, trax.Image.MEMORY, trax.Image.BUFFER],
        tracker_name=name,
        tracker_description=description,
        multiobject=True,
    )
    state: Any = None
    try:
        while (request := server.wait()).type in (
            trax.TraxStatus.INITIALIZE,
            trax.TraxStatus.FRAME,
        ):
            frame = frame_of(request.image)
            starts = request.type == trax.TraxStatus.INITIALIZE
            if starts:
                regions = [region_of(entry) for entry, _ in request.objects]
                state = tracker.init(frame, np.stack([region.box_xyxy for region in regions]))
                prediction = Prediction(
                    np.empty((len(regions), 4)),
                    np.ones(len(regions)),
                    np.zeros(len(regions), bool),
                    regions,
                )
            elif state is None:
                raise ValueError('the client asks for an update before it has started an object')
            elif request.objects:
                raise ValueError(
                    'the client adds objects on the way, which this server does not know'
                )
            else:
                prediction, state = tracker.update(frame, state)
            server.status(answers(prediction))
        server.quit()
    except Exception as error:
        server.quit(f'{type(error).__name__}: {error}')
        raise


def answers(prediction: Prediction) -> list[tuple[Any, dict[str, str]]]:
    """A prediction as TraX wants it: region and properties of each object."""
    return [
        (to_trax(prediction.region(target)), {'confidence': f'{prediction.scores[target]:.6f}'})
        for target in range(len(prediction.scores))
    ]


def frame_of(images: Any) -> np.ndarray:
    """The colour image of a request as ``(H, W, 3)`` uint8 BGR.

    Raises:
        ClipError: It cannot be read.
        ValueError: There is none, or it is in a form that this server did not offer.
    """
    import trax

    image = images.get(trax.ImageChannel.COLOR)
    if isinstance(image, trax.FileImage):
        return read_image(Path(image.path()))
    if isinstance(image, trax.MemoryImage):
        pixels = image.array()
        return as_bgr_u8(pixels[..., ::-1] if pixels.shape[2] == 3 else pixels)
    if isinstance(image, trax.BufferImage):
        frame = cv2.imdecode(np.frombuffer(image.buffer(), np.uint8), cv2.IMREAD_COLOR)
        if frame is None:
            raise ClipError('image buffer', 'cannot be decoded')
        return frame
    raise ValueError(f'the client sends no colour image that can be used ({type(image).__name__})')


def region_of(entry: Any) -> Region:
    """A TraX region as ours.

    Raises:
        ValueError: It says that there is no object, or is empty.
    """
    import trax

    if isinstance(entry, trax.Rectangle):
        return BoxRegion(xywh_to_xyxy(np.array(entry.bounds(), np.float64)))
    if isinstance(entry, trax.Polygon):
        return PolygonRegion(
            np.array([entry.get(index) for index in range(entry.size())], np.float64)
        )
    if isinstance(entry, trax.Mask):
        mask = MaskRegion(entry.array(), *entry.offset())
        if mask.mask.any():
            return mask
    raise ValueError(f'the client starts with a region without an object ({entry})')


def to_trax(region: Region | None) -> Any:
    """One of our regions as a TraX region; None says that the target is nowhere."""
    import trax

    if isinstance(region, MaskRegion) and region.mask.any():
        height, width = region.mask.shape
        whole = region.to_mask(
            max(region.left, 0) + width, max(region.top, 0) + height
        )  # a TraX mask cannot begin outside the image
        return trax.Mask.create(np.ascontiguousarray(whole, np.uint8))
    if isinstance(region, PolygonRegion):
        return trax.Polygon.create([(float(x), float(y)) for x, y in region.points_xy])
    if isinstance(region, BoxRegion):
        return trax.Rectangle.create(*map(float, xyxy_to_xywh(region.box_xyxy)))
    return trax.Special.create(UNKNOWN_CODE)


def write_registry(
    path: str | Path, name: str, command: Sequence[str], label: str | None = None
) -> None:
    """Add a tracker to a workspace's ``trackers.ini``, or replace it there; other trackers stay.

    Args:
        path: The file.
        name: Identifier of the tracker: letters, digits, ``_`` and ``-``.
        command: Program and arguments that start the server.
        label: Name for reports.

    Raises:
        ValueError: The name is none, or the file cannot be understood.
        OSError: The file cannot be written.
    """
    if not name or not all(letter.isalnum() or letter in '_-' for letter in name):
        raise ValueError(
            f'{name!r} is no identifier of a tracker: letters, digits, _ and - are allowed'
        )
    registry = configparser.ConfigParser(interpolation=None)
    try:
        registry.read(path, encoding='utf-8')
    except (configparser.Error, UnicodeDecodeError) as error:
        raise ValueError(
            f'{path}: not a registry of trackers ({" ".join(str(error).split())})'
        ) from error
    # The toolkit reads the file with interpolation, where a per cent sign is written twice.
    registry[name] = {
        'label': label or name,
        'protocol': 'trax',
        'command': shlex.join(command).replace('%', '%%'),
    }
    text = StringIO()
    registry.write(text)
    write_text(path, text.getvalue())
