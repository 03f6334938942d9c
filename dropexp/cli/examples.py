"""EXAMPLES: under each verb's help, commands that can be typed as they stand, with what each is for."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "init": (
        ("dropexp init", "writes config.yaml, with a comment on every field"),
        ("dropexp init bn-order", "copies a study that comes with dropexp"),
    ),
    "check": (
        ("dropexp check config.yaml --time", "shows what would be trained and how long that takes"),
        ("dropexp check config.yaml --detect 0.005", "shows how many seeds would detect half a point"),
    ),
    "run": (
        ("dropexp run config.yaml", "trains what is missing, then prints the table and draws the figures"),
        ("dropexp run config.yaml --seeds 10 --jobs 4", "trains ten seeds on four worker processes"),
    ),
    "sweep": (
        ("dropexp sweep --rates 0 0.2 0.5", "trains at three dropout rates on the built-in digits"),
        ("dropexp sweep config.yaml --placements input hidden", "sweeps this axis instead of those in the file"),
    ),
    "plot": (
        ("dropexp plot results/", "draws the figures of every study that has changed"),
        ("dropexp plot results/quickstart --baseline rate=0.2", "compares with another arm"),
    ),
    "report": (
        ("dropexp report results/quickstart --open", "writes one study as a page and opens it in the browser"),
        ("dropexp report results/", "writes a page for every study, and an index"),
    ),
    "show": (
        ("dropexp show results/", "lists every study with its answer, date and size"),
        ("dropexp show results/quickstart --json", "prints one study's table as JSON"),
    ),
    "inspect": (
        ("dropexp inspect results/quickstart", "the arms and runs of a study, with the run_id of each"),
        ("dropexp inspect results/quickstart rate=0.5 seed=0", "everything stored of one run"),
    ),
    "compare": (
        ("dropexp compare results/quickstart --arm rate=0.5 --arm rate=0", "compares two arms of a study"),
        ("dropexp compare results/a results/b", "compares two studies, arm by arm"),
    ),
    "stopping": (
        ("dropexp stopping results/quickstart", "shows where overfitting begins, and what early stopping would change"),
        ("dropexp stopping results/quickstart --patiences 2 5 10", "tries three patiences"),
    ),
    "ensemble": (
        (
            "dropexp ensemble results/five-networks",
            "averages five networks or lets them vote, and compares them with one network and with dropout",
        ),
        ("dropexp ensemble results/five-networks --members 10", "does so with ten networks per ensemble"),
    ),
    "export": (
        ("dropexp export results/quickstart --to latex", "prints the table for a paper"),
        ("dropexp export results/quickstart --to csv --out runs.csv", "writes the rows for another program"),
    ),
    "verify": (
        ("dropexp verify results/", "trains five runs of each study again and compares them byte for byte"),
        ("dropexp verify results/quickstart --sample 0", "checks only the files, in seconds"),
    ),
    "remove": (
        ("dropexp remove results/quickstart --arm rate=0.5 --dry-run", "shows what would be moved aside"),
        ("dropexp remove results/quickstart --study", "moves the whole study aside, and prints how to get it back"),
    ),
    "laws": (
        ("dropexp laws", "checks every law on the training code"),
        ("dropexp laws variance-shift --figure shift.png", "shows one law in detail and draws its figure"),
    ),
    "data": (
        ("dropexp data", "lists the data sets, and which are downloaded"),
        ("dropexp data mnist cifar10", "downloads two of them and checks every byte"),
    ),
}


def epilog(verb: str) -> str:
    """Return the examples of a verb as the end of its help, in the markup that typer reads."""
    lines = [f"  [bold]{command}[/bold]\n    [dim]{what}[/dim]" for command, what in EXAMPLES.get(verb, ())]
    return "\n".join(["Examples:", *lines]) if lines else ""
