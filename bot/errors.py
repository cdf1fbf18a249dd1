"""BotError
├── StoreBusy          the database could not take the write in time; nothing was stored
├── MessageConflict    a client_msg_id came again with another body
├── UnknownConversation
├── VersionConflict    somebody else changed the ticket first
└── Refused            the request makes no sense for this state; the message says why, in Chinese
"""


class BotError(Exception):
    """Anything this package raises on purpose."""


class StoreBusy(BotError):
    pass


class MessageConflict(BotError):
    pass


class UnknownConversation(BotError):
    pass


class VersionConflict(BotError):
    pass


class Refused(BotError):
    pass
