"""What Discord shows of the commands in the languages of its users. English is the text itself.

Discord picks by the language of whoever looks (API reference, Locales). A text without a translation stays English.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

#: The languages beside English, as Discord names them.
LOCALES = ("de", "fr", "es-ES", "pt-BR")
#: Languages that read what another one says: the Spanish of Latin America is one of its own to Discord.
_ALIKE = {"es-419": "es-ES"}

_TEXTS: Mapping[str, tuple[str, str, str, str]] = MappingProxyType(
    {
        "Moderate through Kovra": (
            "Mit Kovra moderieren",
            "Modérer avec Kovra",
            "Moderar con Kovra",
            "Moderar com o Kovra",
        ),
        "Look at cases and change them": (
            "Fälle ansehen und ändern",
            "Consulter et modifier les dossiers",
            "Ver y cambiar casos",
            "Ver e alterar casos",
        ),
        "What a member has on record": (
            "Was über ein Mitglied vermerkt ist",
            "Les antécédents d’un membre",
            "El historial de un miembro",
            "O histórico de um membro",
        ),
        "Ban a member, or anyone by their id": (
            "Ein Mitglied bannen, oder irgendwen per ID",
            "Bannir un membre, ou n’importe qui par son identifiant",
            "Banear a un miembro, o a cualquiera por su ID",
            "Banir um membro, ou qualquer pessoa pelo ID",
        ),
        "Lift a ban": ("Einen Bann aufheben", "Lever un bannissement", "Levantar un baneo", "Remover um banimento"),
        "Remove a member with their messages; they may come back": (
            "Ein Mitglied samt Nachrichten entfernen; es darf wiederkommen",
            "Retirer un membre et ses messages ; il peut revenir",
            "Quitar a un miembro y sus mensajes; puede volver",
            "Remover um membro e suas mensagens; pode voltar",
        ),
        "Remove a member from this server": (
            "Ein Mitglied vom Server entfernen",
            "Retirer un membre du serveur",
            "Expulsar a un miembro del servidor",
            "Remover um membro do servidor",
        ),
        "Time a member out": (
            "Ein Mitglied stummschalten",
            "Exclure temporairement un membre",
            "Aislar temporalmente a un miembro",
            "Silenciar um membro por um tempo",
        ),
        "End a member’s timeout": (
            "Die Stummschaltung beenden",
            "Mettre fin à l’exclusion d’un membre",
            "Terminar el aislamiento de un miembro",
            "Encerrar o silenciamento de um membro",
        ),
        "Warn a member; they are told by direct message": (
            "Ein Mitglied verwarnen; es wird per DN informiert",
            "Avertir un membre ; il est informé par message privé",
            "Advertir a un miembro; se le avisa por mensaje directo",
            "Advertir um membro; ele é avisado por mensagem direta",
        ),
        "Add a note that only moderators see": (
            "Eine Notiz, die nur Moderatoren sehen",
            "Ajouter une note que seuls les modérateurs voient",
            "Añadir una nota que solo ven los moderadores",
            "Adicionar uma nota que só moderadores veem",
        ),
        "Give a member a role, or take it": (
            "Einem Mitglied eine Rolle geben oder nehmen",
            "Donner ou retirer un rôle à un membre",
            "Dar o quitar un rol a un miembro",
            "Dar ou tirar um cargo de um membro",
        ),
        "Take all roles of a member, or give them back": (
            "Einem Mitglied alle Rollen nehmen oder zurückgeben",
            "Retirer tous les rôles d’un membre, ou les rendre",
            "Quitar todos los roles a un miembro, o devolverlos",
            "Tirar todos os cargos de um membro, ou devolvê-los",
        ),
        "Delete the latest messages of a channel or a member": (
            "Die neuesten Nachrichten eines Kanals oder Mitglieds löschen",
            "Supprimer les derniers messages d’un salon ou d’un membre",
            "Borrar los últimos mensajes de un canal o de un miembro",
            "Apagar as últimas mensagens de um canal ou membro",
        ),
        "Let nobody write in a channel": (
            "Niemanden in einem Kanal schreiben lassen",
            "Empêcher d’écrire dans un salon",
            "No dejar que nadie escriba en un canal",
            "Não deixar ninguém escrever em um canal",
        ),
        "Open a locked channel again": (
            "Einen gesperrten Kanal wieder öffnen",
            "Rouvrir un salon verrouillé",
            "Abrir de nuevo un canal bloqueado",
            "Reabrir um canal trancado",
        ),
        "Slow a channel down, or let it be as it was": (
            "Einen Kanal verlangsamen, oder wie vorher lassen",
            "Ralentir un salon, ou le remettre comme avant",
            "Ralentizar un canal, o dejarlo como estaba",
            "Deixar um canal lento, ou como estava",
        ),
        "Close the server to newcomers, or open it again": (
            "Den Server für Neue schließen, oder wieder öffnen",
            "Fermer le serveur aux nouveaux, ou le rouvrir",
            "Cerrar el servidor a los nuevos, o abrirlo de nuevo",
            "Fechar o servidor a novatos, ou reabri-lo",
        ),
        "What keeps Guard from its work, and what to do about it": (
            "Was Guard an der Arbeit hindert, und was dagegen zu tun ist",
            "Ce qui empêche Guard de travailler, et que faire",
            "Qué impide a Guard trabajar, y qué hacer",
            "O que impede o Guard de trabalhar, e o que fazer",
        ),
        "Show a case": ("Einen Fall zeigen", "Afficher un dossier", "Mostrar un caso", "Mostrar um caso"),
        "List the latest cases": (
            "Die neuesten Fälle auflisten",
            "Lister les derniers dossiers",
            "Listar los últimos casos",
            "Listar os últimos casos",
        ),
        "Change the reason or the duration of a case": (
            "Grund oder Dauer eines Falls ändern",
            "Modifier le motif ou la durée d’un dossier",
            "Cambiar el motivo o la duración de un caso",
            "Alterar o motivo ou a duração de um caso",
        ),
        "Make a case count no more": (
            "Einen Fall ungültig machen",
            "Annuler un dossier",
            "Anular un caso",
            "Anular um caso",
        ),
        "Take a case back": (
            "Einen Fall zurücknehmen",
            "Revenir sur un dossier",
            "Revertir un caso",
            "Reverter um caso",
        ),
        "Whom; an id will do": (
            "Wen; eine ID genügt",
            "Qui ; un ID suffit",
            "A quién; basta un ID",
            "Quem; um ID basta",
        ),
        "The id of the banned user": (
            "Die ID des Gebannten",
            "L’ID de la personne bannie",
            "El ID del usuario baneado",
            "O ID do usuário banido",
        ),
        "Why, for the case and Discord’s audit log": (
            "Warum, für den Fall und Discords Audit-Log",
            "Pourquoi, pour le dossier et le journal de Discord",
            "Por qué, para el caso y el registro de Discord",
            "Por quê, para o caso e o registro do Discord",
        ),
        "What the member is told": (
            "Was dem Mitglied gesagt wird",
            "Ce qui est dit au membre",
            "Lo que se le dice al miembro",
            "O que é dito ao membro",
        ),
        "What the note says": (
            "Was die Notiz sagt",
            "Le texte de la note",
            "Lo que dice la nota",
            "O que diz a nota",
        ),
        "How long: 10m, 2h, 7d, or a date such as 2026-12-24": (
            "Wie lange: 10m, 2h, 7d oder ein Datum wie 2026-12-24",
            "Combien de temps : 10m, 2h, 7d, ou une date comme 2026-12-24",
            "Cuánto: 10m, 2h, 7d, o una fecha como 2026-12-24",
            "Por quanto tempo: 10m, 2h, 7d, ou uma data como 2026-12-24",
        ),
        "Which of their messages go too; without a choice, none": (
            "Welche Nachrichten mit verschwinden; ohne Wahl keine",
            "Quels messages partent aussi ; sans choix, aucun",
            "Qué mensajes se borran también; sin elegir, ninguno",
            "Quais mensagens somem também; sem escolha, nenhuma",
        ),
        "The number of the case": (
            "Die Nummer des Falls",
            "Le numéro du dossier",
            "El número del caso",
            "O número do caso",
        ),
        "Which channel; this one if none is chosen": (
            "Welcher Kanal; ohne Wahl dieser",
            "Quel salon ; sans choix, celui-ci",
            "Qué canal; sin elegir, este",
            "Qual canal; sem escolha, este",
        ),
        "How many messages": ("Wie viele Nachrichten", "Combien de messages", "Cuántos mensajes", "Quantas mensagens"),
        "Give it or take it": ("Geben oder nehmen", "Donner ou retirer", "Dar o quitar", "Dar ou tirar"),
        "Begin it or end it": (
            "Beginnen oder beenden",
            "Commencer ou finir",
            "Empezar o terminar",
            "Começar ou encerrar",
        ),
        "On or off": ("An oder aus", "Activer ou désactiver", "Activar o desactivar", "Ligar ou desligar"),
        "Which role": ("Welche Rolle", "Quel rôle", "Qué rol", "Qual cargo"),
        "A role to have meanwhile": (
            "Eine Rolle für die Zwischenzeit",
            "Un rôle en attendant",
            "Un rol mientras tanto",
            "Um cargo enquanto isso",
        ),
        "Between two messages; without it, as it was before": (
            "Zwischen zwei Nachrichten; ohne Angabe wie vorher",
            "Entre deux messages ; sans valeur, comme avant",
            "Entre dos mensajes; sin valor, como antes",
            "Entre duas mensagens; sem valor, como antes",
        ),
        "History": ("Verlauf", "Historique", "Historial", "Histórico"),
        "Moderate": ("Moderieren", "Modérer", "Moderar", "Moderar"),
        "Act on this message": (
            "Wegen dieser Nachricht handeln",
            "Agir sur ce message",
            "Actuar sobre este mensaje",
            "Agir sobre esta mensagem",
        ),
        "This message": ("Diese Nachricht", "Ce message", "Este mensaje", "Esta mensagem"),
        "It is kept as evidence either way": (
            "Als Beweis bleibt sie in jedem Fall",
            "Il est gardé comme preuve dans tous les cas",
            "Se guarda como prueba en cualquier caso",
            "Ela é guardada como prova de qualquer forma",
        ),
        "Leave it where it is": ("Stehen lassen", "Le laisser", "Dejarlo donde está", "Deixar onde está"),
        "Delete it": ("Löschen", "Le supprimer", "Borrarlo", "Apagar"),
        "Action": ("Aktion", "Action", "Acción", "Ação"),
        "Reason": ("Grund", "Motif", "Motivo", "Motivo"),
        "A warning and a note need one": (
            "Eine Verwarnung und eine Notiz brauchen einen",
            "Un avertissement et une note en ont besoin",
            "Una advertencia y una nota lo necesitan",
            "Um aviso e uma nota precisam de um",
        ),
        "Duration": ("Dauer", "Durée", "Duración", "Duração"),
        "Of a mute, ban or quarantine: 10m, 2h, 7d, or a date": (
            "Einer Stummschaltung, eines Banns, einer Quarantäne: 10m, 2h, 7d oder ein Datum",
            "D’une exclusion, d’un bannissement, d’une quarantaine : 10m, 2h, 7d, ou une date",
            "De un aislamiento, baneo o cuarentena: 10m, 2h, 7d, o una fecha",
            "De um silenciamento, banimento ou quarentena: 10m, 2h, 7d, ou uma data",
        ),
        "Delete messages": ("Nachrichten löschen", "Supprimer des messages", "Borrar mensajes", "Apagar mensagens"),
        "With a ban or softban": (
            "Bei einem Bann oder Softban",
            "Avec un bannissement ou un softban",
            "Con un baneo o softban",
            "Com um banimento ou softban",
        ),
    }
)


def said(text: str, locale: str | None) -> str:
    """A text in the language of who looks; English when it has none in it."""
    return spoken(text).get(locale or "", text)


def spoken(text: str) -> dict[str, str]:
    """A text in each language that has it."""
    if text not in _TEXTS:
        return {}
    found = dict(zip(LOCALES, _TEXTS[text], strict=True))
    return found | {locale: found[like] for locale, like in _ALIKE.items()}
