"""Cache of recent pictures: each is drawn once, however many requests there are."""

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock

from undertone.drawing import charts
from undertone.drawing.svg_sheet import THEMES
from undertone.drawing.words import ENGLISH, Words
from undertone.prediction import Analysis

MAX_BYTES = 32 * 1024 * 1024  # a few hundred pictures
Key = tuple[str, str, str]  # analysis, kind, language


class Pictures:
    """Thread-safe LRU cache of pictures; concurrent requests draw the same picture once.

    `get` needs the analysis itself, so pictures of deleted analyses are never returned.

    Parameters
    ----------
    max_bytes : int
        Size limit in bytes; the least recently used pictures are dropped first.
    draw : callable
        Takes an analysis, a kind and a language; returns the picture's bytes.
    """

    def __init__(
        self,
        max_bytes: int = MAX_BYTES,
        draw: Callable[[Analysis, str, Words], bytes] = charts.picture,
    ) -> None:
        self._max_bytes = max_bytes
        self._draw = draw
        self._lock = Lock()
        self._kept: OrderedDict[Key, bytes] = OrderedDict()
        self._n_bytes = 0
        self._underway: dict[Key, Future[bytes]] = {}

    def get(self, analysis: Analysis, kind: str, words: Words = ENGLISH) -> bytes:
        """Return a picture, drawn now unless it is cached.

        Parameters
        ----------
        analysis : Analysis
        kind : str
            Kind of picture, as for `draw`.
        words : Words, optional
            Language of the picture.

        Raises
        ------
        UnknownPicture, PictureUnavailable
            As `charts.picture` does.
        """
        key = analysis.id, kind, words.language
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            drawing = self._underway.get(key)
            is_mine = drawing is None
            if drawing is None:
                drawing = self._underway[key] = Future()
        if is_mine:
            self._fulfil(drawing, key, analysis, words)
        return drawing.result()

    def _fulfil(self, drawing: Future[bytes], key: Key, analysis: Analysis, words: Words) -> None:
        try:
            png = self._draw(analysis, key[1], words)
        except BaseException as error:
            with self._lock:
                del self._underway[key]
            drawing.set_exception(error)
            return
        with self._lock:
            del self._underway[key]
            self._keep(key, png)
        drawing.set_result(png)

    def _keep(self, key: Key, png: bytes) -> None:
        self._kept[key] = png
        self._n_bytes += len(png)
        while self._n_bytes > self._max_bytes:
            _, oldest = self._kept.popitem(last=False)
            self._n_bytes -= len(oldest)


def draw_for_page(analysis: Analysis, kind: str, words: Words) -> bytes:
    """Draw a chart of the page as SVG; see `charts.page_picture`.

    Parameters
    ----------
    analysis : Analysis
    kind : str
        Kind of picture and theme, such as ``"bars dark"``.
    words : Words
        Language of the chart.
    """
    kind, _, theme = kind.partition(" ")
    return charts.page_picture(analysis, kind, THEMES[theme], words)
