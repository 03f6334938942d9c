"""EXAMPLES: under each verb's help, commands that can be typed as they stand, with what each is for."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "init": (
        ("dropexp init", "writes config.yaml, with a comment on every field"),
        ("dropexp init bn-order", "copies a study that comes with dropexp"),
    ),
    "check": (
        ("dropexp check config.yaml --time", "what would be trained, and how long that takes"),
        ("dropexp check config.yaml --detect 0.005", "how many seeds show half a point"),
    ),
    "run": (
        ("dropexp run config.yaml", "trains what is missing, then prints the table and draws the figures"),
        ("dropexp run config.yaml --seeds 10 --jobs 4", "more seeds, on four worker processes"),
    ),
    "sweep": (
        ("dropexp sweep --rates 0 0.2 0.5", "three dropout rates on the built-in digits"),
        ("dropexp sweep config.yaml --placements input hidden", "an axis in place of the file's own"),
    ),
    "plot": (
        ("dropexp plot results/", "the figures of every study, where something has changed"),
        ("dropexp plot results/quickstart --baseline rate=0.2", "compared with another arm"),
    ),
    "report": (
        ("dropexp report results/quickstart --open", "one study as a page, opened in the browser"),
        ("dropexp report results/", "every study as a page, and their index"),
    ),
    "show": (
        ("dropexp show results/", "every study with its answer, date and size"),
        ("dropexp show results/quickstart --json", "one study's table as numbers and words"),
    ),
    "inspect": (
        ("dropexp inspect results/quickstart", "the arms and runs of a study, with the run_id of each"),
        ("dropexp inspect results/quickstart rate=0.5 seed=0", "everything stored of one run"),
    ),
    "compare": (
        ("dropexp compare results/quickstart --arm rate=0.5 --arm rate=0", "two arms of a study"),
        ("dropexp compare results/a results/b", "two studies, arm by arm"),
    ),
    "stopping": (
        ("dropexp stopping results/quickstart", "where overfitting begins, and what stopping early would give"),
        ("dropexp stopping results/quickstart --patiences 2 5 10", "three patiences"),
    ),
    "ensemble": (
        (
            "dropexp ensemble results/five-networks",
            "five networks averaged and voting, against one and against dropout",
        ),
        ("dropexp ensemble results/five-networks --members 10", "ten"),
    ),
    "export": (
        ("dropexp export results/quickstart --to latex", "the table for a paper"),
        ("dropexp export results/quickstart --to csv --out runs.csv", "the rows for another program"),
    ),
    "verify": (
        ("dropexp verify results/", "five runs of each study trained again and compared byte for byte"),
        ("dropexp verify results/quickstart --sample 0", "the files alone, in seconds"),
    ),
    "remove": (
        ("dropexp remove results/quickstart --arm rate=0.5 --dry-run", "what would be moved aside"),
        ("dropexp remove results/quickstart --study", "the whole study, and how to get it back"),
    ),
    "laws": (
        ("dropexp laws", "every law, checked on the code that trains"),
        ("dropexp laws variance-shift --figure shift.png", "one law in detail, with its picture"),
    ),
    "data": (
        ("dropexp data", "the data sets, and which are here"),
        ("dropexp data mnist cifar10", "downloads two of them and checks every byte"),
    ),
}


def epilog(verb: str) -> str:
    """Return the examples of a verb as the end of its help, in the markup that typer reads."""
    lines = [f"  [bold]{command}[/bold]\n    [dim]{what}[/dim]" for command, what in EXAMPLES.get(verb, ())]
    return "\n".join(["Examples:", *lines]) if lines else ""
