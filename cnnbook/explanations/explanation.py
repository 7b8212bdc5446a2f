"""What an explanation of a classifier's answer holds, whatever the method."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from cnnbook.networks.heads import Label

SHARE = 0.05  # of a change of the logit: by how much a map's sum may miss it
DIGITS = 1e-5  # of a logit: what single precision leaves in doubt


@dataclass(frozen=True, eq=False)
class Explanation:
    """Maps that say which parts of images the score of a class depends on.

    Attributes
    ----------
    values : ndarray of shape (N, H', W')
        One map for each image.
    method : str
        Such as "occlusion" or "Grad-CAM".
    target : str or int, or tuple of them
        The class explained: its name if the model has names, else its number.  A tuple
        if each image has its own.
    layer : str or None
        The layer that the maps were taken from; None where the method has none.
    score : ndarray of shape (N,)
        The logit of the class for each image.
    units : str
        What one unit of ``values`` means.
    image_size : tuple of int
        Rows and columns of the images.
    signed : bool
        Whether values below zero speak against the class.  If not, there are none.
    window, stride : tuple of int or None
        Where maps have one value for each place of a sliding window: its rows and
        columns, and how far it moves.
    error : ndarray of shape (N, H', W') or None
        Of a method that draws random numbers: the standard error of each of
        ``values``, in the same units, from the numbers that were drawn.  None where
        nothing is drawn: such a map is exact, to rounding.
    gap : ndarray of shape (N,) or None
        Of a method whose maps ought to add up to a change of the logit: the sum of each
        map less that change, in logits.  None where there is no such promise.
    baseline_score : ndarray of shape (N,) or None
        Of a method that puts something in the place of pixels: the logit of the class
        where that stands in the place of all pixels.  So it is what the map compares
        ``score`` with: for integrated gradients the baseline's logit, for occlusion
        that of the image wholly covered, for LIME that of the image with all patches
        hidden.  None where nothing is put in the place of pixels.
    """

    values: np.ndarray
    method: str
    target: Label | tuple[Label, ...]
    layer: str | None
    score: np.ndarray
    units: str
    image_size: tuple[int, int]
    signed: bool
    window: tuple[int, int] | None = None
    stride: tuple[int, int] | None = None
    error: np.ndarray | None = None
    gap: np.ndarray | None = None
    baseline_score: np.ndarray | None = None

    def __str__(self) -> str:
        """Say in one line what the maps are."""
        layer = f" at {self.layer}" if self.layer else ""
        target = self.target
        if isinstance(target, tuple):
            target = ", ".join(map(str, dict.fromkeys(target)))
        return f"{self.method}{layer} for {target}, in {self.units}"

    @property
    def converged(self) -> npt.NDArray[np.bool_] | None:
        """Whether each map adds up to what it ought to: (N,), or None without a gap.

        A gap of at most 5 % of the change passes, and one that the digits of the logit
        leave in doubt.  With a larger gap a map is wrong; a small one may be by chance.
        """
        if self.gap is None:
            return None
        sums = self.values.sum(axis=(1, 2))
        return adds_up(sums, sums - self.gap, self.score)

    def remarks(self, number: int = 0) -> str:
        """Say how far one of the maps can be relied on, and whether it is empty.

        Parameters
        ----------
        number : int
            Of the map.

        Returns
        -------
        remarks : str
            "0 everywhere" of a map that is; what a map adds up to, and what it ought
            to; its standard error, the mean of all places.  Empty where there is
            nothing to say.

        Examples
        --------
        >>> found = Explanation(np.array([[[1.0, 3.0]]]), "integrated gradients", 0,
        ...     None, np.zeros(1), "logits", (1, 2), True, gap=np.array([0.5]))
        >>> found.remarks()
        'adds up to 4.00, not 3.50: not converged'
        """
        said = []
        if not self.values[number].any():
            said.append("0 everywhere")
        if self.gap is not None:
            total = float(self.values[number].sum())
            due = f"{total - float(self.gap[number]):.2f}"
            known = self.converged[number]  # type: ignore[index]
            end = f" of {due}" if known else f", not {due}: not converged"
            said.append(f"adds up to {total:.2f}{end}")
        if self.error is not None:
            said.append(f"standard error {self.error[number].mean():.2g}")
        return ", ".join(said).replace("-", "−")

    def on_pixels(self) -> np.ndarray:
        """Spread the maps over the pixels of the images.

        Returns
        -------
        maps : ndarray of shape (N, H, W)
            Of a sliding window: each pixel's mean over the windows that cover it, 0
            where none does.  Of a layer: bilinear between the middles of its cells.
            Else the maps themselves.

        Examples
        --------
        Two windows of two pixels that overlap in one:

        >>> found = Explanation(np.array([[[1.0, 3.0]]]), "occlusion", 0, None,
        ...     np.zeros(1), "logit", (1, 3), True, window=(1, 2), stride=(1, 1))
        >>> found.on_pixels()
        array([[[1., 2., 3.]]])
        """
        if self.window is not None:
            return self._mean_of_windows()
        if self.values.shape[1:] == tuple(self.image_size):
            return self.values
        from skimage.transform import resize  # takes half a second

        # Maps as channels, so that all are resized in one call; edges repeat.
        stacked = resize(
            np.moveaxis(self.values, 0, -1),
            self.image_size,
            order=1,
            mode="edge",
            anti_aliasing=False,
            preserve_range=True,
        )
        return np.moveaxis(stacked, -1, 0)

    def _mean_of_windows(self):
        """Return each pixel's mean over the windows that cover it."""
        sums = np.zeros((len(self.values), *self.image_size))
        counts = np.zeros(self.image_size)
        (height, width), (down, right) = self.window, self.stride  # type: ignore[misc]
        for row, column in np.ndindex(self.values.shape[1:]):
            rows = slice(row * down, row * down + height)
            columns = slice(column * right, column * right + width)
            sums[:, rows, columns] += self.values[:, row, column, None, None]
            counts[rows, columns] += 1
        return sums / np.maximum(counts, 1)


def adds_up(
    sums: np.ndarray, changes: np.ndarray, scores: np.ndarray
) -> npt.NDArray[np.bool_]:
    """Tell whether maps add up to changes of the logit.

    Parameters
    ----------
    sums, changes, scores : ndarray of shape (N,)
        Of the maps; what they ought to be; and the logits themselves.

    Returns
    -------
    fine : ndarray of shape (N,), bool
        Whether the gap is at most 5 % of the change, as the authors of integrated
        gradients advise, or no more than the digits of the logit leave in doubt.

    Examples
    --------
    >>> adds_up(np.array([2.65, 2.5]), np.array([2.68, 2.68]), np.zeros(2))
    array([ True, False])
    """
    allowed = SHARE * np.abs(changes) + DIGITS * np.abs(scores)
    return np.abs(sums - changes) <= allowed


def one_by_one(images: np.ndarray, method: str, progress: bool) -> Iterable[np.ndarray]:
    """Go through images, with a bar on stderr if asked for and that is a terminal."""
    disable = None if progress else True  # None: unless on a terminal
    return tqdm(images, desc=method, unit="image", disable=disable)
