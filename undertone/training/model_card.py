"""The model card: ``MODEL_CARD.md`` and its plots, generated from the measured scores."""

from pathlib import Path
from typing import Any

import numpy as np

from undertone.recognition.model_store import ModelInfo
from undertone.training import plots
from undertone.training.corpus_names import CORPORA
from undertone.training.evaluation import chance_calibration_error
from undertone.training.robustness import Check, table

_TEMPLATE = """# Model card: {name}

{summary}

## What it is

{what_it_is} It answers with probabilities over {n_labels} emotions ({labels}), made less sure
the less is heard{if_strange}. Recordings are cut to the part in which somebody speaks, with half
a second around it; the level of a recording makes no difference. Made by `model_trainer.py`.

## Training data

{corpora}

The weights were trained on all speakers of these corpora by the recipe measured below.
{licence_note}The code is MIT.

## How well it works on voices it has not heard

Every figure is speaker-independent: a clip is answered by a model that has heard no clip of its
speaker. How sure it is was calibrated on other speakers and corpora than those measured. UAR is
the mean of the recalls of the emotions; its interval is a 95 % bootstrap over speakers; ± is the
standard deviation over folds. Calibration error: 15 bins of equal mass; *by chance* is what a model
that is exactly as sure as it is right would have with so many clips.

{scores}

{details}
## How sure it is

{calibration}

## Other microphones, rooms, noises, voices

{robustness}

## Training history

{history}

## When it is uncertain

An answer is marked `uncertain` when its confidence is under {thresholds}. The thresholds were
chosen on held-out training speakers so that unmarked answers are wrong in at most {risk:.0%} of
the cases by each protocol, *on such recordings*; on other material expect more errors.

## What it does not know

- It has heard {heard}. Real feelings are weaker
  and more mixed than played ones. On voices, languages, rooms and microphones that are not in
  these recordings expect much less than above{elsewhere}.
- It hears how something is said, not what is said, and not what somebody feels.
{labels_note}\
- Do not use it to judge people: not for employment, school, credit, policing or medicine. In the
  EU such uses at work and in education are prohibited (AI Act, article 5).

Trained on {created_on} with {versions}.

{notes}"""

_WHAT_IT_IS = {
    "encoder": """\
The lower blocks of a pretrained speech encoder ({extractor}; origin and licence are in
`undertone/training/pretrained.py`), most of its matrices in int8; mean and standard deviation over
time of each block's output ({n_features} numbers); {heads}""",
    "ensemble": """\
Named acoustic features ({extractor}, {n_features} of them), and the mean of the probabilities of a
random forest and a support vector machine.""",
    "cnn": """\
A convolutional network, trained from scratch, on log-mel, MFCC and chroma.""",
}

_ONE_HEAD = "a linear layer."
_TWO_HEADS = """the upper two blocks
are there twice, as they were, under three small networks, and fine-tuned, under a linear layer. The
answer is the mean of both halves."""
_IF_STRANGE = """,
and the less it sounds like the training data, as far as corpora left out have taught it"""

# Texts about single corpora. A card must not mention corpora the model was not trained on.
_NON_COMMERCIAL_NOTE = """\
The licences of the audio restrict what may be done with models trained on it:
{titles} may not be used commercially, so **treat these weights as for non-commercial
use** unless you train them again without. """
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


def write(info: ModelInfo, folder: Path) -> None:
    """Write the card and its plots into `folder`, from `info` alone.

    If `folder` has a ``NOTES.md`` with notes on the model's history, it is appended to the card.
    """
    title, best = next(iter(info.scores.items()))
    notes = folder / "NOTES.md"
    card = _TEMPLATE.format(
        name=info.name,
        summary=(
            f"Recognises {len(info.labels)} emotions in speech. On speakers it has not heard "
            f"(protocol {title}) it reaches {best['uar']:.1%} unweighted average recall."
        ),
        what_it_is=_WHAT_IT_IS[info.family].format(
            extractor=info.extractor["id"],
            n_features=info.extractor.get("n_features", ""),
            heads=_TWO_HEADS if info.extractor["id"].endswith("-twice") else _ONE_HEAD,
        ),
        n_labels=len(info.labels),
        labels=", ".join(info.labels),
        if_strange=_IF_STRANGE if info.calibration.gain else "",
        corpora=_corpora_table(info.training["corpora"]),
        elsewhere=_elsewhere(info),
        licence_note=_licence_note(info),
        heard=_heard(info),
        labels_note=_CREMA_D_LABELS_NOTE if "crema_d" in info.trained_on else "",
        scores=_scores_table(info.scores),
        details="\n".join(_details(name, info.scores[name], folder) for name in info.scores),
        calibration=_calibration(title, best, folder),
        robustness=_robustness(info),
        history=_history(info, folder),
        thresholds=", ".join(f"{t:.2f} ({n} emotions)" for n, t in info.uncertain_below.items()),
        risk=info.training["stated_risk"],
        created_on=info.created_on,
        versions=", ".join(f"{name} {number}" for name, number in info.versions.items()),
        notes=notes.read_text(encoding="utf-8") if notes.is_file() else "",
    )
    (folder / "MODEL_CARD.md").write_text(card.rstrip() + "\n", encoding="utf-8")


