"""TERMS: the glossary, one row per word that tables, figures and pages use; the page, its headings and docs/glossary.md read it."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from dropexp.experiment.levels import ALPHA, FEWEST, LEVEL

_LEVEL, _ALPHA = f"{LEVEL:.0%}", f"{ALPHA:.0%}"


@dataclass(frozen=True)
class Term:
    """A word and what it means in plain sentences.

    `also` holds other words for it, `headings` the headings of columns that it explains, where `*` stands for anything.
    """

    name: str
    meaning: str
    also: tuple[str, ...] = ()
    headings: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The word with the other words for it: `margin (the smallest difference that counts)`."""
        return f"{self.name} ({', '.join(self.also)})" if self.also else self.name


TERMS: tuple[Term, ...] = (
    Term(
        "study",
        "One question: a YAML file that says what varies, and the folder that holds its results.",
        (),
        ("study",),
    ),
    Term("arm", "One setting of everything that the study varies, such as rate 0.5 on the input.", (), ("arm",)),
    Term(
        "seed",
        "A number that fixes everything random in a run. Every arm uses the same seeds, and runs with the same seed share "
        "their split, initial weights and order of batches.",
        (),
        ("seed",),
    ),
    Term("n", "The number of seeds that a mean is taken over.", (), ("n",)),
    Term("run", "One arm trained with one seed.", (), ("runs",)),
    Term("pack", "Runs that train together as one larger computation. A pack saves time and changes no result."),
    Term("rate", "The probability that a unit is dropped.", ("dropout rate, p in PyTorch",), ("rate",)),
    Term(
        "keep probability",
        "One minus the rate. Older papers and programs state it instead of the rate.",
        ("keep_prob",),
    ),
    Term(
        "kind",
        "How dropout masks or multiplies units, such as bernoulli, gaussian or spatial.",
        (),
        ("dropout", "kind"),
    ),
    Term(
        "placement",
        "Where in the network dropout acts, such as on the input or on every hidden layer.",
        (),
        ("placement",),
    ),
    Term(
        "order",
        "The order in which a layer applies norm (N), activation (A) and dropout (D), such as NAD.",
        (),
        ("order",),
    ),
    Term(
        "split",
        "How the examples are divided: training examples fit the weights, validation examples choose when to stop, and "
        "test examples measure the result. Each seed draws its own split unless the study fixes it.",
        ("training, validation and test examples",),
    ),
    Term(
        "training accuracy",
        "The percentage of training examples that are classified correctly, with dropout off.",
        ("train",),
        ("train", "clean train"),
    ),
    Term(
        "test accuracy",
        "The percentage of test examples that are classified correctly, with dropout off.",
        ("test",),
        ("test",),
    ),
    Term(
        "gap",
        "Training accuracy minus test accuracy, in points. A large gap is overfitting: the network knows its training "
        "examples better than new ones.",
        ("generalisation gap",),
        ("gap", "clean gap"),
    ),
    Term("point", "One percentage point: from 95% to 96% is 1 point."),
    Term(
        "overfitting, onset of",
        "The epoch at which the validation loss is smallest. Training longer makes it rise again.",
        ("onset",),
        ("onset*",),
    ),
    Term(
        "not seen",
        "In how many seeds the validation loss was still falling near the end, so that the onset may come later.",
        (),
        ("not seen",),
    ),
    Term("area", "The gap summed over all epochs, in points times epochs.", (), ("area",)),
    Term(
        "memorised",
        "The percentage of wrong training labels that the network has learnt to reproduce.",
        (),
        ("memorised",),
    ),
    Term(
        "baseline",
        "The arm that another arm is compared with: the one without dropout and otherwise the same, unless the study names "
        "another.",
    ),
    Term(
        "paired",
        "Two arms are compared seed by seed, and the differences are averaged. What the seed does to both cancels, so that "
        "smaller differences can be seen.",
        ("paired by seed",),
        ("* vs *",),
    ),
    Term(
        "interval",
        f"The range that holds the mean over all possible seeds with {_LEVEL} confidence; ± is half of its width. It is not "
        "the range of single runs.",
        ("±", "confidence interval"),
    ),
    Term(
        "family",
        f"All differences of a study in test accuracy and gap, judged together: with {_LEVEL} confidence all of their intervals "
        "hold at once, so that a study with many arms is wrong no more often than one with two.",
        ("simultaneous intervals", "correction for many comparisons"),
    ),
    Term(
        "min-p",
        "The procedure that makes the intervals of a family hold together: the smallest p-value of the study is compared with "
        "the smallest that chance would give. It replaces Bonferroni's and Holm's corrections. It takes into account that "
        "arms are correlated, and its intervals agree with its words.",
        ("Westfall and Young 1993; instead of Holm",),
    ),
    Term(
        "p",
        "How often chance alone would give a difference this clear somewhere in the family. "
        f"There is a word if it is below {_ALPHA}.",
        ("adjusted p-value",),
        ("* p",),
    ),
    Term(
        "verdict",
        "The conclusion that the interval allows. Better, worse, larger or smaller: the interval excludes 0, "
        f"with at least {FEWEST} seeds. No difference that counts: it is within the margin. Undecided: the "
        "difference could have either sign.",
        ("better, worse, smaller, larger, undecided",),
        ("* verdict",),
    ),
    Term("underfitting", "The gap is smaller only because training accuracy fell; test accuracy did not rise."),
    Term(
        "margin",
        "Differences smaller than this do not matter. The study sets it before training.",
        ("the smallest difference that counts",),
    ),
    Term(
        "reach",
        "What a verdict applies to. Without a star it also holds for new test examples. One star (*) means "
        "these test examples only. Two stars (**) mean that the reach is unknown because predictions were "
        "not stored.",
        ("*, **",),
    ),
    Term(
        "claim",
        "A sentence about the result, written before training and then supported, refuted or left undecided by rule.",
    ),
    Term("after the fact", "Added to the study after results were stored, and therefore not a prediction."),
    Term("power", "How often a study with a given number of seeds would detect a true difference of a given size."),
    Term(
        "not ruled out as the best",
        f"No other arm is clearly better. The set of these arms contains the truly best one with {_LEVEL} confidence.",
    ),
    Term(
        "early stopping",
        "Training ends when the validation loss has not improved for a number of epochs, the patience.",
        ("patience",),
        ("patience",),
    ),
    Term(
        "selected epoch",
        "The epoch whose weights are the result of a run: the best one by validation loss under early stopping, "
        "otherwise the last.",
    ),
    Term(
        "diverged",
        "A loss or weight was no longer finite. Such a run is counted, but left out of every mean.",
        (),
        ("diverged",),
    ),
    Term(
        "probe",
        "A measurement inside the network after every epoch, such as the size of gradients, that changes no result.",
    ),
)


def meaning(heading: str) -> str:
    """Return what a column's heading means, `''` where no term explains it."""
    return next((t.meaning for t in TERMS if any(fnmatchcase(heading, known) for known in t.headings)), "")
