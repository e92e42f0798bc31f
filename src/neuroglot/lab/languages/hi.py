"""Hindi phrases of the lab; masculine verbs in -ता है become feminine in -ती है."""

from neuroglot.lab.phrasebook import Phrasebook, lines, table

PHRASEBOOK = Phrasebook(
    code="hi",
    subjects=lines("""
        अध्यापक
        मेरा भाई
        मेरी बहन
        डॉक्टर
        लड़की
        लड़का
        मेरी माँ
        किसान
        बूढ़ी औरत
        मेरा पिता
        पड़ोसी
        मेरी बेटी
        छात्र
        रसोइया
    """),
    predicates=lines("""
        किताब पढ़ता है
        चाय पीता है
        बगीचे में काम करता है
        रोटी खरीदता है
        चिट्ठी लिखता है
        चावल पकाता है
        गाना गाता है
        स्कूल जाता है
        घर पर सोता है
        फुटबॉल खेलता है
        फ़िल्म देखता है
        सेब खाता है
        घर साफ़ करता है
        बस का इंतज़ार करता है
        संगीत सुनता है
        खिड़की खोलता है
        नई भाषा सीखता है
        सब्ज़ियाँ बेचता है
        बच्चों की मदद करता है
        चाबी ढूँढता है
        ठंडा पानी पीता है
        दरवाज़ा बंद करता है
        कहानी सुनाता है
        अख़बार खरीदता है
    """),
    adverbials=lines("""
        सुबह
        शाम को
        आज
        रात को
        हर दिन
        गर्मियों में
        सर्दियों में
        दोपहर के खाने के बाद
        अक्सर
        सप्ताहांत में
        दोपहर को
        कभी-कभी
    """),
    clauses=lines("""
        घर बड़ा है
        समुद्र शांत है
        रात लंबी है
        सड़क खाली है
        सूरज चमक रहा है
        बारिश हो रही है
        खाना तैयार है
        खिड़की खुली है
        दरवाज़ा बंद है
        पानी ठंडा है
        सूप गरम है
        बच्चे खेल रहे हैं
        पक्षी गा रहे हैं
        शहर सुंदर है
        दुकान बंद है
        रेलगाड़ी देर से चल रही है
        काम कठिन है
        समय कम है
        बगीचा हरा है
        आसमान नीला है
        रोटी ताज़ी है
        सवाल आसान है
        जवाब सही है
        कुत्ता सो रहा है
    """),
    things=lines("""
        किताब
        चाबी
        प्याला
        थैला
        चिट्ठी
        दीया
        फ़ोन
        टोपी
        गेंद
        चाकू
        कुर्सी
        बोतल
        कोट
        अख़बार
    """),
    places=lines("""
        मेज़ पर
        रसोई में
        बिस्तर के नीचे
        गाड़ी में
        घर पर
        दफ़्तर में
        फ़र्श पर
        खिड़की के पास
        डिब्बे में
        दरवाज़े के पीछे
    """),
    names=("अन्ना", "मारिया", "अली", "फ़ातिमा", "डेविड", "सारा", "उमर", "इवान", "डैनियल", "लौरा", "यूसुफ़", "एलेना"),
    templates=table("""
        narrative = {adverb} {subject} {predicate}।
        both = {first}, और {second}।
        but = {first}, लेकिन {second}।
        says = {subject} कहता है: {clause}।
        located = {thing} {place} है।
        name = मेरा नाम {name} है। उम्र: {age}।
        today = आज {full_date} है।
        meeting = बैठक: {full_date}, {time}।
        country = देश: {country}। मुद्रा: {currency}।
        price = कीमत: {amount}।
        weather = आज का मौसम: {country}, {celsius}।
        weight = {thing} यहाँ है। वज़न: {kilograms}।
        ago = यह {ago} हुआ।
        number = संख्या {digits} ऐसे लिखी जाती है: {words}।
        sum = {first} जमा {second} बराबर {total}।
        list = देश: {countries}।
    """),
    questions=table("""
        iso_date = तारीख: {date}। ISO रूप:
        number = संख्या: {words}। अंकों में:
        greater = कौन सी संख्या बड़ी है, {first} या {second}? उत्तर:
        counting = गिनती: {numbers}। अगली संख्या:
        currency = नाम: {name}। देश: {country}। मुद्रा:
        sum = {first} जमा {second} कितने होते हैं? उत्तर:
        translation = {source_name}: {phrase}। {target_name}:
    """),
    feminine=("ता है", "ती है"),
)
