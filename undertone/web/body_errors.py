"""Errors in a request body, raised before its recording is decoded."""

from undertone.errors import BadRequest, UndertoneError


class FormDamaged(BadRequest):
    """The form cannot be parsed: it has no boundary, or a part has no usable header."""

    code = "form-damaged"


class CutOff(BadRequest):
    """The request body ends in the middle of the recording."""

    code = "cut-off"


class EncodingRefused(UndertoneError):
    """The request body, or the recording in it, is compressed or encoded."""

    status = 415
    code = "encoding-refused"


class RequestTooLarge(UndertoneError):
    """The request is too large apart from a recording: fields, headers, or an unneeded body."""

    status = 413
    code = "request-too-large"
