"""Study forms in the browser: what is drawn has structure, what is posted is read, and what was not sent keeps its value."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from flask import Flask, render_template
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import StrictUndefined
from lxml import html
from werkzeug.datastructures import MultiDict

from trialcrf.core.checks import Finding
from trialcrf.core.definition.codes import CodeList, CodeListItem
from trialcrf.core.definition.model import DataType, FormDef, ItemDef, ItemGroupDef, Range, Severity
from trialcrf.core.document import Answer, Document, Place, Row
from trialcrf.core.values import Raw, read
from trialcrf.core.wording import Message, Words
from trialcrf.web.forms.drawn import FormView, Mark
from trialcrf.web.forms.formview import Around, view
from trialcrf.web.forms.labview import graded
from trialcrf.web.forms.webform import Posted, answers, widget_of
from trialcrf.web.page import Crumb, Shell

ROOT = Path(__file__).resolve().parents[2]
PARIS = ZoneInfo("Europe/Paris")


def words(text: str) -> Words:
    return Words({"en": text, "fr": text + " (fr)"})


def codes(oid: str, *known: str) -> CodeList:
    return CodeList(oid, tuple(CodeListItem(code, words(code.lower())) for code in known))


SCORE = codes("SCORE", "0", "1", "2", "3")
FORM = FormDef(
    "F",
    words("Form"),
    (
        ItemGroupDef(
            "G",
            words("Group"),
            (
                ItemDef("TXT", words("Text <b>"), DataType.TEXT, max_length=80),
                ItemDef("LONG", words("Long text"), DataType.TEXT, mandatory=False),
                ItemDef("INT", words("Count"), DataType.INTEGER, hard=Range("0", "300")),
                ItemDef("DEC", words("Weight"), DataType.DECIMAL, unit="kg", soft=Range("30", "150"), missing=("ND", "UNK")),
                ItemDef("BOOL", words("Ongoing"), DataType.BOOLEAN),
                ItemDef("CODE", words("Code"), DataType.CODELIST, codelist=codes("C", "A", "B", "C"), missing=("NA",)),
                ItemDef("MANY", words("Many codes"), DataType.CODELIST, codelist=codes("M", *"ABCDEFGHIJ")),
                ItemDef("MULTI", words("Several"), DataType.MULTICHOICE, codelist=codes("S", "X", "Y", "Z")),
                ItemDef("DAY", words("Day"), DataType.DATE),
                ItemDef("PART", words("Partial"), DataType.PARTIAL_DATE),
                ItemDef("BIRTH", words("Birth"), DataType.PARTIAL_DATE, aliases=("BRTHDAT",)),
                ItemDef("TIME", words("Time"), DataType.TIME),
                ItemDef("AT", words("Moment"), DataType.DATETIME),
                ItemDef("REF", words("Record"), DataType.REFERENCE),
                ItemDef("SUM", words("Sum"), DataType.DERIVED),
            ),
        ),
        ItemGroupDef("S", words("Sites"), (ItemDef("S1", words("Face"), DataType.CODELIST, codelist=SCORE),), layout="table"),
        ItemGroupDef(
            "R",
            words("Rows"),
            (
                ItemDef("DRUG", words("Drug"), DataType.TEXT, max_length=80),
                ItemDef("STOP", words("Stopped"), DataType.BOOLEAN),
                ItemDef("DOSE", words("Dose"), DataType.DECIMAL, unit="mg", missing=("UNK",)),
            ),
            repeating=True,
        ),
    ),
)
FULL = Document(
    items={
        "TXT": Answer('a "quoted" <text>'),
        "LONG": Answer("\n first line\nsecond".strip()),
        "INT": Answer("12"),
        "DEC": Answer("72.50"),
        "BOOL": Answer("N"),
        "CODE": Answer("B"),
        "MANY": Answer("J"),
        "MULTI": Answer("X|Z"),
        "DAY": Answer("2026-01-05"),
        "PART": Answer("2026-01"),
        "BIRTH": Answer("1971-04"),
        "TIME": Answer("14:05"),
        "AT": Answer("2026-03-29T14:05+02:00"),
        "REF": Answer("INF/1"),
        "SUM": Answer("84.50"),
        "S1": Answer("0"),
    },
    rows={"R": (Row("r1", {"DRUG": Answer("first"), "STOP": Answer("Y"), "DOSE": Answer(missing="UNK")}),)},
)
REASONS, CONFIRMATIONS = codes("REASONS", "TYPO", "SOURCE"), codes("OK", "CHECKED")


def posted(*fields: tuple[str, str]) -> Posted:
    return answers(FORM, MultiDict(fields))


# --- the reader ---------------------------------------------------------------------------------------------------------------------


def test_a_field_that_the_browser_did_not_send_is_not_present() -> None:
    sent = posted(("p", "TXT"), ("i.TXT", "new"))
    assert sent.present == {Place("TXT")}
    assert sent.raws == {Place("TXT"): Raw({"": "new"})}


def test_a_box_without_its_marker_is_not_read() -> None:
    assert posted(("i.TXT", "cut off")).present == frozenset()


def test_a_marker_without_any_of_its_boxes_leaves_the_value_alone() -> None:
    assert posted(("p", "TXT"), ("p", "DAY"), ("p", "MANY"), ("p", "R.r1.DRUG")).present == frozenset()


@pytest.mark.parametrize("item", ["BOOL", "CODE", "MULTI"])
def test_a_set_in_which_nothing_is_chosen_is_present_and_blank(item: str) -> None:
    assert posted(("p", item)).raws == {Place(item): Raw()}


def test_an_emptied_box_is_present_and_blank() -> None:
    sent = posted(("p", "TXT"), ("i.TXT", ""))
    assert sent.present == {Place("TXT")}
    assert read(FORM.items["TXT"][1], sent.raws[Place("TXT")], PARIS) is None


def test_the_boxes_of_a_date_and_a_moment_are_kept_apart() -> None:
    sent = posted(*(("i.AT." + part, part) for part in "dmyt"), ("p", "AT"), ("i.PART.y", "2026"), ("p", "PART"))
    assert sent.raws[Place("AT")] == Raw({"d": "d", "m": "m", "y": "y", "t": "t"})
    assert sent.raws[Place("PART")] == Raw({"y": "2026"})


def test_several_choices_are_all_read() -> None:
    assert posted(("p", "MULTI"), ("i.MULTI", "X"), ("i.MULTI", "Z")).raws[Place("MULTI")].choices == ("X", "Z")


def test_a_missing_code_is_read_only_where_the_item_offers_one() -> None:
    sent = posted(
        *(("p", item) for item in ("DEC", "TXT")),
        *(("i.DEC", ""), ("i.DEC.missing", "ND"), ("i.DEC.note", "broken")),
        *(("i.TXT", ""), ("i.TXT.missing", "ND"), ("i.TXT.note", "forged")),
    )
    assert sent.raws[Place("DEC")] == Raw({"": "", "missing": "ND", "note": "broken"})
    assert sent.raws[Place("TXT")] == Raw({"": ""})


@pytest.mark.parametrize("name", ["OTHER", "SUM", "DRUG", "R.r1.TXT", "G.r1.TXT", "R.r1", "R..DRUG", "R.a/b.DRUG", "X.r1.DRUG", "", "."])
def test_a_place_that_is_not_of_this_form_is_never_read(name: str) -> None:
    sent = posted(("p", name), ("i." + name, "forged"), ("r." + name, "forged"), ("why." + name, "x"), (f"ok.{name}.c", "x"))
    assert (sent.raws, sent.reasons, sent.confirmations) == ({}, {}, {})


def test_a_new_row_is_read_and_a_blank_one_is_no_row() -> None:
    sent = posted(
        *(("p", f"R.{row}.{item}") for row in ("new1", "new2") for item in ("DRUG", "STOP")), ("r.R.new1.DRUG", " "), ("r.R.new2.DRUG", "a")
    )
    assert sent.present == {Place("DRUG", "R", "new2"), Place("STOP", "R", "new2")}
    assert sent.new_rows == {"R": ("new1", "new2")}


def test_a_blanked_stored_row_is_still_present() -> None:
    assert posted(("p", "R.r1.DRUG"), ("r.R.r1.DRUG", "")).present == {Place("DRUG", "R", "r1")}


def test_adding_gives_the_next_row_and_dropping_forgets_one() -> None:
    drawn = [("p", "R.new1.DRUG"), ("r.R.new1.DRUG", "a"), ("p", "R.new10.DRUG"), ("r.R.new10.DRUG", "b")]
    added = posted(*drawn, ("add", "R"))
    assert (added.act, added.adding, added.new_rows) == ("add", "R", {"R": ("new1", "new10", "new11")})
    dropped = posted(*drawn, ("drop", "R.new1"))
    assert (dropped.act, dropped.new_rows, dropped.present) == ("drop", {"R": ("new10",)}, {Place("DRUG", "R", "new10")})


def test_rows_are_added_only_to_a_repeating_group() -> None:
    sent = posted(("add", "G"))
    assert (sent.act, sent.new_rows) == ("save", {})


def test_a_row_goes_only_with_a_reason_and_only_if_it_is_stored() -> None:
    assert posted(("gone.R.r1", "TYPO"), ("gone.R.r2", ""), ("gone.R.new1", "TYPO"), ("gone.G.r1", "TYPO")).gone == {("R", "r1"): "TYPO"}


def test_a_reason_of_its_own_goes_before_the_reason_of_the_page() -> None:
    sent = posted(
        *(("p", "TXT"), ("i.TXT", "a"), ("p", "INT"), ("i.INT", "1"), ("p", "R.r1.DRUG"), ("r.R.r1.DRUG", "b")),
        *(("why", "SOURCE"), ("why.TXT", "TYPO"), ("why.INT", "")),
    )
    assert sent.reasons == {Place("TXT"): "TYPO", Place("INT"): "SOURCE", Place("DRUG", "R", "r1"): "SOURCE"}


def test_confirmations_name_their_place_and_check() -> None:
    sent = posted(("p", "R.r1.DOSE"), ("r.R.r1.DOSE", "9"), ("ok.R.r1.DOSE.soft_range", "CHECKED"), ("ok.INT.soft_range", "CHECKED"))
    assert sent.confirmations == {(Place("DOSE", "R", "r1"), "soft_range"): "CHECKED"}


@pytest.mark.parametrize(("text", "version"), [("7", 7), ("0", 0), ("-1", None), ("7.0", None), ("٧", None), ("9" * 40, None), ("", None)])
def test_a_version_that_is_no_number_is_no_version(text: str, version: int | None) -> None:
    assert posted(("version", text)).version == version


NAMES = st.one_of(
    st.text(max_size=12),
    st.lists(
        st.sampled_from(["p", "i", "r", "ok", "why", "gone", "R", "new1", "r1", "DRUG", "TXT", "AT", "d", "", "missing"]), max_size=5
    ).map(".".join),
)


@given(st.lists(st.tuples(NAMES, st.one_of(NAMES, st.text(max_size=5))), max_size=12))
def test_any_post_is_read_without_a_crash(fields: list[tuple[str, str]]) -> None:
    sent = answers(FORM, MultiDict(fields))
    assert all(place.item in FORM.items for place in sent.present)


def test_every_data_type_has_a_widget() -> None:
    drawn = {widget_of(ItemDef("X", words("x"), kind, codelist=SCORE)) for kind in DataType}
    assert drawn <= {"text", "area", "number", "date", "datetime", "time", "radios", "checks", "select", "reference", "derived"}


# --- the page -----------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def app() -> Flask:
    made = Flask("page", template_folder=str(ROOT / "templates"), static_folder=str(ROOT / "trialcrf/web/static"))
    made.secret_key = "tests only"
    made.jinja_env.undefined = StrictUndefined
    made.jinja_env.trim_blocks = made.jinja_env.lstrip_blocks = True
    made.jinja_env.add_extension("jinja2.ext.i18n")
    made.jinja_env.install_gettext_callables(lambda text: text, lambda one, many, n: one if n == 1 else many, newstyle=True)  # type: ignore[attr-defined]
    made.jinja_env.globals.update(nonce=lambda: "once", unsaved_here=lambda: None, sprite=lambda: "/static/states.svg")
    made.jinja_env.filters.update(say=_say, day=str, moment=str, number=str, graded=graded, percent=str, clock=str)
    return made


def _say(text: object) -> object:
    if isinstance(text, Message):
        return text.msgid % {key: _say(value) for key, value in text.params.items()} if text.params else text.msgid
    return text.in_("en") if isinstance(text, Words) else str(text) if isinstance(text, Decimal) else text


def draw(app: Flask, it: FormView, tried: bool = False) -> html.HtmlElement:
    with app.test_request_context("/"):
        text = render_template("form/entry.html", shell=Shell(token="t"), crumbs=[Crumb("S-01", "/s")], it=it, tried=tried)
    return html.document_fromstring(text)


def successful(page: html.HtmlElement) -> Iterator[tuple[str, str]]:
    """What a browser would send for the entry form if nothing was touched and no button was named."""
    for field in page.get_element_by_id("entry").xpath(".//input[@name] | .//select[@name] | .//textarea[@name]"):
        if field.tag == "select":
            options = field.xpath(".//option")
            chosen = next((option for option in options if "selected" in option.attrib), options[0])
            yield field.get("name"), chosen.get("value")
        elif field.tag == "textarea":
            # A browser drops the line break that stands right after the tag.
            yield field.get("name"), (field.text or "").removeprefix("\n")
        elif field.get("type") not in ("radio", "checkbox") or "checked" in field.attrib:
            yield field.get("name"), field.get("value")


AROUND = Around(
    references={"REF": [("INF/1", "first"), ("INF/2", "second")]},
    reasons=REASONS,
    confirmations=CONFIRMATIONS,
    marks={Place("TXT"): Mark("history"), Place("INT"): Mark("open", 1)},
    zone=PARIS,
)
TROUBLE = (
    Finding(Place("DEC"), Severity.HARD, "unreadable", Message("Two separators.")),
    Finding(Place("DEC"), Severity.HARD, "reason", Message("Say why.")),
    Finding(Place("BOOL"), Severity.HARD, "reason", Message("Say why.")),
    Finding(Place("MULTI"), Severity.HARD, "C-1", words("Contradiction")),
    Finding(Place("AT"), Severity.HARD, "future", Message("In the future.")),
    Finding(Place("INT"), Severity.SOFT, "soft_range", Message("Unusual.")),
    Finding(Place("S1"), Severity.NOTE, "mandatory", Message("Needed.")),
    Finding(Place("DOSE", "R", "r1"), Severity.SOFT, "soft_range", Message("Unusual dose.")),
)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_page_sent_back_untouched_reads_to_the_answers_it_was_drawn_from(app: Flask, language: str) -> None:
    sent = answers(FORM, MultiDict(successful(draw(app, view(FORM, FULL, language, around=AROUND, version=4)))))
    stored = {place: answer for place, answer in FULL.places() if place.item != "SUM"}
    assert {place: read(FORM.items[place.item][1], raw, PARIS) for place, raw in sent.raws.items()} == stored
    assert (sent.version, sent.token, sent.new_rows, sent.gone) == (4, "t", {}, {})


def test_what_was_typed_is_drawn_again_as_it_was_typed(app: Flask) -> None:
    typed = posted(("p", "DEC"), ("i.DEC", "5,5,1"), ("p", "BOOL"), ("i.BOOL", "Y"), ("why.BOOL", "TYPO"), ("p", "MULTI"), ("version", "3"))
    sent = dict(successful(draw(app, view(FORM, FULL, "en", TROUBLE, typed, AROUND, version=9))))
    assert (sent["i.DEC"], sent["i.BOOL"], sent["why.BOOL"], sent["version"]) == ("5,5,1", "Y", "TYPO", "3")
    assert "i.MULTI" not in sent
    assert sent["i.INT"] == "12"


@pytest.fixture(scope="module")
def page(app: Flask) -> html.HtmlElement:
    return draw(app, view(FORM, FULL, "en", TROUBLE, posted(("add", "R")), AROUND), tried=True)


def test_every_control_has_a_label(page: html.HtmlElement) -> None:
    for control in page.xpath("//input[not(@type='hidden')] | //select | //textarea"):
        label = page.xpath("//label[@for=$id]", id=control.get("id")) or control.xpath("ancestor::label")
        assert label and label[0].text_content().strip(), html.tostring(control)


def test_ids_are_unique_and_every_description_exists(page: html.HtmlElement) -> None:
    ids = page.xpath("//@id")
    assert len(ids) == len(set(ids))
    for names in page.xpath("//@aria-describedby | //@aria-labelledby | //label/@for"):
        assert set(names.split()) <= set(ids), names


def test_every_set_of_choices_and_every_date_is_a_fieldset_with_its_question_as_legend(page: html.HtmlElement) -> None:
    several = page.xpath("//input[@type='radio' or @type='checkbox'] | //*[@class='days']//input")
    assert len(several) > 20
    for control in several:
        assert control.xpath("ancestor::fieldset[1]/legend[normalize-space()]"), html.tostring(control)


def test_hint_and_error_are_both_described_and_the_control_is_invalid(page: html.HtmlElement) -> None:
    weight = page.get_element_by_id("i-DEC")
    said = [page.get_element_by_id(name).text_content() for name in weight.get("aria-describedby").split()]
    assert said[0] == "expected 30 to 150"
    assert said[1] == "Error: Two separators."
    assert weight.get("aria-invalid") == "true"
    assert page.get_element_by_id("i-TXT").get("aria-invalid") is None


@pytest.mark.parametrize("ident", ["i-BOOL-1", "i-MULTI-1", "i-AT-d"])
def test_a_set_or_date_with_an_error_is_invalid_too(page: html.HtmlElement, ident: str) -> None:
    control = page.get_element_by_id(ident)
    assert control.xpath("ancestor-or-self::*[@aria-invalid='true']")
    assert control.xpath("ancestor::fieldset[1]/@aria-describedby")


def test_the_unit_is_heard_in_the_label_and_only_seen_beside_the_box(page: html.HtmlElement) -> None:
    assert page.xpath("//label[@for='i-DEC']")[0].text_content() == "Weight (kg)"
    assert page.get_element_by_id("i-DEC-item").xpath(".//*[@class='unit']/@aria-hidden") == ["true"]


def test_the_presence_marker_stands_after_every_box_of_its_item(page: html.HtmlElement) -> None:
    for item in page.xpath("//div[contains(@class, 'item') and @id][.//input[@name='p']]"):
        assert item.xpath(".//input | .//select | .//textarea")[-1].get("name") == "p", item.get("id")


def test_the_summary_counts_and_each_line_leads_to_a_control(page: html.HtmlElement) -> None:
    summary = page.get_element_by_id("summary")
    assert [part.text_content().strip() for part in summary.xpath(".//h3")] == [
        "5 errors stop the save",
        "2 queries will be raised",
        "1 answer is missing",
    ]
    links = summary.xpath(".//a/@href")
    assert links == ["#i-DEC", "#i-DEC", "#i-BOOL-1", "#i-MULTI-1", "#i-AT-d", "#i-INT", "#r-R-r1-DOSE", "#i-S1-1"]
    for link in links:
        assert page.get_element_by_id(link[1:]).tag == "input"
    assert page.xpath("string(//title)").startswith("Error: ")


def test_a_doubt_can_be_confirmed_under_its_field_and_an_answered_one_shows_its_reason(app: Flask, page: html.HtmlElement) -> None:
    assert page.xpath("//select[@name='ok.INT.soft_range']/option/@value") == ["", "CHECKED"]
    answered = Around(confirmations=CONFIRMATIONS, answered={(Place("INT"), "soft_range"): "checked"})
    again = draw(app, view(FORM, FULL, "en", TROUBLE[5:6], None, answered))
    assert not again.xpath("//select[@name='ok.INT.soft_range']")
    assert "Confirmed: checked" in again.get_element_by_id("i-INT-item").text_content()


def test_reasons_are_asked_only_where_a_saved_value_changes(page: html.HtmlElement) -> None:
    assert page.xpath("//select[starts-with(@name, 'why')]/@name") == ["why", "why.DEC", "why.BOOL"]


def test_the_marker_says_in_words_and_letter_what_is_behind_it(page: html.HtmlElement) -> None:
    marker = page.get_element_by_id("i-INT-item").xpath(".//a[contains(@class, 'mark')]")[0]
    assert marker.text_content() == "?Query open, Count"
    assert not page.get_element_by_id("i-DAY-item").xpath(".//a[contains(@class, 'mark')]")


def test_a_row_is_added_by_a_button_and_goes_only_by_a_reason(page: html.HtmlElement) -> None:
    assert page.xpath("//button[@name='add']/@value") == ["R"]
    assert page.xpath("//select[@name='gone.R.r1']/option[1]/@value") == [""]
    assert not page.xpath("//select[@name='gone.R.new1']")
    assert page.xpath("//button[@name='drop']/@value") == ["R.new1"]


def test_a_row_in_error_shows_its_reason_and_no_field(app: Flask) -> None:
    gone = Document(rows={"R": (Row("r1", {"DRUG": Answer("first")}, "typed twice"),)})
    row = draw(app, view(FORM, gone, "en", around=AROUND)).get_element_by_id("g-R-r1")
    assert "typed twice" in row.text_content()
    assert not row.xpath(".//input")


def test_enter_saves_and_does_not_add_a_row(page: html.HtmlElement) -> None:
    first = page.get_element_by_id("entry").xpath(".//button")[0]
    assert (first.get("name"), first.get("value")) == ("act", "save")


def test_the_page_has_one_heading_and_nothing_that_the_content_policy_stops(page: html.HtmlElement) -> None:
    assert len(page.xpath("//h1")) == 1
    assert not page.xpath("//@style | //style | //script[not(@src)] | //@*[starts-with(name(), 'on')]")


def test_words_of_the_study_and_typed_text_are_escaped(page: html.HtmlElement) -> None:
    assert page.xpath("//label[@for='i-TXT']")[0].text_content() == "Text <b>"
    assert page.get_element_by_id("i-TXT").get("value") == 'a "quoted" <text>'


def test_a_question_that_does_not_apply_is_left_out_unless_it_holds_a_value() -> None:
    around = Around(applies=lambda place: place.item not in ("DEC", "TXT"))
    group = view(FORM, Document(items={"TXT": Answer("kept")}), "en", around=around).groups[0]
    assert [field.place.item for field in group.fields][:3] == ["TXT", "LONG", "INT"]
    assert group.asked_later == 1


def test_birth_has_no_box_for_the_day(page: html.HtmlElement) -> None:
    assert page.get_element_by_id("i-BIRTH-item").xpath(".//input[@type='text']/@name") == ["i.BIRTH.m", "i.BIRTH.y"]


def test_an_answer_can_be_taken_back_from_radio_buttons(page: html.HtmlElement) -> None:
    assert page.xpath("//input[@name='i.BOOL']/@value") == ["Y", "N", ""]
    assert page.xpath("//input[@name='r.R.new1.STOP']/@value") == ["Y", "N"]


def test_a_reader_sees_words_and_no_control(app: Flask) -> None:
    page = draw(app, view(FORM, FULL, "en", TROUBLE, around=AROUND, editable=False))
    assert not page.get_element_by_id("entry").xpath(".//input | .//select | .//button | .//textarea")
    shown = {ident: page.get_element_by_id("i-" + ident).text_content() for ident in ("MULTI", "DEC", "PART", "BOOL", "REF")}
    assert shown == {"MULTI": "x, z", "DEC": "72.50 kg", "PART": "01/2026", "BOOL": "No", "REF": "first"}
