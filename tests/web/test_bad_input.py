"""Bad input over HTTP: a clear answer at the field or a plain error page, the right status, nothing lost, nothing half-written."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from sqlalchemy import text as sql

from tests.actions.world import typed
from tests.web.site import Browser, House, text
from trialcrf.core.definition.model import DataType
from trialcrf.core.document import FormKey
from trialcrf.external import clock
from trialcrf.store import forms, sites
from trialcrf.store.subjects import Subject

STUDY = "msc_ssc"
LARGEST = 4 * 1024 * 1024
KEYS = {"VITALS": ("WT", "HT", "PULSE", "TEMPERATURE", "SATURATION")}


def today(house: House) -> Any:
    with house.world.read() as tx:
        site = sites.find(tx, STUDY, "01")
    assert site
    return site.today(clock.now())


def day(on: Any) -> tuple[str, str, str]:
    return (str(on.day), str(on.month), str(on.year))


def recipient(house: House, site: str = "01") -> Subject:
    """A recipient who consented thirty days ago."""
    consent = today(house) - timedelta(days=30)
    boxes = {"ICF_DATE": day(consent), "BIRTH_MONTH": {"m": "5", "y": "1979"}, "SEX_BIRTH": "F", "ICF_SIGNED": "Y"}
    return house.world.enrol("recipient", site, clock.now(), **boxes)


def address(key: str, event: str = "SCR", form: str = "VITALS", repeat: object = 1) -> str:
    return f"/studies/{STUDY}/subjects/{key}/{event}/1/{form}/{repeat}"


def vitals(version: object = 0, **boxes: Any) -> dict[str, Any]:
    """What a page of vital signs sends: every marker, and the boxes."""
    sent: dict[str, Any] = {"version": str(version), "act": "save", "p": list(KEYS["VITALS"])}
    for item in KEYS["VITALS"]:
        sent[f"i.{item}"] = boxes.pop(item, "")
    return sent | boxes


def reading(**boxes: str) -> dict[str, Any]:
    """Vital signs with one new row of blood pressure, in the boxes of `BP.new1`."""
    items = ("BP_AT", "BP_POSITION", "BP_SIDE", "SBP", "DBP")
    sent = vitals(WT="72,5")
    sent["p"] = [*sent["p"], *(f"BP.new1.{item}" for item in items)]
    for part in ("d", "m", "y", "t"):
        sent[f"r.BP.new1.BP_AT.{part}"] = ""
    return sent | {"r.BP.new1.SBP": "", "r.BP.new1.DBP": ""} | {f"r.BP.new1.{name}": said for name, said in boxes.items()}


def counts(house: House) -> dict[str, int]:
    """How much of everything there is; a refused attempt is recorded as such and is counted apart."""
    tables = ("subject", "form", "fact", "query")
    with house.world.read() as tx:
        found = {table: int(tx.read(sql(f"SELECT count(*) FROM {table}")).scalar_one()) for table in tables}
        found["records"] = int(tx.read(sql("SELECT count(*) FROM audit_record WHERE entity <> 'refusal'")).scalar_one())
    return found


def plain(answer: Any) -> None:
    """No page of ours shows where in the program something went wrong."""
    for trace in ("Traceback", 'File "', "sqlalchemy", "werkzeug", "/trialcrf/", "Exception"):
        assert trace not in answer.text, trace


def errors(answer: Any) -> dict[str, str]:
    """The messages at the fields, by the id of the field they stand at."""
    items = re.findall(r'<div class="item err[^"]*" id="([^"]+)-item"[^>]*>(.*?)(?=<div class="item|<div class="bar")', answer.text, re.S)
    said = {}
    for ident, inside in items:
        messages = re.findall(r'<p class="msg hard" id="([^"]+)"[^>]*>(.*?)</p>', inside, re.S)
        assert all(f'{name}"' in inside.split("</p>")[0] or name in inside for name, _ in messages)
        assert "aria-invalid" in inside
        said[ident] = " ".join(re.sub(r"<[^>]+>", " ", unescape(" ".join(words for _, words in messages))).split())
    return said


FIELDS = {
    "31 February": (reading(**{"BP_AT.d": "31", "BP_AT.m": "2", "BP_AT.y": "2026", "BP_AT.t": "9:05"}), "r-BP-new1-BP_AT"),
    "a thirteenth month": (reading(**{"BP_AT.d": "1", "BP_AT.m": "13", "BP_AT.y": "2026", "BP_AT.t": "9:05"}), "r-BP-new1-BP_AT"),
    "29 February of no leap year": (reading(**{"BP_AT.d": "29", "BP_AT.m": "2", "BP_AT.y": "2025", "BP_AT.t": "9:05"}), "r-BP-new1-BP_AT"),
    "an hour that the change of the clocks left out": (
        reading(**{"BP_AT.d": "29", "BP_AT.m": "3", "BP_AT.y": "2026", "BP_AT.t": "2:30"}),
        "r-BP-new1-BP_AT",
    ),
    "a day to come": (reading(**{"BP_AT.d": "1", "BP_AT.m": "1", "BP_AT.y": "2099", "BP_AT.t": "9:05"}), "r-BP-new1-BP_AT"),
    "a date without its year": (reading(**{"BP_AT.d": "1", "BP_AT.m": "1", "BP_AT.t": "9:05"}), "r-BP-new1-BP_AT"),
    "two separators": (vitals(WT="7.2,5"), "i-WT"),
    "two commas": (vitals(WT="7,2,5"), "i-WT"),
    "too many decimals": (vitals(WT="72,512345"), "i-WT"),
    "out of range": (vitals(WT="725"), "i-WT"),
    "below range": (vitals(WT="-72"), "i-WT"),
    "no number": (vitals(PULSE="seventy"), "i-PULSE"),
    "a decimal where a whole number is asked": (vitals(PULSE="72,5"), "i-PULSE"),
    "infinity": (vitals(WT="Infinity"), "i-WT"),
    "not a number": (vitals(WT="NaN"), "i-WT"),
    "an exponent": (vitals(WT="1e2"), "i-WT"),
    "a number of ten thousand digits": (vitals(WT="9" * 10_000), "i-WT"),
    "digits of another script with a sign": (vitals(WT="٧٢-"), "i-WT"),
    "a NUL byte": (vitals(WT="72\0"), "i-WT"),
    "a value and a missing code": (vitals(WT="72,5", **{"i.WT.missing": "ND", "i.WT.note": "both"}), "i-WT"),
    "a missing code that the item does not offer": (vitals(**{"i.WT.missing": "NASK"}), "i-WT"),
    "a missing code of another list": (vitals(**{"i.WT.missing": "<script>"}), "i-WT"),
    "not done without a note": (vitals(**{"i.WT.missing": "ND"}), "i-WT"),
    "a note with a NUL byte": (vitals(**{"i.WT.missing": "ND", "i.WT.note": "be\0cause"}), "i-WT"),
    "a code outside its list": (reading(SBP="120", BP_POSITION="FLYING"), "r-BP-new1-BP_POSITION"),
    "a code of another list": (reading(SBP="120", BP_SIDE="SITTING"), "r-BP-new1-BP_SIDE"),
    "a pressure that cannot be": (reading(SBP="80", DBP="120"), "r-BP-new1-DBP"),
}


@pytest.mark.parametrize(("sent", "field"), FIELDS.values(), ids=FIELDS)
def test_bad_input_is_told_at_its_field_and_nothing_is_written(house: House, sent: dict[str, Any], field: str) -> None:
    subject, cora = recipient(house), house.client("cora")
    before = counts(house)
    answer = cora.post(address(subject.key), dict(sent))
    assert answer.status_code == 422, text(answer)[:2000]
    assert field in errors(answer), errors(answer)
    assert errors(answer)[field]
    plain(answer)
    assert counts(house) == before
    for name, said in sent.items():
        if name.startswith(("i.", "r.")) and isinstance(said, str) and said and "\0" not in said and len(said) < 100 and "." in name[2:]:
            assert unescape(answer.text).count(said), f"{name}: what was typed is still there"


TEXTS = {
    "a NUL byte": "Head\0ache",
    "longer than allowed": "x" * 201,
    "a million letters": "x" * 1_000_000,
}


@pytest.mark.parametrize("words", TEXTS.values(), ids=TEXTS)
def test_a_text_that_cannot_be_kept_is_told_at_its_field(each_house: House, words: str) -> None:
    subject, cora = recipient(each_house), each_house.client("cora")
    before = counts(each_house)
    answer = cora.post(address(subject.key, "AE", "ADVERSE"), {"version": "0", "p": "AE_WORDS", "i.AE_WORDS": words})
    assert answer.status_code == 422
    assert "i-AE_WORDS" in errors(answer)
    assert counts(each_house) == before


@pytest.mark.parametrize("words", ["<script>alert(1)</script>", "'; DROP TABLE form; --", "{{ 7 * 7 }}", "%(x)s %s", "\u202ereversed"])
def test_a_text_that_looks_like_an_attack_is_kept_and_shown_as_text(each_house: House, words: str) -> None:
    subject, cora = recipient(each_house), each_house.client("cora")
    answer = cora.post(address(subject.key, "AE", "ADVERSE"), {"version": "0", "p": "AE_WORDS", "i.AE_WORDS": words})
    assert answer.status_code in (303, 422)
    shown = cora.get(address(subject.key, "AE", "ADVERSE")) if answer.status_code == 303 else answer
    assert shown.status_code in (200, 422)
    assert "<script>alert" not in shown.text
    assert unescape(shown.text).count(words)
    assert cora.get(f"/studies/{STUDY}/subjects/{subject.key}").status_code == 200


def test_ten_megabytes_are_too_much_and_answered_by_a_plain_page(house: House) -> None:
    subject, cora = recipient(house), house.client("cora")
    before = counts(house)
    answer = cora.post(address(subject.key), vitals(WT="7" * 10_000_000))
    assert answer.status_code == 413
    assert "<h1>" in answer.text
    assert "4" in text(answer)
    plain(answer)
    assert counts(house) == before


def test_ten_megabytes_from_nobody_are_not_kept_for_later(house: House) -> None:
    subject = recipient(house)
    answer = house.app.test_client().post(address(subject.key), data=vitals(WT="7" * 10_000_000))
    assert answer.status_code == 413
    assert len(answer.text) < 100_000


def test_very_many_boxes_are_refused_or_ignored_and_never_a_fault(house: House) -> None:
    subject, cora = recipient(house), house.client("cora")
    before = counts(house)
    answer = cora.post(address(subject.key), vitals() | {f"i.NONE{number}": "1" for number in range(30_000)})
    assert answer.status_code in (303, 413, 422)
    plain(answer)
    after = counts(house)
    assert after["query"] == before["query"]


@pytest.mark.parametrize("kind", ["FVISIT", "INFUSION"])
def test_a_visit_before_the_infusion_is_refused_at_its_date(each_house: House, kind: str) -> None:
    subject, cora = recipient(each_house), each_house.client("cora")
    infused = today(each_house) - timedelta(days=20)
    start, end = (*day(infused), "10:30"), (*day(infused), "11:15")
    each_house.world.save(subject, "INFUSION", "D0", typed(INF_COHORT="MSC1", INF_START=start, INF_END=end), now=clock.now())
    before = counts(each_house)
    if kind == "FVISIT":
        d, m, y = day(infused - timedelta(days=1))
        sent = {"version": "0", "p": ["VIS_DONE", "VIS_DATE"], "i.VIS_DONE": "Y", "i.VIS_DATE.d": d, "i.VIS_DATE.m": m, "i.VIS_DATE.y": y}
        answer = cora.post(address(subject.key, "D10", "FVISIT"), sent)
        assert "i-VIS_DATE" in errors(answer)
        assert f'value="{y}"' in answer.text
    else:
        d, m, y = day(today(each_house) - timedelta(days=200))  # before the consent
        names = {"d": d, "m": m, "y": y, "t": "10:30"}
        sent = {"version": "1", "p": ["INF_START"], "why": "SOURCE", **{f"i.INF_START.{part}": said for part, said in names.items()}}
        answer = cora.post(address(subject.key, "D0", "INFUSION"), sent)
        assert "i-INF_START" in errors(answer)
    assert answer.status_code == 422
    plain(answer)
    assert counts(each_house) == before


UNKNOWN = {
    "an unknown subject": "R-01-999/SCR/1/VITALS/1",
    "an unknown event": "{key}/NONE/1/VITALS/1",
    "an unknown form": "{key}/SCR/1/NONE/1",
    "a form that the visit does not have": "{key}/D10/1/SKIN/1",
    "a visit of donors": "{key}/H0/1/VISIT/1",
    "a second time of a visit that takes place once": "{key}/SCR/2/VITALS/1",
    "a second form of one that is filled once": "{key}/SCR/1/VITALS/2",
    "form number nought": "{key}/AE/1/ADVERSE/0",
    "a number beyond any database": "{key}/AE/1/ADVERSE/99999999999999999999",
    "a visit beyond any database": "{key}/UNS/99999999999999999999/VISIT/1",
    "a number that is none": "{key}/SCR/1/VITALS/x",
    "a path that climbs": "{key}/SCR/1/VITALS/..%2f..%2f1",
    "a NUL byte": "{key}/SCR/1/VITALS%00/1",
    "a quote": "{key}'--/SCR/1/VITALS/1",
}


@pytest.mark.parametrize("path", UNKNOWN.values(), ids=UNKNOWN)
def test_an_address_that_leads_nowhere_is_not_found_and_writes_nothing(each_house: House, path: str) -> None:
    subject, cora = recipient(each_house), each_house.client("cora")
    before = counts(each_house)
    where = f"/studies/{STUDY}/subjects/" + path.format(key=subject.key)
    for answer in (
        cora.get(where),
        cora.post(where, vitals(WT="72")),
        cora.get(where + "/history"),
        cora.post(where + "/error", {"reason": "x"}),
    ):
        assert answer.status_code == 404, (where, answer.status_code)
        plain(answer)
    assert counts(each_house) == before


def test_a_form_of_another_site_in_the_address_does_not_exist(each_house: House) -> None:
    subject, cora = recipient(each_house, "02"), each_house.client("cora")
    before = counts(each_house)
    for answer in (cora.get(address(subject.key)), cora.post(address(subject.key), vitals(WT="72"))):
        assert answer.status_code == 404
        assert subject.key not in text(answer)
        plain(answer)
    assert counts(each_house) == before


def test_a_form_posted_to_the_address_of_another_writes_nothing_of_the_one(house: House) -> None:
    """The fields of vital signs sent to the skin score: they are not its questions."""
    subject, cora = recipient(house), house.client("cora")
    cora.post(address(subject.key, "SCR", "SKIN"), vitals(WT="72"))
    with house.world.read() as tx:
        stored = forms.read(tx, subject.id, FormKey("SCR", "SKIN"))
        other = forms.read(tx, subject.id, FormKey("SCR", "VITALS"))
    asked = {oid for oid, (_, item) in house.world.published.study.form["SKIN"].items.items() if item.type is not DataType.DERIVED}
    assert stored is None or not asked & set(stored.document.items)
    assert other is None


VERSIONS = {"ahead": "99", "behind": "0", "negative": "-1", "no number": "abc", "huge": "9" * 40, "blank": "", "a NUL byte": "1\0"}


@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)
def test_a_forged_version_overwrites_nothing_and_loses_nothing(each_house: House, version: str) -> None:
    subject, cora = recipient(each_house), each_house.client("cora")
    assert cora.post(address(subject.key), vitals(WT="72,5", HT="171")).status_code == 303
    before = counts(each_house)
    answer = cora.post(address(subject.key), vitals(version, WT="60", HT="171", why="SOURCE"))
    assert answer.status_code == 409, text(answer)[:500]
    plain(answer)
    assert counts(each_house) == before
    assert 'value="60"' in answer.text, "what was typed is still in its box"
    assert "72" in text(answer), "and what stands is shown beside it"


def test_a_page_that_lost_its_version_overwrites_nothing(each_house: House) -> None:
    subject, cora = recipient(each_house), each_house.client("cora")
    cora.post(address(subject.key), vitals(WT="72,5"))
    before = counts(each_house)
    sent = vitals(WT="60", why="SOURCE")
    del sent["version"]
    assert cora.post(address(subject.key), sent).status_code == 409
    assert counts(each_house) == before


@pytest.mark.parametrize("token", [None, "forged", "é", "x" * 100_000, "\0"])
def test_a_forged_token_is_refused(house: House, token: str | None) -> None:
    subject, cora = recipient(house), house.client("cora")
    before = counts(house)
    answer = cora.post(address(subject.key), vitals(WT="72"), token=token)
    assert answer.status_code == 400
    plain(answer)
    assert counts(house) == before


def test_the_token_of_another_person_is_refused(house: House) -> None:
    subject, cora, ivan = recipient(house), house.client("cora"), house.client("ivan")
    before = counts(house)
    assert cora.post(address(subject.key), vitals(WT="72"), token=ivan.token).status_code == 400
    assert counts(house) == before


@pytest.mark.parametrize("cookie", ["forged", "x" * 4_000, "é", "a=b; c", ""])
def test_a_forged_session_is_nobody(house: House, cookie: str) -> None:
    subject, client = recipient(house), house.app.test_client()
    before = counts(house)
    client.set_cookie("trialcrf", cookie)
    assert client.get(address(subject.key)).status_code == 302
    answer = client.post(address(subject.key), data=vitals(WT="72"))
    assert answer.status_code == 401
    plain(answer)
    assert counts(house) == before


def test_a_second_save_of_the_same_page_adds_no_record(each_house: House) -> None:
    subject, cora = recipient(each_house), each_house.client("cora")
    sent = reading(SBP="128", DBP="81")
    assert cora.post(address(subject.key), dict(sent)).status_code == 303
    before = counts(each_house)
    again = cora.post(address(subject.key), dict(sent))
    assert counts(each_house) == before
    assert again.status_code in (303, 409)


def test_the_same_change_sent_twice_is_one_change(each_house: House) -> None:
    subject, cora = recipient(each_house), each_house.client("cora")
    cora.post(address(subject.key), vitals(WT="72,5"))
    changed = vitals(1, WT="74", why="SOURCE")
    assert cora.post(address(subject.key), changed).status_code == 303
    before = counts(each_house)
    assert cora.post(address(subject.key), changed).status_code == 303, "the second says what stands: that is no conflict"
    assert counts(each_house) == before


def test_a_forged_row_is_not_written(each_house: House) -> None:
    subject, cora = recipient(each_house), each_house.client("cora")
    assert cora.post(address(subject.key), reading(SBP="128", DBP="81")).status_code == 303
    before = counts(each_house)
    for row in ("99", "../1", "1 OR 1", "new0", "new9999", "__proto__"):
        key = f"BP.{row}.SBP"
        answer = cora.post(address(subject.key), {"version": "1", "p": key, f"r.{key}": "150", "why": "SOURCE", f"gone.BP.{row}": "TYPO"})
        assert answer.status_code in (303, 409, 422), (row, answer.status_code)
        plain(answer)
    assert counts(each_house) == before


def test_a_made_up_reason_is_no_reason(each_house: House) -> None:
    subject, cora = recipient(each_house), each_house.client("cora")
    cora.post(address(subject.key), vitals(WT="72,5"))
    before = counts(each_house)
    for why in ("BECAUSE", "<b>", "\0", "x" * 10_000):
        assert cora.post(address(subject.key), vitals(1, WT="74", why=why)).status_code == 422, why
    assert counts(each_house) == before


def test_a_made_up_confirmation_answers_no_query(each_house: House) -> None:
    subject, cora = recipient(each_house), each_house.client("cora")
    cora.post(address(subject.key), vitals(PULSE="151"))
    cora.post(address(subject.key), vitals(1, PULSE="151", **{"ok.PULSE.soft_range": "BECAUSE"}))
    with each_house.world.read() as tx:
        assert tx.read(sql("SELECT state FROM query")).scalars().all() == ["open"]


@pytest.mark.parametrize("kind", ["recipient", "nobody", "recipient%00"])
@pytest.mark.parametrize("site", ["01", "02", "99"])
def test_an_enrolment_at_a_place_that_is_not_ours_is_not_found(house: House, kind: str, site: str) -> None:
    cora = house.client("cora")
    if (kind, site) == ("recipient", "01"):
        return
    before = counts(house)
    answer = cora.post(f"/studies/{STUDY}/enrol/{kind}/{site}", {"p": "ICF_VERSION", "i.ICF_VERSION": "2"})
    assert answer.status_code == 404
    plain(answer)
    assert counts(house) == before


def test_an_enrolment_with_a_bad_date_enrols_nobody_and_uses_no_number(each_house: House) -> None:
    cora = each_house.client("cora")
    before = counts(each_house)
    sent = {"p": ["ICF_DATE", "ICF_VERSION"], "i.ICF_DATE.d": "31", "i.ICF_DATE.m": "2", "i.ICF_DATE.y": "2026", "i.ICF_VERSION": "2.0"}
    answer = cora.post(f"/studies/{STUDY}/enrol/recipient/01", {**sent, "once": "one"})
    assert answer.status_code == 422
    assert "i-ICF_DATE" in errors(answer)
    assert counts(each_house) == before
    assert recipient(each_house).key == "R-01-001"


def test_a_method_that_a_page_does_not_have_is_told(house: House) -> None:
    subject, cora = recipient(house), house.client("cora")
    for method in ("put", "delete", "patch"):
        answer = getattr(cora.client, method)(address(subject.key))
        assert answer.status_code in (400, 405)
        plain(answer)


def test_bytes_that_are_no_text_are_no_fault(house: House) -> None:
    subject, cora = recipient(house), house.client("cora")
    before = counts(house)
    body = f"token={cora.token}&version=0&p=WT&i.WT=%ff%fe%00%80".encode()
    answer = cora.client.post(address(subject.key), data=body, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 422
    plain(answer)
    broken = cora.client.post(address(subject.key), data=b"--x\r\nbroken", content_type="multipart/form-data; boundary=x")
    assert broken.status_code in (400, 413)
    plain(broken)
    as_json = cora.client.post(address(subject.key), json={"i.WT": "72", "token": cora.token})
    assert as_json.status_code == 400
    assert counts(house) == before


def test_filters_with_nonsense_in_them_are_no_fault(house: House) -> None:
    recipient(house)
    cora: Browser = house.client("cora")
    for query in (
        "state=none",
        "kind=none",
        "page=-1",
        "page=99999999999",
        "page=%00",
        "q=%00",
        "q=%25_%27",
        "site=%00",
        "site='--",
        "q=" + "x" * 5000,
    ):
        answer = cora.get(f"/studies/{STUDY}/subjects?{query}")
        assert answer.status_code in (200, 404), query
        plain(answer)
