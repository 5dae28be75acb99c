"""Box sources that look at the picture: the region with most information, and the region that
stands out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import cv2
import numpy as np

from usot_plugin.registry import TASK_UTILS
from usot_plugin.structures.boxes import clip_boxes, cxcywh_to_xyxy, scale_boxes, xyxy_to_cxcywh

from ..samplers.frame_samplers import NoFrameError
from ..track import Track
from .box_sources import ClipBoxes, ReadFrame

#: Saliency above so many times its mean is an object (Hou and Zhang, Sec. 3.1).
OBJECT_LEVEL = 3.0


def most_informative_box(
    image: np.ndarray, size_wh: tuple[int, int], bins: int = 16
) -> np.ndarray | None:
    """The window whose grey values have the highest entropy, of all windows of one size.

    Args:
        image: ``(H, W)`` uint8.
        size_wh: Width and height of the window in pixels.
        bins: Number of equal bins over 0..255.

    Returns:
        Box ``(4,)`` float64, the topmost, then leftmost of equals; None where no window holds two
        different bins.
    """
    width = min(size_wh[0], image.shape[1])
    height = min(size_wh[1], image.shape[0])
    binned = image.astype(np.int32) * bins // 256
    entropy = np.zeros((image.shape[0] - height + 1, image.shape[1] - width + 1))
    for value in np.unique(binned):
        sums = cv2.integral((binned == value).astype(np.uint8))
        counts = (
            sums[height:, width:]
            - sums[:-height, width:]
            - sums[height:, :-width]
            + sums[:-height, :-width]
        )
        share = counts / (width * height)
        entropy -= share * np.log2(share, where=share > 0, out=np.zeros_like(share))
    y, x = np.unravel_index(entropy.argmax(), entropy.shape)
    return np.array([x, y, x + width, y + height], float) if entropy[y, x] > 1e-9 else None


def spectral_residual(image: np.ndarray) -> np.ndarray:
    """How much each place stands out, ``(H, W)`` float64 of a small ``(H, W)`` grey image.

    What the log spectrum has beyond its own local mean, taken back to the image and smoothed.

    Reference:
        Hou and Zhang: Saliency Detection: A Spectral Residual Approach, CVPR 2007, Eq. 3 to 6;
        images about 64 px large.
    """
    spectrum = np.fft.fft2(image.astype(np.float64))
    amplitude = np.abs(spectrum)
    # Graphics without noise have frequencies of no amplitude at all, whose logarithm would outweigh
    # everything.
    log_amplitude = np.log(amplitude + 1e-3 * np.sqrt((amplitude**2).mean()))
    residual = log_amplitude - cv2.blur(log_amplitude, (3, 3), borderType=cv2.BORDER_REFLECT_101)
    saliency = np.abs(np.fft.ifft2(np.exp(residual + 1j * np.angle(spectrum)))) ** 2
    return cv2.GaussianBlur(saliency, (0, 0), 2.5)


def most_salient_box(image: np.ndarray) -> np.ndarray | None:
    """The connected place that stands out most from a small grey image ``(H, W)`` uint8: box
    ``(4,)`` float64, None for a flat image."""
    if np.ptp(image) == 0:
        return None
    saliency = spectral_residual(image)
    # In an even texture nothing reaches that level; its strongest place is the answer.
    above = (saliency >= min(OBJECT_LEVEL * saliency.mean(), 0.8 * saliency.max())).astype(np.uint8)
    count, labels, boxes_xywh, _ = cv2.connectedComponentsWithStats(above, connectivity=8)
    best = 1 + int(np.argmax([saliency[labels == label].sum() for label in range(1, count)]))
    x, y, width, height = boxes_xywh[best, :4]
    return np.array([x, y, x + width, y + height], float)


class PictureBoxes(ClipBoxes):
    """Base of the sources that look for a box in a small grey copy of the template's frame.

    Args:
        clips, table, video_root, images, kept_only: As :class:`ClipBoxes`.
        share: Least and greatest share of the frame's width and height that the box takes.
        work_px: Longer side of the copy.

    Raises:
        ValueError: ``share`` or ``work_px`` is impossible.
    """

    def __init__(
        self, *args, share: Sequence[float] = (1 / 8, 1 / 4), work_px: int = 128, **kwargs
    ) -> None:
        super().__init__(*args, **kwargs)
        if not 0 < share[0] <= share[1] <= 1 or work_px < 8:
            raise ValueError(
                f'{type(self).__name__}: needs 0 < share <= 1 and 8 px or more, got '
                f'share={tuple(share)}, work_px={work_px}'
            )
        self.share, self.work_px = (float(share[0]), float(share[1])), work_px

    def boxes(
        self, track: Track, frames: Sequence[int], read: ReadFrame, rng: np.random.Generator
    ) -> np.ndarray:
        try:
            return super().boxes(track, frames, read, rng)
        except NoFrameError as error:
            raise NoFrameError(f'{track.clip}, frame {frames[0]}: {error}') from error

    def find_box(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """See :meth:`ClipBoxes.find_box`.

        Raises:
            NoFrameError: There is nothing to be seen in the frame.
        """
        height, width = image.shape[:2]
        factor = min(1.0, self.work_px / max(height, width))
        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        gray = cv2.resize(
            cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), size, interpolation=cv2.INTER_AREA
        )
        box = self.find_in_gray(gray, rng)
        if box is None:
            raise NoFrameError('the frame is flat, no region of it stands out')
        return scale_boxes(box, width / size[0], height / size[1])

    @abstractmethod
    def find_in_gray(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
        """A box ``(4,)`` in the small grey image ``(H, W)`` uint8, None where there is nothing to
        be seen."""


@TASK_UTILS.register_module()
class EntropyBoxes(PictureBoxes):
    """The region of highest entropy of grey values; its size is random within ``share``.

    Args:
        clips, table, video_root, images, kept_only, share, work_px: As :class:`PictureBoxes`.
        bins: Bins of the histogram of grey values.
    """

    def __init__(self, *args, bins: int = 16, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if not 2 <= bins <= 256:
            raise ValueError(f'EntropyBoxes: bins is in 2..256, got {bins}')
        self.bins = bins

    def find_in_gray(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
        width, height = (
            max(1, round(side)) for side in rng.uniform(*self.share, 2) * image.shape[::-1]
        )
        return most_informative_box(image, (width, height), self.bins)


@TASK_UTILS.register_module()
class SaliencyBoxes(PictureBoxes):
    """The most salient object by the spectral residual, its sides limited to ``share`` of the
    frame's.

    Args:
        clips, table, video_root, images, kept_only, share: As :class:`PictureBoxes`.
        work_px: Longer side of the copy; the method sees objects at the scale of 64 px.

    Reference:
        Hou and Zhang: Saliency Detection: A Spectral Residual Approach, CVPR 2007.
    """

    def __init__(
        self, *args, share: Sequence[float] = (0.05, 0.5), work_px: int = 64, **kwargs
    ) -> None:
        super().__init__(*args, share=share, work_px=work_px, **kwargs)

    def find_in_gray(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
        box = most_salient_box(image)
        if box is None:
            return None
        frame_wh = np.array(image.shape[::-1], float)
        found = xyxy_to_cxcywh(box)
        found[2:] = np.clip(found[2:], self.share[0] * frame_wh, self.share[1] * frame_wh)
        return clip_boxes(cxcywh_to_xyxy(found), frame_wh[0], frame_wh[1])
