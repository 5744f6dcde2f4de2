"""Cases for the recipient's forms of msc_ssc: answers that a check speaks of and others, questions that are asked and spared."""

from __future__ import annotations

from collections.abc import Mapping

Given = Mapping[str, object]
"""Answers by item; rows by group; answers of other forms by FORM.ITEM; `?ND` is a missing code; `subject` is the kind of subject."""


WOMAN = {"RENROL.SEX_BIRTH": "F"}
FERTILE = {**WOMAN, "CHILDBEARING": "Y"}
BARREN = {**WOMAN, "CHILDBEARING": "N"}
LAB = {"LAB_DATE": "2026-11-01"}
RHC_YES = {"RHC_DONE": "Y"}
# form, check, severity, answers at which it speaks, answers at which it is silent
CASES: list[tuple[str, str, str, Given, Given]] = [
    ("RENROL", "CONSENT_SIGNED", "soft", {"ICF_SIGNED": "N"}, {"ICF_SIGNED": "Y"}),
    ("RENROL", "BIRTH_SENSIBLE", "hard", {"BIRTH_MONTH": "1899-12"}, {"BIRTH_MONTH": "1900-01"}),
    (
        "RENROL", "AGE_AT_CONSENT", "soft",
        {"BIRTH_MONTH": "1956-10", "ICF_DATE": "2026-11-01"}, {"BIRTH_MONTH": "1956-12", "ICF_DATE": "2026-11-01"},
    ),
    ("RENROL", "SOCIAL_SECURITY_NEEDED", "soft", {"SOCIAL_SECURITY": "N"}, {"SOCIAL_SECURITY": "Y"}),
    ("REPRO", "HCG_NA_ONLY_WITHOUT_POTENTIAL", "hard", {**FERTILE, "HCG_RESULT": "NA"}, {**BARREN, "HCG_RESULT": "NA"}),
    ("REPRO", "HCG_NEEDED", "soft", {**FERTILE, "HCG_RESULT": "NOT_DONE"}, {**BARREN, "HCG_RESULT": "NOT_DONE"}),
    ("REPRO", "HCG_WITHOUT_POTENTIAL", "soft", {**BARREN, "HCG_RESULT": "POSITIVE"}, {**FERTILE, "HCG_RESULT": "POSITIVE"}),
    (
        "REPRO", "CONTRACEPTION_NEEDED", "soft",
        {**FERTILE, "CONTRACEPTION_EFFECTIVE": "N"}, {**FERTILE, "CONTRACEPTION_EFFECTIVE": "Y"},
    ),
    (
        "SSCHIST", "RESISTANT_WAS_TREATED", "soft",
        {"CYC_RESISTANT": "Y", "HD_CYC_GIVEN": "N"}, {"CYC_RESISTANT": "Y", "HD_CYC_GIVEN": "Y"},
    ),
    (
        "SSCHIST", "HD_CYC_AFTER_ONSET", "soft",
        {"HD_CYC_GIVEN": "Y", "HD_CYC_END": "2019-12", "NONRAYNAUD_ONSET": "2020-03", "RAYNAUD_ONSET": "2020"},
        {"HD_CYC_GIVEN": "Y", "HD_CYC_END": "2021", "NONRAYNAUD_ONSET": "2020-03"},
    ),
    (
        "SSCHIST", "RAYNAUD_AFTER_BIRTH", "soft",
        {"RAYNAUD_ONSET": "1979", "RENROL.BIRTH_MONTH": "1980-05"}, {"RAYNAUD_ONSET": "1981", "RENROL.BIRTH_MONTH": "1980-05"},
    ),
    (
        "SSCHIST", "ONSET_AFTER_BIRTH", "soft",
        {"NONRAYNAUD_ONSET": "1979", "RENROL.BIRTH_MONTH": "1980-05"}, {"NONRAYNAUD_ONSET": "?UNK", "RENROL.BIRTH_MONTH": "1980-05"},
    ),
    (
        "ACREULAR", "PROXIMAL_SPARES_NOT", "soft",
        {"SKIN_PROXIMAL_MCP": "Y", "SPARES_FINGERS": "Y"}, {"SKIN_PROXIMAL_MCP": "Y", "SPARES_FINGERS": "N"},
    ),
    (
        "ACREULAR", "PROXIMAL_BOTH_SETS", "soft",
        {"SKIN_PROXIMAL_MCP": "Y", "ARA_PROXIMAL": "N"}, {"SKIN_PROXIMAL_MCP": "N", "ARA_PROXIMAL": "Y"},
    ),
    (
        "ACREULAR", "PAH_BY_CATHETER", "soft",
        {"PAH": "Y", "RHC.PAH_CONFIRMED_RHC": "N", "RHC.MPAP_RHC": "25"}, {"PAH": "Y", "RHC.PAH_CONFIRMED_RHC": "N", "RHC.MPAP_RHC": "26"},
    ),
    ("ACREULAR", "PAH_NEEDS_CATHETER", "soft", {"PAH": "Y", "RHC.RHC_DONE": "N"}, {"PAH": "N", "RHC.RHC_DONE": "N"}),
    ("ACREULAR", "ILD_AS_IMAGED", "soft", {"ILD": "N", "IMAGING.ILD_IMAGING": "Y"}, {"ILD": "Y", "IMAGING.ILD_IMAGING": "Y"}),
    ("ACREULAR", "RAYNAUD_AS_DATED", "soft", {"RAYNAUD": "N", "SSCHIST.RAYNAUD_ONSET": "2019"},
     {"RAYNAUD": "N", "SSCHIST.RAYNAUD_ONSET": "?NA"}),
    (
        "MEDHIST", "MH_ORDER", "hard",
        {"MH_ANY": "Y", "MH_ROWS": [{"MH_START": "2020", "MH_ONGOING": "N", "MH_END": "2019-12"}]},
        {"MH_ANY": "Y", "MH_ROWS": [{"MH_START": "2020-03", "MH_ONGOING": "N", "MH_END": "2020-04"},
         {"MH_START": "?UNK", "MH_END": "2019"}]},
    ),
    (
        "MEDHIST", "MH_BEFORE_CONSENT", "soft",
        {"MH_ANY": "Y", "RENROL.ICF_DATE": "2026-11-01", "MH_ROWS": [{"MH_START": "2026-11-02"}]},
        {"MH_ANY": "Y", "RENROL.ICF_DATE": "2026-11-01", "MH_ROWS": [{"MH_START": "2026-11-01"}]},
    ),
    (
        "MEDHIST", "MH_BEFORE_DONOR_CONSENT", "soft",
        {"subject": "donor", "MH_ANY": "Y", "DENROL.DICF_DATE": "2026-11-01", "MH_ROWS": [{"MH_START": "2026-11-02"}]},
        {"subject": "donor", "MH_ANY": "Y", "DENROL.DICF_DATE": "2026-11-01", "MH_ROWS": [{"MH_START": "2026-11-01"}]},
    ),
    (
        "MEDHIST", "MH_CANCER_IS_CRITERION", "soft",
        {"MH_ANY": "Y", "CONDITIONS.NEOPLASIA_ANY": "N", "MH_ROWS": [{"MH_CAT": "NEOPLASIA"}]},
        {"MH_ANY": "Y", "CONDITIONS.NEOPLASIA_ANY": "N", "MH_ROWS": [{"MH_CAT": "RENAL"}]},
    ),
    (
        "PRIORPFT", "PRIOR_IN_TIME", "soft",
        {"PRIOR_PFT": "Y", "PRIOR_PFT_DATE": "2026-05-02", "RENROL.ICF_DATE": "2026-11-01"},
        {"PRIOR_PFT": "Y", "PRIOR_PFT_DATE": "2026-05-01", "RENROL.ICF_DATE": "2026-11-01"},
    ),
    ("PRIORPFT", "SAME_VOLUME_SET", "soft", {"PRIOR_PFT": "Y", "PRIOR_VOLUME_SET": "GLI_2012", "SCR.LUNG.VOLUME_SET": "OTHER"},
     {"PRIOR_PFT": "Y", "PRIOR_VOLUME_SET": "GLI_2012", "SCR.LUNG.VOLUME_SET": "GLI_2012"}),
    ("PRIORPFT", "SAME_DLCO_SET", "soft", {"PRIOR_PFT": "Y", "PRIOR_DLCO_SET": "GLI_2017", "SCR.LUNG.DLCO_SET": "OTHER"},
     {"PRIOR_PFT": "Y", "PRIOR_DLCO_SET": "?UNK", "SCR.LUNG.DLCO_SET": "OTHER"}),
    ("IMAGING", "ILD_CONCLUDED", "soft", {"ILD_IMAGING": "N", "ILD_GROUND_GLASS": "Y"}, {"ILD_IMAGING": "Y", "ILD_GROUND_GLASS": "Y"}),
    (
        "IMAGING", "ILD_DESCRIBED", "soft",
        {"ILD_IMAGING": "Y", "ILD_BRONCHIOLAR": "N", "ILD_GROUND_GLASS": "N", "ILD_FIBROSIS": "N"},
         {"ILD_IMAGING": "Y", "ILD_FIBROSIS": "Y"},
    ),
    ("HEART", "CHF_ONE_KIND", "hard", {"CHF_REVERSIBLE": "Y", "CHF_REFRACTORY": "Y"}, {"CHF_REVERSIBLE": "Y", "CHF_REFRACTORY": "N"}),
    ("HEART", "VT_CONTROLLED", "note", {"VT": "Y", "VA_UNCONTROLLED": "Y"}, {"VT": "Y", "VA_UNCONTROLLED": "N"}),
    (
        "HEART", "PERICARDIUM_NOW", "note",
        {"PERICARDIAL_TREATED": "Y", "PERICARDIAL_HAEMODYNAMIC": "Y"}, {"PERICARDIAL_TREATED": "N", "PERICARDIAL_HAEMODYNAMIC": "Y"},
    ),
    (
        "ECHO", "LVEF_AGREE", "note",
        {"LVEF_ECHO": "34", "SCINTI_DONE": "Y", "LVEF_SCINTI": "35"}, {"LVEF_ECHO": "35", "SCINTI_DONE": "Y", "LVEF_SCINTI": "50"},
    ),
    ("RHC", "MPAP_NEEDS_RHC", "soft", {"RHC_DONE": "N", "MPAP_RHC": "30"}, {"RHC_DONE": "N"}),
    ("RHC", "PAH_NEEDS_RHC", "soft", {"RHC_DONE": "N", "PAH_CONFIRMED_RHC": "Y"}, {**RHC_YES, "PAH_CONFIRMED_RHC": "Y"}),
    (
        "RHC", "PAH_AS_MEASURED", "note",
        {**RHC_YES, "PAH_CONFIRMED_RHC": "Y", "MPAP_RHC": "25"}, {**RHC_YES, "PAH_CONFIRMED_RHC": "Y", "MPAP_RHC": "26"},
    ),
    (
        "RHC", "MPAP_WITHOUT_PAH", "note",
        {**RHC_YES, "PAH_CONFIRMED_RHC": "N", "MPAP_RHC": "26"}, {**RHC_YES, "PAH_CONFIRMED_RHC": "N", "MPAP_RHC": "25"},
    ),
    (
        "RHC", "RHC_OVERRIDES_ECHO", "note",
        {**RHC_YES, "PAH_CONFIRMED_RHC": "N", "MPAP_RHC": "25", "ECHO.SPAP_ECHO": "41"},
        {**RHC_YES, "PAH_CONFIRMED_RHC": "N", "MPAP_RHC": "25", "ECHO.SPAP_ECHO": "40"},
    ),
    ("ECGHOLTER", "QT_ABOVE_QRS", "hard", {"ECG_QT": "250", "ECG_QRS": "250"}, {"ECG_QT": "400", "ECG_QRS": "90"}),
    (
        "ECGHOLTER", "VT_TO_HEART", "soft",
        {"HOLTER_DONE": "Y", "HOLTER_VT": "Y", "HEART.VT": "N"}, {"HOLTER_DONE": "Y", "HOLTER_VT": "Y", "HEART.VT": "Y"},
    ),
    ("ECGHOLTER", "AVB_TO_HEART", "soft", {"ECG_AVB": "SECOND", "HEART.AVB23": "N"}, {"ECG_AVB": "THIRD", "HEART.AVB23": "Y"}),
    ("BLOODGAS", "PAO2_POSSIBLE", "hard", {"PAO2": "85", "PAO2_UNIT": "kPa"}, {"PAO2": "85", "PAO2_UNIT": "mmHg"}),
    ("BLOODGAS", "PACO2_POSSIBLE", "hard", {"PACO2": "40", "PACO2_UNIT": "kPa"}, {"PACO2": "40", "PACO2_UNIT": "mmHg"}),
    ("BLOODGAS", "PACO2_CONFLICT", "note", {"PACO2": "50.25", "PACO2_UNIT": "mmHg"}, {"PACO2": "50.26", "PACO2_UNIT": "mmHg"}),
    ("BLOODGAS", "PAO2_CONFLICT", "note", {"PAO2": "60", "PAO2_UNIT": "mmHg"}, {"PAO2": "59.9", "PAO2_UNIT": "mmHg"}),
    (
        "KIDNEY", "KIDNEY_DBP_BELOW_SBP", "hard",
        {"BP_READINGS": [{"BP_SBP": "120", "BP_DBP": "80"}, {"BP_SBP": "100", "BP_DBP": "100"}]},
        {"BP_READINGS": [{"BP_SBP": "100", "BP_DBP": "99"}, {"BP_SBP": "?ND", "BP_DBP": "99"}]},
    ),
    (
        "KIDNEY", "CREATH_POSSIBLE", "hard",
        {"CREAT_HISTORY": [{"CREATH_VALUE": "80", "CREATH_UNIT": "mg/dL"}]},
         {"CREAT_HISTORY": [{"CREATH_VALUE": "80", "CREATH_UNIT": "umol/L"}]},
    ),
    (
        "KIDNEY", "CREATH_USUAL", "soft",
        {"CREAT_HISTORY": [{"CREATH_VALUE": "601", "CREATH_UNIT": "umol/L"}]},
        {"CREAT_HISTORY": [{"CREATH_VALUE": "600", "CREATH_UNIT": "umol/L"}, {"CREATH_VALUE": "0.9", "CREATH_UNIT": "mg/dL"}]},
    ),
    (
        "KIDNEY", "CREATH_ULN_POSSIBLE", "hard",
        {"CREAT_HISTORY": [{"CREATH_ULN": "90", "CREATH_UNIT": "mg/dL"}]},
         {"CREAT_HISTORY": [{"CREATH_ULN": "1.1", "CREATH_UNIT": "mg/dL"}]},
    ),
    (
        "KIDNEY", "HTN_PAIR_AND_UNCONTROLLED", "note",
        {"HTN_UNCONTROLLED": "Y", "BP_READINGS": [
            {"BP_DATE": "2026-11-01", "BP_TIME": "08:00", "BP_SBP": "160", "BP_DBP": "90"},
            {"BP_DATE": "2026-11-01", "BP_TIME": "20:00", "BP_SBP": "158", "BP_DBP": "111"},
        ]},
        {"HTN_UNCONTROLLED": "Y", "BP_READINGS": [
            {"BP_DATE": "2026-11-01", "BP_TIME": "08:00", "BP_SBP": "160", "BP_DBP": "90"},
            {"BP_DATE": "2026-11-01", "BP_TIME": "19:59", "BP_SBP": "158", "BP_DBP": "111"},
        ]},
    ),
    (
        "KIDNEY", "RECENT_RENAL_MEASURED", "soft",
        {"RECENT_RENAL": "Y"}, {"RECENT_RENAL": "Y", "CREAT_HISTORY": [{"CREATH_VALUE": "140", "CREATH_UNIT": "umol/L"}]},
    ),
    ("LABS", "CREATININE_POSSIBLE", "hard", {**LAB, "CREATININE": "80", "CREATININE_UNIT": "mg/dL"},
     {**LAB, "CREATININE": "0.9", "CREATININE_UNIT": "mg/dL"}),
    ("LABS", "CREATININE_USUAL", "soft", {**LAB, "CREATININE": "601", "CREATININE_UNIT": "umol/L"},
     {**LAB, "CREATININE": "600", "CREATININE_UNIT": "umol/L"}),
    (
        "LABS", "CREATININE_ULN_POSSIBLE", "hard",
        {"CREATININE": "0.9", "CREATININE_UNIT": "mg/dL", "CREATININE_ULN": "90"},
        {"CREATININE": "70", "CREATININE_UNIT": "umol/L", "CREATININE_ULN": "90"},
    ),
    ("LUNG", "DLCO_POSSIBLE", "hard", {"DLCO_VALUE": "20.1", "DLCO_UNIT_USED": "SI"}, {"DLCO_VALUE": "20", "DLCO_UNIT_USED": "SI"}),
    (
        "LUNG", "DLCO_USUAL", "soft",
        {"DLCO_VALUE": "2.9", "DLCO_UNIT_USED": "CONVENTIONAL"}, {"DLCO_VALUE": "3", "DLCO_UNIT_USED": "CONVENTIONAL"},
    ),
    ("LUNG", "FVC_BELOW_TLC", "soft", {"FVC_L": "3.1", "TLC_L": "3"}, {"FVC_L": "3", "TLC_L": "3"}),
    ("LUNG", "DLCO_LOW_EXCLUDES", "note", {"DLCO_PCT": "29.9"}, {"DLCO_PCT": "30"}),
    ("SEROLOGY", "HEPATITIS_AS_TESTED", "soft", {"HEP_B_C_CHRONIC_ACTIVE": "N", "HBV_DNA": "POSITIVE"},
     {"HEP_B_C_CHRONIC_ACTIVE": "N", "HBSAG": "NEGATIVE", "HBV_DNA": "INDETERMINATE", "HCV_RNA": "NOT_DONE"}),
    (
        "SEROLOGY", "HEPATITIS_SUPPORTED", "soft",
        {"HEP_B_C_CHRONIC_ACTIVE": "Y", "HBSAG": "NEGATIVE", "HBV_DNA": "NOT_DONE", "HCV_RNA": "NEGATIVE", "HCV_AB": "NEGATIVE"},
        {"HEP_B_C_CHRONIC_ACTIVE": "Y", "HCV_AB": "POSITIVE"},
    ),
    ("CONDITIONS", "EF_IS_OTHER_DISORDER", "soft", {"EF": "Y", "ACREULAR.OTHER_DISORDER": "N"},
     {"EF": "N", "ACREULAR.OTHER_DISORDER": "N"}),
    ("INCLUSION", "VERDICTS_AGREE", "soft", {"IEYN": "ELIGIBLE", "IE_COMPUTED": "PENDING"},
     {"IEYN": "NOT_ELIGIBLE", "IE_COMPUTED": "NOT_ELIGIBLE"}),
    (
        "INCLUSION", "INCLUSION_AFTER_CONSENT", "hard",
        {"subject": "donor", "INCL_DATE": "2026-11-01", "DENROL.DICF_DATE": "2026-11-02"},
        {"subject": "recipient", "INCL_DATE": "2026-11-01", "RENROL.ICF_DATE": "2026-11-01"},
    ),
]  # fmt: skip

