"""CSS written into the tags that it styles, once per template instead of once per message.

css-inline must not see an unrendered template: an HTML parser moves what stands between the rows
of a table and adds `<tbody>` between the marks of a loop. So the source is never parsed and
written back. Instead every start tag of the sources gets a number, one page is rendered in which
every branch and every loop appears, css-inline styles that page, and the style each number got
there is inserted into the source, which otherwise stays as it was written, byte for byte.

This is right if the style of a tag follows from the tag and those around it alone. Where it may
not (selectors that count or look at neighbours, classes computed while rendering, a tag opened
in one branch and closed in another, one macro styled differently in two places), the sources are
left alone and `complete` is false: such a page is inlined after each rendering.
"""

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, Self

from jinja2 import DictLoader, nodes
from jinja2.runtime import Undefined
from jinja2.visitor import NodeTransformer

from antiphon.message.language import FILTERS, TESTS, TemplateLanguage

if TYPE_CHECKING:
    from css_inline import CSSInliner

logger = logging.getLogger("antiphon.message")

_MARK = "data-antiphon"
_CODE = re.compile("\ue000(\\d+)\ue001")
_TOKEN = re.compile(
    r"""<!--.*?-->
      | <(?P<raw>style|script|title|textarea)\b(?P<rawattributes>(?:"[^"]*"|'[^']*'|[^"'>])*)>
        (?P<content>.*?)</(?P=raw)\s*>
      | </(?P<end>[a-z][^\s>/]*)[^>]*>
      | <(?P<start>[a-z][^\s>/]*)(?P<attributes>(?:"[^"]*"|'[^']*'|[^"'>])*)>
      | \ue000(?P<code>\d+)\ue001""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_ATTRIBUTE = re.compile(r"""([^\s=>"'/\ue000]+)(?:\s*=\s*("[^"]*"|'[^']*'|[^\s"'>\ue000]+))?""")
_STYLE = re.compile(r"""\s+style\s*=\s*("[^"]*"|'[^']*'|[^\s"'>]+)""", re.IGNORECASE)
_VOID = frozenset(
    "area base br col embed hr img input link meta source track wbr".split()  # noqa: SIM905
)
_OPENING = frozenset({"if", "for", "macro", "call", "block", "with", "raw"})
_BRANCHING = frozenset({"else", "elif"})
# Selectors whose match depends on more than a tag and those around it. Pseudo-classes that
# describe the reader's pointer match nothing in a mail that lies still; css-inline skips them.
_COUNTING = re.compile(r"[+~\[]|:(?!hover|active|focus|visited|link)", re.IGNORECASE)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


class _Varies(Exception):
    """Styles of this page may differ from message to message; the text says why."""


@dataclass(frozen=True)
class Inlined:
    """Sources by name, with styles in their tags where `complete`, else as they were."""

    sources: Mapping[str, str]
    complete: bool

    @classmethod
    def of(cls, entry: str, sources: Mapping[str, str]) -> Self:
        """`sources`: name as templates write it → text, all that `entry` is made of."""
        if not any("<style" in text.lower() for text in sources.values()):
            return cls(sources, complete=True)  # there is nothing to write into the tags
        try:
            scanned = {name: _Source(name, text) for name, text in sources.items()}
            marked = {name: source.marked() for name, source in scanned.items()}
            page = _everything(entry, marked)
            styles, kept = _styles(page)
            for source in scanned.values():
                source.missing(styles)
        except _Varies as reason:
            logger.info("templates/%s: CSS is inlined in every message: %s", entry, reason)
            return cls(sources, complete=False)
        return cls({name: s.styled(styles, kept) for name, s in scanned.items()}, complete=True)


def inline(page: str) -> str:
    """A rendered page with its CSS in the tags; at-rules (media queries) stay in the head."""
    return _inliner().inline(page)


@cache
def _inliner() -> "CSSInliner":
    from css_inline import CSSInliner  # noqa: PLC0415

    return CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)


