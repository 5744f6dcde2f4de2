"""A recipient and a donor screened on paper's every page: what a nurse would type so that every criterion can be judged."""

from __future__ import annotations

from collections.abc import Mapping

from tests.actions.world import World, typed
from trialcrf.core.document import FormKey
from trialcrf.store import forms
from trialcrf.store.subjects import Subject

DAY = (16, 11, 2026)
RECIPIENT = {
    "ICF_DATE": (10, 11, 2026), "ICF_VERSION": "3.0", "ICF_LANG": "fr", "ICF_SIGNED": "Y", "SEX_BIRTH": "M", "SOCIAL_SECURITY": "Y",
    "BIRTH_MONTH": {"m": 4, "y": 1980},
}  # fmt: skip
NO_HEART = dict.fromkeys(
    [
        "CHF_REVERSIBLE",
        "AF_FLUTTER_RECURRENT",
        "PAT_RECURRENT",
        "VT",
        "AVB23",
        "PERICARDIAL_TREATED",
        "HEART_OTHER_CAUSES_EXCLUDED",
        "CHF_REFRACTORY",
        "VA_UNCONTROLLED",
        "PERICARDIAL_HAEMODYNAMIC",
    ],
    "N",
)
SCREENING: Mapping[str, Mapping[str, object]] = {
    "VISIT": {"VIS_DONE": "Y", "VIS_DATE": DAY},
    "REPRO": {"RP_DATE": DAY},
    "SSCHIST": {
        "SEVERE_VISCERAL": "Y", "CYC_CONTRAINDICATED": "N", "CYC_RESISTANT": "Y", "HD_CYC_GIVEN": "Y", "HD_CYC_KIND": "BOLUS",
        "HD_CYC_END": (1, 3, 2026), "FIBROSING_LUNG_LIFE_THREAT": "N", "SKIN_RAPID_PROGRESSION": "Y", "SUBSET": "DIFFUSE",
    },
    "ACREULAR": {
        **dict.fromkeys(["PUFFY_FINGERS", "TIP_ULCERS", "TELANGIECTASIA", "CAPILLARIES_ABNORMAL", "PAH", "ACA", "ANTI_RNAP_III"], "N"),
        **dict.fromkeys(["SKIN_PROXIMAL_MCP", "SCLERODACTYLY", "PITTING_SCARS", "ILD", "RAYNAUD", "ANTI_TOPO_I", "ARA_PROXIMAL"], "Y"),
        **dict.fromkeys(["SPARES_FINGERS", "OTHER_DISORDER", "ARA_PAD_LOSS", "ARA_BIBASILAR"], "N"),
    },
    "VITALS": {"WT": "70", "HT": "175"},
    "LUNG": {
        "LUNG_DATE": DAY, "LUNG_BD": "PRE", "FVC_PCT": "70", "DLCO_PCT": "60", "VOLUME_SET": "GLI_GLOBAL", "DLCO_SET": "GLI_2017",
    },
    "PRIORPFT": {"PRIOR_PFT": "N"},
    "IMAGING": {
        "IMAGING_DATE": DAY, "IMAGING_METHOD": "HRCT", "ILD_BRONCHIOLAR": "N", "ILD_GROUND_GLASS": "Y", "ILD_FIBROSIS": "Y",
        "ILD_IMAGING": "Y", "LUNG_OTHER_CAUSES_EXCLUDED": "Y",
    },
    "HEART": {**NO_HEART, "NYHA": "NYHA CLASS I"},
    "ECHO": {"ECHO_DATE": DAY, "LVEF_ECHO": "60", "SPAP_ECHO": "30", "SCINTI_DONE": "N"},
    "RHC": {"RHC_DONE": "N"},
    "BLOODGAS": {"ABG_DATE": DAY, "ABG_ROOM_AIR": "Y", "PAO2": "11", "PAO2_UNIT": "kPa", "PACO2": "5", "PACO2_UNIT": "kPa"},
    "KIDNEY": dict.fromkeys(["MAHA", "RECENT_RENAL", "KIDNEY_OTHER_CAUSES_EXCLUDED", "CYSTOPATHY_CYC", "HTN_UNCONTROLLED"], "N"),
    "LABS": {
        "LAB_DATE": DAY, "NEUTROPHILS": "4.1", "PLATELETS": "210", "HAEMOGLOBIN": "12.5", "CD4_COUNT": "640", "CREATININE": "80",
        "CREATININE_UNIT": "umol/L", "CREATININE_ULN": "104",
    },
    "LIVER": {
        **{f"{place}__new1__{item}": text for place, item, text in (
            ("LIVER_TESTS", "LIVER_DATE", (2, 11, 2026)), ("LIVER_TESTS", "LIVER_ALT", "20"), ("LIVER_TESTS", "LIVER_ALT_ULN", "40"),
            ("LIVER_TESTS", "LIVER_AST", "20"), ("LIVER_TESTS", "LIVER_AST_ULN", "40"), ("LIVER_TESTS", "LIVER_BILI", "8"),
            ("LIVER_TESTS", "LIVER_BILI_ULN", "17"))},
    },
    "SEROLOGY": {
        "SEROLOGY_DATE": DAY, **dict.fromkeys(["HIV1", "HIV2", "HTLV1", "HTLV2", "HBSAG", "HCV_AB", "HBV_DNA", "HCV_RNA"], "NEGATIVE"),
        "HEP_B_C_CHRONIC_ACTIVE": "N", "INFECTION_UNCONTROLLED": "N",
    },
    "CONDITIONS": dict.fromkeys(
        [
            "PSYCH_UNCONTROLLED", "NEOPLASIA_ANY", "EXP_BLEOMYCIN", "EXP_TOXIC_OIL", "EXP_VINYL_CHLORIDE", "EXP_TRICHLOROETHYLENE",
            "EXP_SILICA", "EMS", "EF", "COMPLIANCE_RISK",
        ],
        "N",
    ),
}  # fmt: skip
SITES = ["FINGERS", "HAND", "FOREARM", "UPPERARM", "THIGH", "LEG", "FOOT"]
DONOR = {
    "DICF_DATE": (10, 11, 2026), "DICF_VERSION": "2.0", "DICF_LANG": "fr", "DICF_SIGNED": "Y", "DSEX_BIRTH": "M",
    "DSOCIAL_SECURITY": "Y", "DBIRTH_MONTH": {"m": 6, "y": 1985},
}  # fmt: skip
DONOR_SCREENING: Mapping[str, Mapping[str, object]] = {
    "VISIT": {"VIS_DONE": "Y", "VIS_DATE": DAY},
    "REPRO": {"RP_DATE": DAY},
    "DONORQ": {"RELATION": "SIBLING", "XYLOCAINE_ALLERGY": "N", "DONATION_CONTRAINDICATION": "N"},
    "DSEROLOGY": {
        "DSEROLOGY_DATE": DAY, "DNAT_DATE": DAY,
        **dict.fromkeys(["HIV1", "HIV2", "HTLV1", "HTLV2", "HBSAG", "HCV_AB", "SYPHILIS", "HIV_NAT", "HCV_NAT", "HBV_NAT"], "NEGATIVE"),
    },
}  # fmt: skip


