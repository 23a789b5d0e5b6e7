"""ModelTrainer and its command line: corpora -> folds -> fit -> evaluate -> models/<name>/.

    python model_trainer.py evaluate --corpus ravdess=DIR --protocol ravdess-emobox
    python model_trainer.py train --corpus ravdess=DIR --corpus crema_d=DIR --out models/encoder

Needs requirements-train.txt. All figures are speaker-independent: test speakers are held out.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from feature_extractor import UNTOUCHED_ENCODER, AudioFeatureExtractor, SpeechEncoder
from undertone.emotions import LABEL_SETS, in_set, label_set
from undertone.errors import UndertoneError
from undertone.recognition.calibration import Calibration
from undertone.recognition.model_store import MODELS_DIR, ModelInfo, load_info, save_info, sha256
from undertone.settings import ROOT
from undertone.sound.audio import decode
from undertone.standard_output import prepare_streams, writing_output
from undertone.training import comparison, evaluation, model_card, robustness
from undertone.training.augmentation import Augmentation
from undertone.training.calibrating import fit_calibration
from undertone.training.corpora import corpus_table, load_corpus
from undertone.training.corpus_names import CORPORA
from undertone.training.cross_validation import CrossValidation, TrainingError
from undertone.training.linear_recipe import LinearRecipe
from undertone.training.noises import load_noises, training_noises
from undertone.training.protocols import Protocol, protocols_for
from undertone.training.recipe import Recipe
from undertone.training.utterances import Utterances, read_utterances

# Highest share of wrong answers among those not marked uncertain.
STATED_RISK = 0.2
FAMILIES = ("encoder", "ensemble", "cnn")
LIBRARIES = ("numpy", "onnxruntime", "scikit-learn")


class ModelTrainer:
    """Evaluation and training of one family of models.

    Parameters
    ----------
    recipe : Recipe
    utterances : Utterances
    cache_dir : Path
        Cache for the predictions of finished folds; an interrupted run continues with them.
    n_jobs : int
        Number of folds trained at the same time.
    """

    def __init__(
        self, recipe: Recipe, utterances: Utterances, cache_dir: Path, n_jobs: int = 1
    ) -> None:
        self.recipe = recipe
        self.utterances = utterances
        self.folds = CrossValidation(recipe, utterances, cache_dir / "folds", n_jobs)

    def evaluate(
        self, protocol: Protocol, elsewhere: Sequence[Protocol] = ()
    ) -> dict[str, dict[str, Any]]:
        """Return figures by title, over all emotions of the corpus and without calm."""
        viewed = [self.folds.evaluate(protocol, 8, elsewhere)]
        if "calm" in viewed[0].labels:
            viewed.append(self.folds.evaluate(protocol, 7, elsewhere))
        return {
            f"{protocol.name}, {len(seen.labels)} emotions": evaluation.summary(seen)
            for seen in viewed
        }

    def robustness(
        self, protocol: Protocol, noise_dir: Path, elsewhere: Sequence[Protocol] = ()
    ) -> list[dict[str, Any]]:
        """Run the checks of `training.robustness` on the test speakers of the first fold.

        Whole recordings are changed as read from their files. Speech is detected anew in each
        changed recording, as in an upload.

        Parameters
        ----------
        protocol : Protocol
        noise_dir : Path
            Folder of noises (ESC-10).
        elsewhere : sequence of Protocol
            Leave-one-corpus-out protocols, used for calibration, too.
        """
        model, tested = self.folds.fold_model(protocol, elsewhere=elsewhere)
        babble = [audio for audio, _ in zip(self.utterances, range(200), strict=False)]
        checks = robustness.checks(
            model.probabilities,
            model.labels,
            [decode(clip.path.read_bytes()) for clip in tested.clips],
            list(tested.emotions),
            list(tested.sexes),
            noises=load_noises(noise_dir, babble),
            speakers=list(tested.speakers),
            progress=lambda name: print(f"robustness: {name}", flush=True),
        )
        return [{**asdict(check), "passed": check.passed} for check in checks]

    def train(
        self, out: Path, protocols: list[Protocol], scores: dict[str, Any],
        checks: list[dict[str, Any]],
    ) -> ModelInfo:  # fmt: skip
        """Train on all speakers, calibrate on the held-out speakers of all folds, write the folder.

        Parameters
        ----------
        out : Path
            Folder of the model.
        protocols : list of Protocol
            Protocols for the calibration.
        scores : dict
            Figures from `evaluate`, stored with the model.
        checks : list of dict
            Checks from `robustness`, stored with the model.
        """
        known = [protocol for protocol in protocols if not protocol.common_emotions]
        held_out = self.folds.held_out(*known)
        calibration = fit_calibration(
            [part for f in held_out for part in self.folds.with_truth(f.tested, f.labels)],
            self.folds.elsewhere(left_out(protocols)),
        )
        fitted = self.recipe.fit(self.utterances)
        out.mkdir(parents=True, exist_ok=True)
        files = fitted.save(out)
        info = ModelInfo(
            name=out.name,
            family=self.recipe.family,
            labels=fitted.labels,
            extractor=self.recipe.extractor,
            sample_rate=16_000,
            files={name: sha256(out / name) for name in files},
            trained_on=tuple(map(str, np.unique(self.utterances.corpora))),
            scores=scores,
            calibration=calibration,
            uncertain_below=self._thresholds(known, calibration),
            versions={name: version(name) for name in LIBRARIES},
            created_on=date.today().isoformat(),
            training={
                "corpora": corpus_table(self.utterances.clips),
                "stated_risk": STATED_RISK,
                "history": fitted.history,
            },
            robustness=checks,
        )
        save_info(info, out)
        model_card.write(info, out)
        return info

    def _thresholds(self, protocols: list[Protocol], by: Calibration) -> dict[str, float]:
        """Return for each label set the least confidence within `STATED_RISK` in all protocols."""
        found = {}
        for n in LABEL_SETS:
            needed = []
            for protocol in protocols:
                folds = self.folds.held_out(protocol)
                kept = label_set(folds[0].labels, n)
                seen = self.folds.outcome(folds, [by] * len(folds), kept)
                needed.append(evaluation.threshold_for_risk(seen, STATED_RISK))
            found[str(n)] = round(max(needed), 4)
        return found


def left_out(protocols: Sequence[Protocol]) -> list[Protocol]:
    """Return the leave-one-corpus-out protocols."""
    return [protocol for protocol in protocols if protocol.common_emotions]


def _corpus(argument: str) -> tuple[str, Path]:
    name, _, folder = argument.partition("=")
    if not folder:
        raise argparse.ArgumentTypeError(
            f"expected NAME=PATH, NAME one of {', '.join(CORPORA)}, csv, folders"
        )
    return name, Path(folder)


def _utterances(options: argparse.Namespace) -> Utterances:
    """Load the requested corpora with the requested emotions."""
    clips = []
    for name, folder in options.corpus:
        for clip in load_corpus(name, folder):
            if emotion := in_set(clip.emotion, options.labels):
                clips.append(replace(clip, emotion=emotion))
    return read_utterances(clips, options.cache, options.jobs)


def _recipe(options: argparse.Namespace) -> Recipe:
    """Return the recipe of the requested family; only networks need torch."""
    augmentation = Augmentation(training_noises(options.noise) if options.noise else ())
    if options.model == "ensemble":
        from undertone.training.ensemble_recipe import EnsembleRecipe

        return EnsembleRecipe(
            AudioFeatureExtractor(), options.cache, options.jobs, options.seed, augmentation
        )
    if options.model == "cnn":
        from undertone.training.cnn_recipe import CnnRecipe

        return CnnRecipe(options.cache / "networks", seed=options.seed)
    if options.encoder:
        encoder = SpeechEncoder(options.encoder)
        if encoder.extractor_id != UNTOUCHED_ENCODER:
            _refuse_known_speakers(options)
        return LinearRecipe(encoder, options.cache, options.jobs)
    from undertone.training.fine_tuning import FineTuning

    return FineTuning(options.cache, augmentation, options.jobs, options.seed)


def _refuse_known_speakers(options: argparse.Namespace) -> None:
    """Raise `TrainingError` if the encoder was trained on one of the corpora to be measured."""
    info = load_info(options.encoder.parent.name, options.encoder.parent.parent)
    if heard := set(info.trained_on) & {name for name, _ in options.corpus}:
        raise TrainingError(
            f"{options.encoder} was trained on {', '.join(sorted(heard))}: measured there, it "
            "would recognise speakers, not emotions. Leave --encoder out to train it anew."
        )


def evaluate(options: argparse.Namespace, trainer: ModelTrainer) -> dict[str, Any]:
    """Evaluate with each requested protocol; print each figure as soon as it is known."""
    scores: dict[str, Any] = {}
    protocols = protocols_for(options.protocol, trainer.utterances)
    trainer.folds.held_out(*protocols)
    for protocol in protocols:
        for title, figures in trainer.evaluate(protocol, left_out(protocols)).items():
            low, high = figures["uar_interval_95"]
            print(
                f"{title}: UAR {figures['uar']:.2%} ({low:.1%} to {high:.1%}), accuracy "
                f"{figures['accuracy']:.2%}, calibration error {figures['calibration_error']}",
                flush=True,
            )
            scores[title] = figures
    return scores


def train(options: argparse.Namespace, trainer: ModelTrainer) -> None:
    """Evaluate with the protocols, train on all speakers and write the model folder."""
    protocols = protocols_for(options.protocol, trainer.utterances)
    checked = _checked(options, protocols)
    scores = evaluate(options, trainer)
    elsewhere = left_out(protocols)
    checks = trainer.robustness(checked, options.noise, elsewhere) if checked else []
    info = trainer.train(options.out, protocols, scores, checks)
    print(f"{options.out}: written, trained on {', '.join(info.trained_on)}")


def _checked(options: argparse.Namespace, protocols: list[Protocol]) -> Protocol | None:
    """Return the protocol to check for robustness (first fold); None without ``--robustness``."""
    if not options.robustness:
        return None
    by_name = {protocol.name: protocol for protocol in protocols}
    if options.robustness not in by_name:
        raise TrainingError(
            f"--robustness {options.robustness!r} is none of the protocols that are measured: "
            f"{', '.join(by_name)}."
        )
    if not options.noise:
        raise TrainingError("--robustness needs --noise, a folder of ESC-10.")
    return by_name[options.robustness]


def compare(options: argparse.Namespace, utterances: Utterances) -> None:
    """Print figures of folds split at random by clip next to speaker-independent ones."""

    def family(name: str) -> Callable[[], CrossValidation]:
        named = argparse.Namespace(**{**vars(options), "model": name})
        return lambda: CrossValidation(_recipe(named), utterances, options.cache / "folds")

    protocol = protocols_for(options.protocol, utterances)[0]
    print(f"{protocol.name}\n\n{comparison.HEADING}", flush=True)
    families = {f"Undertone's {name}": family(name) for name in reversed(FAMILIES)}
    for title, found in comparison.compare(families, protocol, options.cache):
        print(comparison.row(title, found), flush=True)


def _add_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--corpus", type=_corpus, action="append", required=True, metavar="NAME=PATH")
    add("--model", choices=FAMILIES, default="encoder")
    add("--labels", type=int, choices=LABEL_SETS, default=8, help="size of the set of emotions")
    add(
        "--protocol",
        action="append",
        help="of undertone/training/protocols.json, leave-one-corpus-out, kfold-N (N folds by "
        "speaker of the first corpus) or split (as the table of the first corpus says)",
    )
    add("--encoder", type=Path, help="keep this encoder.onnx as it is; train only its head")
    add("--noise", type=Path, help="folder of ESC-10, mixed under training utterances")
    add("--cache", type=Path, default=ROOT / ".cache")
    add("--jobs", type=int, default=2)
    add("--seed", type=int, default=0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Train and measure Undertone's models.")
    commands = parser.add_subparsers(dest="command", required=True)
    train_command = commands.add_parser("train", help="measure, train on all speakers, write")
    _add_options(train_command)
    train_command.add_argument("--out", type=Path, default=MODELS_DIR / "own")
    train_command.add_argument("--robustness", metavar="PROTOCOL", help="check its first fold")
    _add_options(commands.add_parser("evaluate", help="measure only"))
    compare_command = commands.add_parser(
        "compare", help="every family and the field's usual recipes, by clip and by speaker"
    )
    _add_options(compare_command)
    card = commands.add_parser("card", help="write MODEL_CARD.md and its plots anew")
    card.add_argument("name", help="folder in models/")
    return parser


def main(arguments: list[str]) -> None:
    """Run the command line."""
    options = _parser().parse_args(arguments)
    if options.command == "card":
        model_card.write(load_info(options.name), MODELS_DIR / options.name)
        return
    utterances = _utterances(options)
    if options.command == "compare":
        compare(options, utterances)
        return
    trainer = ModelTrainer(_recipe(options), utterances, options.cache, options.jobs)
    if options.command == "train":
        train(options, trainer)
    else:
        evaluate(options, trainer)


if __name__ == "__main__":
    prepare_streams()
    try:
        with writing_output():
            main(sys.argv[1:])
    except BrokenPipeError:
        sys.exit(1)
    except UndertoneError as stop:
        sys.exit(f"model_trainer: {stop.message}")
