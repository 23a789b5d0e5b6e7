"""Page of the installed models, and their pictures."""

from flask import Blueprint, Response, render_template, send_from_directory

from undertone.errors import UnknownPicture
from undertone.web import model_words
from undertone.web.request import analyzer

bp = Blueprint("models", __name__)


@bp.get("/models")
def show() -> str:
    """Show each installed model with its description, scores and typical errors."""
    default = analyzer().default_model
    names = sorted(analyzer().recognizers, key=lambda name: (name != default, name))
    return render_template(
        "models.html",
        recognizers=[analyzer().recognizers[name] for name in names],
        default=default,
        words=model_words,
    )


@bp.get("/models/<name>/<picture>")
def picture(name: str, picture: str) -> Response:
    """Send a picture of a model, but no other file of its folder."""
    recognizer = analyzer().recognizers.get(name)
    if recognizer is None or picture not in model_words.pictures(recognizer.folder):
        raise UnknownPicture("There is no such model, or no such picture of it.")
    return send_from_directory(recognizer.folder, picture, max_age=3600)
