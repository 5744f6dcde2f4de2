"""What a form must hold: conditions, ranges, rules, derived items; decided by the same code for page, import and re-evaluation."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterable
from datetime import UTC, date
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialcrf.core import checkplan
from trialcrf.core.checks import OWN_CHECKS, Context, applicable, complete, derive, progress, run
from trialcrf.core.definition.codes import CodeList, CodeListItem
from trialcrf.core.definition.model import Check, DataType, FormDef, ItemDef, ItemGroupDef, Range, Severity
from trialcrf.core.document import Answer, Document, Place, Row
from trialcrf.core.expr import Ref, parse
from trialcrf.core.typed import Value, interval
from trialcrf.core.values import Raw, Unreadable, read
from trialcrf.core.wording import Message, Words

TODAY = date(2026, 11, 21)
CONTEXT = Context(today=TODAY, zone=ZoneInfo("Europe/Paris"))
LABEL = Words({"en": "A question", "fr": "Une question"})
SAID = Words({"en": "This is wrong.", "fr": "C'est faux."})
YES_NO = CodeList("NY", (CodeListItem("Y", LABEL), CodeListItem("N", LABEL)))

T = DataType


def item(oid: str, kind: DataType = T.DECIMAL, **more: object) -> ItemDef:
    return ItemDef(oid, LABEL, kind, **more)  # type: ignore[arg-type]


def form(*items: ItemDef, checks: Iterable[Check] = (), when: str = "", rows: Iterable[ItemDef] = (), rows_when: str = "") -> FormDef:
    groups = [ItemGroupDef("MAIN", LABEL, items, when=parse(when) if when else None)]
    if rows := tuple(rows):
        groups.append(ItemGroupDef("ROWS", LABEL, rows, repeating=True, when=parse(rows_when) if rows_when else None))
    return FormDef("F", LABEL, tuple(groups), checks=tuple(checks))


def rule(holds: str, *items: str, severity: Severity = Severity.SOFT) -> Check:
    return Check("RULE", parse(holds), severity, SAID, items)


def document(rows: Iterable[Row] = (), **answers: str | Answer) -> Document:
    given_rows = tuple(rows)
    items = {oid: answer if isinstance(answer, Answer) else Answer(answer) for oid, answer in answers.items()}
    return Document(items, {"ROWS": given_rows} if given_rows else {})


def row(row_id: str, error: str = "", **answers: str | Answer) -> Row:
    return Row(row_id, {oid: answer if isinstance(answer, Answer) else Answer(answer) for oid, answer in answers.items()}, error)


def found(checked: FormDef, answers: Document, context: Context = CONTEXT) -> set[tuple[str, str, str]]:
    return {(str(finding.place), finding.check, finding.severity.value) for finding in run(checked, answers, context)}


ND = Answer(missing="ND", note="broken")


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ("49.9", "hard_range"),
        ("50", "soft_range"),
        ("50.0", "soft_range"),
        ("59.9", "soft_range"),
        ("60", None),
        ("100", None),
        ("100.1", "soft_range"),
        ("150", "soft_range"),
        ("150.00", "soft_range"),
        ("150.01", "hard_range"),
        ("0", "hard_range"),
        ("-70", "hard_range"),
    ],
)
def test_ranges_are_compared_exactly_with_their_bounds_inside(text: str, check: str | None) -> None:
    checked = form(item("W", hard=Range("50", "150"), soft=Range("60.0", "100")))
    severity = "hard" if check == "hard_range" else "soft"
    assert found(checked, document(W=text)) == ({("W", check, severity)} if check else set())


@pytest.mark.parametrize(
    ("given_range", "text", "outside"),
    [
        (Range("0", None), "0", False),
        (Range("0", None), "-0.1", True),
        (Range(None, "0"), "0", False),
        (Range(None, "0"), "0.1", True),
        (Range("0.1", "0.3"), "0.30", False),
        (Range("0.1", "0.3"), "0.3000000000000000000001", True),
    ],
)
def test_an_open_range_and_zero(given_range: Range, text: str, outside: bool) -> None:
    assert bool(found(form(item("W", hard=given_range)), document(W=text))) is outside
    assert bool(found(form(item("W", soft=given_range)), document(W=text))) is outside


def plain(message: object) -> str:
    if isinstance(message, Message):
        return message.msgid % {key: plain(value) for key, value in message.params.items()}
    return str(message)


def test_a_range_is_told_with_the_value_the_bounds_and_the_unit() -> None:
    both, low = item("A", soft=Range("60", "100"), unit="kg"), item("B", hard=Range("1.50", None))
    said = [plain(finding.message) for finding in run(form(both, low), document(A="59.90", B="1"), CONTEXT)]
    assert said[0] == "59.90 kg is outside the expected range: from 60 to 100 kg."
    assert said[1] == "1 is outside the possible range: at least 1.50."


def test_a_missing_code_has_no_range_and_satisfies_a_mandatory_item() -> None:
    asked = item("W", hard=Range("50", "150"), missing=("ND",))
    assert found(form(asked), document(W=ND)) == set()
    assert found(form(asked), document(W=Answer(missing="NASK"))) == {("W", "codelist", "hard")}


def test_a_mandatory_blank_is_noted_and_an_optional_one_is_not() -> None:
    assert found(form(item("A"), item("B", mandatory=False)), document()) == {("A", "mandatory", "note")}


def test_a_derived_item_is_never_demanded() -> None:
    assert found(form(item("A", T.DERIVED, derive=parse("1 / 0"))), document()) == set()


@pytest.mark.parametrize(
    ("kind", "text", "future"),
    [
        (T.DATE, "2026-11-21", False),
        (T.DATE, "2026-11-22", True),
        (T.PARTIAL_DATE, "2026-11", False),
        (T.PARTIAL_DATE, "2026", False),
        (T.PARTIAL_DATE, "2026-12", True),
        (T.PARTIAL_DATE, "2027", True),
        (T.DATETIME, "2026-11-21T23:59+01:00", False),
        (T.DATETIME, "2026-11-22T00:00+01:00", True),
        (T.DATETIME, "2026-11-22T00:30+02:00", False),  # Still the 21st at the site.
    ],
)
def test_a_date_is_refused_when_it_is_certainly_in_the_future(kind: DataType, text: str, future: bool) -> None:
    assert found(form(item("D", kind, not_future=True)), document(D=text)) == ({("D", "future", "hard")} if future else set())
    assert found(form(item("D", kind)), document(D=text)) == set()


@pytest.mark.parametrize(
    ("kind", "text", "check"),
    [
        (T.CODELIST, "Y", None),
        (T.CODELIST, "Z", "codelist"),
        (T.MULTICHOICE, "Y|N", None),
        (T.MULTICHOICE, "Y|Z", "codelist"),
        (T.INTEGER, "12", None),
        (T.INTEGER, "abc", "unreadable"),
        (T.DATE, "2026-02", "unreadable"),
        (T.BOOLEAN, "yes", "unreadable"),
        (T.TIME, "25:00", "unreadable"),
        (T.DATETIME, "2026-02-01T10:00", "unreadable"),
        (T.TEXT, "anything", None),
    ],
)
def test_stored_text_is_judged_again_by_the_definition(kind: DataType, text: str, check: str | None) -> None:
    asked = item("X", kind, codelist=YES_NO if kind in (T.CODELIST, T.MULTICHOICE) else None)
    assert found(form(asked), document(X=text)) == ({("X", check, "hard")} if check else set())


@pytest.mark.parametrize(
    ("decimals", "text", "refused"), [(1, "72.5", False), (1, "72.50", True), (1, "72", False), (0, "72.0", True), (None, "1.234", False)]
)
def test_more_decimals_than_asked_are_refused(decimals: int | None, text: str, refused: bool) -> None:
    assert found(form(item("W", decimals=decimals)), document(W=text)) == ({("W", "decimals", "hard")} if refused else set())


CONDITIONAL = form(item("SEX", T.TEXT, missing=("ND",)), item("PREG", T.TEXT, when=parse("SEX = 'F'")))


@pytest.mark.parametrize(
    ("answers", "expected", "shown"),
    [
        (document(SEX="F"), {("PREG", "mandatory", "note")}, True),
        (document(SEX="M"), set(), False),
        (document(SEX="M", PREG="N"), {("PREG", "condition", "note")}, False),
        (document(SEX="F", PREG="N"), set(), True),
        (document(SEX=ND), set(), True),
        (document(), {("SEX", "mandatory", "note")}, True),
    ],
)
def test_a_condition_decides_what_is_asked_and_flags_what_is_kept(answers: Document, expected: set[object], shown: bool) -> None:
    assert found(CONDITIONAL, answers) == expected
    assert (Place("PREG") in applicable(CONDITIONAL, answers, CONTEXT)) is shown


def test_the_condition_of_a_group_and_of_an_item_must_both_hold() -> None:
    conditional = FormDef(
        "F",
        LABEL,
        (
            ItemGroupDef("MAIN", LABEL, (item("A", T.BOOLEAN), item("B", T.BOOLEAN))),
            ItemGroupDef("MORE", LABEL, (item("X", when=parse("B")), item("Y")), when=parse("A")),
        ),
    )
    asked = {(a, b): found(conditional, document(A=a, B=b)) for a in "YN" for b in "YN"}
    assert asked["Y", "Y"] == {("X", "mandatory", "note"), ("Y", "mandatory", "note")}
    assert asked["Y", "N"] == {("Y", "mandatory", "note")}
    assert asked["N", "Y"] == asked["N", "N"] == set()
    assert Place("", "MORE") in applicable(conditional, document(), CONTEXT)
    assert Place("", "MORE") not in applicable(conditional, document(A="N"), CONTEXT)
    assert Place("X") not in applicable(conditional, document(B="N"), CONTEXT)


IN_ROWS = form(
    item("SITE", T.TEXT, mandatory=False),
    rows=[item("TERM", T.TEXT), item("SER", T.BOOLEAN, mandatory=False), item("WHY", T.TEXT, when=parse("SER"))],
    rows_when="SITE = 'A'",
)


def test_a_condition_in_a_row_reads_its_own_row() -> None:
    answers = document([row("r1", TERM="x", SER="Y"), row("r2", TERM="x", SER="N"), row("r3", error="double", SER="Y")], SITE="A")
    assert found(IN_ROWS, answers) == {("ROWS/r1/WHY", "mandatory", "note")}
    shown = applicable(IN_ROWS, answers, CONTEXT)
    assert Place("WHY", "ROWS", "r1") in shown
    assert Place("WHY", "ROWS", "r2") not in shown
    assert Place("WHY", "ROWS", "r3") not in shown


def test_a_page_learns_of_the_blank_row_and_of_the_group_it_offers() -> None:
    assert {Place("TERM", "ROWS"), Place("WHY", "ROWS"), Place("", "ROWS"), Place("SITE"), Place("", "MAIN")} <= applicable(
        IN_ROWS, document(SITE="A"), CONTEXT
    )
    assert applicable(IN_ROWS, document(SITE="B"), CONTEXT) == {Place("SITE"), Place("", "MAIN")}


def test_an_answer_in_a_row_that_does_not_apply_is_flagged_in_its_place() -> None:
    assert found(IN_ROWS, document([row("r1", TERM="x")], SITE="B")) == {("ROWS/r1/TERM", "condition", "note")}


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        ("1", "2", set()),
        ("2", "2", set()),
        ("3", "2", {("B", "RULE", "soft")}),
        (ND, "2", {("B", "unverifiable", "note")}),
        (None, "2", set()),
        (None, ND, set()),
    ],
)
def test_a_rule_speaks_when_it_fails_or_cannot_be_verified_and_not_of_blanks(
    low: str | Answer | None, high: str | Answer, expected: object
) -> None:
    checked = form(item("A", mandatory=False, missing=("ND",)), item("B", missing=("ND",)), checks=[rule("A <= B", "B")])
    answers = document(B=high) if low is None else document(A=low, B=high)
    assert found(checked, answers) == expected


@pytest.mark.parametrize("severity", list(Severity))
def test_a_broken_rule_has_its_severity_and_its_words_at_each_of_its_items(severity: Severity) -> None:
    checked = form(item("A"), item("B"), checks=[rule("A < B", "A", "B", severity=severity)])
    findings = run(checked, document(A="2", B="1"), CONTEXT)
    assert [(finding.place, finding.severity, finding.message) for finding in findings] == [
        (Place("A"), severity, SAID),
        (Place("B"), severity, SAID),
    ]


def test_a_rule_over_a_partial_date_is_noted_with_its_words_only_while_it_is_open() -> None:
    checked = form(item("S", T.PARTIAL_DATE), item("E", T.PARTIAL_DATE), checks=[rule("S <= E", "E")])
    (finding,) = run(checked, document(S="2026-03", E="2026-03-10"), CONTEXT)
    assert (finding.check, finding.severity) == ("unverifiable", Severity.NOTE)
    assert isinstance(finding.message, Message)
    assert finding.message.params["rule"] == SAID
    assert found(checked, document(S="2026-03", E="2026-04")) == set()
    assert found(checked, document(S="2026-04", E="2026-03")) == {("E", "RULE", "soft")}


@pytest.mark.parametrize("holds", ["A / 0 > 1", "A = 'text'", "A + NOWHERE > 1", "A", "NOWHERE"])
def test_a_rule_that_cannot_be_evaluated_is_a_finding(holds: str) -> None:
    assert found(form(item("A"), checks=[rule(holds, "A")]), document(A="1")) == {("A", "unverifiable", "note")}


def test_a_rule_that_names_no_item_of_the_form_is_still_told() -> None:
    assert found(form(item("A"), checks=[rule("A > 1", "ELSEWHERE")]), document(A="1")) == {("ELSEWHERE", "RULE", "soft")}


def test_a_rule_over_rows_is_judged_in_each_live_row() -> None:
    checked = form(item("LIMIT"), rows=[item("LOW"), item("HIGH")], checks=[rule("LOW <= HIGH and HIGH <= LIMIT", "HIGH")])
    answers = document(
        [row("r1", LOW="1", HIGH="2"), row("r2", LOW="3", HIGH="2"), row("r3", LOW="1", HIGH="9"), row("r4", "x", LOW="3", HIGH="2")],
        LIMIT="5",
    )
    assert found(checked, answers) == {("ROWS/r2/HIGH", "RULE", "soft"), ("ROWS/r3/HIGH", "RULE", "soft")}


def test_a_rule_told_at_the_form_over_rows_is_told_once() -> None:
    checked = form(item("LIMIT"), rows=[item("DOSE")], checks=[rule("DOSE <= LIMIT", "LIMIT")])
    findings = run(checked, document([row("r1", DOSE="9"), row("r2", DOSE="8")], LIMIT="5"), CONTEXT)
    assert [str(finding.place) for finding in findings] == ["LIMIT"]


def test_an_aggregate_told_at_the_form_reads_the_whole_column() -> None:
    checked = form(item("TOTAL"), rows=[item("DOSE")], checks=[rule("sum(DOSE) = TOTAL", "TOTAL")])
    rows = [row("r1", DOSE="2"), row("r2", DOSE="3"), row("r3", "double", DOSE="100")]
    assert found(checked, document(rows, TOTAL="5")) == set()
    assert found(checked, document(rows, TOTAL="6")) == {("TOTAL", "RULE", "soft")}
    assert found(checked, document(TOTAL="0")) == set()


def test_rules_read_other_forms_and_the_subject() -> None:
    asked: list[Ref] = []

    def others(ref: Ref) -> Value:
        asked.append(ref)
        return interval("2026-02-01")

    checked = form(item("D", T.DATE), checks=[rule("D >= SCR.DM.RFICDAT and subject.type = 'R'", "D")])
    context = Context(TODAY, UTC, {"type": "R"}, others)
    assert found(checked, document(D="2026-01-31"), context) == {("D", "RULE", "soft")}
    assert found(checked, document(D="2026-02-01"), context) == set()
    assert found(checked, document(D="2026-02-01"), Context(TODAY, UTC, {"type": "D"}, others)) == {("D", "RULE", "soft")}
    assert set(asked) == {Ref("RFICDAT", "DM", "SCR")}
    assert found(checked, document(D="2026-01-31")) == set()  # Nothing is known of the other form yet.


def test_today_is_the_context_s() -> None:
    checked = form(item("D", T.DATE), checks=[rule("D = today()", "D")])
    assert found(checked, document(D="2026-11-21")) == set()
    assert found(checked, document(D="2026-11-20")) == {("D", "RULE", "soft")}


BMI = item("BMI", T.DERIVED, derive=parse("WEIGHT / (M * M)"), decimals=1, soft=Range("15", "40"))
M = item("M", T.DERIVED, derive=parse("HEIGHT / 100"))
BODY = form(BMI, M, item("WEIGHT", missing=("ND",)), item("HEIGHT"))


def test_derived_items_are_computed_in_the_order_they_need_each_other() -> None:
    after = derive(BODY, document(WEIGHT="70.5", HEIGHT="172"), CONTEXT)
    assert after.items["M"] == Answer("1.72")
    assert after.items["BMI"] == Answer("23.8")


@pytest.mark.parametrize("answers", [document(HEIGHT="172"), document(WEIGHT=ND, HEIGHT="172"), document(WEIGHT="70", HEIGHT="0")])
def test_an_undetermined_derived_item_loses_its_answer(answers: Document) -> None:
    assert "BMI" not in derive(BODY, answers.with_answer(Place("BMI"), Answer("99")), CONTEXT).items


def test_a_derived_answer_that_was_typed_is_computed_anew_and_judged() -> None:
    after = derive(BODY, document(WEIGHT="70.5", HEIGHT="172", BMI="1"), CONTEXT)
    assert after.items["BMI"] == Answer("23.8")
    assert found(BODY, derive(BODY, document(WEIGHT="170", HEIGHT="172"), CONTEXT)) == {("BMI", "soft_range", "soft")}


def test_deriving_twice_changes_nothing() -> None:
    once = derive(BODY, document(WEIGHT="70.5", HEIGHT="172"), CONTEXT)
    assert derive(BODY, once, CONTEXT) is once


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("A > 1", "Y"),
        ("A > 2", "N"),
        ("A / 3", "0.6666666667"),
        ("A * 0.5", "1"),
        ("A * 50", "100"),
        ("0 - A + A", "0"),
        ("if(A > 1, 'high', 'low')", "high"),
        ("add_months(D, 1)", "2026-02-28"),
        ("P", "2026-01"),
        ("add_days(P, 1)", None),
        ("C", "N|Y"),
        ("AT", "2026-03-29T14:05+02:00"),
        ("CLOCK", "14:05"),
        ("years_between(date('1970-03'), D)", "55"),
        ("years_between(date('1970-01'), date('2026-01-15'))", None),
        ("missing(A)", "N"),
        ("NOWHERE", None),
    ],
)
def test_each_kind_of_value_is_derived_to_canonical_text(expression: str, text: str | None) -> None:
    asked = form(
        item("X", T.DERIVED, derive=parse(expression)),
        item("A"),
        item("D", T.DATE),
        item("P", T.PARTIAL_DATE),
        item("C", T.MULTICHOICE, codelist=YES_NO),
        item("AT", T.DATETIME),
        item("CLOCK", T.TIME),
    )
    answers = document(A="2", D="2026-01-31", P="2026-01", C="Y|N", AT="2026-03-29T14:05+02:00", CLOCK="14:05")
    assert derive(asked, answers, CONTEXT).items.get("X") == (Answer(text) if text else None)


def test_items_derive_within_their_row_and_over_all_live_rows() -> None:
    asked = form(
        item("TOTAL", T.DERIVED, derive=parse("sum(DOSE)")),
        item("FACTOR"),
        rows=[item("MG"), item("DOSE", T.DERIVED, derive=parse("MG * FACTOR"))],
    )
    after = derive(asked, document([row("r1", MG="1"), row("r2", MG="2"), row("r3", "double", MG="50", DOSE="7")], FACTOR="10"), CONTEXT)
    assert [each.items.get("DOSE") for each in after.rows["ROWS"]] == [Answer("10"), Answer("20"), Answer("7")]
    assert after.items["TOTAL"] == Answer("30")


def test_a_derived_item_that_does_not_apply_has_no_answer() -> None:
    asked = form(item("A"), item("X", T.DERIVED, derive=parse("A + 1"), when=parse("A > 5")))
    assert derive(asked, document(A="6"), CONTEXT).items["X"] == Answer("7")
    assert "X" not in derive(asked, document(A="5", X="6"), CONTEXT).items


def test_a_cycle_ends() -> None:
    asked = form(item("X", T.DERIVED, derive=parse("Y + 1")), item("Y", T.DERIVED, derive=parse("X + 1")))
    assert derive(asked, document(), CONTEXT) == document()


def test_progress_counts_mandatory_applicable_items_of_live_rows() -> None:
    asked = form(
        item("SEX", T.TEXT),
        item("PREG", T.TEXT, when=parse("SEX = 'F'")),
        item("NOTE", T.TEXT, mandatory=False),
        item("X", T.DERIVED, derive=parse("1")),
        rows=[item("TERM", T.TEXT)],
    )
    assert progress(asked, document(), CONTEXT) == (0, 1)
    assert progress(asked, document(SEX="F"), CONTEXT) == (1, 2)
    assert progress(asked, document(SEX="M", PREG="N", NOTE="x"), CONTEXT) == (1, 1)
    assert progress(asked, document([row("r1"), row("r2", TERM="x"), row("r3", "double")], SEX="M"), CONTEXT) == (2, 3)
    assert complete(asked, document(SEX="M"), CONTEXT)
    assert not complete(asked, document(SEX="F"), CONTEXT)
    assert complete(asked, document(SEX="F", PREG=Answer(missing="UNK")), CONTEXT)


def test_every_name_of_a_finding_of_the_program_is_reserved() -> None:
    asked = form(item("A", hard=Range("1", "2")), item("B"), item("C", T.INTEGER, when=parse("A < 0")), checks=[rule("B / 0 > 1", "B")])
    names = {finding.check for finding in run(asked, document(A="3", B="1", C="x"), CONTEXT)}
    assert names == {"hard_range", "unverifiable", "condition", "unreadable"}
    assert names < OWN_CHECKS


def test_a_plan_belongs_to_its_definition_and_leaves_with_it() -> None:
    first = form(item("A", hard=Range("1", "2")))
    plan = checkplan.plan_of(first)
    assert checkplan.plan_of(first) is plan
    assert checkplan.plan_of(form(item("A", hard=Range("1", "2")))) is not plan
    known = len(checkplan._PLANS)
    del first
    gc.collect()
    assert len(checkplan._PLANS) < known


texts = st.one_of(st.text(min_size=1, max_size=8), st.sampled_from(["1", "Y", "N", "2026-01", "2026-01-05", "72.50", "Y|Z", "14:05"]))
some_answers = st.one_of(st.builds(Answer, texts), st.just(ND))
EVERY = form(
    *(
        item(
            kind.name,
            kind,
            codelist=YES_NO,
            hard=Range("0", "9"),
            decimals=1,
            not_future=True,
            derive=parse("INTEGER + DECIMAL") if kind is T.DERIVED else None,
        )
        for kind in T
    ),
    checks=[rule(f"{one.name} <= {other.name}", one.name) for one in T for other in T],
    rows=[item("TERM", T.TEXT), item("WHEN", T.PARTIAL_DATE, when=parse("TERM = 'Y' or DATE < WHEN"))],
)


@given(
    st.dictionaries(st.sampled_from([kind.name for kind in T]), some_answers),
    st.lists(st.builds(Row, st.uuids().map(str), st.dictionaries(st.sampled_from(["TERM", "WHEN"]), some_answers)), max_size=3),
)
def test_no_document_makes_a_check_crash(answers: dict[str, Answer], rows: list[Row]) -> None:
    after = derive(EVERY, Document(answers, {"ROWS": tuple(rows)}), CONTEXT)
    findings = run(EVERY, after, CONTEXT)
    assert all(finding.message for finding in findings)
    answered, asked = progress(EVERY, after, CONTEXT)
    assert 0 <= answered <= asked
    assert (asked - answered) == sum(finding.check == "mandatory" for finding in findings)
    assert {finding.place for finding in findings if finding.check == "mandatory"} <= applicable(EVERY, after, CONTEXT)


def test_a_form_of_thirty_items_is_read_derived_and_checked_within_a_millisecond() -> None:
    numbers = [item(f"N{i}", hard=Range("0", "500"), soft=Range("10", "100"), decimals=2, missing=("ND",)) for i in range(14)]
    dates = [item(f"D{i}", T.DATE, not_future=True) for i in range(5)]
    codes = [item(f"C{i}", T.CODELIST, codelist=YES_NO, when=parse("N0 > 5") if i else None) for i in range(8)]
    derived = [item(f"X{i}", T.DERIVED, derive=parse(f"(N{i} + N{i + 1}) / 2"), decimals=1) for i in range(3)]
    thirty = form(*numbers, *dates, *codes, *derived, checks=[rule(f"N{i} <= N{i + 1} or D0 < D1", f"N{i}") for i in range(8)])
    typed_raws = {
        **{each.oid: Raw({"": "72,5", "missing": "", "note": ""}) for each in numbers},
        **{each.oid: Raw({"d": "5", "m": "1", "y": "2026"}) for each in dates},
        **{each.oid: Raw({"": "Y"}) for each in codes},
    }

    def whole() -> int:
        answers: dict[str, Answer] = {}
        for oid, raw in typed_raws.items():
            answer = read(thirty.items[oid][1], raw, CONTEXT.zone)
            assert answer is not None
            assert not isinstance(answer, Unreadable)
            answers[oid] = answer
        return len(run(thirty, derive(thirty, Document(answers), CONTEXT), CONTEXT))

    assert whole() == 0
    fastest = min(_seconds(whole) for _ in range(30))
    assert fastest < Decimal("0.001")


def _seconds(work: object) -> float:
    begun = time.process_time()
    for _ in range(5):
        work()  # type: ignore[operator]
    return (time.process_time() - begun) / 5
