"""IndexFault
├── EncoderMissing   the encoder's files are not there or do not fit
└── BundleInvalid    a bundle is incomplete, damaged or made for another encoder
"""


class IndexFault(Exception):
    """Anything this package raises on purpose."""


class EncoderMissing(IndexFault):
    pass


class BundleInvalid(IndexFault):
    pass
