"""The parts of messages, compiled: once for each message, variant, language and part."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from jinja2 import DictLoader, Template, TemplateError, nodes, pass_context
from jinja2.runtime import Context
from jinja2.visitor import NodeTransformer

from antiphon.errors import AntiphonError
from antiphon.message.expressions import Survey
from antiphon.message.formats import Formats
from antiphon.message.inlining import Inlined, inline
from antiphon.message.language import TemplateLanguage, printable
from antiphon.message.links import LinkFields
from antiphon.message.plain import Recorder
from antiphon.message.tagging import Tags
from antiphon.message.tree import Part, Tree

_WHOLE = "whole"  # no template can use it: check knows no such filter
CHANNELS = {part: "sms" if part is Part.SMS else "email" for part in Part}


class TemplateFault(AntiphonError):
    """A template failed on a message although it passed the check."""


class Place(NamedTuple):
    """Which page: of a message, for a variant and a language."""

    message: str
    variant: str
    language: str
    part: Part


@dataclass(frozen=True)
class Page:
    """One part, compiled. `inlined` false: its CSS has to be inlined in every rendering.

    `recorder`: of an HTML body that has no text body beside it. `sources`: what it is made of.
    """

    path: str
    template: Template
    sources: Mapping[str, str]
    inlined: bool = True
    recorder: Recorder | None = None

    def render(self, context: Mapping[str, object]) -> tuple[str, str]:
        """The page and, with a recorder, the text derived from it."""
        if self.recorder is None:
            page, text = self.template.render(context), ""
        else:
            self.recorder.values.clear()
            page, text = self.recorder.page_and_text(self.template.render(context))
        return page if self.inlined else inline(page), text


@dataclass
class Pages:
    """Compiles pages, each when it is first asked for. `survey` tells what a file is made of."""

    tree: Tree
    survey: Callable[[str, str], Survey]
    website: str
    country: str
    currency: str
    timezone: str
    tags: Tags | None = None
    counts_clicks: bool = False
    _pages: dict[Place, Page | None] = field(default_factory=dict)
    _formats: dict[str, Formats] = field(default_factory=dict)

    def page(self, place: Place) -> Page | None:
        """The page, or None where the message has no such part; raises TemplateFault."""
        if place not in self._pages:
            self._pages[place] = self._compiled(place)
        return self._pages[place]

    def environment(
        self,
        place: Place,
        sources: Mapping[str, str],
        recorder: Recorder | None,
        campaign: Mapping[str, str] | None = None,
    ) -> TemplateLanguage:
        """The language of one page; with `campaign` (name, category) it is for that one alone."""
        if place.language not in self._formats:
            self._formats[place.language] = Formats(
                place.language, self.country, self.currency, self.timezone
            )
        filters = self._formats[place.language].filters()
        filters |= {"link": self._link(place, campaign)}
        loader, is_html = DictLoader(sources), place.part is Part.HTML
        if recorder is None:
            return TemplateLanguage(loader, filters, html=is_html)
        language = TemplateLanguage(loader, filters, html=is_html, finalize=recorder.finalize)
        if any(_handles_markup(language.parse(text)) for text in sources.values()):
            language = _SeeingValues(loader, filters, html=is_html, finalize=recorder.finalize)
            language.filters = {n: recorder.applied(f) for n, f in language.filters.items()}
            language.filters[_WHOLE] = recorder.whole
            tests: dict[str, Any] = dict(language.tests)
            language.tests = {name: recorder.applied(test) for name, test in tests.items()}
        return language

    def _compiled(self, place: Place) -> Page | None:
        path = self.tree.find(*place)
        if path is None:
            return None
        survey = self.survey(path, place.language)
        sources: Mapping[str, str] = {
            name: self.tree.files[file] for name, file in survey.files.items()
        }
        inlined, recorder = True, None
        if place.part is Part.HTML:
            once = Inlined.of(path, sources)
            sources, inlined = once.sources, once.complete
            if self.tree.find(*place[:3], Part.TEXT) is None:
                recorder = Recorder(printable)
        try:
            template = self.environment(place, sources, recorder).get_template(path)
        except TemplateError as error:
            raise TemplateFault(f"templates/{path}: {error}; run antiphon check") from error
        return Page(path, template, sources, inlined, recorder)

    def _link(self, place: Place, campaign: Mapping[str, str] | None) -> Callable[..., str]:
        """The filter `link`, by which every link of a template passes: relative ones are the
        company's; tags are added here, and redirects of our own."""
        target, needs_campaign = self._target(place, campaign)
        if self.counts_clicks:

            @pass_context
            def counted(context: Context, address: str) -> str:
                led = target(context, address)
                links = getattr(context.resolve("links"), "fields", None)
                return links.counted(led) if isinstance(links, LinkFields) else led

            return counted
        if needs_campaign:
            return pass_context(target)
        return lambda address: target(None, address)

    def _target(
        self, place: Place, campaign: Mapping[str, str] | None
    ) -> tuple[Callable[[Context | None, str], str], bool]:
        """Where a link leads; and whether only the message can tell."""
        root, tags = self.website.rstrip("/"), self.tags

        def whole(address: str) -> str:
            return root + address if address.startswith("/") else address

        if tags is None:
            return lambda _, address: whole(address), False
        here = {
            "channel": CHANNELS[place.part],
            "message": place.message,
            "variant": place.variant,
            "language": place.language,
        }
        if campaign is not None:
            there = here | {"campaign": campaign["name"], "category": campaign["category"]}
            return lambda _, address: tags.on(whole(address), there), False

        def target(context: Context | None, address: str) -> str:
            named = context.resolve("campaign") if context is not None else None
            fields: Mapping[str, Any] = getattr(named, "fields", {})
            names = {"campaign": fields.get("name", ""), "category": fields.get("category", "")}
            return tags.on(whole(address), here | names)

        return target, True


class _SeeingValues(TemplateLanguage):
    """A language that compares what macros printed, not the marks that stand in it."""

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree: nodes.Template = _Compared().visit(super()._parse(source, name, filename))
        return tree


class _Compared(NodeTransformer):
    def visit_Compare(self, node: nodes.Compare) -> nodes.Compare:  # noqa: N802
        self.generic_visit(node)
        sides: list[Any] = [node, *node.ops]
        for side in sides:
            side.expr = nodes.Filter(side.expr, _WHOLE, [], [], None, None, lineno=node.lineno)
        return node


def _handles_markup(tree: nodes.Template) -> bool:
    """Whether what a macro or a block printed may get into an expression."""
    printed = {id(child) for output in tree.find_all(nodes.Output) for child in output.nodes}
    printed |= {id(block.call) for block in tree.find_all(nodes.CallBlock)}
    if tree.find(nodes.FilterBlock) or tree.find(nodes.AssignBlock):
        return True
    return any(id(call) not in printed for call in tree.find_all(nodes.Call))