def put(world: World, subject: Subject, form: str, event: str, name: str = "cora", **boxes: object) -> None:
    """Type boxes into a form, new or begun; a changed value gets a reason."""
    with world.read() as tx:
        stored = forms.read(tx, subject.id, FormKey(event, form))
    world.save(subject, form, event, typed(stored.version if stored else None, "LATE", **boxes), name=name)


def screen_recipient(world: World, donor: str = "", only: tuple[str, ...] = (), **changed: object) -> Subject:
    """An enrolled recipient whose every screening form is filled: eligible once a donor is. `changed` are boxes by item OID."""
    subject = world.enrol("recipient", **{**RECIPIENT, **{name: text for name, text in changed.items() if name in RECIPIENT}})
    for form, boxes in SCREENING.items():
        if not only or form in only:
            put(world, subject, form, "SCR", **{**boxes, **{name: changed[name] for name in boxes if name in changed}})
    if not only or "SKIN" in only:
        skin = {f"SKIN_{site}_{side}": "1" for site in SITES for side in "RL"} | {"SKIN_FACE": "1", "SKIN_CHEST": "1", "SKIN_ABDOMEN": "1"}
        put(world, subject, "SKIN", "SCR", **{**skin, **{name: changed[name] for name in skin if name in changed}})
    if donor:
        put(world, subject, "DONORLINK", "LINK", LINK_DONOR=donor, LINK_RELATION="SIBLING")
    return subject


def screen_donor(world: World, **changed: object) -> Subject:
    """An enrolled donor whose every screening form is filled: eligible."""
    subject = world.enrol("donor", **{**DONOR, **{name: text for name, text in changed.items() if name in DONOR}})
    for form, boxes in DONOR_SCREENING.items():
        put(world, subject, form, "DSCR", name="dora", **{**boxes, **{name: changed[name] for name in boxes if name in changed}})
    return subject
