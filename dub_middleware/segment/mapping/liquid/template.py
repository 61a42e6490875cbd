"""A template as closures over the event."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from liquid import Environment
from liquid.ast import BlockNode, ConditionalBlockNode, Node
from liquid.builtin.content import ContentNode, Literal
from liquid.builtin.expressions import FilteredExpression
from liquid.builtin.expressions.arguments import KeywordArgument
from liquid.builtin.expressions.filtered import Filter as FilterCall
from liquid.builtin.illegal import Illegal
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.assign_tag import AssignNode, AssignTag
from liquid.builtin.tags.capture_tag import CaptureNode, CaptureTag
from liquid.builtin.tags.comment_tag import CommentNode, CommentTag
from liquid.builtin.tags.echo_tag import EchoTag
from liquid.builtin.tags.if_tag import IfNode, IfTag
from liquid.builtin.tags.inline_comment_tag import InlineCommentTag
from liquid.builtin.tags.liquid_tag import LiquidNode, LiquidTag
from liquid.builtin.tags.unless_tag import UnlessNode, UnlessTag
from liquid.exceptions import LiquidError
from liquid.stream import TokenStream
from liquid.tag import Tag

from dub_middleware.errors import MappingError
from dub_middleware.segment.javascript import whole
from dub_middleware.segment.mapping.liquid.conditions import Evaluate, Scope, condition, value_of
from dub_middleware.segment.mapping.liquid.filters import DISABLED, FILTERS, UNSUPPORTED, Filter
from dub_middleware.segment.mapping.liquid.values import text
from dub_middleware.segment.mapping.nodes import Resolver, Work

Render = Callable[[Scope, Work], str]

_TAGS: tuple[type[Tag], ...] = (
    AssignTag, CaptureTag, CommentTag, EchoTag, IfTag, Illegal, InlineCommentTag, LiquidTag, Literal, Output,
    UnlessTag,
)  # fmt: skip
_DISABLED_TAGS = ("case", "for", "include", "layout", "render", "tablerow")
_UNSUPPORTED_TAGS = ("block", "break", "continue", "cycle", "decrement", "doc", "increment")


class _Environment(Environment):
    """python-liquid's parser, with the tags that Segment allows."""

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        for tag in _TAGS:
            self.add_tag(tag)
        for name in _DISABLED_TAGS:
            self.tags[name] = _Refused(self, name, f'tag "{name}" is disabled')
        for name in _UNSUPPORTED_TAGS:
            self.tags[name] = _Refused(self, name, f'tag "{name}" is not supported')


class _Refused(Tag):
    """A tag that is an error where it stands."""

    block = False

    def __init__(self, env: Environment, name: str, message: str) -> None:
        super().__init__(env)
        self.name = name
        self._message = message

    def parse(self, stream: TokenStream) -> Node:
        raise MappingError(self._message)


_ENVIRONMENT = _Environment()


def compile_source(source: str) -> Resolver:
    """Return what renders a template. Raises `MappingError`."""
    render = _sequence(_parse(source))
    return lambda payload, work: render(Scope(payload), work)


def _parse(source: str) -> Sequence[Node]:
    try:
        return _ENVIRONMENT.parse(source).nodes
    except LiquidError as error:
        rewritten = _with_quoted_words(source)
        if rewritten != source:
            return _parse(rewritten)
        cause = error.__cause__
        if isinstance(cause, MappingError):
            raise cause from None
        raise MappingError(f"not supported: {error.args[0]}") from None


# python-liquid takes its own words for no property names, LiquidJS does
_MARKUP = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_WORD = re.compile(
    r"""("[^"]*"|'[^']*')|(?<=[\w\]])\.(and|as|blank|cols|contains|continue|else|empty|false|for|if|in|limit"""
    r"""|nil|not|null|offset|or|required|reversed|true|with)(?![\w?-])"""
)


def _with_quoted_words(source: str) -> str:
    """Return ``a.limit`` as ``a["limit"]``; the text itself stays."""
    if "raw" in source:
        return source  # where markup is text
    return _MARKUP.sub(lambda part: _WORD.sub(lambda m: m[1] or f'["{m[2]}"]', part[0]), source)


