"""Text, code and outputs as HTML that is safe to open, and the pages that they stand in.

What comes from a student is escaped, or cleaned by nh3: nothing in it runs, looks like a part of
the page, or is fetched from a network. A page needs no other file, and forbids scripts besides.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import mistune
import nh3
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from mistune.plugins.math import math as math_plugin
from mistune.plugins.table import table as table_plugin
from nbformat import NotebookNode
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES
from pygments.util import ClassNotFound

from autograder.submission import PICTURES

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
PICTURE = re.compile(rf"data:(?:{'|'.join(PICTURES)});base64,[A-Za-z0-9+/=\s]*")
MAX_PICTURE = 4 * 2**20  # characters
LIGHT, DARK = "default", "github-dark"  # of Pygments
CUT = "… the rest is cut off here; it is in the notebook."
TAGS = {
    *("a", "abbr", "b", "blockquote", "br", "caption", "code", "dd", "del", "details", "div", "dl"),
    *("dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "kbd", "li", "ol", "p"),
    *("pre", "s", "small", "span", "strong", "sub", "summary", "sup", "table", "tbody", "td"),
    *("tfoot", "th", "thead", "tr", "u", "ul"),
}
ATTRIBUTES = {
    "a": {"href", "title"},
    "details": {"open"},
    "img": {"alt", "height", "src", "title", "width"},
    "ol": {"start"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan"},
}
CLASSES = {"code": {"math"}, "pre": {"code"}, "span": set(STANDARD_TYPES.values()) - {""}}


def _allow(tag: str, attribute: str, value: str) -> str | None:
    """Return the value of an attribute that may stand in a page, or None."""
    if attribute == "src":
        return value if PICTURE.fullmatch(value) else None
    if attribute == "href":
        return value if value.startswith(("https://", "http://", "mailto:", "#")) else None
    return value


def clean(text: str) -> Markup:
    """Return HTML with nothing in it that runs, is fetched, or looks like a part of the page."""
    return Markup(
        nh3.clean(
            text,
            tags=TAGS,
            attributes=ATTRIBUTES,
            attribute_filter=_allow,
            allowed_classes=CLASSES,
            url_schemes={"https", "http", "mailto", "data"},
        )
    )


def code(source: str, language: str = "python") -> Markup:
    """Return program text with its syntax in colors; escaped by Pygments."""
    try:
        lexer = get_lexer_by_name(language, stripnl=False)
    except ClassNotFound:
        lexer = get_lexer_by_name("text")
    return Markup(f'<pre class="code">{highlight(source, lexer, HtmlFormatter(nowrap=True))}</pre>')


def markdown(text: str, attachments: Mapping[str, Mapping[str, str]] | None = None) -> Markup:
    """Return the HTML of a notebook's Markdown, cleaned; `attachments` are its pasted pictures.

    Formulas stay as they were written, readable without any library.
    """
    renderer = _Renderer(attachments or {})
    convert = mistune.create_markdown(
        renderer=renderer, plugins=["strikethrough", table_plugin, math_plugin]
    )
    renderer.register("inline_math", lambda renderer, text: _formula(f"${text}$"))
    renderer.register("block_math", lambda renderer, text: f"<p>{_formula(f'$${text}$$')}</p>")
    try:
        return clean(str(convert(text)))
    except Exception:  # text that no parser was made for
        return Markup("<pre>{}</pre>").format(text)


class _Renderer(mistune.HTMLRenderer):
    """Markdown as JupyterLab shows it, but formulas as their source and no file but pictures."""

    def __init__(self, attachments: Mapping[str, Mapping[str, str]]) -> None:
        super().__init__(escape=False)  # HTML is cleaned at the end
        self._attachments = attachments

    def block_code(self, code_: str, info: str | None = None) -> str:
        return code(code_, (info or "text").split()[0])

    def image(self, text: str, url: str, title: str | None = None) -> str:
        name = unquote(url.removeprefix("attachment:"))
        if name != url:
            for kind, content in self._attachments.get(name, {}).items():
                url = f"data:{kind};base64,{content}"
        if not PICTURE.fullmatch(url) or len(url) > MAX_PICTURE:
            return f"<em>[picture: {html.escape(text or name[:80])}]</em>"
        return f'<img src="{html.escape(url)}" alt="{html.escape(text)}">'


def _formula(text: str) -> str:
    return f'<code class="math">{html.escape(text.strip())}</code>'


class Budget:
    """How much text of a student a page may still hold, so that it opens on a phone."""

    def __init__(self, characters: int, each: int) -> None:
        self._left, self._each = characters, each

    def cut(self, text: str) -> tuple[str, bool]:
        """Return what of `text` there is room for, and whether something was cut off."""
        room = min(self._left, self._each)
        self._left -= min(room, len(text))
        return (text, False) if len(text) <= room else (text[:room], True)


def outputs(shown: Sequence[NotebookNode], budget: Budget) -> list[dict[str, Any]]:
    """Return the outputs of a student's cell as parts: `kind`, `html`."""
    parts: list[dict[str, Any]] = []
    for output in shown:
        data = output.get("data", {})
        if output.output_type == "stream":
            parts.append(_plain("printed", output.text, budget))
        elif output.output_type == "error":
            parts.append(_plain("error", "\n".join(output.traceback), budget))
        elif pictures := [kind for kind in PICTURES if isinstance(data.get(kind), str)]:
            url = f"data:{pictures[0]};base64,{data[pictures[0]]}"
            image = f'<img src="{html.escape(url)}" alt="a figure that this cell drew">'
            parts.append({"kind": "figure", "html": clean(image)})
        elif isinstance(data.get("text/html"), str):
            text, is_cut = budget.cut(data["text/html"])
            if not is_cut:
                parts.append({"kind": "figure", "html": clean(text)})
        elif isinstance(data.get("text/plain"), str):
            parts.append(_plain("printed", data["text/plain"], budget))
    return [part for part in parts if part["html"]]


def _plain(kind: str, text: str, budget: Budget) -> dict[str, Any]:
    lines = [line.rpartition("\r")[2] for line in ANSI.sub("", text).rstrip().split("\n")]
    text, is_cut = budget.cut("\n".join(lines))
    return {"kind": kind, "html": Markup.escape(text + (f"\n{CUT}" if is_cut else ""))}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = code
    environment.globals["code_styles"] = _code_styles()
    return environment


def _code_styles() -> Markup:
    """Return the colors of program text: dark ones on screens that are set so, never on paper."""
    light, dark = (HtmlFormatter(style=style).get_style_defs(".code") for style in (LIGHT, DARK))
    rules = [line for line in f"{light}\n".splitlines() if line.startswith(".code .")]
    others = [line for line in f"{dark}\n".splitlines() if line.startswith(".code .")]
    style = "\n".join([*rules, "@media screen and (prefers-color-scheme: dark) {", *others, "}"])
    return Markup(re.sub(r" /\*.*?\*/", "", style))


def render(template: str, **facts: Any) -> str:
    """Return the page that a template of `templates/` makes of `facts`."""
    return _environment().get_template(template).render(**facts)
