"""Personal data are masked before anything is stored or logged."""

from __future__ import annotations

import re

from stdnum import luhn
from stdnum.cn import ric, uscc

_ID_CARD = re.compile(r"(?<![0-9A-Za-z])\d{17}[\dXx](?![0-9A-Za-z])")
_MOBILE = re.compile(r"(?<!\d)(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}(?!\d)")
_CARD = re.compile(r"(?<!\d)\d(?:[ -]?\d){15,18}(?!\d)")
_LANDLINE = re.compile(r"(?<!\d)0\d{2,3}-?[2-9]\d{6,7}(?!\d)")
_MAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+")
_ADDRESS = re.compile(
    r"[\u4e00-\u9fff]{1,10}(?:路|街|巷|大道|弄|村|小区|花园|公寓)\d{1,5}(?:号|弄|栋|幢|单元|组)"
    r"(?:[\d一-龥-]{0,6}(?:号|栋|幢|座|单元|楼|室|户))*"
)


def mask_personal_data(text: str) -> tuple[str, int]:
    """The text with 身份证号, 银行卡号, 电话, 邮箱, 门牌地址 replaced, and how many were."""
    count = 0

    def replace(label: str, valid: bool = True) -> str | None:
        nonlocal count
        if not valid:
            return None
        count += 1
        return f"[{label}]"

    text = _ID_CARD.sub(
        lambda m: replace("身份证号", ric.is_valid(m[0].upper()) or m[0][6:8] in ("19", "20")) or m[0], text
    )
    text = _CARD.sub(lambda m: replace("银行卡号", _is_card(m[0])) or m[0], text)
    text = _MOBILE.sub(lambda m: replace("手机号") or m[0], text)
    text = _LANDLINE.sub(lambda m: replace("电话") or m[0], text)
    text = _MAIL.sub(lambda m: replace("邮箱") or m[0], text)
    text = _ADDRESS.sub(lambda m: replace("地址") or m[0], text)
    return text, count


def _is_card(text: str) -> bool:
    digits = re.sub(r"\D", "", text)
    return bool(luhn.is_valid(digits)) and not uscc.is_valid(digits)
