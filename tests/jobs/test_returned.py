"""Mails that came back are recorded where they are about mails of ours, each once, whatever else lies in the mailbox."""

import os
import re
import tarfile
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from db.engine import Database
from jobs.mailings.bounces import LARGEST, read
from jobs.mailings.keys import tokens_of
from jobs.mailings.mailboxes import Mail, Skipped, mails_of
from jobs.mailings.messages import MessageMaker
from jobs.mailings.returned import BATCH, Counts, files_in, kind_of, take
from jobs.mailings.templates import Template
from jobs.mailings.tokens import Addresses, Tokens
from tests.mailings import mailing_of

BOUNCES = Path(__file__).parents[3] / "shared/data/email/bounces.tar.gz"
DATE = "Tue, 10 Mar 2026 13:00:00 +0100"
WRITTEN = datetime(2026, 3, 10, 12, tzinfo=UTC)
FAILED = "Action: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 No such user"
LATE = "Action: failed\nStatus: 4.4.7\nDiagnostic-Code: smtp; 451 too long"
DELAYED = "Action: delayed\nStatus: 4.4.1"
BUSY = {"bounceType": "Transient", "status": "4.4.7", "errorMessage": "smtp; 451 too long"}
GONE = {"bounceType": "Permanent", "status": "5.1.1", "errorMessage": "smtp; 550 5.1.1 No such user"}


def sent(tokens: Tokens, workspace: int, recipient: int) -> str:
    """The mail that a recipient got."""
    template = Template.of("Hello", "<p>Hello</p>", None)
    addresses = Addresses(tokens, "https://mail.example.com")
    maker = MessageMaker.of(template, "news@groundswell.example", addresses, [], "groundswell.example")
    return maker.make(workspace, recipient, "ann@example.com", None, {}).content.decode().replace("\r\n", "\n")


def report(kind: str, said: str, copy: str, *, of: str = "message/rfc822", date: str = DATE) -> bytes:
    """What a mail server writes of a mail."""
    name = "message/feedback-report" if kind == "feedback-report" else "message/delivery-status"
    parts = [("text/plain", "Sorry, it did not work.\n"), (name, said), (of, copy)]
    return (
        f"Return-Path: <>\nFrom: MAILER-DAEMON@mx.example\nDate: {date}\nMIME-Version: 1.0\n"
        f"Content-Type: multipart/report; report-type={kind}; boundary=outer\n\n"
        + "".join(f"--outer\nContent-Type: {form}\n\n{content}\n" for form, content in parts)
        + "--outer--\n"
    ).encode()


def bounce(fields: str, copy: str, *, of: str = "message/rfc822", date: str = DATE) -> bytes:
    group = f"Reporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; ann@example.com\n{fields}\n"
    return report("delivery-status", group, copy, of=of, date=date)


def complaint(copy: str, kind: str = "abuse") -> bytes:
    return report("feedback-report", f"Feedback-Type: {kind}\nUser-Agent: Test/1\nVersion: 1\n", copy)


def headers(mail: str) -> str:
    return mail.partition("\n\n")[0] + "\n"


def replaced(mail: str) -> str:
    """As SES sends it on: with a Message-ID of its own, and long headers folded."""
    lines = [line for line in headers(mail).splitlines() if not line.startswith("Message-ID:")]
    folded = [line.replace(": ", ":\n ", 1) if line.startswith("X-Groundswell") else line for line in lines]
    return "\n".join(["Message-ID: <0102018f-1@eu-west-1.amazonses.com>", *folded, ""])


def quoted(mail: str) -> bytes:
    """As qmail writes it, in prose."""
    copy = mail.replace("X-Groundswell-Recipient", "x-groundswell-recipient")
    hello = "Hi. This is the qmail-send program.\n\n<ann@example.com>:\nRemote host said: 550 5.2.1 disabled\n"
    return f"Return-Path: <>\nDate: {DATE}\n\n{hello}\n--- Below this line is a copy of the message.\n\n{copy}".encode()