def _details(title: str, figures: dict[str, Any], folder: Path) -> str:
    """Describe one protocol: recalls, UAR by group and confusion matrix."""
    picture = f"confusion-{title.replace(', ', '-').replace(' ', '-')}.png"
    plots.plot_confusion(np.array(figures["confusion"]), list(figures["recall"]), folder / picture)
    recalls = ", ".join(f"{label} {value:.0%}" for label, value in figures["recall"].items())
    lines = [f"### {title}", "", f"Recall: {recalls}.", ""]
    for group, values in figures["by_group"].items():
        parts = [f"{value} {one['uar']:.1%} ({one['n_clips']})" for value, one in values.items()]
        lines.append(f"UAR by {group} (clips): {', '.join(parts)}.\n")
    return "\n".join([*lines, f"![Confusion matrix]({picture})", ""])


def _calibration(title: str, figures: dict[str, Any], folder: Path) -> str:
    plots.plot_reliability(figures["reliability"], folder / "reliability.png")
    plots.plot_risk_coverage(figures["risk_coverage"], folder / "risk-coverage.png")
    half = min(figures["risk_coverage"], key=lambda point: abs(point[0] - 0.5))
    return (
        f"On {title}: of the surest half of the answers, {half[1]:.0%} are wrong; of all, "
        f"{figures['risk_coverage'][-1][1]:.0%}.\n\n"
        "![Reliability diagram](reliability.png)\n![Risk and coverage](risk-coverage.png)"
    )


def _robustness(info: ModelInfo) -> str:
    if not info.robustness:
        return "Not measured."
    checks = [
        Check(**{key: value for key, value in check.items() if key != "passed"})
        for check in info.robustness
    ]
    return table(checks)


def _history(info: ModelInfo, folder: Path) -> str:
    history = info.training["history"]
    if not history:
        return "Fitted at once: there is no history."
    plots.plot_history(history, folder / "history.png")
    return "![Training history](history.png)"


def _licence_note(info: ModelInfo) -> str:
    corpora = [CORPORA[name] for name in info.trained_on if name in CORPORA]
    titles = [corpus.title for corpus in corpora if "NC" in corpus.licence]
    return _NON_COMMERCIAL_NOTE.format(titles=" and ".join(titles)) if titles else ""


def _heard(info: ModelInfo) -> str:
    languages = {_LANGUAGES[name] for name in info.trained_on if name in _LANGUAGES}
    if languages and set(info.trained_on) <= set(_LANGUAGES):
        return _ACTED_CORPORA.format(languages=", ".join(sorted(languages)))
    return "only the recordings listed above"


def _corpora_table(corpora: dict[str, dict[str, int]]) -> str:
    rows = [
        "| corpus | clips | speakers | emotions | licence of the audio |",
        "|---|--:|--:|--:|---|",
    ]
    for name, counts in corpora.items():
        corpus = CORPORA.get(name)
        title, licence = (corpus.title, corpus.licence) if corpus else (name, "not stated")
        rows.append(
            f"| {title} | {counts['clips']} | {counts['speakers']} | {counts['emotions']} "
            f"| {licence} |"
        )
    return "\n".join(rows)


def _scores_table(scores: dict[str, Any]) -> str:
    rows = [
        "| protocol | clips | UAR % | 95 % interval | folds | accuracy % | macro F1 % "
        "| calibration error | by chance |",
        "|---|--:|--:|---|---|--:|--:|--:|--:|",
    ]
    for title, s in scores.items():
        low, high = s["uar_interval_95"]
        rows.append(
            f"| {title} | {s['n_clips']} | {100 * s['uar']:.1f} | {100 * low:.1f} to "
            f"{100 * high:.1f} | {100 * s['uar_fold_mean']:.1f} ± {100 * s['uar_fold_sd']:.1f} | "
            f"{100 * s['accuracy']:.1f} | {100 * s['macro_f1']:.1f} | "
            f"{s['calibration_error']:.3f} | {_by_chance(s):.3f} |"
        )
    return "\n".join(rows)


def _by_chance(figures: dict[str, Any]) -> float:
    confidences = [sure for sure, _ in figures["reliability"]]
    return chance_calibration_error(confidences, figures["n_clips"])


def _elsewhere(info: ModelInfo) -> str:
    if not info.elsewhere:
        return ""
    return ": {:.0%} to {:.0%} UAR on a whole corpus left out".format(*info.elsewhere)
