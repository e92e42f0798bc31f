"""French phrases of the lab."""

from neuroglot.lab.phrasebook import Phrasebook, lines, table

PHRASEBOOK = Phrasebook(
    code="fr",
    subjects=lines("""
        le professeur
        mon frère
        ma sœur
        le médecin
        la fille
        le garçon
        ma mère
        le fermier
        la vieille femme
        mon père
        le voisin
        ma fille
        l'étudiant
        le cuisinier
    """),
    predicates=lines("""
        lit un livre
        boit du thé
        travaille dans le jardin
        achète du pain
        écrit une lettre
        cuit du riz
        chante une chanson
        va à l'école
        dort à la maison
        joue au football
        regarde un film
        mange une pomme
        nettoie la maison
        attend le bus
        écoute de la musique
        ouvre la fenêtre
        apprend une nouvelle langue
        vend des légumes
        aide les enfants
        cherche la clé
        boit de l'eau froide
        ferme la porte
        raconte une histoire
        achète un journal
    """),
    adverbials=lines("""
        le matin
        le soir
        aujourd'hui
        la nuit
        chaque jour
        en été
        en hiver
        après le déjeuner
        souvent
        le week-end
        à midi
        parfois
    """),
    clauses=lines("""
        la maison est grande
        la mer est calme
        la nuit est longue
        la route est vide
        le soleil brille
        il pleut
        le repas est prêt
        la fenêtre est ouverte
        la porte est fermée
        l'eau est froide
        la soupe est chaude
        les enfants jouent
        les oiseaux chantent
        la ville est belle
        le magasin est fermé
        le train est en retard
        le travail est dur
        le temps est court
        le jardin est vert
        le ciel est bleu
        le pain est frais
        la question est facile
        la réponse est juste
        le chien dort
    """),
    things=lines("""
        le livre
        la clé
        la tasse
        le sac
        la lettre
        la lampe
        le téléphone
        le chapeau
        le ballon
        le couteau
        la chaise
        la bouteille
        le manteau
        le journal
    """),
    places=lines("""
        sur la table
        dans la cuisine
        sous le lit
        dans la voiture
        à la maison
        au bureau
        par terre
        près de la fenêtre
        dans la boîte
        derrière la porte
    """),
    names=("Anna", "Maria", "Ali", "Fatima", "David", "Sara", "Omar", "Ivan", "Daniel", "Laura", "Youssouf", "Elena"),
    templates=table("""
        narrative = {adverb}, {subject} {predicate}.
        both = {first}, et {second}.
        but = {first}, mais {second}.
        says = {subject} dit : {clause}.
        located = {thing} est {place}.
        name = Je m'appelle {name}. Âge : {age}.
        today = Nous sommes le {full_date}.
        meeting = La réunion : {full_date}, {time}.
        country = Pays : {country}. Monnaie : {currency}.
        price = Le prix : {amount}.
        weather = La météo du jour : {country}, {celsius}.
        weight = {thing} est ici. Poids : {kilograms}.
        ago = C'était {ago}.
        number = Le nombre {digits} s'écrit ainsi : {words}.
        sum = {first} plus {second} font {total}.
        list = Pays : {countries}.
    """),
    questions=table("""
        iso_date = Date : {date}. Format ISO :
        number = Nombre : {words}. En chiffres :
        greater = Quel nombre est le plus grand, {first} ou {second} ? Réponse :
        counting = Compter : {numbers}. Le nombre suivant :
        currency = Nom : {name}. Pays : {country}. Monnaie :
        sum = Combien font {first} plus {second} ? Réponse :
        translation = {source_name} : {phrase}. {target_name} :
    """),
)
