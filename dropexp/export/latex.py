"""A study's table in LaTeX: booktabs, numbers in mathematics, every special character of a word escaped."""

from __future__ import annotations

import re

from dropexp.analysis.tidy import Tidy
from dropexp.export.paper import paper
from dropexp.quoting import visible

SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "±": r"$\pm$", "−": "$-$", "×": r"$\times$",
    "[": "{[}", "*": "{*}",  # what begins a row would be taken for an argument of the \\ before it
}  # fmt: skip
NUMBER = re.compile(r"[-+]?[\d.]+")


def latex(tidy: Tidy) -> str:
    """Return a table environment that compiles with booktabs and T1 fonts."""
    made = paper(tidy)
    kinds = ["l"] * made.axes + [
        "l" if column.heading.find(" vs ") > 0 else "r" for column in made.columns[made.axes :]
    ]
    rows = [
        " & ".join(cells)
        for cells in zip(*([_cell(*cell) for cell in column.cells] for column in made.columns), strict=True)
    ]
    label = re.sub(r"[^A-Za-z0-9-]+", "-", made.name)
    return "\n".join(
        [
            r"% needs \usepackage{booktabs} and \usepackage[T1]{fontenc}",
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{escaped(made.caption)}}}",
            rf"  \label{{tab:{label}}}",
            r"  \medskip\footnotesize\setlength{\tabcolsep}{4pt}",  # one axis fits the narrow page of the article class
            rf"  \begin{{tabular}}{{@{{}}{''.join(kinds)}@{{}}}}",
            r"    \toprule",
            rf"    {' & '.join(escaped(column.heading) for column in made.columns)} \\",
            r"    \midrule",
            *(rf"    {row} \\" for row in rows),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def escaped(text: str) -> str:
    """Return a text that LaTeX sets as it stands."""
    return "".join(SPECIAL.get(character, character) for character in visible(text, "\n"))


def _cell(number: str, rest: str) -> str:
    """Return `95.7`, `± 0.8 better` as one number in mathematics and the word after it."""
    words = rest.split(" ")
    spread = f" \\pm {words[1].replace('<', '{<}')}" if words[0] == "±" else ""
    after = " ".join(words[2:] if spread else words)
    if not NUMBER.fullmatch(number):
        return escaped(f"{number} {after}".strip())
    plain = number if not spread and number[:1] not in "+-" else f"${number}{spread}$"
    return f"{plain} {escaped(after)}".strip()
