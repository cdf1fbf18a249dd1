"""Working days 工作日 with make-up days; beyond the table a date is estimated from weekends and flagged."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import yaml

CALENDAR_FILE = Path(__file__).with_name("calendar.yaml")
SHANGHAI = ZoneInfo("Asia/Shanghai")
END_OF_DAY = time(17, 30)


@cache
def _calendar() -> tuple[dict[date, bool], frozenset[int]]:
    """Days that differ from the plain week (True: work), and the years that the table covers."""
    table = yaml.safe_load(CALENDAR_FILE.read_text(encoding="utf-8"))
    days: dict[date, bool] = {}
    for year in table["years"].values():
        days.update(dict.fromkeys(year["rest"], False))
        days.update(dict.fromkeys(year["work"], True))
    return days, frozenset(table["years"])


def is_working_day(day: date) -> bool:
    days, _ = _calendar()
    return days.get(day, day.weekday() < 5)


def is_known_year(year: int) -> bool:
    return year in _calendar()[1]


def add_working_days(start: date, count: int) -> tuple[date, bool]:
    """The working day `count` working days after `start` (which does not count), and whether it is estimated."""
    day, left = start, count
    while left:
        day += timedelta(days=1)
        left -= is_working_day(day)
    return day, not all(is_known_year(y) for y in range(start.year, day.year + 1))


def promise(opened: datetime, working_days: int) -> tuple[datetime, bool]:
    """End of the promised working day in Asia/Shanghai, and whether the calendar is only estimated."""
    day, estimated = add_working_days(opened.astimezone(SHANGHAI).date(), working_days)
    return datetime.combine(day, END_OF_DAY, SHANGHAI), estimated
