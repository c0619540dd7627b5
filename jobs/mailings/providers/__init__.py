"""Mail providers: whose events are believed, and what they mean."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ProviderOptions:
    """Whose events are believed."""

    ses_topic_arns: frozenset[str] = frozenset()
    """Topics of Amazon SNS. None: no event of SES is."""
    sendgrid_public_key: str | None = None
    """What SendGrid's events are signed with: base64 of DER. None: no event of SendGrid is."""


def public_key_problem(key: str) -> str | None:
    """What is wrong with a public key of SendGrid's; None where nothing is."""
    import base64
    import binascii

    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        found = load_der_public_key(base64.b64decode(key, validate=True))
    except (ValueError, binascii.Error, UnsupportedAlgorithm):
        return "this is not the key as SendGrid shows it, base64 in one line."
    return None if isinstance(found, EllipticCurvePublicKey) else "this is the key of another kind than SendGrid's."
