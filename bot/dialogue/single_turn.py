"""What a short text wants when Rasa is late or down: the same say keys, by plain patterns."""

from __future__ import annotations

import re

_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (key, re.compile(rf"^(?:{pattern})[\s,，.。!！?？~]*$"))
    for key, pattern in (
        ("greet", r"(?:你|您|大家)好(?:啊|呀|吗|哦)?|"
         r"哈喽|嗨|在吗|在不在|在么|有人吗|早上好|上午好|中午好|下午好|晚上好|hi|hello|hey|喂"),
        ("thank", r"(?:好的?[,，]?)?(?:谢谢|多谢|感谢|谢了|辛苦了|thanks|thank you|thx)(?:你|您|啊|了|哈|！|very much|so much)*"),
        ("goodbye", r"再见|拜拜|bye|goodbye|我走了|先这样|回头见|下次再聊|没(?:有)?(?:别的)?(?:事|问题)了"),
        ("affirm", r"好|好的|好吧|行|可以|嗯+|是|是的|对|对的|要|要的|需要|同意|确认|没错|ok|okay|yes|转吧|可以的|帮我转|转交吧|麻烦了|好啊"),
        ("deny", r"不|不要|不用|不用了|不是|不对|不行|不需要|算了|先不|no|nope|不转|别转|不必了|没有"),
        ("repeat", r"(?:请)?再说一(?:遍|次)|重复一(?:遍|下)|没听清|没看清|刚才说的?什么|你刚才说啥"),
        ("bot_challenge",
         r"你?是(?:不是)?(?:机器人|真人|人工智能|人吗|机器)(?:吗|还是真人|么)?|是真人(?:吗|还是机器人)|are you (?:a )?(?:bot|robot|human)"),
        ("stop", r"结束|退出|停止|不问了|不办了"),
        ("back", r"上一步|返回上一步|回到上一步"),
        ("restart_form", r"重新来|重来|从头来|重新开始"),
    )
)
_ASK_HUMAN = re.compile(
    r"转(?:接)?(?:人工|真人|工作人员|客服)|(?:^|[要找想请有让叫])(?:个)?(?:人工|真人|活人)(?:客服|服务|坐席)?(?=$|[\s,，。!！?？吧呢啊])|(?:找|要|让)(?:个)?(?:工作人员|客服|领导|负责人)(?:来|说|谈|跟我|$|聊|。)|"
    r"(?:talk|speak) to (?:a )?(?:human|person|agent|someone)|real person|^human$"
)


def find_intent(text: str) -> str | None:
    """The say key that the normalised text stands for as a whole, or None for anything with content."""
    for key, pattern in _PATTERNS:
        if pattern.match(text):
            return key
    if len(text) <= 20 and _ASK_HUMAN.search(text):
        return "ask_human"
    return None
