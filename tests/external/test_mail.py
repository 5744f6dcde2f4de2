"""Letters: written from the templates in two languages, handed to a real mail server or put into a folder, never twice in doubt."""

from __future__ import annotations

import socket
import ssl
import threading
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default

import pytest
from jinja2 import UndefinedError

from tests import certificates
from tests.mailbox import mailbox
from trialcrf.external import mail
from trialcrf.external.language import LANGUAGES, PSEUDO
from trialcrf.external.mail import Folder, Letter, NotTaken, Refused, Server, Unsure, message_id

AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
LETTER = Letter("cora@example.org", "Des visites en retard à Paris", "Bonjour,\nvoyez ici : http://127.0.0.1:8000/x\n", "<abc@localhost>")
VALUES = {
    "remind": {
        "study": "SALT-01", "site": "01", "state": "overdue", "count": 3, "text": "⟦A weighing is missing.⟧", "name": "Cora",
        "link": "http://127.0.0.1/x", "stop": "http://127.0.0.1/stop",
    },
    "digest": {
        "study": "SALT-01", "sites": [{"site": "01", "name": "Paris", "due_soon": 1, "due": 2, "overdue": 3}], "days": 14,
        "checkpoint": "c0ffee", "known_at": "2026-11-21 09:00:00 UTC", "name": "Cora", "link": "http://127.0.0.1/x",
        "stop": "http://127.0.0.1/stop",
    },
    "serious": {"study": "SALT-01", "site": "01", "name": "Ivan", "link": "http://127.0.0.1/x"},
    "clock": {
        "study": "SALT-01", "site": "01", "number": 3, "obligation": "⟦Report to the sponsor⟧", "over": False, "at_once": False, "hours": 4,
        "name": "Ivan", "link": "http://127.0.0.1/x",
    },
    "invite": {"username": "ivan", "days": 7, "name": "Ivan", "link": "http://127.0.0.1/x"},
}  # fmt: skip


def text_of(message):
    """Lines of a mail end with CRLF on the wire."""
    return message.get_content().replace("\r\n", "\n")


@pytest.fixture
def box():
    with mailbox() as made:
        yield made


def test_a_mail_server_gets_the_letter_as_it_was_written(box):
    assert Server(box.url, "trialcrf@localhost").send(LETTER, AT) == "250 taken as 1", "what it replied is kept with the mail"
    ((to, message),) = box.taken
    assert (to, message["To"], message["From"]) == ("cora@example.org", "cora@example.org", "trialcrf@localhost")
    assert (message["Subject"], message["Message-ID"]) == (LETTER.subject, "<abc@localhost>")
    assert message["Date"].datetime == AT
    assert message["Auto-Submitted"] == "auto-generated"
    assert text_of(message) == LETTER.body


def test_a_folder_gets_the_same_letter_once(tmp_path):
    folder = Folder(tmp_path / "mail", "trialcrf@localhost")
    assert folder.send(LETTER, AT) == folder.send(LETTER, AT) == "abc.eml"
    (path,) = (tmp_path / "mail").iterdir()
    message = message_from_bytes(path.read_bytes(), policy=default)
    assert path.name == "abc.eml"
    assert (message["Subject"], text_of(message)) == (LETTER.subject, LETTER.body)
    assert path.stat().st_mode & 0o077 == 0, "an invitation opens an account: nobody else reads it"
    assert path.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("step", ["RCPT", "DATA"])
def test_a_refusal_is_certain(box, step):
    box.refuse_at = step
    with pytest.raises(NotTaken, match="45") as told:
        Server(box.url, "trialcrf@localhost").send(LETTER, AT)
    assert not isinstance(told.value, Refused), "for now: it may go later"
    assert box.taken == []


@pytest.mark.parametrize("step", ["RCPT", "DATA"])
def test_a_refusal_for_good_is_told_as_such_in_the_words_of_the_server(box, step):
    box.refuse_at, box.refusal = step, "550 5.1.1 no such user"
    with pytest.raises(Refused, match="no such user"):
        Server(box.url, "trialcrf@localhost").send(LETTER, AT)
    assert box.taken == []


