"""How findings are put into words, the same in tables, figures and on the page."""
