"""Swahili phrases of the lab; things carry their copula, which agrees with the noun class."""

from neuroglot.lab.phrasebook import Phrasebook, lines, table

PHRASEBOOK = Phrasebook(
    code="sw",
    subjects=lines("""
        mwalimu
        kaka yangu
        dada yangu
        daktari
        msichana
        mvulana
        mama yangu
        mkulima
        bibi mzee
        baba yangu
        jirani
        binti yangu
        mwanafunzi
        mpishi
    """),
    predicates=lines("""
        anasoma kitabu
        anakunywa chai
        anafanya kazi bustanini
        ananunua mkate
        anaandika barua
        anapika wali
        anaimba wimbo
        anaenda shuleni
        analala nyumbani
        anacheza mpira wa miguu
        anatazama filamu
        anakula tofaa
        anasafisha nyumba
        anasubiri basi
        anasikiliza muziki
        anafungua dirisha
        anajifunza lugha mpya
        anauza mboga
        anawasaidia watoto
        anatafuta ufunguo
        anakunywa maji baridi
        anafunga mlango
        anasimulia hadithi
        ananunua gazeti
    """),
    adverbials=lines("""
        asubuhi
        jioni
        leo
        usiku
        kila siku
        wakati wa kiangazi
        wakati wa baridi
        baada ya chakula cha mchana
        mara nyingi
        mwishoni mwa wiki
        saa sita mchana
        mara nyingine
    """),
    clauses=lines("""
        nyumba ni kubwa
        bahari imetulia
        usiku ni mrefu
        barabara iko tupu
        jua linawaka
        mvua inanyesha
        chakula kiko tayari
        dirisha liko wazi
        mlango umefungwa
        maji ni baridi
        supu ni moto
        watoto wanacheza
        ndege wanaimba
        mji ni mzuri
        duka limefungwa
        treni imechelewa
        kazi ni ngumu
        muda ni mfupi
        bustani ni ya kijani
        anga ni ya bluu
        mkate ni mpya
        swali ni rahisi
        jibu ni sahihi
        mbwa analala
    """),
    things=lines("""
        kitabu kiko
        ufunguo uko
        kikombe kiko
        mfuko uko
        barua iko
        taa iko
        simu iko
        kofia iko
        mpira uko
        kisu kiko
        kiti kiko
        chupa iko
        koti liko
        gazeti liko
    """),
    places=lines("""
        juu ya meza
        jikoni
        chini ya kitanda
        ndani ya gari
        nyumbani
        ofisini
        sakafuni
        karibu na dirisha
        ndani ya sanduku
        nyuma ya mlango
    """),
    names=("Anna", "Maria", "Ali", "Fatuma", "Daudi", "Sara", "Omari", "Ivan", "Danieli", "Laura", "Yusufu", "Elena"),
    templates=table("""
        narrative = {adverb}, {subject} {predicate}.
        both = {first}, na {second}.
        but = {first}, lakini {second}.
        says = {subject} anasema: {clause}.
        located = {thing} {place}.
        name = Jina langu ni {name}. Umri: {age}.
        today = Leo ni {full_date}.
        meeting = Mkutano: {full_date}, {time}.
        country = Nchi: {country}. Sarafu: {currency}.
        price = Bei: {amount}.
        weather = Hali ya hewa leo: {country}, {celsius}.
        weight = {thing} hapa. Uzito: {kilograms}.
        ago = Hiyo ilikuwa {ago}.
        number = Nambari {digits} huandikwa hivi: {words}.
        sum = {first} jumlisha {second} ni {total}.
        list = Nchi: {countries}.
    """),
    questions=table("""
        iso_date = Tarehe: {date}. Muundo wa ISO:
        number = Nambari: {words}. Kwa tarakimu:
        greater = Nambari ipi ni kubwa zaidi, {first} au {second}? Jibu:
        counting = Kuhesabu: {numbers}. Nambari inayofuata:
        currency = Jina: {name}. Nchi: {country}. Sarafu:
        sum = {first} jumlisha {second} ni ngapi? Jibu:
        translation = {source_name}: {phrase}. {target_name}:
    """),
)
