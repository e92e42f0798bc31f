"""English phrases of the lab: the table that the other languages are read beside."""

from neuroglot.lab.phrasebook import Phrasebook, lines, table

PHRASEBOOK = Phrasebook(
    code="en",
    subjects=lines("""
        the teacher
        my brother
        my sister
        the doctor
        the girl
        the boy
        my mother
        the farmer
        the old woman
        my father
        the neighbour
        my daughter
        the student
        the cook
    """),
    predicates=lines("""
        reads a book
        drinks tea
        works in the garden
        buys bread
        writes a letter
        cooks rice
        sings a song
        goes to school
        sleeps at home
        plays football
        watches a film
        eats an apple
        cleans the house
        waits for the bus
        listens to music
        opens the window
        learns a new language
        sells vegetables
        helps the children
        looks for the key
        drinks cold water
        closes the door
        tells a story
        buys a newspaper
    """),
    adverbials=lines("""
        in the morning
        in the evening
        today
        at night
        every day
        in summer
        in winter
        after lunch
        often
        at the weekend
        at noon
        sometimes
    """),
    clauses=lines("""
        the house is big
        the sea is calm
        the night is long
        the road is empty
        the sun is shining
        it is raining
        the food is ready
        the window is open
        the door is closed
        the water is cold
        the soup is hot
        the children are playing
        the birds are singing
        the city is beautiful
        the shop is closed
        the train is late
        the work is hard
        time is short
        the garden is green
        the sky is blue
        the bread is fresh
        the question is easy
        the answer is correct
        the dog is sleeping
    """),
    things=lines("""
        the book
        the key
        the cup
        the bag
        the letter
        the lamp
        the phone
        the hat
        the ball
        the knife
        the chair
        the bottle
        the coat
        the newspaper
    """),
    places=lines("""
        on the table
        in the kitchen
        under the bed
        in the car
        at home
        in the office
        on the floor
        by the window
        in the box
        behind the door
    """),
    names=("Anna", "Maria", "Ali", "Fatima", "David", "Sara", "Omar", "Ivan", "Daniel", "Laura", "Yusuf", "Elena"),
    templates=table("""
        narrative = {adverb}, {subject} {predicate}.
        both = {first}, and {second}.
        but = {first}, but {second}.
        says = {subject} says: {clause}.
        located = {thing} is {place}.
        name = My name is {name}. Age: {age}.
        today = Today is {full_date}.
        meeting = The meeting: {full_date}, {time}.
        country = Country: {country}. Currency: {currency}.
        price = The price: {amount}.
        weather = The weather today: {country}, {celsius}.
        weight = {thing} is here. Weight: {kilograms}.
        ago = That was {ago}.
        number = The number {digits} is written like this: {words}.
        sum = {first} plus {second} is {total}.
        list = Countries: {countries}.
    """),
    questions=table("""
        iso_date = Date: {date}. ISO format:
        number = Number: {words}. In digits:
        greater = Which number is greater, {first} or {second}? Answer:
        counting = Counting: {numbers}. The next number:
        currency = Name: {name}. Country: {country}. Currency:
        sum = What is {first} plus {second}? Answer:
        translation = {source_name}: {phrase}. {target_name}:
    """),
)