def put(folder: Path, *mails: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, mail in enumerate(mails):
        (folder / f"{number}.eml").write_bytes(mail)
    return folder


async def taken(database: Database, *paths: Path) -> Counts:
    files, unseen = files_in(paths)
    assert unseen == []
    return await take(database, await tokens_of(database), files)


async def events(database: Database, workspace: int) -> Sequence[tuple[object, ...]]:
    """Whose they are, of which type, with what data, when; by recipient."""
    async with database.write(workspace) as transaction:
        rows = await transaction.rows(
            text("SELECT recipient_id, type, data, occurred_at FROM email_events ORDER BY recipient_id, type")
        )
    return [tuple(row) for row in rows]


async def suppressed(database: Database, workspace: int) -> Sequence[tuple[object, ...]]:
    async with database.write(workspace) as transaction:
        rows = await transaction.rows(text("SELECT recipient_id, reason FROM suppressions ORDER BY recipient_id"))
    return [tuple(row) for row in rows]


async def test_what_came_back_is_recorded_once(
    database: Database, workspace: int, other_workspace: int, tmp_path: Path
) -> None:
    tokens = await tokens_of(database)
    hard, soft, spam, prose, late, nobody = (await mailing_of(database, workspace, 6, sent=5)).recipient_ids
    [theirs] = (await mailing_of(database, other_workspace, 1, sent=1)).recipient_ids
    mails = {one: sent(tokens, workspace, one) for one in (hard, soft, spam, prose, late, nobody)}
    folder = put(
        tmp_path / "mails",
        bounce(FAILED, mails[hard]),
        bounce(LATE, replaced(mails[soft]), of="text/rfc822-headers", date="Mon, 1 Jan 1990 00:00:00 +0000"),
        complaint(mails[spam]),
        complaint(mails[late], "not-spam"),
        quoted(mails[prose]),
        bounce(DELAYED, mails[late]),
        bounce(FAILED, mails[nobody]),
        bounce(FAILED, sent(tokens, other_workspace, theirs)).replace(b"\n", b"\r\n"),
        bounce(FAILED, sent(Tokens(b"of another database"), workspace, hard)),
        bounce(FAILED, "Message-ID: <foreign@example.com>\n\nHello\n"),
        mails[hard].encode(),
        b"From: ann@example.com\nSubject: Re: Hello\n\nThank you!\n",
        b"",
        bytes(range(256)) * 16,
    )
    put(tmp_path / "more", bounce(FAILED, mails[hard]))
    before = datetime.now(UTC)
    counts = await taken(database, folder, tmp_path / "more" / "0.eml")
    refused = [Skipped(str(folder / "6.eml"), "Nothing was sent to this recipient yet.")]
    assert counts == Counts(15, 4, 1, 1, 1, 6, 1, refused, [])
    found = await events(database, workspace)
    [at] = [row[3] for row in found if row[0] == soft]
    assert isinstance(at, datetime)
    assert before <= at <= datetime.now(UTC)  # such a Date cannot be
    disabled = {"bounceType": "Permanent", "status": "5.2.1", "errorMessage": "550 5.2.1 disabled"}
    assert found == [
        (hard, "BOUNCE", GONE, WRITTEN),
        (soft, "BOUNCE", BUSY, at),
        (spam, "COMPLAIN", {"feedbackType": "abuse"}, WRITTEN),
        (prose, "BOUNCE", disabled, WRITTEN),
    ]
    assert await suppressed(database, workspace) == [(hard, "BOUNCED"), (spam, "COMPLAINED"), (prose, "BOUNCED")]
    assert await events(database, other_workspace) == [(theirs, "BOUNCE", GONE, WRITTEN)]

    assert await taken(database, tmp_path) == Counts(15, 0, 0, 6, 1, 6, 1, refused, [])
    assert await events(database, workspace) == found


def test_only_what_speaks_of_the_address_is_final() -> None:
    final = ("5.0.0", "5.1.1", "5.1.10", "5.2.1", "5.4.4")
    others = ("4.2.2", "5.2.2", "5.2.3", "5.3.4", "5.7.1")
    assert [kind_of(status) for status in final] == ["Permanent"] * len(final)
    assert [kind_of(status) for status in others] == ["Transient"] * len(others)
    assert [kind_of(status) for status in (None, "", "2.0.0")] == [None] * 3


async def test_mailboxes_of_all_kinds(database: Database, workspace: int, tmp_path: Path) -> None:
    tokens = await tokens_of(database)
    people = (await mailing_of(database, workspace, 5, sent=5)).recipient_ids
    new, cur, tmp, first, second = (bounce(FAILED, sent(tokens, workspace, one)) for one in people)
    maildir = tmp_path / "mails" / "bounces"
    put(maildir / "new", new), put(maildir / "cur", cur), put(maildir / "tmp", tmp)
    (maildir / "dovecot-uidlist").write_text("3 V1")
    (tmp_path / "mails" / ".hidden").write_bytes(tmp)
    line = b"From MAILER-DAEMON Tue Mar 10 12:00:00 2026\n"
    mbox = tmp_path / "mails" / "mbox"
    mbox.write_bytes(line + first + b"\n" + line + second + b"\n")
    counts = await taken(database, tmp_path / "mails")
    assert (counts.read, counts.bounces, counts.unreadable) == (4, 4, [])
    assert {row[0] for row in await events(database, workspace)} == {one for one in people if one != people[2]}

    # Mail programs move what is read, and write into an mbox that it is.
    (maildir / "new" / "0.eml").rename(maildir / "cur" / "1.eml:2,S")
    mbox.write_bytes(
        line + b"Status: RO\n" + first + b"\n" + line + second.replace(b"\n\n", b"\nX-UID: 7\n\n", 1) + b"\n"
    )
    counts = await taken(database, maildir, mbox)
    assert (counts.read, counts.bounces, counts.duplicates) == (4, 0, 4)


async def test_more_than_a_batch_with_files_that_cannot_be_read(
    database: Database, workspace: int, tmp_path: Path
) -> None:
    tokens = await tokens_of(database)
    [one] = (await mailing_of(database, workspace, 1, sent=1)).recipient_ids
    copy = sent(tokens, workspace, one)
    folder = put(tmp_path / "mails", *(bounce(f"{FAILED} {number}", copy) for number in range(BATCH + 1)))
    os.mkfifo(folder / "0-pipe")
    (folder / "1-nowhere").symlink_to(tmp_path / "missing")
    files, _ = files_in([folder])
    told: list[int] = []
    stopped: list[bool] = []
    first = await take(database, tokens, files, lambda: bool(stopped), lambda counts, _: stopped.append(True))
    assert (first.read, first.bounces, len(first.unreadable)) == (BATCH - 2, BATCH - 2, 2)
    counts = await take(database, tokens, files, told=lambda counts, size: told.append(size))
    assert (counts.read, counts.bounces, counts.duplicates) == (BATCH + 1, 3, BATCH - 2)
    sizes = [file.stat().st_size for file in files if file.is_file()]
    assert told == [sum(sizes[: BATCH - 2]), sum(sizes)]
    assert counts.unreadable == [
        Skipped(str(folder / "0-pipe"), "It is no file."),
        Skipped(str(folder / "1-nowhere"), "No such file or directory"),
    ]


def test_of_a_large_mail_all_bytes_make_its_key(tmp_path: Path) -> None:
    mails = [b"Subject: a\n\n" + b"x" * LARGEST + end for end in (b"a", b"b")]
    found = [next(mails_of(file)) for file in files_in([put(tmp_path / "mails", *mails)])[0]]
    first, second = (one for one in found if isinstance(one, Mail))
    assert (len(first.content), first.size) == (LARGEST, LARGEST + 13)
    assert first.digest != second.digest


@pytest.mark.skipif(not BOUNCES.exists(), reason="needs ../shared/data/email")
async def test_of_197_real_ones_none_is_ours(database: Database, workspace: int, tmp_path: Path) -> None:
    with tarfile.open(BOUNCES) as archive:
        archive.extractall(tmp_path, filter="data")
    assert await taken(database, tmp_path) == Counts(read=197, not_ours=197)
    assert await events(database, workspace) == []


@pytest.mark.skipif(not BOUNCES.exists(), reason="needs ../shared/data/email")
def test_real_ones_that_quote_our_header_are_ours() -> None:
    found = Counter[tuple[bool, bool]]()
    with tarfile.open(BOUNCES) as archive:
        for file in filter(None, map(archive.extractfile, archive)):
            content = file.read()
            quoted_id = (read(content).original_message_id or "<>").encode()
            place = re.compile(rb"^([> \t]*)(Message-ID:\s*)" + re.escape(quoted_id), re.IGNORECASE | re.MULTILINE)
            ours, times = place.subn(rb"\1X-Groundswell-Recipient: tok-en_1\n\g<0>", content)
            found[times > 0, read(ours).recipient_token == "tok-en_1"] += 1
    assert found == {(True, True): 167, (False, False): 30}  # of which 29 quote no Message-ID, and one answers it
