"""What the commands share."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from ..settings import Settings

CONFIGURATION_ERROR = 78
Data = Annotated[Path | None, typer.Option("--data", help="数据文件夹，默认 ./data")]
AsOf = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="按哪一天的规定回答")]


def settings_of(data: Path | None = None, **changes: Any) -> Settings:
    try:
        return Settings(**(changes | ({"data_dir": data} if data else {})))
    except ValueError as error:
        typer.echo(f"设置不对：{error}", err=True)
        raise typer.Exit(CONFIGURATION_ERROR) from None


def tell(line: str) -> None:
    typer.echo(f"  {line}")
