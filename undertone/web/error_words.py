"""What went wrong, for people who read another language than English.

An error's own sentence is English and says it exactly, with names and numbers. Pages in another
language say first what is here, in their own words, and then that sentence as the detail. The rule:
each error that a visitor of the pages can meet has a sentence, without numbers: what happened, and
what to do.
"""

from collections.abc import Mapping

from undertone.messages import translatable as _
from undertone.web.languages import SOURCE, page_words

OTHER = _("That did not work. The detail is in English.")
# By `UndertoneError.code`.
SENTENCES: Mapping[str, str] = {
    # The recording.
    "audio-unusable": _("This recording cannot be analysed. Please try another."),
    "file-empty": _("The file is empty: there is nothing in it to hear. Please choose another."),
    "not-audio": _(
        "This is not a recording that can be read; perhaps it is damaged. Please choose an audio "
        "file such as WAV, MP3, M4A or Ogg."
    ),
    "decoder-died": _(
        "This file could not be read: it is damaged, or needs too much time or memory. Save it "
        "anew, for example as WAV, and try again."
    ),
    "file-too-large": _(
        "The file is too large. Cut the recording, or save it in a compressed format such as MP3."
    ),
    "recording-too-long": _("The recording is too long. Cut it, and send the parts one by one."),
    "recording-too-short": _(
        "The recording is too short to hear an emotion in. A few seconds of speech are enough."
    ),
    "recording-silent": _(
        "There is next to nothing to hear in this recording. Check the microphone, and record it "
        "again closer and louder."
    ),
    "no-speech": _(
        "There is sound in this recording, but nobody can be heard speaking. Record a voice, with "
        "less noise around it."
    ),
    "missing-file": _("No recording came along. Please choose a file, or record something."),
    "not-base64": _("The recording did not arrive as it should. Please send it again."),
    "cut-off": _("The recording did not arrive completely. Please send it again."),
    "form-damaged": _("The form could not be read. Please send it again."),
    "encoding-refused": _("Compressed requests are not accepted. Please send the file as it is."),
    "request-too-large": _(
        "This request holds more than is needed here. Please send the recording alone, or delete "
        "the cookies of this site."
    ),
    "recording-not-kept": _("This recording is not kept, or not any more."),
    # What was asked for.
    "bad-request": _("Something in this request cannot be used. Please check what you entered."),
    "not-json": _("The request did not arrive as it should. Please try again."),
    "unknown-model": _("There is no such model here. Please choose one of those on the list."),
    "unknown-labels": _("This model cannot tell this set of emotions apart. Choose another set."),
    "model-not-installed": _(
        "The model for this is not installed here. Ask who runs this server, or use another."
    ),
    "not-found": _("There is nothing at this address. It may be mistyped, or out of date."),
    "method-not-allowed": _("That cannot be done at this address. Go back, and try it from there."),
    "analysis-not-found": _(
        "There is no result here: it was deleted, or the address is not complete."
    ),
    "unknown-picture": _("There is no such picture."),
    "picture-unavailable": _(
        "This picture cannot be drawn, because the recording was analysed by an older version. "
        "Analyse it again to see the picture."
    ),
    # Jobs.
    "job-not-found": _("There is no job here: it was deleted, or the address is not complete."),
    "no-results": _("Nothing was heard in these recordings, or not yet. Look again later."),
    "too-many-files": _("These are too many recordings at once. Send them in several parts."),
    "job-too-large": _(
        "These recordings are too large together, or too many. Send them in several parts."
    ),
    "queue-full": _("So many recordings are waiting that no more are taken just now. Try later."),
    "webhook-refused": _(
        "The address that is to be told when the job is over cannot be used. Please check it."
    ),
    "abandoned": _("This was cancelled before it was done. Send the recording again to have it."),
    "set-aside": _(
        "This recording is not tried again, because the program ended each time. Try another, or "
        "save it in another format."
    ),
    "recording-lost": _(
        "The recording is no longer where it was put. Please send it again."
    ),
    # Who may ask, and how much.
    "key-needed": _(
        "A key is needed here. Enter it as the password; whoever runs this server has keys."
    ),
    "keys-unusable": _(
        "The keys cannot be checked just now, so nobody can be let in. Please tell whoever runs "
        "this server."
    ),
    "wrong-host": _(
        "This server does not answer to the name by which you called it. Please ask whoever runs "
        "it for the right address."
    ),
    "cross-site": _(
        "This came from the page of another site, which may not send anything here. Open Undertone "
        "itself, and do it there."
    ),
    "foreign-origin": _("The page of another site may not listen here. Open Undertone itself."),
    "too-many-requests": _("You have asked very often. Please wait a little, and go on then."),
    "busy": _("A great deal is being done here just now. Please try again in a moment."),
    "too-slow": _("The recording took too long to arrive. Please try a better connection."),
    # Listening live.
    "upgrade-required": _("This address is for programs. To listen live, open the page “Live”."),
    "too-many-live-sessions": _(
        "So many are being listened to already that there is no room just now. Try again in a "
        "little while, or send a recording."
    ),
    "live-idle": _("No sound has come for a while, so listening was ended. Begin again to go on."),
    "server-stopping": _("The server is just being stopped. Please try again in a little while."),
    # The server.
    "internal-error": _("Something went wrong here, not with your recording. Please try again."),
    "store-unavailable": _(
        "The history cannot be read or written just now. Please try again in a little while."
    ),
    "model-unusable": _(
        "This model cannot be used, because something is wrong with its files. Choose another, "
        "and tell whoever runs this server."
    ),
    "part-missing": _(
        "A part that this needs is not installed on the server. Please tell whoever runs it."
    ),
}  # fmt: skip


def error_words(code: str) -> str:
    """What an error is in the page's language; empty where that is the error's own, English."""
    words = page_words()
    return "" if words.language == SOURCE else words.translate(SENTENCES.get(code, OTHER))


def all_error_words() -> dict[str, str]:
    """The same by code, for scripts that are told of errors as programs are; "" is any other."""
    return {code: words for code in ("", *SENTENCES) if (words := error_words(code))}
