"""German phrases of the lab; the verb stands second, so predicates are cut after it."""

from neuroglot.lab.phrasebook import Phrasebook, lines, table

PHRASEBOOK = Phrasebook(
    code="de",
    subjects=lines("""
        der Lehrer
        mein Bruder
        meine Schwester
        der Arzt
        das Mädchen
        der Junge
        meine Mutter
        der Bauer
        die alte Frau
        mein Vater
        der Nachbar
        meine Tochter
        der Student
        der Koch
    """),
    predicates=lines("""
        liest|ein Buch
        trinkt|Tee
        arbeitet|im Garten
        kauft|Brot
        schreibt|einen Brief
        kocht|Reis
        singt|ein Lied
        geht|zur Schule
        schläft|zu Hause
        spielt|Fußball
        sieht|einen Film
        isst|einen Apfel
        putzt|das Haus
        wartet|auf den Bus
        hört|Musik
        öffnet|das Fenster
        lernt|eine neue Sprache
        verkauft|Gemüse
        hilft|den Kindern
        sucht|den Schlüssel
        trinkt|kaltes Wasser
        schließt|die Tür
        erzählt|eine Geschichte
        kauft|eine Zeitung
    """),
    adverbials=lines("""
        am Morgen
        am Abend
        heute
        in der Nacht
        jeden Tag
        im Sommer
        im Winter
        nach dem Mittagessen
        oft
        am Wochenende
        am Mittag
        manchmal
    """),
    clauses=lines("""
        das Haus ist groß
        das Meer ist ruhig
        die Nacht ist lang
        die Straße ist leer
        die Sonne scheint
        es regnet
        das Essen ist fertig
        das Fenster ist offen
        die Tür ist geschlossen
        das Wasser ist kalt
        die Suppe ist heiß
        die Kinder spielen
        die Vögel singen
        die Stadt ist schön
        das Geschäft ist geschlossen
        der Zug hat Verspätung
        die Arbeit ist schwer
        die Zeit ist knapp
        der Garten ist grün
        der Himmel ist blau
        das Brot ist frisch
        die Frage ist leicht
        die Antwort ist richtig
        der Hund schläft
    """),
    things=lines("""
        das Buch
        der Schlüssel
        die Tasse
        die Tasche
        der Brief
        die Lampe
        das Telefon
        der Hut
        der Ball
        das Messer
        der Stuhl
        die Flasche
        der Mantel
        die Zeitung
    """),
    places=lines("""
        auf dem Tisch
        in der Küche
        unter dem Bett
        im Auto
        zu Hause
        im Büro
        auf dem Boden
        am Fenster
        in der Schachtel
        hinter der Tür
    """),
    names=("Anna", "Maria", "Ali", "Fatima", "David", "Sara", "Omar", "Iwan", "Daniel", "Laura", "Yusuf", "Elena"),
    templates=table("""
        narrative = {adverb} {verb} {subject} {rest}.
        both = {first}, und {second}.
        but = {first}, aber {second}.
        says = {subject} sagt: {clause}.
        located = {thing} ist {place}.
        name = Ich heiße {name}. Alter: {age}.
        today = Heute ist {full_date}.
        meeting = Die Besprechung: {full_date}, {time}.
        country = Land: {country}. Währung: {currency}.
        price = Der Preis: {amount}.
        weather = Das Wetter heute: {country}, {celsius}.
        weight = {thing} ist hier. Gewicht: {kilograms}.
        ago = Das war {ago}.
        number = Die Zahl {digits} schreibt man so: {words}.
        sum = {first} plus {second} ist {total}.
        list = Länder: {countries}.
    """),
    questions=table("""
        iso_date = Datum: {date}. ISO-Format:
        number = Zahl: {words}. In Ziffern:
        greater = Welche Zahl ist größer, {first} oder {second}? Antwort:
        counting = Zählen: {numbers}. Die nächste Zahl:
        currency = Name: {name}. Land: {country}. Währung:
        sum = Was ist {first} plus {second}? Antwort:
        translation = {source_name}: {phrase}. {target_name}:
    """),
)
