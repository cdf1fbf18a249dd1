"""`minda explain`: how a reply came about, in words; the whole record as JSON where a program asks."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from .options import Data, settings_of


def explain(
    reply_id: str,
    as_json: Annotated[bool, typer.Option("--json", help="原始记录")] = False,
    data: Data = None,
) -> None:
    """一条答复是怎么来的：步骤、候选、修订、快照、模型、用时。"""
    from .. import store
    from ..app import prepare_database
    from ..explanation import explain_trace

    database = prepare_database(settings_of(data))
    found = database.read_now(lambda c: store.find_trace(c, reply_id))
    database.close()
    if found is None:
        typer.echo("没有这条答复。", err=True)
        raise typer.Exit(1)
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=1))
        return
    for section in explain_trace(found):
        typer.echo(section.title)
        for name, value in section.rows:
            typer.echo(f"  {name}：{value}")