class _Source:
    """One template file: its code masked, its start tags found and proven to be balanced."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.codes: list[str] = []
        self.optional: set[str] = set()
        self.masked = "".join(self._masked(text))
        self._balanced()

    def _masked(self, text: str) -> Iterator[str]:
        if "\ue000" in text or "\ue001" in text:
            raise _Varies("characters of the private use area")
        code: list[str] = []
        for _, kind, value in TemplateLanguage().lex(text):
            if kind == "data":
                yield self._close(code)
                yield value
                continue
            code.append(value)
            if kind.endswith("_end"):
                yield self._close(code)
        yield self._close(code)

    def _close(self, code: list[str]) -> str:
        if not code:
            return ""
        self.codes.append("".join(code))
        code.clear()
        return f"\ue000{len(self.codes) - 1}\ue001"

    def _balanced(self) -> None:
        """Raises _Varies unless each branch closes what it opens; notes tags that may be unused."""
        open_tags: list[str] = []
        for token in _TOKEN.finditer(self.masked):
            if (number := token["code"]) is not None:
                self._step(number, open_tags)
            elif token["start"]:
                self._attributes(token["attributes"])
                if {"macro", "block"} & set(open_tags):
                    self.optional.add(self._number(token))
                if token["start"].lower() not in _VOID:
                    open_tags.append("<" + token["start"].lower())
            elif token["end"] and (not open_tags or open_tags.pop() != "<" + token["end"].lower()):
                raise _Varies(f"</{token['end']}> in {self.name} closes what another part opened")
        if open_tags:
            raise _Varies(f"{open_tags[-1]}> in {self.name} is closed elsewhere")

    def _step(self, number: str, open_tags: list[str]) -> None:
        code = self.codes[int(number)]
        found = re.match(r"\{%[-+]?\s*(\w+)", code)
        word = found[1] if found else ""
        if word in ("filter", "autoescape") or (word == "set" and "=" not in code):
            raise _Varies(f"markup passes through {{% {word} %}} in {self.name}")
        if word in _OPENING:
            open_tags.append(word)
            return
        top = open_tags[-1] if open_tags else ""
        if word.startswith("end") and top == word[3:]:
            open_tags.pop()
        elif word.startswith("end") or (word in _BRANCHING and top not in _OPENING):
            raise _Varies(f"a branch of {self.name} does not close its tags")

    def _attributes(self, text: str) -> None:
        """Raises _Varies if class, id, style or the set of attributes is computed."""
        for name, value in _ATTRIBUTE.findall(text):
            if name.lower() in ("class", "id", "style") and "\ue000" in value:
                raise _Varies(f"a computed {name} in {self.name}")
        if "\ue000" in _ATTRIBUTE.sub("", text):
            raise _Varies(f"computed attributes in {self.name}")

    def _number(self, token: re.Match[str]) -> str:
        return f"{self.name}:{token.start()}"

    def marked(self) -> str:
        """The source with a number in every start tag."""
        return self._rewritten(
            lambda token: f' {_MARK}="{escape(self._number(token))}"{token["attributes"]}',
            lambda token: token[0],
        )

    def missing(self, styles: Mapping[str, str]) -> None:
        """Raises _Varies if a tag that is always part of the page was not on the one we styled."""
        for token in _TOKEN.finditer(self.masked):
            number = self._number(token)
            if token["start"] and number not in styles and number not in self.optional:
                raise _Varies(f"<{token['start']}> in {self.name} did not show")

    def styled(self, styles: Mapping[str, str], kept: str) -> str:
        """The source with styles in its tags, and only at-rules left of its style sheets."""

        def attributes(token: re.Match[str]) -> str:
            style = styles.get(self._number(token))
            if not style:
                return token["attributes"]
            return f' style="{escape(style)}"' + _STYLE.sub("", token["attributes"])

        def sheet(token: re.Match[str]) -> str:
            if token["raw"].lower() != "style":
                return token[0]
            return f"<style>{{% raw %}}{kept}{{% endraw %}}</style>" if kept else ""

        return self._rewritten(attributes, sheet)

    def _rewritten(self, attributes: Any, raw: Any) -> str:
        def token(found: re.Match[str]) -> str:
            if found["start"]:
                return f"<{found['start']}{attributes(found)}>"
            return raw(found) if found["raw"] else found[0]

        text = _TOKEN.sub(token, self.masked)
        return _CODE.sub(lambda found: self.codes[int(found[1])], text)


# ---------------------------------------------------------------- the page of everything


class _Anything(Undefined):
    """Stands for every value while the page of everything is rendered."""

    __slots__ = ()

    def __str__(self) -> str:
        return "x"

    __html__ = __str__

    def __iter__(self) -> Iterator[Any]:
        yield self

    def __bool__(self) -> bool:
        return True

    def __len__(self) -> int:
        return 1

    def __hash__(self) -> int:
        return 0


def _anything(*_: Any, **__: Any) -> _Anything:
    return _Anything()


for _operation in (
    *("getattr", "getitem", "call", "add", "radd", "sub", "rsub", "mul", "rmul", "truediv"),
    *("rtruediv", "floordiv", "rfloordiv", "mod", "rmod", "pow", "rpow", "neg", "pos", "abs"),
    *("eq", "ne", "lt", "le", "gt", "ge"),
):
    setattr(_Anything, f"__{_operation}__", _anything)


class _EveryBranch(NodeTransformer):
    """All branches one after the other, every loop at least once."""

    def visit_If(self, node: nodes.If) -> Any:  # noqa: N802
        self.generic_visit(node)
        return [*node.body, *node.elif_, *node.else_]

    def visit_For(self, node: nodes.For) -> Any:  # noqa: N802
        self.generic_visit(node)
        otherwise, node.else_, node.test = node.else_, [], None
        return [node, *otherwise]

    def visit_CondExpr(self, node: nodes.Expr) -> nodes.Expr:  # noqa: N802
        if node.find(nodes.Call) is not None:
            raise _Varies("a macro called under a condition within an expression")
        return node

    visit_And = visit_Or = visit_CondExpr  # noqa: N815


class _Everything(TemplateLanguage):
    """A language in which nothing is decided."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        super().__init__(DictLoader(dict(sources)), html=True)
        self.undefined = _Anything
        self.filters = dict.fromkeys(FILTERS, _anything)
        self.tests = dict.fromkeys(TESTS, _anything)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree: nodes.Template = _EveryBranch().visit(super()._parse(source, name, filename))
        return tree

    def getattr(self, obj: Any, attribute: str) -> Any:
        return obj if isinstance(obj, _Anything) else super().getattr(obj, attribute)


