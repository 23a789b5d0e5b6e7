"""What can be wrong with a request's body before there is a recording to look at."""

from undertone.errors import BadRequest, UndertoneError


class FormDamaged(BadRequest):
    """The form cannot be taken apart: it has no boundary, or a part without a usable header."""

    code = "form-damaged"


class CutOff(BadRequest):
    """The body ends before the recording does."""

    code = "cut-off"


class EncodingRefused(UndertoneError):
    """The body, or the recording in it, is compressed or encoded."""

    status = 415
    code = "encoding-refused"


class RequestTooLarge(UndertoneError):
    """The request holds too much beside a recording: fields, headers, or a body of no use."""

    status = 413
    code = "request-too-large"
