"""Conditions of scenarios: plain expressions over answers, in three-valued logic.

An answer that is not known yet makes a comparison unknown (None), so that an outcome is shown only when it is
certain. Grammar: names, string literals, == != in not in, and or not, parentheses, True.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import lru_cache

_ALLOWED = (
    ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.Compare, ast.Eq, ast.NotEq, ast.In,
    ast.NotIn, ast.Name, ast.Load, ast.Constant, ast.Tuple, ast.List,
)  # fmt: skip


@lru_cache(maxsize=4096)
def parse_condition(expression: str) -> ast.expr:
    """Raises ValueError where the expression is more than a plain condition."""
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except SyntaxError as error:
        raise ValueError(f"条件写法不对：{expression}") from error
    for node in ast.walk(tree):
        if not isinstance(node, _ALLOWED):
            raise ValueError(f"条件里不能用 {type(node).__name__}：{expression}")
        if isinstance(node, ast.Compare) and not isinstance(node.left, ast.Name):
            raise ValueError(f"比较的左边要是问题编号：{expression}")
        if isinstance(node, ast.Constant) and not isinstance(node.value, str | bool):
            raise ValueError(f"条件里只能用文字或 True：{expression}")
    return tree.body


def names_in(expression: str) -> set[str]:
    return {n.id for n in ast.walk(parse_condition(expression)) if isinstance(n, ast.Name)}


def literals_in(expression: str) -> list[tuple[str, str]]:
    """(question id, compared value) pairs."""
    pairs = []
    for node in ast.walk(parse_condition(expression)):
        if isinstance(node, ast.Compare) and isinstance(node.left, ast.Name):
            for value in _values(node.comparators[0]):
                pairs.append((node.left.id, value))
    return pairs


def is_true(expression: str, answers: Mapping[str, str], skipped: frozenset[str] = frozenset()) -> bool | None:
    """True, False, or None where an answer that matters is not known. A skipped question equals no value."""
    return _evaluate(parse_condition(expression), answers, skipped)


def _evaluate(node: ast.expr, answers: Mapping[str, str], skipped: frozenset[str]) -> bool | None:
    if isinstance(node, ast.BoolOp):
        values = [_evaluate(v, answers, skipped) for v in node.values]
        decisive = isinstance(node.op, ast.Or)
        if decisive in values:
            return decisive
        return None if None in values else not decisive
    if isinstance(node, ast.UnaryOp):
        value = _evaluate(node.operand, answers, skipped)
        return None if value is None else not value
    if isinstance(node, ast.Compare) and isinstance(node.left, ast.Name):
        name, negated = node.left.id, isinstance(node.ops[0], ast.NotEq | ast.NotIn)
        if name not in answers:
            return negated if name in skipped else None
        return (answers[name] in _values(node.comparators[0])) != negated
    if isinstance(node, ast.Constant):
        return bool(node.value)
    if isinstance(node, ast.Name):
        return None if node.id not in answers and node.id not in skipped else node.id in answers
    raise ValueError(f"条件写法不对：{ast.unparse(node)}")


def _values(node: ast.expr) -> tuple[str, ...]:
    if isinstance(node, ast.Constant):
        return (str(node.value),)
    if isinstance(node, ast.Tuple | ast.List):
        return tuple(str(v.value) for v in node.elts if isinstance(v, ast.Constant))
    raise ValueError("比较的右边要是文字或一组文字")
