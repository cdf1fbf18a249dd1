"""JSON logs, masked at the sink: no text of a citizen, no personal data."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

import structlog

from .answering.mask import mask_personal_data


def configure_logs(level: int = logging.WARNING) -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            _masked,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
    )


def _masked(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = mask_personal_data(value)[0]
    return event
