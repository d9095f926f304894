"""Reports that a person reads in a browser: one HTML file with text, tables and plotly figures, and nothing to load.

A page holds plotly's script itself (some 4.5 MB), so that it opens without a network, wherever it is sent. Equal
contents give equal bytes. Needs the extra ``[studies]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from rtb_envs.files import write_text

# Okabe & Ito's palette (2008), distinguishable without colour vision; the first is for what the page is about.
COLORS = ("#0b69a3", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#6b7280")
INK, MUTED, GRID = "#1f2933", "#616e7c", "#e4e7eb"
FIGURE_HEIGHT = 420

TEMPLATE = go.layout.Template(
    layout={
        "colorway": COLORS,
        "font": {"family": "system-ui, sans-serif", "size": 14, "color": INK},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "height": FIGURE_HEIGHT,
        "margin": {"l": 72, "r": 24, "t": 24, "b": 60},
        "xaxis": {"gridcolor": GRID, "linecolor": MUTED, "zeroline": False, "automargin": True},
        "yaxis": {"gridcolor": GRID, "linecolor": MUTED, "zeroline": False, "automargin": True},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    }
)

_STYLE = f"""
body {{ font: 16px/1.55 system-ui, sans-serif; color: {INK}; background: #f5f7fa; margin: 0; }}
main {{ max-width: 1100px; margin: 0 auto; padding: 2rem 1.25rem 4rem; }}
h1 {{ font-size: 1.9rem; margin: 0 0 .25rem; }}
h2 {{ font-size: 1.3rem; margin: 2.5rem 0 .5rem; }}
p {{ max-width: 48rem; }}
p.lead, figcaption, caption {{ color: {MUTED}; }}
figure, .table {{ background: white; border: 1px solid {GRID}; border-radius: 8px; margin: 1rem 0; padding: 1rem; }}
.table {{ overflow-x: auto; }}
figcaption, caption {{ text-align: left; font-size: .95rem; margin-bottom: .5rem; }}
figcaption b, caption b {{ color: {INK}; display: block; font-size: 1.05rem; }}
table {{ border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .4rem .75rem; border-bottom: 1px solid {GRID}; text-align: right; white-space: nowrap; }}
th:first-child, td:first-child {{ text-align: left; }}
th {{ color: {MUTED}; font-weight: 600; }}
.verdict {{ background: white; border-left: 6px solid {COLORS[0]}; padding: .75rem 1rem; font-size: 1.1rem; }}
"""


def literal(text: str) -> str:
    """A user's ``text`` for a plotly figure, which takes ``<b>`` for markup."""
    return escape(text, quote=False)


class Page:
    """A report in the order in which its parts are added; all text is escaped."""

    def __init__(self, title: str, lead: str = "", refresh_seconds: int | None = None) -> None:
        """``lead`` is a sentence under the title; ``refresh_seconds`` has the browser load the page anew so often."""
        self.title = title
        self._refresh_seconds = refresh_seconds
        self._parts = [f"<h1>{escape(title)}</h1>"]
        self._figures = 0
        if lead:
            self._parts.append(f'<p class="lead">{escape(lead)}</p>')

    def heading(self, text: str) -> None:
        """Begin a section."""
        self._parts.append(f"<h2>{escape(text)}</h2>")

    def text(self, *paragraphs: str) -> None:
        """Running text."""
        self._parts.extend(f"<p>{escape(paragraph)}</p>" for paragraph in paragraphs)

    def verdict(self, text: str) -> None:
        """The sentence that a reader in a hurry takes away."""
        self._parts.append(f'<p class="verdict">{escape(text)}</p>')

    def table(self, title: str, header: Sequence[str], rows: Sequence[Sequence[str]], note: str = "") -> None:
        """A table of finished texts: numbers formatted, units in the header. The first column is aligned left."""
        head = "".join(f"<th>{escape(name)}</th>" for name in header)
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        caption = f"<caption><b>{escape(title)}</b>{escape(note)}</caption>"
        table = f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        self._parts.append(f'<div class="table">{table}</div>')

    def figure(self, title: str, figure: go.Figure, note: str = "") -> None:
        """A plotly figure under its title; the axes of ``figure`` say what they show and in which unit."""
        self._figures += 1
        figure = go.Figure(figure).update_layout(template=TEMPLATE, title=None)
        drawn: Any = figure.to_html(
            full_html=False,
            include_plotlyjs=False,
            div_id=f"figure-{self._figures}",
            config={"displaylogo": False, "responsive": True},
        )
        caption = f"<figcaption><b>{escape(title)}</b>{escape(note)}</figcaption>"
        self._parts.append(f"<figure>{caption}{drawn}</figure>")

    def html(self) -> str:
        """The page as one self-contained document."""
        refresh = f'<meta http-equiv="refresh" content="{self._refresh_seconds}">' if self._refresh_seconds else ""
        script = f"<script>{get_plotlyjs()}</script>" if self._figures else ""
        return (
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">{refresh}'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{escape(self.title)}</title><style>{_STYLE}</style>{script}</head>\n"
            "<body><main>\n" + "\n".join(self._parts) + "\n</main></body></html>\n"
        )

    def write(self, path: Path) -> None:
        """Write the page to ``path``, whole or not at all."""
        write_text(path, self.html())
