"""Random splits against speaker-independent splits: one table for all model families."""

from collections.abc import Callable, Iterator
from pathlib import Path

from undertone.training import evaluation
from undertone.training.cross_validation import CrossValidation
from undertone.training.evaluation import Outcome
from undertone.training.protocols import Protocol
from undertone.training.usual_recipes import USUAL_RECIPES, Comparison, compare_splits

_TITLES = {
    "mfcc-forest": "40 MFCC means, random forest of 100",
    "statistics-forest": "61 statistics, random forest of 100",
    "librosa180-cnn": "180 MFCC, chroma and mel means, 1-D CNN",
}


def compare(
    families: dict[str, Callable[[], CrossValidation]], protocol: Protocol, cache_dir: Path
) -> Iterator[tuple[str, Comparison]]:
    """Measure the field's usual recipes and our families with both splits on one corpus.

    Parameters
    ----------
    families : dict
        Maps each title to a function returning its `CrossValidation`. All use the same clips.
    protocol : Protocol
        Speaker-independent split. The comparison uses its corpus.
    cache_dir : Path
        Cache folder for the usual recipes.

    Yields
    ------
    tuple of (str, Comparison)
        Title and result of one recipe or family.
    """
    for number, (title, make) in enumerate(families.items()):
        family = make()
        if number == 0:
            clips = [clip for clip in family.utterances.clips if clip.corpus == protocol.corpus]
            for name, recipe in USUAL_RECIPES.items():
                yield _TITLES[name], compare_splits(recipe, clips, protocol, cache_dir)
        by_clip = family.evaluate_by_clip(protocol.corpus)
        by_speaker = family.evaluate(protocol)
        yield title, Comparison(*_shares(by_clip), *_shares(by_speaker))


def _shares(outcome: Outcome) -> tuple[float, float]:
    return float(outcome.right.mean()), evaluation.uar(outcome.emotions, outcome.answers)


def row(title: str, found: Comparison) -> str:
    """Return one line of the table, in Markdown."""
    shares = (found.random_accuracy, found.speaker_accuracy, found.random_uar, found.speaker_uar)
    return f"| {title} | " + " | ".join(f"{share:.1%}" for share in shares) + " |"


HEADING = """\
| recipe | accuracy, random split | accuracy, new speakers | UAR, random | UAR, new speakers |
|---|--:|--:|--:|--:|"""
