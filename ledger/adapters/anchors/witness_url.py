"""The URL of a witness: ``http`` or ``https``, a host, perhaps a port and a path."""

from urllib.parse import SplitResult, urlsplit

from ledger.errors import UsageError

PORTS = {"http": 80, "https": 443}


class WitnessUrlError(UsageError):
    """A text is not the URL of a witness."""

    def __init__(self, url: str, fact: str) -> None:
        super().__init__(
            f"{url[:200]!a} is not the URL of a witness",
            fact=fact,
            hint="write it as https://HOST[:PORT][/PATH], without user, query or fragment",
        )
        self.url = url


def split_url(url: str) -> SplitResult:
    """Return the parts of the URL of a witness.

    Raises: WitnessUrlError.
    """
    if not url.isascii() or any(character <= " " or character == "\x7f" for character in url):
        raise WitnessUrlError(url, "it holds a space, a control character or one beyond ASCII")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise WitnessUrlError(url, str(exc)) from exc
    if parts.scheme not in PORTS or not parts.hostname or port == 0:
        raise WitnessUrlError(url, "it names no host that is reached by http or https")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise WitnessUrlError(url, "it has a user, a query or a fragment")
    return parts
