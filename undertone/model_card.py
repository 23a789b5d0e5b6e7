"""The model card: ``MODEL_CARD.md`` and its plots, generated from what was measured."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import seaborn
from matplotlib.figure import Figure

from undertone.corpora import Clip
from undertone.corpus_names import CORPORA
from undertone.model_store import ModelInfo

_TEMPLATE = """# Model card: {name}

{summary}

## What it is

A frozen speech encoder ({extractor}: the first three blocks of OpenAI's Whisper base, 11 million
parameters, matrices in int8; MIT licence), mean and standard deviation over time of each block's
output ({n_features} numbers), and multinomial logistic regression over {n_labels} emotions
({labels}) whose probabilities are calibrated by one temperature. Recordings are cut to the part in
which somebody speaks, with half a second around it; the level of a recording makes no difference.
Made by `tools/make_encoder.py` and `model_trainer.py`.

## Training data

{corpora}

The weights were trained on all speakers of these corpora by the recipe measured below.
{licence_note}The code is MIT.

## How well it works on voices it has not heard

Every figure is speaker-independent: a clip is answered by a model that has heard no clip of its
speaker. The temperature is chosen inside the training speakers. UAR is the mean of the recalls of
the emotions; its interval is a 95 % bootstrap over speakers; ± is the standard deviation over
folds. Calibration error: 15 bins of equal mass.

{choices_note}{scores}

{details}
## When it is uncertain

An answer is marked `uncertain` when its confidence is under {thresholds}. The thresholds were
chosen on held-out training speakers so that unmarked answers are wrong in at most {risk:.0%} of
the cases *on such recordings*; on other material expect more errors.

## What it does not know

- It has heard {heard}. Real feelings are weaker
  and more mixed than played ones; what is not in these recordings (other languages, rooms,
  microphones, ages) was not measured.
- It hears how something is said, not what is said, and not what somebody feels.
{labels_note}\
- Do not use it to judge people: not for employment, school, credit, policing or medicine. In the
  EU such uses at work and in education are prohibited (AI Act, article 5).

Trained on {created_on} with {versions}.
"""

# What depends on the corpora: a card must say nothing of those that were not used.
_NON_COMMERCIAL_NOTE = """\
The licences of the audio restrict what may be done with models trained on it:
{titles} may not be used commercially, so **treat these weights as for non-commercial
use** unless you train them again without. """
_CHOICES_NOTE = """\
One thing is not as clean as it should be: which blocks are used, the treatment of level and
silence and the strength of regularisation were chosen, among a few, by looking at the folds of
ravdess-emobox and cremad-si themselves. Expect those figures to be slightly optimistic.

"""
_CREMA_D_LABELS_NOTE = """\
- CREMA-D's labels are what the actor was told to play; listeners who only heard the clips agreed
  with them in 41 % of the cases.
