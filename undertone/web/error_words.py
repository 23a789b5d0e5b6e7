"""Error sentences for visitors of the pages, in each language.

The message of an error is English, exact and technical, for programs. Pages show a sentence from
this module, with the message folded away as technical details. The rule: each error a visitor can
meet has a sentence in everyday words and without numbers. It says what
happened, and what to do.
"""

from collections.abc import Mapping

from undertone.messages import translatable as _
from undertone.web.languages import page_words

OTHER = _("That did not work. Please try again.")
# By `UndertoneError.code`.
SENTENCES: Mapping[str, str] = {
    # The recording.
    "audio-unusable": _("This recording cannot be analysed. Please try another."),
    "file-empty": _("The file is empty. Please choose another."),
    "not-audio": _(
        "This file is not a recording that can be read; it may be damaged. Please choose an audio "
        "file such as WAV, MP3, M4A or Ogg."
    ),
    "decoder-died": _(
        "This file could not be read; it may be damaged. Save it again, for example as WAV, and "
        "send that."
    ),
    "file-too-large": _(
        "The file is too large. Cut the recording, or save it in a compressed format such as MP3."
    ),
    "recording-too-long": _("The recording is too long. Cut it, and send the parts one by one."),
    "recording-too-short": _(
        "The recording is too short to hear an emotion in it. Please record a few seconds of "
        "speech."
    ),
    "recording-silent": _(
        "There is almost nothing to hear in this recording. Check the microphone, and record "
        "again closer and louder."
    ),
    "no-speech": _(
        "Nobody can be heard speaking in this recording. Please record a voice, with less noise "
        "around it."
    ),
    "missing-file": _("No recording was sent. Please choose a file, or record something."),
    "not-base64": _("The recording did not arrive as it should. Please send it again."),
    "cut-off": _("The recording did not arrive completely. Please send it again."),
    "form-damaged": _("The form could not be read. Please send it again."),
    "encoding-refused": _("Compressed requests are not accepted. Please send the file as it is."),
    "request-too-large": _(
        "This request holds more than is needed here. Please send the recording alone, or delete "
        "the cookies of this site."
    ),
    "recording-not-kept": _("This recording is not kept, or not any more."),
    # Invalid requests.
    "bad-request": _(
        "Something in the address or the form cannot be used. Please check what you entered."
    ),
    "not-json": _("What was sent did not arrive as it should. Please try again."),
    "unknown-model": _("There is no such model here. Please choose one of those on the list."),
    "unknown-labels": _("This model cannot tell this set of emotions apart. Choose another set."),
    "model-not-installed": _(
        "The model for this is not installed here. Please use another, or ask the person who runs "
        "this server."
    ),
    "not-found": _("There is nothing at this address. It may be mistyped, or out of date."),
    "method-not-allowed": _(
        "This address cannot be opened directly. Please go back, and try it from there."
    ),
    "analysis-not-found": _(
        "There is no result at this address. It was deleted, or the address is not complete."
    ),
    "unknown-picture": _("There is no such picture."),
    "picture-unavailable": _(
        "This picture cannot be drawn, because the recording was analysed by an older version. "
        "Analyse it again to see the picture."
    ),
    # Jobs.
    "job-not-found": _(
        "There are no recordings at this address. They were deleted, or the address is not "
        "complete."
    ),
    "no-results": _("There is no result for these recordings yet. Please look again later."),
    "too-many-files": _("These are too many recordings at once. Send them in several parts."),
    "job-too-large": _(
        "These recordings are too large together, or too many. Send them in several parts."
    ),
    "queue-full": _("Too many recordings are waiting already. Please try again later."),
    "webhook-refused": _("The address for the message at the end cannot be used. Please check it."),
    "abandoned": _(
        "This was cancelled before it was done. Send the recording again to get a result."
    ),
    "set-aside": _(
        "This recording could not be analysed, although it was tried several times. Please try "
        "another, or save it in another format."
    ),
    "recording-lost": _(
        "The recording was lost before it could be analysed. Please send it again."
    ),
    # Access and rate limits.
    "key-needed": _(
        "You need a key for this. Enter it as the password; the person who runs this server can "
        "give you one."
    ),
    "role-refused": _(
        "Your key does not open this page. Use another key, or ask the person who runs this server."
    ),
    "keys-unusable": _(
        "Keys cannot be checked at the moment, so nobody can be let in. Please tell the person "
        "who runs this server."
    ),
    "wrong-host": _(
        "This server cannot be used under this address. Please ask the person who runs it for the "
        "right one."
    ),
    "cross-site": _(
        "This came from another website, which may not send anything here. Please open Undertone "
        "itself, and do it there."
    ),
    "foreign-origin": _("Another website may not listen here. Please open Undertone itself."),
    "too-many-requests": _(
        "You have sent too much in a short time. Please wait a little, and go on then."
    ),
    "busy": _("The server is very busy just now. Please try again in a moment."),
    "too-slow": _("The recording took too long to arrive. Please try a better connection."),
    # Live sessions.
    "upgrade-required": _(
        "This address cannot be opened in a browser. To listen live, open the page “Live”."
    ),
    "too-many-live-sessions": _(
        "So many people are being listened to already that there is no room just now. Please try "
        "again in a little while, or send a recording."
    ),
    "live-idle": _("No sound arrived for a while, so listening was ended. Start again to go on."),
    "server-stopping": _("The server is being shut down. Please try again in a little while."),
    # The server.
    "internal-error": _("Something went wrong here, not with your recording. Please try again."),
    "store-unavailable": _(
        "The history cannot be read or written at the moment. Please try again in a little while."
    ),
    "disk-full": _(
        "The disk of the server is full, so the recording cannot be received. Please try again "
        "later, or tell the person who runs this server."
    ),
    "model-unusable": _(
        "This model does not work at the moment. Please choose another, and tell the person who "
        "runs this server."
    ),
    "part-missing": _(
        "Something that this needs is not installed on the server. Please tell the person who "
        "runs it."
    ),
}  # fmt: skip


def error_words(code: str) -> str:
    """Return the sentence about an error in the page's language."""
    return page_words().translate(SENTENCES.get(code, OTHER))


def error_details(code: str, message: str) -> str:
    """Return the message of an error, or "" if its sentence already begins with it."""
    return "" if SENTENCES.get(code, OTHER).startswith(message.rstrip(".")) else message


def all_error_words() -> dict[str, str]:
    """Return all sentences by code, for scripts on the pages; key "" is for any other error."""
    return {code: error_words(code) for code in ("", *SENTENCES)}