@pytest.mark.parametrize(("step", "failure", "taken"), [("RCPT", NotTaken, 0), ("DATA", Unsure, 1)])
def test_a_server_that_thinks_too_long_is_left_and_after_the_text_that_is_no_refusal(box, step, failure, taken):
    box.slow, box.slow_at = 1.0, step
    with pytest.raises(failure):
        Server(box.url, "trialcrf@localhost", patience=0.2).send(LETTER, AT)
    assert len(box.taken) == taken


def test_the_address_that_stops_such_mails_is_whole_in_its_header(box):
    url = "https://crf.example.org/reminders/stop/" + "WyJzdG9wIiwiMTIiLCJtc2Nfc3NjIl0" * 6
    Server(box.url, "trialcrf@localhost").send(replace(LETTER, stop_url=url), AT)
    ((_, message),) = box.taken
    assert message["List-Unsubscribe"] == f"<{url}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert (message["Subject"], text_of(message)) == (LETTER.subject, LETTER.body)


def test_a_letter_that_cannot_be_stopped_says_nothing_of_it(box):
    Server(box.url, "trialcrf@localhost").send(LETTER, AT)
    assert not [name for name in box.taken[0][1] if name.startswith("List-")]


def test_a_server_that_is_not_there_took_nothing():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(NotTaken):
        Server(f"smtp://127.0.0.1:{port}", "trialcrf@localhost").send(LETTER, AT)


def test_a_server_that_hangs_up_before_the_text_took_nothing():
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def hang_up() -> None:
            connection, _ = listening.accept()
            connection.sendall(b"220 hello\r\n")
            connection.recv(100)
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(NotTaken):
            Server(f"smtp://127.0.0.1:{listening.getsockname()[1]}", "trialcrf@localhost").send(LETTER, AT)
        thread.join()


def test_a_server_that_hangs_up_after_the_text_leaves_us_unsure(box):
    box.hang_up = True
    with pytest.raises(Unsure):
        Server(box.url, "trialcrf@localhost").send(LETTER, AT)
    assert len(box.taken) == 1, "it did take it: sending again would be twice"


@pytest.mark.parametrize(
    "letter",
    [
        Letter("cora@example.org\r\nBcc: eve@example.org", "x", "y", "<a@b>"),
        Letter("cora@example.org, eve@example.org", "x", "y", "<a@b>"),
        Letter("cora@example.org", "x\r\nBcc: eve@example.org", "y", "<a@b>"),
        Letter("cora@example.org", "x", "y", "<a@b>", "https://x\r\nBcc: eve@example.org"),
        Letter("cora@example.org", "x", "y", "<a@b>", "https://x>, <mailto:eve@example.org"),
    ],
)
def test_no_text_can_add_a_header_or_a_recipient(box, tmp_path, letter):
    for post in (Server(box.url, "trialcrf@localhost"), Folder(tmp_path / "mail", "trialcrf@localhost")):
        with pytest.raises(NotTaken):
            post.send(letter, AT)
    assert box.taken == []
    assert not list(tmp_path.glob("mail/*"))


def test_a_password_does_not_travel_in_the_open(box, monkeypatch):
    monkeypatch.setattr(mail, "_is_loopback", lambda host: False)
    with pytest.raises(NotTaken, match="encryption"):
        Server(box.url.replace("//", "//user:secret@"), "trialcrf@localhost", unencrypted=True).send(LETTER, AT)
    assert box.taken == []


@pytest.fixture(scope="module")
def certified(tmp_path_factory):
    """The certificate of a mail server, and what it speaks TLS by."""
    files = certificates.made(tmp_path_factory.mktemp("tls"), "127.0.0.1", "0.0.0.0")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    return files, context


