"""Spanish phrases of the lab."""

from neuroglot.lab.phrasebook import Phrasebook, lines, table

PHRASEBOOK = Phrasebook(
    code="es",
    subjects=lines("""
        el profesor
        mi hermano
        mi hermana
        el médico
        la niña
        el niño
        mi madre
        el agricultor
        la anciana
        mi padre
        el vecino
        mi hija
        el estudiante
        el cocinero
    """),
    predicates=lines("""
        lee un libro
        bebe té
        trabaja en el jardín
        compra pan
        escribe una carta
        cocina arroz
        canta una canción
        va a la escuela
        duerme en casa
        juega al fútbol
        mira una película
        come una manzana
        limpia la casa
        espera el autobús
        escucha música
        abre la ventana
        aprende un idioma nuevo
        vende verduras
        ayuda a los niños
        busca la llave
        bebe agua fría
        cierra la puerta
        cuenta una historia
        compra un periódico
    """),
    adverbials=lines("""
        por la mañana
        por la tarde
        hoy
        por la noche
        todos los días
        en verano
        en invierno
        después del almuerzo
        a menudo
        el fin de semana
        al mediodía
        a veces
    """),
    clauses=lines("""
        la casa es grande
        el mar está tranquilo
        la noche es larga
        la carretera está vacía
        el sol brilla
        está lloviendo
        la comida está lista
        la ventana está abierta
        la puerta está cerrada
        el agua está fría
        la sopa está caliente
        los niños juegan
        los pájaros cantan
        la ciudad es hermosa
        la tienda está cerrada
        el tren llega tarde
        el trabajo es duro
        el tiempo es corto
        el jardín está verde
        el cielo es azul
        el pan está fresco
        la pregunta es fácil
        la respuesta es correcta
        el perro duerme
    """),
    things=lines("""
        el libro
        la llave
        la taza
        el bolso
        la carta
        la lámpara
        el teléfono
        el sombrero
        la pelota
        el cuchillo
        la silla
        la botella
        el abrigo
        el periódico
    """),
    places=lines("""
        sobre la mesa
        en la cocina
        debajo de la cama
        en el coche
        en casa
        en la oficina
        en el suelo
        junto a la ventana
        en la caja
        detrás de la puerta
    """),
    names=("Anna", "María", "Alí", "Fátima", "David", "Sara", "Omar", "Iván", "Daniel", "Laura", "Yusuf", "Elena"),
    templates=table("""
        narrative = {adverb}, {subject} {predicate}.
        both = {first}, y {second}.
        but = {first}, pero {second}.
        says = {subject} dice: {clause}.
        located = {thing} está {place}.
        name = Me llamo {name}. Edad: {age}.
        today = Hoy es {full_date}.
        meeting = La reunión: {full_date}, {time}.
        country = País: {country}. Moneda: {currency}.
        price = El precio: {amount}.
        weather = El tiempo de hoy: {country}, {celsius}.
        weight = {thing} está aquí. Peso: {kilograms}.
        ago = Eso fue {ago}.
        number = El número {digits} se escribe así: {words}.
        sum = {first} más {second} son {total}.
        list = Países: {countries}.
    """),
    questions=table("""
        iso_date = Fecha: {date}. Formato ISO:
        number = Número: {words}. En cifras:
        greater = ¿Qué número es mayor, {first} o {second}? Respuesta:
        counting = Contar: {numbers}. El número siguiente:
        currency = Nombre: {name}. País: {country}. Moneda:
        sum = ¿Cuánto es {first} más {second}? Respuesta:
        translation = {source_name}: {phrase}. {target_name}:
    """),
)