"""
_ACTED_CORPORA = "actors only, in quiet rooms, speaking {languages}"
_LANGUAGES = {
    "ravdess": "North American English", "ravdess_song": "North American English",
    "crema_d": "North American English", "tess": "Canadian English", "savee": "British English",
    "emodb": "German", "nemo": "Polish", "emovo": "Italian",
}  # fmt: skip


def write(info: ModelInfo, clips: list[Clip], stated_risk: float, folder: Path) -> None:
    """Write the card and a confusion matrix for each protocol into `folder`."""
    details = []
    for title, figures in info.scores.items():
        picture = "confusion-" + title.replace(", ", "-").replace(" ", "-") + ".png"
        labels = list(figures["recall"])
        plot_confusion(np.array(figures["confusion"]), labels, folder / picture)
        recalls = ", ".join(f"{label} {value:.0%}" for label, value in figures["recall"].items())
        details.append(f"### {title}\n\nRecall: {recalls}.\n\n![Confusion matrix]({picture})\n")
    best = next(iter(info.scores.items()))
    card = _TEMPLATE.format(
        name=info.name,
        summary=(
            f"Recognises {len(info.labels)} emotions in speech. On speakers it has not heard "
            f"(protocol {best[0]}) it reaches {best[1]['uar']:.1%} unweighted average recall."
        ),
        extractor=info.extractor["id"],
        n_features=info.extractor["n_features"],
        n_labels=len(info.labels),
        labels=", ".join(info.labels),
        corpora=_corpora_table(clips),
        licence_note=_licence_note(info),
        choices_note=_CHOICES_NOTE if {"ravdess", "crema_d"} & set(info.trained_on) else "",
        heard=_heard(info),
        labels_note=_CREMA_D_LABELS_NOTE if "crema_d" in info.trained_on else "",
        scores=_scores_table(info.scores),
        details="\n".join(details),
        thresholds=", ".join(f"{t:.2f} ({n} emotions)" for n, t in info.uncertain_below.items()),
        risk=stated_risk,
        created_on=info.created_on,
        versions=", ".join(f"{name} {number}" for name, number in info.versions.items()),
    )
    (folder / "MODEL_CARD.md").write_text(card, encoding="utf-8")


def plot_confusion(table: np.ndarray, labels: list[str], path: Path) -> None:
    """Save a confusion matrix [truth, answer] as shares of each row."""
    figure = Figure(figsize=(6, 5), dpi=80, layout="constrained")
    axes = figure.add_subplot()
    seaborn.heatmap(
        100 * table / table.sum(axis=1, keepdims=True),
        annot=True, fmt=".0f", cmap="Blues", vmin=0, vmax=100, cbar=False, square=True,
        xticklabels=labels, yticklabels=labels, ax=axes,
    )  # fmt: skip
    axes.set(xlabel="answer", ylabel="played emotion", title="% of each row")
    figure.savefig(path)


def _licence_note(info: ModelInfo) -> str:
    corpora = [CORPORA[name] for name in info.trained_on if name in CORPORA]
    titles = [corpus.title for corpus in corpora if "NC" in corpus.licence]
    return _NON_COMMERCIAL_NOTE.format(titles=" and ".join(titles)) if titles else ""


def _heard(info: ModelInfo) -> str:
    languages = {_LANGUAGES[name] for name in info.trained_on if name in _LANGUAGES}
    if languages and set(info.trained_on) <= set(_LANGUAGES):
        return _ACTED_CORPORA.format(languages=" and ".join(sorted(languages)))
    return "only the recordings listed above"


def _corpora_table(clips: list[Clip]) -> str:
    rows = [
        "| corpus | clips | speakers | emotions | licence of the audio |",
        "|---|--:|--:|--:|---|",
    ]
    for name in sorted({clip.corpus for clip in clips}):
        own = [clip for clip in clips if clip.corpus == name]
        counts = Counter(clip.emotion for clip in own)
        speakers = {clip.speaker for clip in own}
        corpus = CORPORA.get(name)
        title, licence = (corpus.title, corpus.licence) if corpus else (name, "not stated")
        rows.append(f"| {title} | {len(own)} | {len(speakers)} | {len(counts)} | {licence} |")
    return "\n".join(rows)


def _scores_table(scores: dict[str, Any]) -> str:
    rows = [
        "| protocol | clips | UAR % | 95 % interval | folds | accuracy % | macro F1 % "
        "| calibration error |",
        "|---|--:|--:|---|---|--:|--:|--:|",
    ]
    for title, s in scores.items():
        low, high = s["uar_interval_95"]
        rows.append(
            f"| {title} | {s['n_clips']} | {100 * s['uar']:.1f} | {100 * low:.1f} to "
            f"{100 * high:.1f} | {100 * s['uar_fold_mean']:.1f} ± {100 * s['uar_fold_sd']:.1f} | "
            f"{100 * s['accuracy']:.1f} | {100 * s['macro_f1']:.1f} | "
            f"{s['calibration_error']:.3f} |"
        )
    return "\n".join(rows)