NORMAL_EXAM = dict.fromkeys(
    ("PE_GENERAL", "PE_SKIN", "PE_HEAD", "PE_LYMPH", "PE_HEART", "PE_LUNGS", "PE_ABDOMEN", "PE_VESSELS", "PE_JOINTS", "PE_NERVES"), "NORMAL"
)
FEMALE = {"CHILDBEARING", "HCG_RESULT"}
# form, answers, items that are shown, items that are not
CONDITIONS: list[tuple[str, Given, set[str], set[str]]] = [
    ("REPRO", {"RENROL.SEX_BIRTH": "M"}, {"RP_DATE", "RP_APPLIES"}, FEMALE | {"CONTRACEPTION_EFFECTIVE", "HCG_DATE"}),
    ("REPRO", {"subject": "donor", "DENROL.DSEX_BIRTH": "F", "RENROL.SEX_BIRTH": "M"}, FEMALE, set()),
    ("REPRO", BARREN, FEMALE, {"CONTRACEPTION_EFFECTIVE"}),
    ("REPRO", {**FERTILE, "CONTRACEPTION_EFFECTIVE": "Y"}, {"CONTRACEPTION_METHOD"}, set()),
    ("REPRO", {**FERTILE, "HCG_RESULT": "NOT_DONE"}, {"CONTRACEPTION_EFFECTIVE"}, {"HCG_DATE"}),
    ("SSCHIST", {"HD_CYC_GIVEN": "N", "FIBROSING_LUNG_LIFE_THREAT": "N", "CYC_CONTRAINDICATED": "N"}, {"CYC_RESISTANT"},
     {"HD_CYC_KIND", "HD_CYC_END", "LUNG_TX_EXCLUDED", "CYC_CONTRAINDICATED_WHY"}),
    ("SSCHIST", {"HD_CYC_GIVEN": "Y", "FIBROSING_LUNG_LIFE_THREAT": "Y", "CYC_CONTRAINDICATED": "Y"},
     {"HD_CYC_KIND", "HD_CYC_END", "LUNG_TX_EXCLUDED", "CYC_CONTRAINDICATED_WHY"}, {"PREVIOUS_MRSS_DATE"}),
    ("SSCHIST", {"PREVIOUS_MRSS": "22"}, {"PREVIOUS_MRSS_DATE"}, set()),
    ("MEDHIST", {"MH_ANY": "N"}, {"MH_ANY"}, {"MH_TERM", "MH_CAT"}),
    ("PRIORPFT", {"PRIOR_PFT": "N"}, {"PRIOR_PFT"}, {"PRIOR_PFT_DATE", "PRIOR_FVC_PCT", "PRIOR_DLCO_SET"}),
    ("PRIORPFT", {"PRIOR_PFT": "Y", "PRIOR_DLCO_PCT": "?ND"}, {"PRIOR_PFT_DATE"}, {"PRIOR_DLCO_SET"}),
    ("HEART", {"PERICARDIAL_TREATED": "N", "PERICARDIAL_HAEMODYNAMIC": "?UNK"}, set(),
     {"PERICARDIAL_TREATED_KIND", "PERICARDIAL_HAEMODYNAMIC_DATE"}),
    ("HEART", {"PERICARDIAL_TREATED": "Y", "PERICARDIAL_HAEMODYNAMIC": "N"},
     {"PERICARDIAL_TREATED_KIND", "PERICARDIAL_HAEMODYNAMIC_DATE"}, set()),
    ("ECHO", {"SCINTI_DONE": "N"}, {"LVEF_ECHO"}, {"SCINTI_DATE", "LVEF_SCINTI"}),
    ("RHC", {"RHC_DONE": "N"}, {"RHC_DONE"}, {"RHC_DATE", "MPAP_RHC", "PAWP", "PVR", "PAH_CONFIRMED_RHC"}),
    ("ECGHOLTER", {"HOLTER_DONE": "N", "ECG_CONCLUSION": "NORMAL"}, {"ECG_RATE"}, {"HOLTER_DATE", "HOLTER_VT", "ECG_TEXT"}),
    ("ECGHOLTER", {"HOLTER_DONE": "Y", "ECG_CONCLUSION": "ABNORMAL_CS"}, {"HOLTER_DATE", "ECG_TEXT"}, set()),
    ("BLOODGAS", {"PAO2": "?ND", "PACO2": "40"}, {"PACO2_UNIT"}, {"PAO2_UNIT"}),
    ("BLOODGAS", {"PAO2": "12", "PACO2": "?ND"}, {"PAO2_UNIT"}, {"PACO2_UNIT"}),
    ("LABS", {"CREATININE": "?ND"}, {"CREATININE_ULN"}, {"CREATININE_UNIT"}),
    ("LUNG", {"DLCO_VALUE": "?ND", "DLCO_PCT": "?ND"}, {"DLCO_VALUE"}, {"DLCO_UNIT_USED", "DLCO_HB", "DLCO_SET"}),
    ("SEROLOGY", {"INFECTION_UNCONTROLLED": "N"}, {"HIV1"}, {"INFECTION_DETAIL"}),
    ("CONDITIONS", {"NEOPLASIA_ANY": "N"}, {"EXP_SILICA"}, {"NEOPLASIA_DETAIL"}),
    ("PHYSEXAM", {"DIGITAL_ULCERS": "N", **NORMAL_EXAM},
     {"FRICTION_RUBS"}, {"PE_TEXT", "DIGITAL_ULCER_COUNT"}),
    ("PHYSEXAM", {"PE_NERVES": "ABNORMAL", "DIGITAL_ULCERS": "Y"}, {"PE_TEXT", "DIGITAL_ULCER_COUNT"}, set()),
    ("DEVIATION", {"DVCAT": "DOSE"}, {"DV_ACTION"}, {"DV_CRITERIA"}),
    ("DEVIATION", {"DVCAT": "ELIGIBILITY"}, {"DV_CRITERIA"}, set()),
]  # fmt: skip