def _sequence(nodes: Sequence[Node]) -> Render:
    parts = [_node(node) for node in nodes]

    def render(scope: Scope, work: Work) -> str:
        pieces: list[str] = []
        for part in parts:
            piece = part(scope, work)
            work.spend(len(piece))
            pieces.append(piece)
        return whole("".join(pieces))

    return render


def _node(node: Node) -> Render:
    if isinstance(node, ContentNode):
        return _content(node.text)
    if isinstance(node, OutputNode):
        return _output(node)
    if isinstance(node, CommentNode):
        return _content("")
    if isinstance(node, (IfNode, UnlessNode)):
        return _branches(node)
    if isinstance(node, AssignNode):
        return _assign(node)
    if isinstance(node, CaptureNode):
        return _capture(node)
    if isinstance(node, LiquidNode):
        return _sequence(node.block.nodes)
    raise MappingError(f"{node} is not supported")


def _content(string: str) -> Render:
    return lambda scope, work: string


def _output(node: OutputNode) -> Render:
    evaluate = _filtered(node.expression)
    return lambda scope, work: text(evaluate(scope, work))


def _assign(node: AssignNode) -> Render:
    name, evaluate = str(node.name), _filtered(node.expression)

    def render(scope: Scope, work: Work) -> str:
        scope.names[name] = evaluate(scope, work)
        return ""

    return render


def _capture(node: CaptureNode) -> Render:
    name, inside = str(node.name), _sequence(node.block.nodes)

    def render(scope: Scope, work: Work) -> str:
        scope.names[name] = inside(scope, work)
        return ""

    return render


def _branches(node: IfNode | UnlessNode) -> Render:
    first, negated = condition(node.condition), isinstance(node, UnlessNode)
    consequence = _sequence(node.consequence.nodes)
    others = [_branch(block) for block in node.alternatives]
    default = _sequence(node.default.nodes) if node.default else _content("")

    def render(scope: Scope, work: Work) -> str:
        if first(scope) is not negated:
            return consequence(scope, work)
        for holds, inside in others:
            if holds(scope):
                return inside(scope, work)
        return default(scope, work)

    return render


def _branch(block: ConditionalBlockNode) -> tuple[Callable[[Scope], bool], Render]:
    inside: BlockNode = block.block
    return condition(block.expression), _sequence(inside.nodes)


# -- filters -----------------------------------------------------------------------------------------


def _filtered(expression: Any) -> Callable[[Scope, Work], Any]:
    if not isinstance(expression, FilteredExpression):
        raise MappingError(f"{expression} is not supported")
    value = value_of(expression.left)
    calls = [call for item in expression.filters or () if (call := _call(item)) is not None]

    def evaluate(scope: Scope, work: Work) -> Any:
        found = value(scope)
        for filter_, positional, named in calls:
            arguments = [argument(scope) for argument in positional]
            found = filter_(work, found, *arguments, **{key: arg(scope) for key, arg in named.items()})
            if isinstance(found, (str, list)):
                work.spend(len(found))
            if isinstance(found, str):
                found = whole(found)
        return found

    return evaluate


def _call(item: FilterCall) -> tuple[Filter, list[Evaluate], dict[str, Evaluate]] | None:
    if item.name in DISABLED:
        raise MappingError(f'filter "{item.name}" is disabled')
    if item.name in UNSUPPORTED:
        raise MappingError(f'filter "{item.name}" is not supported')
    named = {arg.name: value_of(arg.value) for arg in item.args if isinstance(arg, KeywordArgument)}
    positional = [value_of(arg.value) for arg in item.args if not isinstance(arg, KeywordArgument)]
    if item.name not in FILTERS:
        return None  # what is no filter gives its value through
    if item.name in ("json", "jsonify") and item.args:
        raise MappingError("json with an indent is not supported")
    if named and (item.name != "default" or set(named) != {"allow_false"}):
        raise MappingError(f'filter "{item.name}" with named arguments is not supported')
    return FILTERS[item.name], positional, named
