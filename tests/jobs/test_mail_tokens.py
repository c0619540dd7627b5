"""Tokens of tracking: read as they were signed, and nothing else is read."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.mailings.tokens import LONGEST_TOKEN, LONGEST_URL, Addresses, Kind, Token, Tokens

TOKENS = Tokens(b"a secret of sixt")
ADDRESSES = Addresses(TOKENS, "https://mail.example.com/")
CLICK = Token(Kind.CLICK, 1, 2, 3, "https://x.example/é?a=1&b=2")
IDS = st.integers(1, 2**63 - 1)


@settings(max_examples=50, deadline=None)
@given(kind=st.sampled_from(Kind), ids=st.tuples(IDS, IDS, IDS), url=st.text(st.characters(codec="utf-8"), max_size=99))
def test_what_was_signed_is_read_again_as_its_own_kind_only(kind: Kind, ids: tuple[int, int, int], url: str) -> None:
    token = Token(kind, ids[0], ids[1], ids[2], url) if kind is Kind.CLICK else Token(kind, ids[0], ids[1])
    signed = TOKENS.sign(token)
    assert {one: TOKENS.read(signed, one) for one in Kind} == {**dict.fromkeys(Kind), kind: token}
    assert TOKENS.sign(token) == signed


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=200) | st.text("abcXYZ019-_.=", max_size=200), kind=st.sampled_from(Kind))
def test_what_was_not_signed_is_nothing(text: str, kind: Kind) -> None:
    assert TOKENS.read(text, kind) is None
    assert TOKENS.recipient_of(text) is None


def test_no_changed_cut_or_longer_text_is_read() -> None:
    signed = TOKENS.sign(CLICK)
    changed = [signed[:place] + "AB"[signed[place] == "A"] + signed[place + 1 :] for place in range(len(signed))]
    cut = [signed[:place] for place in range(len(signed))]
    longer = [
        f"{signed}!",
        f"{signed}=",
        f" {signed}",
        f"{signed}\n",
        f"{signed[:-43]}={signed[-43:]}",
        "x" * 1_000_000,
    ]
    assert {TOKENS.read(text, Kind.CLICK) for text in [*changed, *cut, *longer]} == {None}
    assert Tokens(b"another secret..").read(signed, Kind.CLICK) is None


def test_the_longest_address_makes_a_token_that_is_read() -> None:
    token = Token(Kind.CLICK, 2**63 - 1, 2**63 - 1, 2**63 - 1, "https://x.example/" + '"' * (LONGEST_URL - 18))
    assert len(TOKENS.sign(token)) > LONGEST_TOKEN
    token = Token(Kind.CLICK, 2**63 - 1, 2**63 - 1, 2**63 - 1, "https://x.example/" + "é" * (LONGEST_URL // 2 - 9))
    signed = TOKENS.sign(token)
    assert len(signed) <= LONGEST_TOKEN
    assert TOKENS.read(signed, Kind.CLICK) == token


def test_addresses_are_paths_with_tokens_and_no_two_are_alike() -> None:
    made = [
        ADDRESSES.open_url(1, 2),
        ADDRESSES.click_url(1, 2, 3, "https://x.example/é?a=1&b=2"),
        ADDRESSES.unsubscribe_url(1, 2),
    ]
    starts = [f"https://mail.example.com/t/{kind}/" for kind in "ocu"]
    tokens = [url.removeprefix(start).removesuffix(".gif") for url, start in zip(made, starts, strict=True)]
    kinds = (Kind.OPEN, Kind.CLICK, Kind.UNSUBSCRIBE)
    assert [TOKENS.read(token, kind) for token, kind in zip(tokens, kinds, strict=True)] == [
        Token(Kind.OPEN, 1, 2),
        CLICK,
        Token(Kind.UNSUBSCRIBE, 1, 2),
    ]


@pytest.mark.parametrize("written", ["{}", " {}\r\n", "{}@elsewhere"])
def test_a_message_id_tells_its_recipient(written: str) -> None:
    message_id = TOKENS.message_id(1, 2, "example.com")
    assert message_id == TOKENS.message_id(1, 2, "example.com")
    assert (message_id[0], message_id[-13:]) == ("<", "@example.com>")
    assert TOKENS.recipient_of(written.format(message_id)) == Token(Kind.RECIPIENT, 1, 2)
    assert TOKENS.recipient_of(message_id.strip("<>")) == Token(Kind.RECIPIENT, 1, 2)
