"""Documents at items on a real database: what is kept and told, what they break, what refuses them, and where they go along."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.actions.test_sign import faults
from tests.actions.test_sign_data import CASEBOOK, DIARY, KEY, sheet, signs, states, stored, ward  # noqa: F401 (a fixture)
from tests.actions.world import NOW, World, typed
from tests.conftest import KINDS
from trialcrf.actions import Impossible, enclose
from trialcrf.actions.records import report
from trialcrf.actions.records.report import Asked
from trialcrf.core.document import Place
from trialcrf.core.enclosure import MOST
from trialcrf.core.lock import Address, Level, Locked, item_address
from trialcrf.core.packs.casebook_parts import Casebook
from trialcrf.core.signature import SealState, Standing
from trialcrf.external.language import Language
from trialcrf.store import archives, audit, enclosures, locks, replay, signatures
from trialcrf.store.archives import Only
from trialcrf.store.enclosures import Enclosure

AT = "DAYS/1/PINCHES"
PDF, PNG, JPEG = b"%PDF-1.7 a report", b"\x89PNG\r\n\x1a\na picture", b"\xff\xd8\xffanother"
LATER, EVENING = NOW + timedelta(hours=1), NOW + timedelta(hours=5)


@pytest.fixture
def database_kind(request):
    """What is refused before anything is written does not hang on the kind of database."""
    return getattr(request, "param", "sqlite")


each_database = pytest.mark.parametrize("database_kind", KINDS, indirect=True)


def attaches(world: World, content: bytes = PDF, name: str = "report.pdf", at: str = AT, about: str = "", now=LATER) -> Enclosure:
    with world.write("cora", now) as tx:
        return enclose.attach(tx, world.subject(KEY), world.published.study.form["DIARY"], diary(world), at, name, content, about)


def withdraws(world: World, one: Enclosure, reason: str = "of another day", now=LATER + timedelta(minutes=5)) -> None:
    with world.write("cora", now) as tx:
        enclose.withdraw(tx, world.subject(KEY), diary(world), one.id, reason)


def diary(world: World):
    return stored(world, "WEIGH2", "DIARY")


def held(world: World) -> list[Enclosure]:
    with world.read() as tx:
        return enclosures.of_form(tx, diary(world).id)


def told(world: World):
    with world.read() as tx:
        return audit.history(tx.connection, enclosures.ENTITY, str(diary(world).id))


def closes(world: World, address: Address, move: str) -> None:
    with world.write("dana") as tx:
        which = world.subject(KEY)
        locks.move(tx, address, which.site, which, which.site.study_id, which.site.chain, move, "end of study")


@each_database
def test_a_document_is_kept_as_it_was_sent_withdrawn_with_a_reason_and_never_deleted(ward):  # noqa: F811
    version = diary(ward).version
    one = attaches(ward, name="../Compte rendu.EXE", about="Laboratory, 3 March")
    assert (one.name, one.media_type, one.place) == ("Compte rendu.pdf", "application/pdf", Place("PINCHES", "DAYS", "1"))
    with ward.read() as tx:
        assert enclosures.content(tx, one) == PDF
    withdraws(ward, one)
    (kept,) = held(ward)
    assert (kept.withdrawn, kept.withdrawn_by, kept.sha256) == ("of another day", "Cora", hashlib.sha256(PDF).hexdigest())
    with ward.read() as tx:
        assert enclosures.content(tx, kept) == PDF, "it can still be read"
    attached, gone = told(ward)
    assert (attached.actor, attached.op, attached.place) == ("cora", "attach", f"{AT}#{one.id}")
    assert one.sha256 in attached.new and "Laboratory, 3 March" in attached.new
    assert (gone.op, gone.reason, gone.old) == ("withdraw", "of another day", attached.new)
    assert diary(ward).version == version, "whoever types in the form meanwhile is not told that somebody else saved it"
    assert faults(ward) == []
    for statement in (
        "UPDATE enclosure_content SET content = content", "DELETE FROM enclosure_content", "DELETE FROM enclosure",
    ):  # fmt: skip
        with ward.engine.connect() as connection, pytest.raises(DBAPIError, match="never be changed or deleted"):
            connection.exec_driver_sql(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE enclosure SET name = 'other.pdf'",
        "UPDATE enclosure SET withdrawn = ''",
        "UPDATE enclosure SET attached_by = 'olga'",
        "UPDATE enclosure SET place = 'DAYS/2/PINCHES'",
        "UPDATE enclosure_content SET content = CAST('%PDF-1.7 b report' AS BLOB)",
        "DELETE FROM enclosure_content",
    ],
)
def test_what_is_altered_behind_the_programs_back_is_named(ward, statement):  # noqa: F811
    withdraws(ward, attaches(ward))
    assert faults(ward) == []
    with ward.engine.begin() as connection:
        for name in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all():
            connection.execute(text(f"DROP TRIGGER {name}"))
    with ward.engine.begin() as connection:
        connection.exec_driver_sql(statement)
    with ward.read() as tx:
        assert {one.entity for one in replay.differences(tx)} == {enclosures.ENTITY}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.pdf", b""), ("x.pdf", b"MZ\x90\x00"), ("x.pdf", b"PK\x03\x04"), ("x.png", b"<svg xmlns='x'/>"), ("x.pdf", b"<html>%PDF-1.7"),
        ("x.txt", b"a plain text"), ("x.jpg", b"GIF89a"), ("x.pdf", b" %PDF-1.7"), ("x.pdf", b"%PDF-" + bytes(20 * 1024**2)),
    ],
)  # fmt: skip
def test_what_is_no_pdf_or_picture_or_too_large_is_refused_whatever_its_name_says(ward, name, content):  # noqa: F811
    with pytest.raises(Impossible):
        attaches(ward, content, name)
    assert held(ward) == [] and told(ward) == []


def test_a_name_or_word_that_tells_who_somebody_is_is_refused(ward):  # noqa: F811
    for name, about in (("née le 12.05.1980.pdf", ""), ("report.pdf", "of Mrs Durand, born 12/05/1980")):
        with pytest.raises(Impossible):
            attaches(ward, name=name, about=about)
    assert held(ward) == []


def test_it_is_attached_where_the_study_says_and_in_rows_that_stand(ward):  # noqa: F811
    for at in ("", "PINCHES", "DAYS/1/", "DAYS/1/DAY", "DAYS/9/PINCHES", "PINCHES_ALL", "NOTHING"):
        with pytest.raises(Impossible):
            attaches(ward, at=at)
    assert {str(attaches(ward, content, at=at).place) for content, at in ((PNG, AT), (JPEG, "DAYS/2/PINCHES"))} == {AT, "DAYS/2/PINCHES"}


def test_the_same_document_is_not_attached_twice_and_there_is_an_end(ward):  # noqa: F811
    one = attaches(ward)
    with pytest.raises(Impossible, match="already"):
        attaches(ward, name="copy.pdf")
    withdraws(ward, one)
    with pytest.raises(Impossible, match="before"):
        withdraws(ward, one)
    with pytest.raises(Impossible, match="why"):
        withdraws(ward, attaches(ward, now=EVENING), " ")
    for number in range(1, MOST):
        attaches(ward, PDF + bytes([number]), now=EVENING)
    with pytest.raises(Impossible, match="At most"):
        attaches(ward, PNG)


@each_database
def test_a_closed_form_takes_none_and_the_database_says_so_too(ward):  # noqa: F811
    one = attaches(ward)
    form_id = diary(ward).id
    for address, moves in (
        (item_address(form_id, Place("PINCHES", "DAYS", "1")), ("freeze", "thaw")),
        (Address(Level.FORM, form_id), ("freeze", "lock")),
    ):
        closes(ward, address, moves[0])
        with pytest.raises(Locked):
            attaches(ward, PNG)
        with pytest.raises(Locked):
            withdraws(ward, one)
        closes(ward, address, moves[1])
    with ward.engine.connect() as connection, pytest.raises(DBAPIError, match="this is locked"):
        connection.execute(text("UPDATE enclosure SET withdrawn = 'x'"))
    assert [one.withdrawn for one in held(ward)] == [""]


def test_a_document_breaks_the_seal_and_no_verdict_and_is_signed_with_the_form(ward):  # noqa: F811
    first = signs(ward, DIARY)
    one = attaches(ward)
    assert states(ward)["DIARY"] is SealState.BROKEN
    (part,) = sheet(ward, DIARY).parts
    assert [past.op for past in part.changes] == ["attach"], "the signer is shown what broke it"
    with ward.read() as tx:
        found = signatures.standing(tx, first)
    assert (found.standing, [change.place for change in found.changes]) == (Standing.VOID, [f"{AT}#{one.id}"])
    second = signs(ward, CASEBOOK, now=EVENING)
    assert states(ward)["DIARY"] is SealState.SEALED
    assert (enclosures.ENTITY, f"{AT}#{one.id}") in {(part.entity, part.place) for part in second.signed}
    assert one.sha256 in second.statement
    assert faults(ward) == []
    withdraws(ward, one, now=EVENING + timedelta(minutes=1))
    assert states(ward)["DIARY"] is SealState.BROKEN
    assert faults(ward) == []


def test_the_casebook_lists_what_is_attached_and_for_whom_the_form_is(ward):  # noqa: F811
    withdraws(ward, attaches(ward, about="Laboratory"))
    ward.save(ward.subject(KEY), "DIARY", "WEIGH2", typed(1, "SLIP", DAYS__1__PINCHES="7"), now=EVENING)
    book = casebook(ward)
    (part,) = (form for visit in book.visits for form in visit.forms if form.oid == "DIARY")
    (line,) = part.documents
    assert (line.name, line.size, line.sha256) == ("report.pdf", len(PDF), hashlib.sha256(PDF).hexdigest())
    assert (line.actor, line.withdrawn, line.withdrawn_by) == ("cora", "of another day", "cora")
    assert part.saves == 2, "attaching is no save of the form"
    said = {Language("en").say(one.op): one for one in book.trail if one.entity == enclosures.ENTITY}
    assert set(said) == {"Document attached", "Document withdrawn"}
    assert line.sha256 in said["Document attached"].raw_after
    before = [form.documents for visit in casebook(ward, NOW).visits for form in visit.forms if form.oid == "DIARY"]
    assert before == [()], "it was not attached yet"


def casebook(world: World, at=EVENING) -> Casebook:
    with world.read() as tx:
        value = report.KINDS[report.CASEBOOK].value(tx, report.known(tx, world.study, at.date(), at), Asked(subject=KEY))
    assert isinstance(value, Casebook)
    return value


@each_database
def test_the_archive_of_the_study_has_its_bytes(ward, tmp_path):  # noqa: F811
    one = attaches(ward, PNG, "photo.png")
    with ward.read() as tx:
        archives.copy(tx.connection, tmp_path / "a.sqlite3", Only(ward.subject(KEY).site.study_id, "salt"))
    with closing(sqlite3.connect(tmp_path / "a.sqlite3")) as archive:
        rows = archive.execute("SELECT e.name, c.content FROM enclosure e JOIN enclosure_content c ON c.enclosure_id = e.id").fetchall()
    assert rows == [(one.name, PNG)]
