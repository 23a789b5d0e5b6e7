"""FFmpeg's frames as arrays, avoiding two faults of PyAV 18.1 that crash the process.

The first: ``AudioFrame.planes`` searches for the end of the planes behind the last one, so 8 planes
or more are too many. Here the number of planes comes from the number of channels.

The second: an `AudioLayout` shares the channel map of its source without owning it, and frees it.
Only a custom order of channels has such a map. MOV, MP4 and CAF can name one, and decoders pass it
on. Hence only this module may read the layout of a stream or a decoder.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

# By the name of FFmpeg's sample format, planar or not.
_DTYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}


def forget_channel_order(codec_context: Any) -> None:
    """Reduce a decoder's channel layout to the number of channels, before it is opened.

    Most decoders copy the container's layout into each frame.
    """
    layout = codec_context.layout
    if layout.nb_channels:
        # Overwritten without being freed: the map, if any, now belongs to `layout` alone.
        codec_context.layout = f"{layout.nb_channels}C"


def to_float(frame: Any) -> npt.NDArray[Any]:
    """Return the samples of a frame as float [shape=(n, channels)], full scale 1."""
    from av.audio.plane import AudioPlane

    n_channels, is_planar = frame.layout.nb_channels, frame.format.is_planar
    dtype = np.dtype(_DTYPES[frame.format.packed.name])
    n_planes, n_per_plane = (n_channels, 1) if is_planar else (1, n_channels)
    buffers: list[Any] = [AudioPlane(frame, index) for index in range(n_planes)]
    planes = [np.frombuffer(buffer, dtype, frame.samples * n_per_plane) for buffer in buffers]
    samples = np.stack(planes, axis=1) if is_planar else planes[0].reshape(-1, n_channels)
    if dtype == np.uint8:
        return (samples - np.float32(128)) / 128
    if dtype.kind == "i":
        return samples / np.float32(2 ** (8 * dtype.itemsize - 1))
    return samples
