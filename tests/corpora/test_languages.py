import pytest
from langcodes import Language, language_lists

from neuroglot import corpora
from neuroglot.corpora.languages import ALSO_WORDS, _names, choose, known_code
from neuroglot.errors import CorpusError


@pytest.mark.parametrize(
    ("tag", "code", "name"),
    [
        ("de", "de", "German"),
        ("deu", "de", "German"),
        ("ger", "de", "German"),
        ("DE", "de", "German"),
        ("deu_Latn", "de", "German"),
        ("swh_Latn", "sw", "Swahili"),
        ("arb_Arab", "ar", "Arabic"),
        ("arz", "arz", "Egyptian Arabic"),
        ("zh-hans", "zh-Hans", "Chinese (Simplified)"),
        ("zho_Hant", "zh-Hant", "Chinese (Traditional)"),
        ("cmn", "zh", "Chinese"),
        ("pt_BR", "pt-BR", "Portuguese (Brazil)"),
        ("iw", "he", "Hebrew"),
    ],
)
def test_one_code_for_each_language(tag, code, name):
    assert corpora.language_code(tag) == code
    assert corpora.language_name(tag) == name


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        ("label", "BCP-47"),
        ("index", "BCP-47"),
        ("Germn", "Did you mean 'de' (German)?"),
        ("jp", "Did you mean 'ja' (Japanese)?"),
        ("cz", "Did you mean 'cs' (Czech)?"),
        ("xx", "'xx' is no language code"),
        ("und", "BCP-47"),
        ("mul", "BCP-47"),
        ("x-foo", "BCP-47"),
        ("qaa", "BCP-47"),
        ("", "'' is no language code"),
        ("de de", "BCP-47"),
        ("德语", "BCP-47"),
        ("Male", "BCP-47"),
    ],
)
def test_unknown_codes_are_refused_with_a_suggestion(tag, words):
    with pytest.raises(CorpusError) as caught:
        corpora.language_code(tag)
    assert words in str(caught.value)


@pytest.mark.parametrize("code", ["ar", "he", "fa", "urd_Arab", "pa-Arab", "dv", "ckb"])
def test_right_to_left(code):
    assert corpora.is_right_to_left(code)


@pytest.mark.parametrize("code", ["de", "zh", "hi", "am", "pa", "ace_Latn"])
def test_left_to_right(code):
    assert not corpora.is_right_to_left(code)


def test_every_word_that_must_be_asked_for_is_a_code():
    assert [word for word in ALSO_WORDS if known_code(word) is None] == []


FLORES_TAGS = """
ace_Arab ace_Latn acm_Arab acq_Arab aeb_Arab afr_Latn ajp_Arab aka_Latn amh_Ethi apc_Arab arb_Arab arb_Latn
ars_Arab ary_Arab arz_Arab asm_Beng ast_Latn awa_Deva ayr_Latn azb_Arab azj_Latn bak_Cyrl bam_Latn ban_Latn bel_Cyrl
bem_Latn ben_Beng bho_Deva bjn_Arab bjn_Latn bod_Tibt bos_Latn bug_Latn bul_Cyrl cat_Latn ceb_Latn ces_Latn cjk_Latn
ckb_Arab crh_Latn cym_Latn dan_Latn deu_Latn dik_Latn dyu_Latn dzo_Tibt ell_Grek eng_Latn epo_Latn est_Latn eus_Latn
ewe_Latn fao_Latn pes_Arab fij_Latn fin_Latn fon_Latn fra_Latn fur_Latn fuv_Latn gla_Latn gle_Latn glg_Latn grn_Latn
guj_Gujr hat_Latn hau_Latn heb_Hebr hin_Deva hne_Deva hrv_Latn hun_Latn hye_Armn ibo_Latn ilo_Latn ind_Latn isl_Latn
ita_Latn jav_Latn jpn_Jpan kab_Latn kac_Latn kam_Latn kan_Knda kas_Arab kas_Deva kat_Geor knc_Arab knc_Latn kaz_Cyrl
kbp_Latn kea_Latn khm_Khmr kik_Latn kin_Latn kir_Cyrl kmb_Latn kon_Latn kor_Hang kmr_Latn lao_Laoo lvs_Latn lij_Latn
lim_Latn lin_Latn lit_Latn lmo_Latn ltg_Latn ltz_Latn lua_Latn lug_Latn luo_Latn lus_Latn mag_Deva mai_Deva mal_Mlym
mar_Deva min_Latn mkd_Cyrl plt_Latn mlt_Latn mni_Beng khk_Cyrl mos_Latn mri_Latn zsm_Latn mya_Mymr nld_Latn nno_Latn
nob_Latn npi_Deva nso_Latn nus_Latn nya_Latn oci_Latn gaz_Latn ory_Orya pag_Latn pan_Guru pap_Latn pol_Latn por_Latn
prs_Arab pbt_Arab quy_Latn ron_Latn run_Latn rus_Cyrl sag_Latn san_Deva sat_Olck scn_Latn shn_Mymr sin_Sinh slk_Latn
slv_Latn smo_Latn sna_Latn snd_Arab som_Latn sot_Latn spa_Latn als_Latn srd_Latn srp_Cyrl ssw_Latn sun_Latn swe_Latn
swh_Latn szl_Latn tam_Taml tat_Cyrl tel_Telu tgk_Cyrl tgl_Latn tha_Thai tir_Ethi taq_Latn taq_Tfng tpi_Latn tsn_Latn
tso_Latn tuk_Latn tum_Latn tur_Latn twi_Latn tzm_Tfng uig_Arab ukr_Cyrl umb_Latn urd_Arab uzn_Latn vec_Latn vie_Latn
war_Latn wol_Latn xho_Latn ydd_Hebr yor_Latn yue_Hant zho_Hans zho_Hant zul_Latn"""
FLORES = FLORES_TAGS.split()


def test_every_language_of_flores_is_known_and_stays_apart():
    codes = {tag: known_code(tag) for tag in FLORES}
    assert [tag for tag, code in codes.items() if code is None] == []
    same = {code: [tag for tag in FLORES if codes[tag] == code] for code in codes.values()}
    assert {code: tags for code, tags in same.items() if len(tags) > 1} == {}
    assert len(codes) == 203


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("German", "de"), ("GERMAN", "de"), ("Deutsch", "de"), ("français", "fr"), ("русский", "ru"), ("中文", "zh"),
        ("kiswahili", "sw"), ("Chinese", "zh"), ("हिन्दी", "hi"), (" English ", "en"),
    ],
)  # fmt: skip
def test_a_name_in_full_is_a_language(name: str, code: str) -> None:
    assert corpora.language_code(name) == code


def test_a_name_of_two_languages_names_none(monkeypatch):
    """CLDR has none today."""
    monkeypatch.setattr(language_lists, "CLDR_LANGUAGES", {"de", "sw"})
    monkeypatch.setattr(Language, "autonym", lambda self: "Same")
    assert _names.__wrapped__() == {"german": "de", "swahili": "sw"}


def test_languages_are_read_in_the_order_asked_for_or_else_sorted():
    names = {"sw.txt": "sw", "en.txt": "en", "de.txt": "deu"}
    assert list(choose(names, None, "x").items()) == [("de", "de.txt"), ("en", "en.txt"), ("sw", "sw.txt")]
    assert list(choose(names, ["sw", "de"], "x").items()) == [("sw", "sw.txt"), ("de", "de.txt")]