@pytest.mark.parametrize("offered", [False, True])
def test_a_mail_server_whose_certificate_nobody_trusts_gets_nothing_and_it_is_told(certified, offered, monkeypatch):
    """`offered`: TLS only after a first word in the open (STARTTLS). An address that is not this machine's own stands for another one."""
    files, context = certified
    with mailbox(None, context) if offered else mailbox(context) as box:
        url = f"{'smtp' if offered else 'smtps'}://user:secret@{'0.0.0.0' if offered else '127.0.0.1'}:{box.port}"
        with pytest.raises(NotTaken, match="certificate verify failed"):
            Server(url, "trialcrf@localhost", patience=5).send(LETTER, AT)
        assert box.taken == []
        monkeypatch.setenv("SSL_CERT_FILE", str(files.authority))
        Server(url.replace("user:secret@", ""), "trialcrf@localhost", patience=5).send(LETTER, AT)
        assert len(box.taken) == 1, "the one that the house trusts does"


def test_a_mail_server_on_another_machine_gets_nothing_in_the_open_unless_the_house_says_so(box):
    elsewhere = f"smtp://0.0.0.0:{box.port}"
    with pytest.raises(NotTaken, match="offers no encryption"):
        Server(elsewhere, "trialcrf@localhost").send(LETTER, AT)
    assert box.taken == []
    Server(elsewhere, "trialcrf@localhost", unencrypted=True).send(LETTER, AT)
    assert len(box.taken) == 1


def test_a_dot_alone_on_a_line_ends_no_letter(box):
    body = "one\n.\ntwo\n" + "a" * 2000 + "\n"
    Server(box.url, "trialcrf@localhost").send(Letter("cora@example.org", "x", body, "<a@b>"), AT)
    assert text_of(box.taken[0][1]) == body


def test_the_message_id_is_stable_and_tells_nothing():
    one = message_id("overdue|salt|17|WEIGH1|1|2|cora|2026-11-30", "https://crf.example.org/x")
    assert one == message_id("overdue|salt|17|WEIGH1|1|2|cora|2026-11-30", "https://crf.example.org")
    assert one.endswith("@crf.example.org>")
    assert "cora" not in one and "17|" not in one
    assert one != message_id("overdue|salt|17|WEIGH1|1|2|olga|2026-11-30", "https://crf.example.org")


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_letter_is_written_in_both_languages(kind, language):
    letter = mail.write(kind, language, "cora@example.org", "<a@b>", VALUES[kind])
    assert letter.subject and "\n" not in letter.subject and not letter.subject.startswith("Subject")
    assert "http://127.0.0.1/x" in letter.body.splitlines()
    assert "%(" not in letter.subject + letter.body


@pytest.mark.parametrize("kind", VALUES)
def test_no_sentence_of_a_letter_is_left_untranslated(kind):
    letter = mail.write(kind, PSEUDO, "cora@example.org", "<a@b>", VALUES[kind])
    for line in [letter.subject, *letter.body.splitlines()]:
        assert not line or line.startswith("http://") or line == "c0ffee" or (line.startswith("⟦") and line.endswith("⟧")), line


@pytest.mark.parametrize(
    ("state", "count", "subject", "body"),
    [
        ("due_soon", 1, "a visit is due soon", "the window of a visit opens soon"),
        ("due_soon", 3, "3 visits are due soon", "the windows of 3 visits open soon"),
        ("due", 1, "a visit is due at", "the window of a visit is open"),
        ("due", 3, "3 visits are due at", "the windows of 3 visits are open"),
        ("overdue", 1, "a visit is overdue", "a visit is overdue"),
        ("overdue", 3, "3 visits are overdue", "3 visits are overdue"),
    ],
)
def test_one_visit_is_not_three_and_each_state_has_its_words(state, count, subject, body):
    letter = mail.write("remind", "en", "cora@example.org", "<a@b>", {**VALUES["remind"], "state": state, "count": count})
    assert subject in letter.subject and body in letter.body and "A weighing is missing." in letter.body


def test_a_study_that_says_nothing_leaves_the_words_to_the_program():
    letter = mail.write("remind", "en", "cora@example.org", "<a@b>", {**VALUES["remind"], "text": ""})
    assert "The window of a visit has ended and nothing is recorded." in letter.body


def test_a_value_that_is_missing_stops_the_letter():
    with pytest.raises(UndefinedError):
        mail.write("serious", "en", "cora@example.org", "<a@b>", {"study": "SALT-01"})
