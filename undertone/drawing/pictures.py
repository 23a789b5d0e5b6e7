"""Pictures that were drawn lately, so that each is drawn once however often it is asked for."""

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock

from undertone.drawing import charts
from undertone.drawing.svg_sheet import THEMES
from undertone.drawing.words import ENGLISH, Words
from undertone.prediction import Analysis

MAX_BYTES = 32 * 1024 * 1024  # some hundred pictures
Key = tuple[str, str, str]  # analysis, kind, language


class Pictures:
    """PNGs of analyses; safe to use from many threads, which draw no picture twice at a time.

    It is asked with the analysis itself, so nothing that was deleted is ever given out.

    Parameters
    ----------
    max_bytes : int
        Of what is kept; what was asked for longest ago goes first.
    draw : callable
        Analysis, kind and language to PNG.
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
        """The picture of this kind in this language, drawn now unless it is there.

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
    """SVG of a kind and a theme, such as ``"bars dark"``; see `charts.page_picture`."""
    kind, _, theme = kind.partition(" ")
    return charts.page_picture(analysis, kind, THEMES[theme], words)