def _everything(entry: str, sources: Mapping[str, str]) -> str:
    """The page on which every tag shows that may show on some page."""
    try:
        return _Everything(sources).get_template(entry).render()
    except _Varies:
        raise
    except Exception as error:  # whatever fails on stand-in values: this way is not for this page
        raise _Varies(f"{type(error).__name__}: {error}") from error


class _Reader(HTMLParser):
    """Styles by number, and the text of style sheets."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.styles: dict[str, str] = {}
        self.sheets: list[str] = []
        self._in_sheet = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_sheet = tag == "style"
        values = dict(attrs)
        if (number := values.get(_MARK)) is not None:
            style = values.get("style") or ""
            if self.styles.setdefault(number, style) != style:
                raise _Varies(f"the tag at {number} is styled differently in two places")

    def handle_data(self, data: str) -> None:
        if self._in_sheet:
            self.sheets.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._in_sheet = False


def _styles(page: str) -> tuple[dict[str, str], str]:
    """What css-inline gives each numbered tag of the page, and the at-rules it keeps."""
    before, after = _Reader(), _Reader()
    before.feed(page)
    css = _COMMENT.sub("", "".join(before.sheets))
    if _COUNTING.search("".join(_selectors(css))):
        raise _Varies("the style sheet has selectors that count or look at neighbours")
    after.feed(inline(page))
    kept = "".join(after.sheets).strip()
    if "{" in "".join(after.styles.values()):
        raise _Varies("a brace in a style")
    return after.styles, kept


def _selectors(css: str) -> Iterator[str]:
    """What stands before the braces of the top level, at-rules left out."""
    depth, start = 0, 0
    for place in re.finditer(r"[{};]", css):
        if place[0] == "{":
            if depth == 0 and not css[start : place.start()].lstrip().startswith("@"):
                yield css[start : place.start()]
            depth += 1
        elif place[0] == "}":
            depth -= 1
        if depth == 0:
            start = place.end()
